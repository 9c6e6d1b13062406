import type { Poll, Renew } from "../../../schema/wire/protocol.ts";
import { AGENT_SILENT_MS, agentInSession, checkProtocol, setStatus } from "./agents.ts";
import { type Core, command } from "./core.ts";
import { findAgent, liveAttemptsOfAgent, type OfferRow } from "./rows.ts";
import { setTimer } from "./timers.ts";

/** What an agent asks again and again: is there work, and are my leases still mine? */

/** What waits for an agent. */
export interface AgentNews {
	offers: OfferRow[];
	cancel: string[];
}

/**
 * Notes a poll: the agent is alive, and can take this many jobs.
 * @returns false if a newer poll of the same session was seen before: this one is to be answered with nothing
 */
export function notePoll(core: Core, agentId: string, secretHash: string, poll: Poll): boolean {
	checkProtocol(poll.protocol);
	return command(core, () => {
		const agent = agentInSession(core, agentId, secretHash, poll.session);
		if (poll.seq <= agent.poll_seq) return false;
		core.sql.all(
			"UPDATE agents SET poll_seq = ?, slots_free = ?, has_lapsed = 0, last_seen_at = ? WHERE id = ?",
			poll.seq,
			poll.slots_free,
			core.now(),
			agentId,
		);
		setStatus(core, agent, poll.draining ? "draining" : "online");
		setTimer(core, "agent_silent", agentId, core.now() + AGENT_SILENT_MS);
		return true;
	});
}

/**
 * What a poll of this agent must be answered with. Offers are repeated until they are claimed or lapse: the answer that
 * carried them may have been lost. A cancel is told once here, and in every renewal.
 */
export function newsFor(core: Core, agentId: string): AgentNews {
	const offers = core.sql.all<OfferRow>("SELECT * FROM offers WHERE agent_id = ? AND expires_at > ?", agentId, core.now());
	const untold = core.sql.all<{ id: string }>(
		"SELECT id FROM attempts WHERE agent_id = ? AND state = 'cancelling' AND cancel_told = 0",
		agentId,
	);
	if (untold.length === 0) return { offers, cancel: [] };
	return command(core, () => {
		core.sql.all("UPDATE attempts SET cancel_told = 1 WHERE agent_id = ? AND state = 'cancelling'", agentId);
		return { offers, cancel: untold.map(({ id }) => id) };
	});
}

export interface Renewal {
	renewed: string[];
	cancel: string[];
	lost: string[];
}

/** Extends the leases that the agent lists and holds. A renewal that was overtaken by a newer one extends nothing. */
export function renewLeases(core: Core, agentId: string, secretHash: string, renew: Renew): Renewal {
	return command(core, () => {
		const agent = agentInSession(core, agentId, secretHash, renew.session);
		const live = new Map(liveAttemptsOfAgent(core, agentId).map((attempt) => [attempt.id, attempt]));
		const held = renew.running.filter((id) => live.has(id));
		const isNewest = renew.seq > agent.renew_seq;
		if (isNewest) {
			core.sql.all("UPDATE agents SET renew_seq = ?, last_seen_at = ? WHERE id = ?", renew.seq, core.now(), agentId);
			setTimer(core, "agent_silent", agentId, core.now() + AGENT_SILENT_MS);
			for (const id of held) extendLease(core, id, core.now() + core.settings.leaseTtlMs);
		}
		return {
			renewed: isNewest ? held : [],
			cancel: held.filter((id) => live.get(id)?.state === "cancelling"),
			lost: renew.running.filter((id) => !live.has(id)),
		};
	});
}

/** Moves the end of a lease; never backwards. */
export function extendLease(core: Core, attemptId: string, deadline: number): void {
	const moved = core.sql.all("UPDATE attempts SET deadline = ? WHERE id = ? AND deadline < ? RETURNING id", deadline, attemptId, deadline);
	if (moved.length > 0) setTimer(core, "lease", attemptId, deadline);
}

/** An agent has been silent for long: it is shown as offline. Its leases have their own clock. */
export function noteSilence(core: Core, agentId: string): void {
	const agent = findAgent(core, agentId);
	if (agent) setStatus(core, agent, "offline");
}
