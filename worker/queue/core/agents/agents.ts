import { ApiError } from "../../../../schema/wire/errors.ts";
import { type EffectiveLabels, effectiveLabels } from "../../../../schema/wire/labels.ts";
import { PROTOCOL_VERSION } from "../../../../schema/wire/limits.ts";
import type { Hello } from "../../../../schema/wire/protocol.ts";
import type { Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { clearOffers, withdrawOffer, withdrawUnfit } from "../leases/offers.ts";
import { type AgentRow, changeRow, liveAttemptsOfAgent, offersOfAgent } from "../rows.ts";
import { loseAttempt } from "../runs/endings.ts";
import { insertInto } from "../sql.ts";
import { startTimer } from "../timers.ts";
import { useRegistrationToken } from "./registration_tokens.ts";
import { authenticateAgent } from "./tokens.ts";

/** Another agent may take the name of an agent that has been gone for this long. */
const NAME_HELD_MS = 10 * 60_000;
/** The instance of an agent without a session: before its hello, or after its goodbye. */
export const NO_INSTANCE = "";

export interface Registration {
	/** Hash of the registration token that was presented. */
	tokenHash: string;
	/** Hash of the agent's own registration key. The same key means the same agent. */
	registrationHash: string;
	name: string;
	/** Hash of the secret that the caller will hand out. */
	secretHash: string;
}

/**
 * Registers an agent that presents a live registration token.
 * @returns the agent's id
 * @throws ApiError `authentication_required` for a token that is unknown, used up or expired;
 * `conflict` for a name in use
 */
export function registerAgent(core: Core, { tokenHash, registrationHash, name, secretHash }: Registration): string {
	return command(core, () => {
		const now = core.now();
		const known = core.sql.all<AgentRow>("SELECT * FROM agents WHERE registration_hash = ?", registrationHash)[0];
		// The answer was lost, or the request was repeated on its way.
		if (known?.secret_hash === secretHash) return known.id;
		if (known) throw alreadyRegistered(known);
		const token = useRegistrationToken(core, tokenHash);
		const id = takeName(core, name, now) ?? core.newId("agent");
		const row = {
			...{ id, rev: nextRev(core), name, secret_hash: secretHash, registration_hash: registrationHash, instance: NO_INSTANCE },
			...{
				pinned_labels: token.labels,
				labels: token.labels,
				projects: token.projects,
				runs: token.runs,
				facts: "{}",
				version: "",
				slots: 1,
			},
			...{ status: "offline", session: 0, poll_seq: 0, renew_seq: 0, slots_free: 0, has_missed_offer: 0, registered_at: now },
		};
		core.sql.all(
			...insertInto(
				"agents",
				row,
				`ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, secret_hash = excluded.secret_hash, registration_hash = excluded.registration_hash,
				pinned_labels = excluded.pinned_labels, labels = excluded.labels, ignored_labels = '[]', projects = excluded.projects, runs = excluded.runs,
				session = 0, instance = excluded.instance, registered_at = excluded.registered_at, drained_by = NULL, drained_at = NULL,
				rotation_by = NULL, rotation_at = NULL, next_secret_hash = NULL, next_issued_at = NULL, rotated_at = NULL`,
			),
		);
		// Another agent takes over the name: the requirements must be checked anew.
		core.unmet.clear();
		return id;
	});
}

/** The first token of this key is no longer valid: it was rotated, or signed with another key. */
function alreadyRegistered(agent: AgentRow): ApiError {
	return new ApiError("conflict", `The agent ${agent.name} has registered with this key before, and has been given another token since.`, {
		suggestions: ["Remove agent.json from its --work-dir and start it with a new registration token."],
	});
}

/** The id of the agent that had this name, if the name is free to take. */
function takeName(core: Core, name: string, now: number): string | null {
	const holder = core.sql.all<AgentRow>("SELECT * FROM agents WHERE name = ?", name)[0];
	if (!holder) return null;
	const lastSign = holder.last_seen_at ?? holder.registered_at;
	if (now - lastSign < NAME_HELD_MS || liveAttemptsOfAgent(core, holder.id).length > 0) {
		throw new ApiError("conflict", `An agent called ${name} exists and was here ${Math.round((now - lastSign) / 1000)} s ago.`, {
			details: { name, last_seen_at: new Date(lastSign).toISOString() },
			suggestions: [
				"Choose another --name.",
				"If it is this very host: start the agent with the --work-dir it had before, so that it comes back as itself.",
				"If that host is gone for good: its name is free ten minutes after its last sign.",
			],
		});
	}
	return holder.id;
}

/** @throws ApiError `protocol_unsupported` */
export function checkProtocol(version: number): void {
	if (version === PROTOCOL_VERSION) return;
	throw new ApiError("protocol_unsupported", `This coordinator speaks agent protocol ${PROTOCOL_VERSION}; the agent speaks ${version}.`, {
		details: { supported: [PROTOCOL_VERSION], got: version },
		suggestions: [version > PROTOCOL_VERSION ? "Upgrade the coordinator." : "Upgrade the agent."],
	});
}

/**
 * Opens a session: the attempts that the agent lists go on, its other attempts are lost. The next
 * renewal names listed attempts that have ended.
 * @returns the labels that count
 * @throws ApiError `session_superseded` for a number that is not the newest, or a second process
 * under the same number
 */
export function openSession(core: Core, agentId: string, secretHash: string, hello: Hello): EffectiveLabels {
	checkProtocol(hello.protocol);
	return command(core, () => {
		const agent = authenticateAgent(core, agentId, secretHash);
		const isSame = hello.session === agent.session && hello.instance === agent.instance;
		if (hello.session <= agent.session && !isSame) throw superseded(agent);
		const { version, slots, facts, capabilities } = hello.facts;
		const labels = effectiveLabels(JSON.parse(agent.pinned_labels) as string[], hello.facts.labels, capabilities);
		const ofProcess = { poll_seq: 0, renew_seq: 0, slots_free: 0, drained_by: null, drained_at: null };
		changeRow(core, "agents", agentId, {
			...{ rev: nextRev(core), session: hello.session, instance: hello.instance, version, slots, status: "online" },
			...{ labels: JSON.stringify(labels.labels), ignored_labels: JSON.stringify(labels.ignored) },
			...{ facts: JSON.stringify(facts), capabilities: JSON.stringify(capabilities) },
			...{ has_missed_offer: 0, last_seen_at: core.now() },
			...(isSame ? {} : ofProcess),
		});
		core.unmet.clear();
		startTimer(core, "agent_silent", core.now() + core.settings.agentSilentMs, agentId);
		if (!isSame) {
			clearOffers(core, agentId);
		} else withdrawUnfit(core, agentId);
		// A repeated hello does not list the attempts that were started since the first.
		if (!isSame)
			loseUnlisted(core, agentId, hello.running, {
				code: "agent_restarted",
				text: `Agent ${agent.name} was restarted and no longer runs this.`,
			});
		return labels;
	});
}

/**
 * Ends the attempts that an agent holds in the queue and no longer runs: nobody renews their
 * leases.
 */
export function loseUnlisted(core: Core, agentId: string, running: readonly string[], reason: Reason): void {
	const listed = new Set(running);
	for (const attempt of liveAttemptsOfAgent(core, agentId)) if (!listed.has(attempt.id)) loseAttempt(core, attempt, reason);
}

/**
 * The agent, if this message comes from its newest session. A late message of a closed session does
 * not count: no process would receive the answer.
 * @throws ApiError `session_superseded`
 */
export function agentInSession(core: Core, agentId: string, secretHash: string, session: number): AgentRow {
	const agent = authenticateAgent(core, agentId, secretHash);
	if (session !== agent.session || agent.instance === NO_INSTANCE) throw superseded(agent);
	return agent;
}

function superseded(agent: AgentRow): ApiError {
	if (agent.instance === NO_INSTANCE) {
		return new ApiError("session_superseded", `The agent ${agent.name} has no session: it has not said hello, or has said goodbye since.`, {
			details: { agent: agent.name, session: agent.session },
			suggestions: [`Restart the agent. It says hello with a session above ${agent.session}.`],
		});
	}
	return new ApiError("session_superseded", `Another process has taken over as agent ${agent.name}.`, {
		details: { agent: agent.name, session: agent.session },
		suggestions: ["Two processes share one identity: give each its own --work-dir and --name."],
	});
}

/**
 * Closes a session after a goodbye: the agent runs nothing more and is shown as offline at once. A
 * repeated goodbye changes nothing.
 */
export function closeSession(core: Core, agentId: string, secretHash: string, session: number): void {
	command(core, () => {
		const agent = authenticateAgent(core, agentId, secretHash);
		if (session !== agent.session) throw superseded(agent);
		if (agent.instance === NO_INSTANCE) return;
		// An agent that says goodbye has ended all that it began: what it was assigned and never
		// named did not reach it.
		for (const offer of offersOfAgent(core, agent.id)) withdrawOffer(core, offer, false);
		loseUnlisted(core, agent.id, [], { code: "agent_stopped", text: `Agent ${agent.name} was stopped and no longer runs this.` });
		setStatus(core, agent, "offline");
		changeRow(core, "agents", agent.id, { instance: NO_INSTANCE, drained_by: null, drained_at: null });
	});
}

/** Whether the agent has said hello and no goodbye since. */
export function hasSession({ instance }: Pick<AgentRow, "instance">): boolean {
	return instance !== NO_INSTANCE;
}

export function setStatus(core: Core, agent: AgentRow, status: AgentRow["status"]): void {
	if (agent.status === status) return;
	changeRow(core, "agents", agent.id, { status, rev: nextRev(core) });
}
