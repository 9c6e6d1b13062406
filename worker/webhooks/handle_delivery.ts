import type { DeliveryRow, ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { isBranchOrTag } from "../../schema/wire/refs.ts";
import { type Trigger, whySkipped } from "../../schema/wire/triggers.ts";
import type { Environment } from "../bindings.ts";
import { ALL_FILES, discoverySubmission } from "../discovery/service.ts";
import type { BodyCheck } from "../http/checked_body.ts";
import { sha256 } from "../identity/digest.ts";
import { hex } from "../platform/bytes.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { DeliveredRef, Standing } from "../queue/core/discovery/refs.ts";
import { findProject } from "../record/projects.ts";
import { readSecrets } from "../secrets/service.ts";
import { defaultBranchIn } from "./default_branch.ts";
import type { Provider } from "./delivery.ts";
import { mayBeCalled } from "./forge.ts";
import { checkingPayload, isForm, payloadBytes } from "./form_payload.ts";
import { generic } from "./generic.ts";
import { gitea, github } from "./github.ts";
import { gitlab } from "./gitlab.ts";
import { type NewDelivery, recordDelivery, recordOutcome, unhandledDeliveries } from "./store.ts";

/**
 * Handles a delivery: verifies its signature, stores it and submits a discovery run. The forge
 * gets its answer before an agent runs the discovery job.
 *
 * The delivery is stored before its discovery run is submitted, and gets its outcome afterwards. A
 * stop in between leaves a stored delivery without an outcome. A repeat or `resumeDeliveries`
 * submits its run then, because forges do not deliver again by themselves. The queue recognizes a
 * repeated submission by the id of the delivery.
 */

/** Gitea comes first: Gitea and Forgejo also send the headers of GitHub. */
const PROVIDERS: readonly Provider[] = [gitea, github, gitlab, generic];
const MINUTE_MS = 60_000;
/** Older deliveries are not resumed. */
const RESUMED_MS = 7 * 24 * 60 * MINUTE_MS;
const RESUMED_AT_ONCE = 100;

/** A stored delivery, and whether it is a repeat. */
export interface HandledDelivery {
	row: DeliveryRow;
	isRepeat: boolean;
}

/** A request to a hook. */
export interface HookRequest {
	headers: Headers;
	/** Reads the body and verifies it meanwhile; null if the signature is wrong. */
	read(check: BodyCheck): Promise<Uint8Array<ArrayBuffer> | null>;
}

/**
 * @throws ApiError `forbidden` for a hook without a secret or of another forge,
 * `authentication_required`, `malformed`
 */
export async function handleDelivery(
	environment: Environment,
	project: ProjectRow,
	{ headers, read }: HookRequest,
): Promise<HandledDelivery> {
	const provider = PROVIDERS.find((one) => one.matches(headers));
	if (!provider) {
		throw new ApiError("malformed", "The headers of the webhook are of no known forge.", {
			suggestions: [
				"Send it from GitHub, Gitea, Forgejo or GitLab, or with the headers webhook-id, webhook-timestamp and webhook-signature.",
			],
		});
	}
	const { forge } = provider;
	const check = await provider.check(headers, await secretOf(environment, project));
	const isTextSigned = provider.signsPayloadOfForms && isForm(headers);
	const bytes = check && (await read(isTextSigned ? checkingPayload(check) : check));
	if (!bytes) throw await wrongSignature(environment, project, forge);
	const { delivery: named, event } = provider.describe(headers);
	const payloadText = payloadBytes(headers, bytes);
	// A form can encode one JSON text in many ways. Where the text is signed, the text identifies the
	// delivery.
	const digest = hex(await crypto.subtle.digest("SHA-256", provider.signsPayloadOfForms ? payloadText : bytes));
	const delivery = named === "" ? `content ${await sha256(`${event} ${digest}`)}` : named.slice(0, 200);
	const identity = { forge, delivery, event, body_digest: provider.signsBodyAlone ? digest : null };
	let found: Trigger | string;
	let repository: string | null = null;
	try {
		const payload = parseJson(payloadText);
		repository = provider.repositoryOf(payload);
		found = withDefaultBranch(provider.read(event, payload), payload);
	} catch (error) {
		if (error instanceof ApiError)
			await record(environment, project, { ...identity, outcome: "rejected", reason: error.message, trigger: null, repository });
		throw error;
	}
	const trigger = typeof found === "string" ? null : JSON.stringify(found);
	const wrongForge = otherForge(project, forge);
	if (wrongForge !== null) {
		// The trigger is stored: the delivery can be replayed once the project names the right forge.
		await record(environment, project, { ...identity, outcome: "rejected", reason: wrongForge, trigger, repository });
		throw new ApiError("forbidden", `The delivery is rejected: ${wrongForge}.`, {
			suggestions: [`If the project is on ${forge}, run: windlass projects edit ${project.name} --forge ${forge}`],
		});
	}
	const wrongRepository = otherRepository(project, repository);
	const ignored = wrongRepository ?? (typeof found === "string" ? found : skipped(project, found));
	// The queue records a skipped commit first: a comparison must not run it, even if storing the
	// delivery fails.
	const skippedRef =
		ignored !== null && wrongRepository === null && typeof found !== "string" ? deliveredRefOf(project, found, forge) : null;
	if (skippedRef) await dispatcherOf(environment, project.team).recordDelivered(skippedRef);
	const recorded = await record(environment, project, {
		...identity,
		outcome: ignored === null ? "received" : "ignored",
		reason: ignored ?? "",
		trigger,
		repository,
	});
	if (recorded.row.outcome !== "received" || recorded.row.trigger === null) return recorded;
	return { ...recorded, row: await submitDiscovery(environment, project, recorded.row, JSON.parse(recorded.row.trigger) as Trigger) };
}

function withDefaultBranch(found: Trigger | string, payload: unknown): Trigger | string {
	const branch = defaultBranchIn(payload);
	return typeof found === "string" || branch === null ? found : { ...found, default_branch: branch };
}

/** Why a stored delivery starts no run with the present settings; null if it starts one. */
export function whyIgnored(project: ProjectRow, row: DeliveryRow, trigger: Trigger): string | null {
	return otherForge(project, row.forge) ?? otherRepository(project, row.repository) ?? skipped(project, trigger);
}

/**
 * The minute of the last stored wrong signature, by project and forge. Otherwise anybody could
 * fill the table.
 */
const recordedMinutes = new Map<string, number>();
const MAX_RECORDED = 1_000;

/**
 * Stores a wrong signature once a minute. The id and the event of an unsigned delivery are not
 * trusted.
 */
async function wrongSignature(environment: Environment, project: ProjectRow, forge: DeliveryRow["forge"]): Promise<ApiError> {
	const minute = Math.floor(Date.now() / MINUTE_MS);
	const key = `${project.id} ${forge}`;
	if (recordedMinutes.get(key) !== minute) {
		if (recordedMinutes.size >= MAX_RECORDED) recordedMinutes.clear();
		recordedMinutes.set(key, minute);
		const delivery = `rejected ${new Date(minute * MINUTE_MS).toISOString()}`;
		const reason = "the signature does not match, or the timestamp is older than five minutes";
		const unknown = { event: "unknown", trigger: null, repository: null, body_digest: null };
		await record(environment, project, { forge, delivery, outcome: "rejected", reason, ...unknown });
	}
	return new ApiError("authentication_required", "The webhook's signature does not match, or its timestamp is older than five minutes.", {
		team: project.team,
		suggestions: [`Set the forge's webhook secret to the value of secret \`${project.hook_secret}\`.`],
	});
}

/**
 * A project with a forge rejects deliveries of other forges. Deliveries of programs have a
 * signature of their own kind.
 */
function otherForge(project: ProjectRow, forge: DeliveryRow["forge"]): string | null {
	if (project.forge === null || forge === "generic" || forge === "comparison" || forge === project.forge) return null;
	return `the forge of this project is ${project.forge}, but its headers are those of ${forge}`;
}

/**
 * Submits the discovery runs of stored deliveries without an outcome. A delivery that fails stays
 * for the next call.
 */
export async function resumeDeliveries(environment: Environment, now: number): Promise<void> {
	for (const row of await unhandledDeliveries(environment.DB, now - RESUMED_MS, RESUMED_AT_ONCE)) {
		try {
			await resumeDelivery(environment, row);
		} catch (error) {
			if (error instanceof ApiError) return;
			log("warn", "a delivery cannot be handled", { delivery: row.id, ...errorFields(error) });
		}
	}
}

/**
 * Submits the discovery run of a stored delivery, or rejects a delivery that can never run.
 * @throws ApiError `unavailable`
 */
export async function resumeDelivery(environment: Environment, row: DeliveryRow): Promise<void> {
	try {
		const project = await findProject(environment.DB, row.team, row.project);
		if (!project || row.trigger === null) throw notFound("project", row.project);
		await submitDiscovery(environment, project, row, JSON.parse(row.trigger) as Trigger);
	} catch (error) {
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		log("warn", "a delivery cannot be handled", { delivery: row.id, ...errorFields(error) });
		await recordOutcome(environment.DB, row.id, { outcome: "rejected", reason: error.message, runId: null });
	}
}

/** The ref and commit of a push; null for a pull request or a delivery without a commit. */
function deliveredRefOf({ name }: ProjectRow, { kind, ref, sha, before }: Trigger, forge: DeliveryRow["forge"]): DeliveredRef | null {
	const isOfRef = kind !== "pull_request" && isBranchOrTag(ref);
	return isOfRef && sha !== null ? { project: name, ref, sha, before, isCompared: forge === "comparison" } : null;
}

/** @throws ApiError `forbidden` if the project has no usable hook secret */
async function secretOf(environment: Environment, { team, name, hook_secret }: ProjectRow): Promise<string> {
	if (hook_secret === null) {
		throw new ApiError("forbidden", "The hook is closed: its project has no hook secret.", {
			suggestions: [`Run: windlass secrets set hook --project ${name} && windlass projects edit ${name} --hook-secret hook`],
		});
	}
	const secret = (await readSecrets(environment, team, name, [hook_secret])).get(hook_secret);
	const key = secret?.trim() ?? "";
	if (key !== "") return key;
	const problem = secret === undefined ? `the secret ${hook_secret} does not exist` : `the secret ${hook_secret} is empty`;
	throw new ApiError("forbidden", `The hook is closed: ${problem}.`, {
		suggestions: [`Run: windlass secrets set ${hook_secret} --project ${name}`],
	});
}

/**
 * Why the delivery is of a different repository; null if it is not. The webhook of an organization
 * sends deliveries of repositories to which other people may push.
 */
function otherRepository(project: ProjectRow, about: string | null): string | null {
	if (about === null || mayBeCalled(project, about)) return null;
	return `its repository is ${about.slice(0, 200)}, and the repository of this project is ${project.repository}`;
}

/**
 * Why no discovery run is needed. A skipped push to the default branch still updates the
 * schedules, and a skipped pull request still ends approvals of its earlier runs.
 */
function skipped({ default_branch }: ProjectRow, trigger: Trigger): string | null {
	const isRead = trigger.kind === "pull_request" || (trigger.kind === "push" && trigger.branch === default_branch);
	return isRead ? null : whySkipped(trigger, trigger.message);
}

async function record(
	environment: Environment,
	{ team, name: project }: ProjectRow,
	delivery: Omit<NewDelivery, "team" | "project">,
): Promise<HandledDelivery> {
	return recordDelivery(environment.DB, { team, project, ...delivery, event: delivery.event.slice(0, 100) });
}

/** The ending of the reason, by what comparisons have found. */
const STANDINGS: Record<Standing, string> = {
	new: "",
	found: ": a comparison of the refs has already started its run",
	out_of_order: ": a comparison of the refs has found a newer commit that does not follow it; the next comparison runs missed commits",
};

async function submitDiscovery(environment: Environment, project: ProjectRow, row: DeliveryRow, trigger: Trigger): Promise<DeliveryRow> {
	// GitHub delivers a merge group twice: as a merge_group event, and as the push of its branch.
	const key = trigger.kind === "merge_group" ? `merge group ${trigger.ref} ${trigger.sha}` : `${row.forge} ${row.delivery}`;
	const idempotency = { scope: `hook ${project.id}`, key };
	const submit = await discoverySubmission(project, trigger, ALL_FILES, { delivery: row.id, idempotency });
	const dispatcher = dispatcherOf(environment, project.team);
	const deliveredRef = deliveredRefOf(project, trigger, row.forge);
	const { runId, standing } = deliveredRef
		? unwrap(await dispatcher.submitDelivered(submit, deliveredRef))
		: { ...unwrap(await dispatcher.submit(submit)), standing: "new" as const };
	const outcome = standing === "new" ? ("accepted" as const) : ("ignored" as const);
	const settled = { outcome, reason: `${describe(trigger)}${STANDINGS[standing]}` };
	await recordOutcome(environment.DB, row.id, { ...settled, runId });
	return { ...row, ...settled, run_id: runId };
}

function describe({ kind, branch, tag, sha, pull_request, merge_target }: Trigger): string {
	const at = sha === null ? "" : ` at ${sha.slice(0, 12)}`;
	if (pull_request) return `pull request #${pull_request.number} ${pull_request.event}${at}`;
	if (kind === "merge_group") return `merge group into ${merge_target ?? branch}${at}`;
	return kind === "tag" ? `tag ${tag}${at}` : `push to ${branch}${at}`;
}

function parseJson(bytes: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		throw new ApiError("malformed", "The delivery is not valid JSON.", {
			suggestions: ["Set the content type of the webhook to application/json in the forge."],
		});
	}
}
