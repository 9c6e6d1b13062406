import { agentChange, createRegistrationToken, disableRequest } from "../../../schema/wire/agents.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { agentState } from "../../../schema/wire/state_words.ts";
import { readText, validated } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { unwrap } from "../../platform/result.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import { historyOfAgent } from "../history.ts";
import { presentAgent, presentRegistrationToken } from "../present.ts";
import { changeAgent, makeRegistrationToken, removeAgent, revokeToken } from "../service.ts";
import { AgentPage, AgentsPage } from "./agents_page.tsx";
import type { TokenFields, TokenForm } from "./registration_tokens.tsx";

/** The pages of agents and their forms. A rejected form keeps its values. */

type Reader = RequestContext<"user">;

const EMPTY: TokenFields = { uses: "1", expires_in: "1h", labels: "", projects: "", runs: "any" };

export function agentsPage(context: Reader): Promise<Response> {
	return showAgents(context, { fields: EMPTY, errors: [], message: null, created: null });
}

async function showAgents(context: Reader, form: TokenForm, status = 200): Promise<Response> {
	const { environment, principal } = context;
	const dispatcher = dispatcherOf(environment, principal.team);
	const [agents, tokens] = await Promise.all([dispatcher.readAgents(), dispatcher.listRegistrationTokens()]);
	const children = (
		<AgentsPage agents={agents.map(presentAgent)} tokens={tokens.map(presentRegistrationToken)} form={form} server={context.baseUrl} />
	);
	return page(context, { title: "Agents", section: "agents", follows: isRead(context) ? "everything" : null, children }, status);
}

export function agentPage(context: Reader): Promise<Response> {
	return showAgent(context, null);
}

async function showAgent(context: Reader, error: ApiError | null): Promise<Response> {
	const { environment, principal, params } = context;
	const agent = presentAgent(unwrap(await dispatcherOf(environment, principal.team).readAgent(params.id ?? "")));
	const history = await historyOfAgent(environment.DB, principal.team, agent.id);
	const children = <AgentPage agent={agent} history={history} errors={error ? validationErrorsIn(error) : []} />;
	return page(
		context,
		{ title: agent.name, state: agentState(agent), section: "agents", follows: isRead(context) ? "everything" : null, children },
		error?.status ?? 200,
	);
}

/** The address of a submitted form takes only POST: its page cannot follow changes. */
function isRead({ request }: Reader): boolean {
	return request.method === "GET";
}

/** Creates a token. Only the page of this answer shows it. */
export async function submitToken(context: Reader): Promise<Response> {
	const form = await readForm(context.request);
	const text = (name: keyof TokenFields) => (form.get(name) ?? "").trim();
	const fields: TokenFields = {
		uses: text("uses"),
		expires_in: text("expires_in"),
		labels: text("labels"),
		projects: text("projects"),
		runs: text("runs"),
	};
	try {
		const { uses, expires_in, runs } = fields;
		const wanted = { uses: Number(uses), expires_in, labels: listOf(fields.labels), projects: listOf(fields.projects), runs };
		const created = await makeRegistrationToken(context, validated(createRegistrationToken, wanted));
		return showAgents(context, { fields: EMPTY, errors: [], message: null, created }, 201);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const errors = validationErrorsIn(error);
		return showAgents(context, { fields, errors, message: errors.length === 0 ? error.message : null, created: null }, error.status);
	}
}

export async function submitTokenRevocation(context: Reader): Promise<Response> {
	await revokeToken(context);
	return backTo("/agents");
}

export async function submitDisable(context: Reader): Promise<Response> {
	const form = await readForm(context.request);
	const { running } = validated(disableRequest, Object.fromEntries(form));
	await changeAgent(context, { kind: "disable", cancel: running === "cancel" });
	return backTo(`/agents/${context.params.id}`);
}

/** A button without fields. */
function changing(kind: "enable" | "drain" | "rotate") {
	return async (context: Reader): Promise<Response> => {
		await changeAgent(context, { kind });
		return backTo(`/agents/${context.params.id}`);
	};
}
export const submitEnable = changing("enable");
export const submitDrain = changing("drain");
export const submitRotation = changing("rotate");

export async function submitRestriction(context: Reader): Promise<Response> {
	const form = await readForm(context.request);
	try {
		const restriction = validated(agentChange, { projects: listOf(form.get("projects") ?? ""), runs: form.get("runs") ?? "any" });
		await changeAgent(context, { kind: "restrict", ...restriction });
		return backTo(`/agents/${context.params.id}`);
	} catch (error) {
		if (!(error instanceof ApiError) || validationErrorsIn(error).length === 0) throw error;
		return showAgent(context, error);
	}
}

export async function submitDeletion(context: Reader): Promise<Response> {
	await removeAgent(context);
	return backTo("/agents");
}

async function readForm(request: Request): Promise<URLSearchParams> {
	return new URLSearchParams(await readText(request, MAX_PROTOCOL_BODY_BYTES));
}

/** The names in a text with commas or spaces. */
function listOf(text: string): string[] {
	return text.split(/[\s,]+/).filter(Boolean);
}
