import type { AgentRow } from "../rows.ts";

/** Whether an agent takes new jobs now, if it has room for them. */
export function isTaking(agent: Pick<AgentRow, "status" | "disabled_at" | "drained_at">): boolean {
	return agent.status === "online" && !takesNothingNew(agent);
}

/** Whether a person has disabled or drained the agent. */
export function takesNothingNew(agent: Pick<AgentRow, "disabled_at" | "drained_at">): boolean {
	return agent.disabled_at !== null || agent.drained_at !== null;
}
