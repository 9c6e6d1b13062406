import { ApiError } from "../../../../schema/wire/errors.ts";
import { type Core, command, nextRev } from "../core.ts";
import { type AgentRow, changeRow, findAgent } from "../rows.ts";

/**
 * The tokens of agents and their rotation. An agent that must rotate its token requests the next
 * one with the present one. Both are valid until the agent uses the next one, because the answer
 * with it may be lost.
 */

/** After this time, the agent can use the present token only to request the next one again. */
const BOTH_VALID_MS = 10 * 60_000;

/**
 * The agent with this token. Call it inside a command: the first use of the next token makes it the
 * only one.
 * @throws ApiError `authentication_required`
 */
export function authenticateAgent(core: Core, agentId: string, secretHash: string): AgentRow {
	const agent = findAgent(core, agentId);
	if (agent && agent.next_secret_hash === secretHash) return takeUpNext(core, agent);
	const isReplaced = agent && agent.next_issued_at !== null && core.now() - agent.next_issued_at > BOTH_VALID_MS;
	if (agent?.secret_hash !== secretHash || isReplaced) throw invalidToken();
	return agent;
}

/** The error for a token that belongs to no agent. */
export function invalidToken(): ApiError {
	return new ApiError(
		"authentication_required",
		"This agent token is not valid (any more): the agent was removed, has another token, or was silent for long.",
		{ suggestions: ["Register the agent again with a new registration token."] },
	);
}

function takeUpNext(core: Core, agent: AgentRow): AgentRow {
	changeRow(core, "agents", agent.id, {
		...{ secret_hash: agent.next_secret_hash as string, next_secret_hash: null, next_issued_at: null },
		...{ rotation_by: null, rotation_at: null, rotated_at: core.now(), rev: nextRev(core) },
	});
	return findAgent(core, agent.id) as AgentRow;
}

/** Asks an agent to get a new token. A second request changes nothing. Call it inside a command. */
export function requestRotation(core: Core, agent: AgentRow, actor: string): void {
	if (agent.rotation_at !== null) return;
	changeRow(core, "agents", agent.id, { rotation_by: actor, rotation_at: core.now(), rev: nextRev(core) });
}

/**
 * Records the hash of the next token. A repeated call changes nothing.
 * @param secretHash hash of the agent's present token, which is accepted here until the next one is
 * used
 * @throws ApiError `authentication_required`; `conflict` if nobody requested a rotation
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
		changeRow(core, "agents", agentId, { next_secret_hash: nextHash, next_issued_at: agent.next_issued_at ?? core.now() });
	});
}
