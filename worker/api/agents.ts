import { parseDuration } from "../../schema/wire/duration.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import { randomSecret, sha256 } from "../auth/digest.ts";
import { signLease } from "../auth/lease_token.ts";
import { AGENT_TOKEN_PREFIX, REGISTRATION_TOKEN_PREFIX } from "../auth/principal.ts";
import { derive } from "../auth/signing.ts";
import { presentAgent } from "../catalog/present.ts";
import type { OfferRow } from "../dispatch/core/rows.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import type { Environment } from "../environment.ts";
import { intervalsFor, maxLogBytes, pollHoldMs, readSettings } from "../settings.ts";
import { readAgentJson } from "./agent_bodies.ts";
import { json } from "./answers.ts";
import { readJson } from "./bodies.ts";
import { type RequestContext, route } from "./context.ts";
import { invalidParameter, onlyParameters } from "./queries.ts";

type AgentCaller = RequestContext<"agent">;

async function list({ url, environment, principal }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	const agents = await dispatcherOf(environment, principal.team).readAgents();
	return json({ items: agents.map(presentAgent), next_cursor: null });
}

/** POST /agent-tokens: a token with which agents join. */
async function createToken({ request, environment, principal }: RequestContext<"user" | "host">): Promise<Response> {
	const { uses, expires_in, labels } = await readJson(request, protocol.createRegistrationToken);
	const ms = parseDuration(expires_in);
	if (ms === null || ms <= 0)
		throw invalidParameter("expires_in", `${JSON.stringify(expires_in)} is not a duration`, "write 10m, 24h or 30d");
	const token = `${REGISTRATION_TOKEN_PREFIX}${principal.team}.${randomSecret()}`;
	const expiresAt = Date.now() + ms;
	unwrap(await dispatcherOf(environment, principal.team).createRegistrationToken({ hash: await sha256(token), uses, expiresAt, labels }));
	const answer: protocol.RegistrationToken = { token, uses, expires_at: new Date(expiresAt).toISOString(), labels };
	return json(answer, 201);
}

/** POST /agents: an agent registers and gets the token it keeps. */
async function register(context: RequestContext<"registration">): Promise<Response> {
	const { environment, principal } = context;
	const { name, registration_key } = await readAgentJson(context, protocol.register);
	// The same key gets the same token, however often the request comes: whichever of the answers arrives, its token is good.
	const secret = await derive(environment.SIGNING_KEY, `agent ${principal.team} ${registration_key}`);
	const dispatcher = dispatcherOf(environment, principal.team);
	const registrationHash = await sha256(`${principal.team} ${registration_key}`);
	const id = unwrap(
		await dispatcher.register({ tokenHash: principal.tokenHash, registrationHash, name, secretHash: await sha256(secret) }),
	);
	const answer: protocol.Registered = { id, name, team: principal.team, token: `${AGENT_TOKEN_PREFIX}${principal.team}.${id}.${secret}` };
	return json(answer, 201);
}

async function hello(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const body = await readAgentJson(context, protocol.hello);
	const opened = unwrap(await dispatcherOf(environment, principal.team).hello(principal.agentId, principal.secretHash, body));
	return json({ ...opened, intervals: intervalsOf(environment) } satisfies protocol.HelloAnswer);
}

function intervalsOf(environment: Environment): protocol.Intervals {
	return intervalsFor(readSettings(environment), pollHoldMs(environment), maxLogBytes(environment));
}

async function poll(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const body = await readAgentJson(context, protocol.poll);
	const result = unwrap(await dispatcherOf(environment, principal.team).poll(principal.agentId, principal.secretHash, body));
	const answer: protocol.PollAnswer = {
		offers: await Promise.all(result.offers.map((offer) => presentOffer(environment, principal.team, offer))),
		cancel: result.cancel,
		watch: result.watch,
		renewed: result.renewed,
		intervals: intervalsOf(environment),
	};
	return json(answer);
}

async function presentOffer(environment: Environment, team: string, offer: OfferRow): Promise<protocol.Offer> {
	const { attempt_id: attemptId, lease_id: leaseId, job_id: jobId, agent_id: agentId, shard } = offer;
	return {
		attempt_id: attemptId,
		job_id: jobId,
		lease_token: await signLease(environment, { attemptId, leaseId, jobId, agentId, team, shard }),
		expires_at: new Date(offer.expires_at).toISOString(),
	};
}

async function renew(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const body = await readAgentJson(context, protocol.renew);
	const { renewed, cancel, lost, watch } = unwrap(
		await dispatcherOf(environment, principal.team).renew(principal.agentId, principal.secretHash, body),
	);
	return json({ renewed, cancel, lost, watch } satisfies protocol.RenewAnswer);
}

async function bye(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const { session } = await readAgentJson(context, protocol.bye);
	unwrap(await dispatcherOf(environment, principal.team).bye(principal.agentId, principal.secretHash, session));
	return new Response(null, { status: 204 });
}

export const agentRoutes = [
	route("GET", "/api/v1/agents", ["user", "host"], list),
	route("POST", "/api/v1/agent-tokens", ["user", "host"], createToken),
	route("POST", "/api/v1/agents", ["registration"], register),
	route("POST", "/api/v1/agents/self/hello", ["agent"], hello),
	route("POST", "/api/v1/agents/self/poll", ["agent"], poll),
	route("POST", "/api/v1/agents/self/renew", ["agent"], renew),
	route("POST", "/api/v1/agents/self/bye", ["agent"], bye),
];
