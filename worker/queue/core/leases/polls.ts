import { ApiError } from "../../../../schema/wire/errors.ts";
import type { Poll, Renew } from "../../../../schema/wire/protocol.ts";
import type { AttemptState } from "../../../../schema/wire/states.ts";
import { agentInSession, checkProtocol, loseUnlisted, setStatus } from "../agents/agents.ts";
import { invalidToken } from "../agents/tokens.ts";
import { type Core, command, savepoint } from "../core.ts";
import { quotasOf } from "../quotas.ts";
import { type AttemptRow, changeRow, findAgent, findAttempt, liveAttemptsOfAgent, type OfferRow, offersOfAgent } from "../rows.ts";
import { agentName } from "../runs/begin.ts";
import { setTimer, startTimer } from "../timers.ts";
import { acceptResult, type CheckedResult } from "./attempts.ts";
import { claimNamed } from "./claims.ts";
import { assignOffers, withdrawUnreceived } from "./offers.ts";

/** The repeated requests of an agent: polls for work, and renewals of its leases. */

/** The news for an agent. */
export interface AgentNews {
	offers: OfferRow[];
	cancel: string[];
}

/** What a poll has brought. */
export interface RecordedPoll {
	/**
	 * False if a newer poll of the session was seen before: this one is answered with nothing but
	 * its results.
	 */
	isNewest: boolean;
	/** What became of the results. One that the queue fails to handle is left out. */
	results: AnsweredResult[];
}

/** The state of a finished attempt, or the error that rejects its result. */
export type AnsweredResult = { attemptId: string } & ({ state: AttemptState } | { error: ApiError });

/**
 * Records a poll: the agent is online, delivers these results, can take this many jobs, and runs
 * these attempts. It is offered the next ones.
 */
export function recordPoll(
	core: Core,
	agentId: string,
	secretHash: string,
	poll: Omit<Poll, "results">,
	results: readonly CheckedResult[] = [],
): RecordedPoll {
	checkProtocol(poll.protocol);
	const body = (accept: typeof answerResult) => () => {
		const agent = agentInSession(core, agentId, secretHash, poll.session);
		const answered = results.flatMap((result) => accept(core, result) ?? []);
		if (poll.seq <= agent.poll_seq) return { isNewest: false, results: answered };
		changeRow(core, "agents", agentId, { poll_seq: poll.seq, slots_free: poll.slots_free, has_missed_offer: 0, last_seen_at: core.now() });
		claimNamed(core, agentId, poll.running);
		// The agent names what earlier answers have brought it, and processes no earlier answer
		// from now on.
		const own = new Set(poll.running);
		for (const offer of offersOfAgent(core, agentId)) if (!own.has(offer.attempt_id)) withdrawUnreceived(core, offer);
		// An agent lists each job from before its claim until its end. A job that is not listed is
		// lost.
		loseUnlisted(core, agentId, poll.running, {
			code: "agent_lost",
			text: `Agent ${agent.name} abandoned this, because it did not know whether it still had the lease.`,
		});
		setStatus(core, agent, poll.draining ? "draining" : "online");
		startTimer(core, "agent_silent", core.now() + core.settings.agentSilentMs, agentId);
		// With a quota of running jobs, the next one goes to the agent with the best job, and not to who asks first.
		if (quotasOf(core).running_jobs === null) assignOffers(core, [agentId]);
		return { isNewest: true, results: answered };
	};
	const actor = results.length === 0 ? undefined : agentName(core, agentId);
	try {
		return command(core, body(acceptPlainly), actor);
	} catch (error) {
		if (!(error instanceof ResultRejected)) throw error;
		return command(core, body(answerResult), actor);
	}
}

/** A result is rejected after all others of its poll were accepted without savepoints. */
class ResultRejected extends Error {}

/** Accepts a result without a savepoint, because few are rejected. @throws ResultRejected */
function acceptPlainly(core: Core, result: CheckedResult): AnsweredResult {
	try {
		return { attemptId: result.lease.attemptId, state: acceptResult(core, result) };
	} catch {
		throw new ResultRejected();
	}
}

/**
 * Accepts a result in a savepoint of its own: one that is rejected leaves the others alone.
 * @returns null for a result that the queue fails to handle: its agent sends it again
 */
function answerResult(core: Core, result: CheckedResult): AnsweredResult | null {
	const { attemptId } = result.lease;
	try {
		return { attemptId, state: savepoint(core, () => acceptResult(core, result)) };
	} catch (error) {
		if (error instanceof ApiError) return { attemptId, error };
		core.report("a result cannot be accepted", { attempt: attemptId, error: String(error) });
		return null;
	}
}

/** The requests of people to an agent's process, and its session. */
export interface AgentRequests {
	session: number;
	/** End once no job runs. */
	drain: boolean;
	/** Get a new token. */
	rotate: boolean;
}

/** @throws ApiError `authentication_required` for an agent that was removed */
export function requestsTo(core: Core, agentId: string): AgentRequests {
	const agent = findAgent(core, agentId);
	if (!agent) throw invalidToken();
	const { session, status, drained_at, rotation_at } = agent;
	return { session, drain: drained_at !== null && status !== "draining", rotate: rotation_at !== null };
}

/**
 * The news for the poll with this number. An offer is in one answer only: if the agent does not
 * name it in its next poll, it did not reach the agent. A cancel is sent once here, and in every
 * renewal.
 */
export function newsFor(core: Core, agentId: string, seq: number): AgentNews {
	const offers = offersFor(core, agentId, seq);
	const unsent = unsentCancels(core, agentId);
	if (unsent.length === 0) return { offers, cancel: [] };
	return command(core, () => {
		for (const { id } of unsent) changeRow(core, "attempts", id, { cancel_sent: 1 });
		return { offers, cancel: unsent.map(({ id }) => id) };
	});
}

/** Whether there is news for a poll of this agent. */
export function hasNews(core: Core, agentId: string, seq: number): boolean {
	return offersFor(core, agentId, seq).length > 0 || unsentCancels(core, agentId).length > 0;
}

function offersFor(core: Core, agentId: string, seq: number): OfferRow[] {
	return offersOfAgent(core, agentId).filter((offer) => offer.poll_seq === seq && offer.expires_at > core.now());
}

function unsentCancels(core: Core, agentId: string): readonly { id: string }[] {
	return core.rows.live<AttemptRow>("attempts", agentId).filter((attempt) => attempt.state === "cancelling" && attempt.cancel_sent === 0);
}

/** A lease with its remaining time. */
export interface LeaseLeft {
	attempt_id: string;
	ttl_ms: number;
}

export interface Renewal {
	renewed: LeaseLeft[];
	cancel: string[];
	lost: string[];
}

/**
 * Extends the leases that the agent lists and holds. A renewal that a newer one has overtaken
 * extends nothing.
 */
export function renewLeases(core: Core, agentId: string, secretHash: string, renew: Renew): Renewal {
	return command(core, () => {
		const agent = agentInSession(core, agentId, secretHash, renew.session);
		claimNamed(core, agentId, renew.running);
		const live = new Map(liveAttemptsOfAgent(core, agentId).map((attempt) => [attempt.id, attempt]));
		const held = renew.running.filter((id) => live.has(id));
		const isNewest = renew.seq > agent.renew_seq;
		if (isNewest) {
			changeRow(core, "agents", agentId, { renew_seq: renew.seq, last_seen_at: core.now() });
			startTimer(core, "agent_silent", core.now() + core.settings.agentSilentMs, agentId);
			for (const id of held) extendLease(core, id, core.now() + core.settings.leaseTtlMs);
			core.counts.renewals += held.length;
		}
		return {
			renewed: isNewest ? leasesLeft(core, agentId).filter(({ attempt_id }) => held.includes(attempt_id)) : [],
			cancel: held.filter((id) => live.get(id)?.state === "cancelling"),
			lost: renew.running.filter((id) => !live.has(id)),
		};
	});
}

/** The live leases of an agent. After a planned stop, they last longer than a full term. */
export function leasesLeft(core: Core, agentId: string): LeaseLeft[] {
	const now = core.now();
	return liveAttemptsOfAgent(core, agentId).map(({ id, deadline }) => ({ attempt_id: id, ttl_ms: Math.max(0, deadline - now) }));
}

/** The agents that hold a lease. */
export function agentsHoldingLeases(core: Core): string[] {
	return [...new Set(core.rows.live<AttemptRow>("attempts").map(({ agent_id }) => agent_id))];
}

/** Moves the end of a lease, never backwards. */
export function extendLease(core: Core, attemptId: string, deadline: number): void {
	const attempt = findAttempt(core, attemptId);
	if (!attempt || attempt.deadline >= deadline) return;
	changeRow(core, "attempts", attemptId, { deadline });
	core.hints.timerSet(deadline);
}

/**
 * Shows an agent as offline that has been silent for long, and looks again later at any other. Its
 * leases expire by themselves.
 */
export function recordSilence(core: Core, agentId: string): void {
	const agent = findAgent(core, agentId);
	if (!agent) return;
	const silentAt = (agent.last_seen_at ?? 0) + core.settings.agentSilentMs;
	if (silentAt > core.now()) setTimer(core, "agent_silent", agentId, silentAt);
	else setStatus(core, agent, "offline");
}
