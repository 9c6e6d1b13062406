import { ApiError } from "../../../../schema/wire/errors.ts";
import { type Core, command, nextRev } from "../core.ts";
import { type AgentRow, findAgent } from "../rows.ts";

/**
 * The tokens of agents, and how one takes the place of another. An agent that is asked to rotate its
 * token gets the next one with the present one. Both are valid until the next one was used: the
 * answer that carries it may be lost.
 */

/** So long after the next token was given out the present one is good for nothing but to ask again. */
const BOTH_VALID_MS = 10 * 60_000;

/**
 * The agent that this token belongs to. To be called inside a command: the first use of the next
 * token makes it the only one.
 * @throws ApiError `authentication_required`
 */
export function authenticateAgent(core: Core, agentId: string, secretHash: string): AgentRow {
	const agent = findAgent(core, agentId);
	if (agent && agent.next_secret_hash === secretHash) return takeUpNext(core, agent);
	const isReplaced = agent && agent.next_issued_at !== null && core.now() - agent.next_issued_at > BOTH_VALID_MS;
	if (agent?.secret_hash !== secretHash || isReplaced) throw invalidToken();
	return agent;
}

/** What somebody is answered with whose token belongs to no agent. */
export function invalidToken(): ApiError {
	return new ApiError(
		"authentication_required",
		"This agent token is not valid (any more): the agent was removed, has another token, or was silent for long.",
		{ suggestions: ["Register the agent again with a new registration token."] },
	);
}

function takeUpNext(core: Core, agent: AgentRow): AgentRow {
	const [row] = core.sql.all<AgentRow>(
		`UPDATE agents SET secret_hash = next_secret_hash, next_secret_hash = NULL, next_issued_at = NULL, rotation_by = NULL, rotation_at = NULL,
		rotated_at = ?, rev = ? WHERE id = ? RETURNING *`,
		core.now(),
		nextRev(core),
		agent.id,
	);
	return row as AgentRow;
}

/** Asks an agent to get itself another token; asked already, it changes nothing. To be called inside a command. */
export function requestRotation(core: Core, agent: AgentRow, actor: string): void {
	if (agent.rotation_at !== null) return;
	core.sql.all("UPDATE agents SET rotation_by = ?, rotation_at = ?, rev = ? WHERE id = ?", actor, core.now(), nextRev(core), agent.id);
}

/**
 * Records the hash of the token that the caller gives out next. Repeated, it changes nothing.
 * @param secretHash of the agent's present token, which opens this for as long as the next one was not used
 * @throws ApiError `authentication_required`; `conflict` if nobody has asked for a rotation
 */
export function issueNextToken(core: Core, agentId: string, secretHash: string, nextHash: string): void {
	command(core, () => {
		const agent = findAgent(core, agentId);
		if (agent?.secret_hash !== secretHash) throw invalidToken();
		if (agent.rotation_at === null) {
			throw new ApiError("conflict", `Nobody has asked for the token of agent ${agent.name} to be rotated.`, {
				suggestions: [`Ask for it on the page /agents/${agent.id}, or with: windlass agents rotate ${agent.name}`],
			});
		}
		core.sql.all(
			"UPDATE agents SET next_secret_hash = ?, next_issued_at = coalesce(next_issued_at, ?) WHERE id = ?",
			nextHash,
			core.now(),
			agentId,
		);
	});
}
