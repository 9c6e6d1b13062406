import type { RegistrationTokenSummary } from "../../schema/wire/agents.ts";
import { capabilities } from "../../schema/wire/requirements.ts";
import type { Agent } from "../../schema/wire/resources.ts";
import { hasSession } from "../queue/core/agents/agents.ts";
import type { RegistrationTokenRow } from "../queue/core/agents/registration_tokens.ts";
import { restrictionOf } from "../queue/core/agents/restrictions.ts";
import type { AgentRows } from "../queue/core/reads.ts";
import { isoTime } from "../record/iso_time.ts";

/** The requester and the time of a request; null without one. */
function askedBy(by: string | null, at: number | null): { by: string; at: string } | null {
	return at === null ? null : { by: by ?? "", at: isoTime(at) };
}

/** Without the token itself, which is not stored. */
export function presentRegistrationToken(row: RegistrationTokenRow): RegistrationTokenSummary {
	const { id, uses, uses_left, expires_at, labels, created_by, created_at } = row;
	return {
		id,
		uses,
		uses_left,
		labels: JSON.parse(labels) as string[],
		...restrictionOf(row),
		created_by,
		created_at: isoTime(created_at),
		expires_at: isoTime(expires_at),
	};
}

export function presentAgent({ agent, running }: AgentRows): Agent {
	return {
		id: agent.id,
		name: agent.name,
		status: agent.status === "offline" && hasSession(agent) ? "lost" : agent.status,
		labels: JSON.parse(agent.labels) as string[],
		ignored_labels: JSON.parse(agent.ignored_labels) as string[],
		...restrictionOf(agent),
		disabled: askedBy(agent.disabled_by, agent.disabled_at),
		drain: askedBy(agent.drained_by, agent.drained_at),
		rotation: askedBy(agent.rotation_by, agent.rotation_at),
		rotated_at: isoTime(agent.rotated_at),
		slots: agent.slots,
		facts: JSON.parse(agent.facts) as Record<string, string>,
		capabilities: capabilities.parse(JSON.parse(agent.capabilities)),
		version: agent.version,
		registered_at: isoTime(agent.registered_at),
		last_seen_at: isoTime(agent.last_seen_at),
		running: running.map((one) => ({ ...one, started_at: isoTime(one.started_at) })),
	};
}
