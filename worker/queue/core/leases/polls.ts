import type { Poll, Renew } from "../../../../schema/wire/protocol.ts";
import { agentInSession, checkProtocol, loseUnlisted, setStatus } from "../agents/agents.ts";
import { invalidToken } from "../agents/tokens.ts";
import { type Core, command } from "../core.ts";
import { findAgent, liveAttemptsOfAgent, type OfferRow } from "../rows.ts";
import { setTimer } from "../timers.ts";

/** The repeated requests of an agent: polls for work, and renewals of its leases. */

/** The news for an agent. */
export interface AgentNews {
	offers: OfferRow[];
	cancel: string[];
}

/**
 * Records a poll: the agent is online, can take this many jobs, and runs these attempts.
 * @returns false if a newer poll of the session has arrived: this one gets an empty answer
 */
export function recordPoll(core: Core, agentId: string, secretHash: string, poll: Poll): boolean {
	checkProtocol(poll.protocol);
	return command(core, () => {
		const agent = agentInSession(core, agentId, secretHash, poll.session);
		if (poll.seq <= agent.poll_seq) return false;
		core.sql.all(
			"UPDATE agents SET poll_seq = ?, slots_free = ?, has_missed_offer = 0, last_seen_at = ? WHERE id = ?",
			poll.seq,
			poll.slots_free,
			core.now(),
			agentId,
		);
		// An agent lists each job from before its claim until its end. A job that is not listed is
		// lost.
		loseUnlisted(core, agentId, poll.running, {
			code: "agent_lost",
			text: `Agent ${agent.name} abandoned this, because it did not know whether it still had the lease.`,
		});
		setStatus(core, agent, poll.draining ? "draining" : "online");
		setTimer(core, "agent_silent", agentId, core.now() + core.settings.agentSilentMs);
		return true;
	});
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
 * The news for a poll of this agent. An offer is repeated until the agent claims or declines it:
 * the answer with it may have been lost. A cancel is sent once here, and in every renewal.
 * @param known the attempts that the poll itself lists
 */
export function newsFor(core: Core, agentId: string, known: ReadonlySet<string> = new Set()): AgentNews {
	const offers = offersFor(core, agentId, known);
	const unsent = unsentCancels(core, agentId);
	if (unsent.length === 0) return { offers, cancel: [] };
	return command(core, () => {
		core.sql.all("UPDATE attempts SET cancel_sent = 1 WHERE agent_id = ? AND state = 'cancelling'", agentId);
		return { offers, cancel: unsent.map(({ id }) => id) };
	});
}

/** Whether there is news for a poll of this agent. */
export function hasNews(core: Core, agentId: string, known: ReadonlySet<string> = new Set()): boolean {
	return offersFor(core, agentId, known).length > 0 || unsentCancels(core, agentId).length > 0;
}

/** The agents with an offer, or with a cancel that was not sent to them. */
export function agentsWithNews(core: Core): string[] {
	return core.sql
		.all<{ agent_id: string }>(
			`SELECT agent_id FROM offers UNION
			SELECT agent_id FROM attempts WHERE state IN ('running', 'cancelling') AND state = 'cancelling' AND cancel_sent = 0`,
		)
		.map(({ agent_id }) => agent_id);
}

function offersFor(core: Core, agentId: string, known: ReadonlySet<string>): OfferRow[] {
	const offers = core.sql.all<OfferRow>("SELECT * FROM offers WHERE agent_id = ? AND expires_at > ?", agentId, core.now());
	return offers.filter(({ attempt_id }) => !known.has(attempt_id));
}

function unsentCancels(core: Core, agentId: string): { id: string }[] {
	return core.sql.all(
		"SELECT id FROM attempts WHERE agent_id = ? AND state IN ('running', 'cancelling') AND state = 'cancelling' AND cancel_sent = 0",
		agentId,
	);
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
		const live = new Map(liveAttemptsOfAgent(core, agentId).map((attempt) => [attempt.id, attempt]));
		const held = renew.running.filter((id) => live.has(id));
		const isNewest = renew.seq > agent.renew_seq;
		if (isNewest) {
			core.sql.all("UPDATE agents SET renew_seq = ?, last_seen_at = ? WHERE id = ?", renew.seq, core.now(), agentId);
			setTimer(core, "agent_silent", agentId, core.now() + core.settings.agentSilentMs);
			for (const id of held) extendLease(core, id, core.now() + core.settings.leaseTtlMs);
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
	const rows = core.sql.all<{ agent_id: string }>("SELECT DISTINCT agent_id FROM attempts WHERE state IN ('running', 'cancelling')");
	return rows.map(({ agent_id }) => agent_id);
}

/** Moves the end of a lease, never backwards. */
export function extendLease(core: Core, attemptId: string, deadline: number): void {
	const moved = core.sql.all("UPDATE attempts SET deadline = ? WHERE id = ? AND deadline < ? RETURNING id", deadline, attemptId, deadline);
	if (moved.length > 0) setTimer(core, "lease", attemptId, deadline);
}

/** An agent has been silent for long: it is shown as offline. Its leases expire by themselves. */
export function recordSilence(core: Core, agentId: string): void {
	const agent = findAgent(core, agentId);
	if (agent) setStatus(core, agent, "offline");
}
