import * as protocol from "../../schema/wire/protocol.ts";
import { answerResults, assignmentWithoutSecrets, prepareResults } from "../attempts/service.ts";
import type { Environment, PollResult } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { signLease } from "../identity/lease_token.ts";
import { AGENT_TOKEN_PREFIX } from "../identity/principal.ts";
import { derive } from "../identity/signing.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { intervalsFor, maxLogBytes, pollHoldMs, readSettings } from "../platform/settings.ts";
import { readAgentJson } from "./bodies.ts";

/** The requests of agents. The requests of people about agents are in api.ts. */

type AgentCaller = RequestContext<"agent">;

/** POST /agents: registers an agent and returns its token. */
async function register(context: RequestContext<"registration">): Promise<Response> {
	const { environment, principal } = context;
	const { name, registration_key } = await readAgentJson(context, protocol.register);
	// A repeated request with the same key gets the same token, so a lost answer does no harm.
	const secret = await derive(environment.SIGNING_KEY, `agent ${principal.team} ${registration_key}`);
	const dispatcher = dispatcherOf(environment, principal.team);
	const registrationHash = await sha256(`${principal.team} ${registration_key}`);
	const id = unwrap(
		await dispatcher.register({ tokenHash: principal.tokenHash, registrationHash, name, secretHash: await sha256(secret) }),
	);
	await recordAudit(environment, principal.team, {
		...{ event: "agents.join", actor: name, via: null, what: "an agent has joined", details: { agent: id } },
		...{ outcome: "done", address: context.client.address, request_id: context.requestId },
	});
	const answer: protocol.Registered = { id, name, token: agentToken(principal.team, id, secret) };
	return json(answer, 201);
}

async function hello(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const body = await readAgentJson(context, protocol.hello);
	const labels = unwrap(await dispatcherOf(environment, principal.team).hello(principal.agentId, principal.secretHash, body));
	return json({
		// The first poll knows what the team allows.
		intervals: intervalsOf(environment, null),
		labels: labels.labels,
		ignored_labels: labels.ignored,
	} satisfies protocol.HelloAnswer);
}

/** @param logQuota the largest log that the team allows; null: as large as the coordinator does */
function intervalsOf(environment: Environment, logQuota: number | null): protocol.Intervals {
	return intervalsFor(readSettings(environment), pollHoldMs(environment), maxLogBytes(environment, logQuota));
}

async function poll(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const { results, ...body } = await readAgentJson(context, protocol.poll);
	const { team, agentId, secretHash } = principal;
	const agent = { environment, team, agentId };
	const prepared = await prepareResults(agent, results);
	const checked = prepared.flatMap((one) => ("checked" in one ? [one.checked] : []));
	const result = unwrap(await dispatcherOf(environment, team).poll(agentId, secretHash, body, checked));
	const answer: protocol.PollAnswer = {
		offers: await Promise.all(result.offers.map((offer) => presentOffer(context, offer))),
		cancel: result.cancel,
		watch: result.watch,
		renewed: result.renewed,
		intervals: intervalsOf(environment, result.logQuota),
		drain: result.drain,
		rotate: result.rotate,
		results: await answerResults(agent, prepared, result.results),
		held_ms: result.heldMs,
	};
	return json(answer);
}

async function presentOffer(
	{ environment, principal: { team }, baseUrl }: AgentCaller,
	{ offer, started }: PollResult["offers"][number],
): Promise<protocol.Offer> {
	const { attempt_id: attemptId, lease_id: leaseId, job_id: jobId, agent_id: agentId, shard } = offer;
	return {
		attempt_id: attemptId,
		job_id: jobId,
		lease_token: await signLease(environment, { attemptId, leaseId, jobId, agentId, team, shard }),
		expires_at: new Date(offer.expires_at).toISOString(),
		assignment: started && assignmentWithoutSecrets(started, baseUrl),
	};
}

async function renew(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const body = await readAgentJson(context, protocol.renew);
	const { renewed, cancel, lost, watch } = unwrap(
		await dispatcherOf(environment, principal.team).renew(principal.agentId, principal.secretHash, body),
	);
	return json({ renewed, cancel, lost, watch, now: Date.now() } satisfies protocol.RenewAnswer);
}

/**
 * POST /agents/self/rotate: returns the next token of an agent with a requested rotation. The same
 * key gets the same token.
 */
async function rotate(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const { rotation_key } = await readAgentJson(context, protocol.rotateToken);
	const { team, agentId, secretHash } = principal;
	const secret = await derive(environment.SIGNING_KEY, `rotated agent ${team} ${agentId} ${rotation_key}`);
	unwrap(await dispatcherOf(environment, team).rotateToken(agentId, secretHash, await sha256(secret)));
	return json({ token: agentToken(team, agentId, secret) } satisfies protocol.RotatedToken);
}

function agentToken(team: string, agentId: string, secret: string): string {
	return `${AGENT_TOKEN_PREFIX}${team}.${agentId}.${secret}`;
}

async function bye(context: AgentCaller): Promise<Response> {
	const { environment, principal } = context;
	const { session } = await readAgentJson(context, protocol.bye);
	unwrap(await dispatcherOf(environment, principal.team).bye(principal.agentId, principal.secretHash, session));
	return new Response(null, { status: 204 });
}

export const agentRoutes = [
	route({
		method: "POST",
		path: "/api/v1/agents",
		allow: ["registration"],
		description: { summary: "An agent registers", answers: { 201: protocol.registered } },
		ignoresUnknown: true,
		body: protocol.register,
		handle: register,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/hello",
		allow: ["agent"],
		description: { summary: "An agent opens a session", answers: { 200: protocol.helloAnswer } },
		body: protocol.hello,
		handle: hello,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/poll",
		waits: true,
		allow: ["agent"],
		description: { summary: "An agent polls for work; the answer waits for news", answers: { 200: protocol.pollAnswer } },
		body: protocol.poll,
		handle: poll,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/renew",
		allow: ["agent"],
		description: { summary: "An agent renews its leases", answers: { 200: protocol.renewAnswer } },
		body: protocol.renew,
		handle: renew,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/rotate",
		allow: ["agent"],
		description: { summary: "An agent with a requested rotation gets its next token", answers: { 200: protocol.rotatedToken } },
		body: protocol.rotateToken,
		handle: rotate,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/bye",
		allow: ["agent"],
		description: { summary: "An agent ends its session", answers: { 204: null } },
		body: protocol.bye,
		handle: bye,
	}),
];
