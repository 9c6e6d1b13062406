import type { Restriction } from "../../../../schema/wire/agents.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import type { Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { clearOffers, withdrawUnfit } from "../leases/offers.ts";
import { deleteWarm } from "../leases/warm_agents.ts";
import { writeMeta } from "../meta.ts";
import { type AgentRow, changeRow, findAgent, jobOf, liveAttemptsOfAgent, offersOfAgent } from "../rows.ts";
import { cancelJob } from "../runs/cancel.ts";
import { loseAttempt } from "../runs/endings.ts";
import { clearTimer } from "../timers.ts";
import { NO_INSTANCE } from "./agents.ts";
import { requestRotation } from "./tokens.ts";

/** What people do with agents. A repeated command changes nothing more. */

/** A missing field keeps its value. */
type RestrictionChange = { [Key in keyof Restriction]?: Restriction[Key] | undefined };

/** A change of an agent that does not delete its row. */
export type AgentChange =
	| ({ kind: "restrict" } & RestrictionChange)
	/** `cancel`: whether its jobs are cancelled; otherwise the agent finishes them. */
	| { kind: "disable"; cancel: boolean }
	| { kind: "enable" }
	| { kind: "drain" }
	| { kind: "rotate" };

/** @throws ApiError `not_found`; `conflict` if the agent has no process */
export function changeAgent(core: Core, agentId: string, change: AgentChange, actor: string): void {
	const body = () => {
		const agent = agentOf(core, agentId);
		switch (change.kind) {
			case "restrict":
				return restrict(core, agent, change);
			case "disable":
				return disable(core, agent, change.cancel, actor);
			case "enable":
				return enable(core, agent);
			case "drain":
				return drain(core, agent, actor);
			case "rotate":
				return requestRotation(core, agent, actor);
		}
	};
	command(core, body, actor);
}

function agentOf(core: Core, agentId: string): AgentRow {
	const agent = findAgent(core, agentId);
	if (!agent) throw notFound("agent", agentId);
	return agent;
}

/** The agent finishes its jobs. Offers that are outside of the restriction are withdrawn. */
function restrict(core: Core, agent: AgentRow, { projects, runs }: RestrictionChange): void {
	core.sql.all(
		"UPDATE agents SET projects = ?, runs = ?, rev = ? WHERE id = ?",
		projects ? JSON.stringify([...new Set(projects)]) : agent.projects,
		runs ?? agent.runs,
		nextRev(core),
		agent.id,
	);
	withdrawUnfit(core, agent.id);
}

function disable(core: Core, agent: AgentRow, cancel: boolean, actor: string): void {
	if (agent.disabled_at === null) {
		changeRow(core, "agents", agent.id, { disabled_by: actor, disabled_at: core.now(), rev: nextRev(core) });
		withdrawUnfit(core, agent.id);
	}
	if (!cancel) return;
	const reason: Reason = { code: "agent_disabled", text: `Cancelled: agent ${agent.name} was disabled by ${actor}.` };
	const assigned = offersOfAgent(core, agent.id).filter(({ is_assigned }) => is_assigned === 1);
	for (const held of [...liveAttemptsOfAgent(core, agent.id), ...assigned]) cancelJob(core, jobOf(core, held), reason);
}

function enable(core: Core, agent: AgentRow): void {
	if (agent.disabled_at === null) return;
	changeRow(core, "agents", agent.id, { disabled_by: null, disabled_at: null, rev: nextRev(core) });
}

/** Asks the agent's present process to end once it is idle. Its next process does not have to. */
function drain(core: Core, agent: AgentRow, actor: string): void {
	if (agent.instance === NO_INSTANCE) {
		throw new ApiError("conflict", `The agent ${agent.name} has no process that could be drained: it is not connected.`, {
			suggestions: [`To give it no more jobs when it comes back, disable it: windlass agents disable ${agent.name}`],
		});
	}
	if (agent.drained_at !== null) return;
	changeRow(core, "agents", agent.id, { drained_by: actor, drained_at: core.now(), rev: nextRev(core) });
	withdrawUnfit(core, agent.id);
}

/**
 * Removes an agent: its token is no longer valid, and its jobs are lost. Another agent takes them
 * once the leases have expired.
 * @returns the name, which is free now
 * @throws ApiError `not_found`
 */
export function removeAgent(core: Core, agentId: string, actor: string): string {
	const body = () => {
		const agent = agentOf(core, agentId);
		clearOffers(core, agentId);
		const reason: Reason = { code: "agent_removed", text: `Agent ${agent.name} was removed by ${actor}.` };
		// The agent may not know it yet: no other agent runs the job before this lease has expired.
		for (const attempt of liveAttemptsOfAgent(core, agentId)) loseAttempt(core, attempt, reason, attempt.deadline - core.now());
		core.sql.all("DELETE FROM declines WHERE agent_id = ?", agentId);
		deleteWarm(core, agentId);
		core.rows.delete("agents", agentId);
		clearTimer(core, "agent_silent", agentId);
		// No row shows the removal. The new revision wakes the requests that follow all changes.
		writeMeta(core.sql, "rev", String(nextRev(core)));
		return agent.name;
	};
	return command(core, body, actor);
}
