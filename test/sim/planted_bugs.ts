/**
 * Bugs, to be planted one at a time where the product's source is loaded: a checker that does not find them is none. Each is a piece of
 * source, what it becomes, and the faults by which it may be found.
 */
export interface PlantedBug {
	name: string;
	file: string;
	sound: string;
	planted: string;
	foundAs: readonly string[];
	/** A seed from which it shows soon, where that is not so from any. */
	from?: number;
}

const CORE = "worker/dispatch/core";
const DIFFERS = "the queue is not where the model is";
const ANSWER = "an answer is not what the model foretells";
const RECORD = "the record lacks a row that nobody will send";
const OFFER = "an offer was made that may not be";
const STARTS = "a job starts on an agent that may not have it";
const LOG = "a log is not what was acknowledged";
const FAILED = "the code has failed";
const NO_REST = "it never comes to rest";

export const PLANTED_BUGS: readonly PlantedBug[] = [
	{
		name: "a record without compare-and-set",
		file: "worker/queue/record.ts",
		sound: "WHERE excluded.rev > ${name}.rev`",
		planted: "`",
		foundAs: [
			"the history has a gap",
			RECORD,
			"what was over has changed",
			"a run has left before the record had it",
			"the record shows a finished run with something unfinished",
		],
		from: 38,
	},
	{
		name: "an old renewal that counts",
		file: `${CORE}/polls.ts`,
		sound: "const isNewest = renew.seq > agent.renew_seq;",
		planted: "const isNewest = true;",
		foundAs: [DIFFERS],
	},
	{
		name: "an offer that a new session does not return",
		file: `${CORE}/agents.ts`,
		sound: "if (!isSame) {\n\t\t\tfor",
		planted: "if (false) {\n\t\t\tfor",
		foundAs: [DIFFERS, OFFER],
		from: 13,
	},
	{
		name: "a session that goes on after its goodbye",
		file: `${CORE}/agents.ts`,
		sound: "if (session !== agent.session || agent.instance === NO_INSTANCE) throw superseded(agent);",
		planted: "if (session !== agent.session) throw superseded(agent);",
		foundAs: [ANSWER, DIFFERS, OFFER],
		from: 230,
	},
	{
		name: "a job that its agent has given up and that waits for its lease",
		file: `${CORE}/polls.ts`,
		sound: "loseUnlisted(core, agentId, poll.running, {",
		planted: "loseUnlisted(core, '', poll.running, {",
		foundAs: ["a lower priority went first", DIFFERS, OFFER],
		from: 6,
	},
	{
		name: "a lease that is not fenced",
		file: `${CORE}/attempts.ts`,
		sound: "if (attempt.lease_id !== lease.leaseId || isTerminal(attempt.state)) throw",
		planted: "if (attempt.lease_id !== lease.leaseId) throw",
		foundAs: [ANSWER, DIFFERS],
		from: 92,
	},
	{
		name: "an outbox row deleted without its revision",
		file: `${CORE}/outbox.ts`,
		sound: "DELETE FROM outbox WHERE (id, rev) IN (SELECT value ->> 'id', value ->> 'rev' FROM json_each(?))",
		planted: "DELETE FROM outbox WHERE id IN (SELECT value ->> 'id' FROM json_each(?))",
		foundAs: [RECORD, "a run has left before the record had it"],
	},
	{
		name: "a cancel that moves the lease clock",
		file: `${CORE}/stop.ts`,
		sound: 'setTimer(core, "cancel", attempt.id,',
		planted: 'setTimer(core, "lease", attempt.id, core.now() + 600_000);\n\t\tsetTimer(core, "cancel", attempt.id,',
		foundAs: [DIFFERS],
		from: 24,
	},
	{
		name: "a second cancel that moves the first one's deadline",
		file: `${CORE}/stop.ts`,
		sound: 'const next = moveJob(core, job, from === "running" ? "cancel" : verb, reason);',
		planted:
			'const next = moveJob(core, job, from === "running" ? "cancel" : verb, reason);\n\tif (next === null) core.sql.all("UPDATE timers SET due_at = due_at + 60000 WHERE kind = \'cancel\' AND id IN (SELECT id FROM attempts WHERE job_id = ?)", job.id);',
		foundAs: [DIFFERS],
		from: 153,
	},
	{
		name: "a requeue that reuses an attempt number",
		file: `${CORE}/attempts.ts`,
		sound: "const number = job.attempt + 1;",
		planted: "const number = Math.max(1, job.attempt);",
		foundAs: [FAILED, DIFFERS],
	},
	{
		name: "expiry without grace after a boot",
		file: `${CORE}/sweep.ts`,
		sound: "retryEffects(core);\n\t\tgrantGrace(core);",
		planted: "retryEffects(core);",
		foundAs: [DIFFERS],
	},
	{
		name: "expiry without grace after an absence",
		file: `${CORE}/sweep.ts`,
		sound: "if (lateByMs > ABSENCE_MS)",
		planted: "if (lateByMs < 0)",
		foundAs: [DIFFERS, OFFER],
	},
	{
		name: "an absence that nothing notices",
		file: `${CORE}/attempts.ts`,
		sound: 'startTimer(core, "presence", now + PRESENCE_MS);',
		planted: "",
		foundAs: ["a lease ran out while the coordinator was away"],
		from: 168,
	},
	{
		name: "a poison row that stops the drain",
		file: "worker/queue/relay.ts",
		sound: "if (!isRowsFault(error)) throw error;",
		planted: "throw error;",
		foundAs: [NO_REST],
		from: 5,
	},
	{
		name: "a row set aside and forgotten",
		file: `${CORE}/outbox.ts`,
		sound:
			'core.sql.all("INSERT INTO outbox (id, run_id, rev) SELECT id, run_id, rev FROM outbox_dead WHERE true ON CONFLICT DO NOTHING");\n\tcore.sql.all("DELETE FROM outbox_dead");',
		planted: "",
		foundAs: [NO_REST],
	},
	{
		name: "a seal forgotten",
		file: `${CORE}/endings.ts`,
		sound: "addEffect(core, attempt.id, {",
		planted: "if (state !== 'expired') addEffect(core, attempt.id, {",
		foundAs: ["a log is sealed by nobody", NO_REST],
	},
	{
		name: "a job that starts before its needs are met",
		file: "schema/pipeline/runtime/decide.ts",
		sound: "if (needs.some(isOpen) ||",
		planted: "if (needs.filter(isOpen).length > 1 ||",
		foundAs: [DIFFERS],
	},
	{
		name: "a job that asks how others ended and does not wait for those behind a need that was skipped",
		file: "schema/pipeline/runtime/decide.ts",
		sound: "(uses?.status && circumstances.ancestors().some(isOpen))",
		planted: "false",
		foundAs: [DIFFERS],
	},
	{
		name: "a priority that is upside down",
		file: `${CORE}/offers.ts`,
		sound: "const rank: [number, number, number] = [-partition.priority,",
		planted: "const rank: [number, number, number] = [partition.priority,",
		foundAs: ["a lower priority went first"],
	},
	{
		name: "offers that take no slot",
		file: `${CORE}/offers.ts`,
		sound: "return Math.min(agent.slots_free - offers, agent.slots - (held?.n ?? 0) - offers);",
		planted: "return Math.min(agent.slots_free, agent.slots - (held?.n ?? 0));",
		foundAs: [OFFER],
	},
	{
		name: "a retry too many",
		file: `${CORE}/endings.ts`,
		sound: "return countOf(job, attempt) < allowed;",
		planted: "return countOf(job, attempt) <= allowed;",
		// The job has ended in the model when the queue offers it once more.
		foundAs: [DIFFERS, OFFER],
	},
	{
		name: "a run that leaves with rows still to be sent",
		file: `${CORE}/outbox.ts`,
		sound: "UNION ALL SELECT 1 FROM outbox WHERE run_id = ?1",
		planted: "",
		foundAs: ["a run has left before the record had it", RECORD, LOG, "the history has a gap"],
	},
	{
		name: "a history that is cut short",
		file: `${CORE}/outbox.ts`,
		sound: 'WHERE rev IN (SELECT value FROM json_each(?))", JSON.stringify(batch.events.map(({ rev }) => rev))',
		planted: "WHERE run_id IN (SELECT value ->> 'run_id' FROM json_each(?))\", entries",
		foundAs: ["the history has a gap"],
	},
	{
		name: "a group with no limit",
		file: `${CORE}/groups.ts`,
		sound: "return jobsHolding(core, key).length >= limitOf(core, key);",
		planted: "return jobsHolding(core, key).length > limitOf(core, key);",
		foundAs: [OFFER],
	},
	{
		name: "a run that takes the slot of one that is still there",
		file: `${CORE}/groups.ts`,
		sound: "if (runsHolding(core, key).length >= limitOf(core, key)) return null;",
		planted: "",
		foundAs: [DIFFERS, OFFER],
	},
	{
		name: "a slot that is not given back at a gate",
		file: `${CORE}/progress.ts`,
		sound: 'const letsGo = isTerminal(state) || (state === "waiting" && !isHeldAtGate);',
		planted: "const letsGo = isTerminal(state);",
		foundAs: [DIFFERS],
	},
	{
		name: "a run from another repository that waits for nobody",
		file: `${CORE}/progress.ts`,
		sound: 'return run.is_trusted === 0 && run.kind === "pipeline"',
		planted: 'return false && run.kind === "pipeline"',
		foundAs: [DIFFERS, OFFER],
	},
	{
		name: "a gate that lets everybody pass",
		file: `${CORE}/progress.ts`,
		sound: "return job.approved_by === null && definitionOf(core, job).approval !== null;",
		planted: "return false;",
		foundAs: [DIFFERS, OFFER],
	},
	{
		name: "a failure that was allowed and skips what needs it",
		file: "schema/pipeline/runtime/decide.ts",
		sound: 'return state === "succeeded" || (FAILURES.has(state) && mayFail);',
		planted: 'return state === "succeeded";',
		foundAs: [DIFFERS],
	},
	{
		name: "variants that go on when one has failed",
		file: `${CORE}/progress.ts`,
		sound: "if (!isOfRun && !definitionOf(core, failed).fail_fast) return [];",
		planted: "if (!isOfRun) return [];",
		foundAs: [OFFER, DIFFERS],
	},
	{
		name: "a run that goes on when its time is over",
		file: `${CORE}/progress.ts`,
		sound: 'if (timeout_ms !== null) setTimer(core, "run_timeout", run.id, startedAt + timeout_ms);',
		planted: "",
		foundAs: [DIFFERS],
	},
	{
		name: "a pull request that has moved on, and leaves what waits for an approval",
		file: `${CORE}/plans.ts`,
		sound: "if (plan.pull_request !== null && !keepsEarlier) supersedeGated(core, plan);",
		planted: "",
		foundAs: [DIFFERS],
		from: 13,
	},
	{
		name: "a job whose time runs while its agent waits for the answer to its start",
		file: `${CORE}/attempts.ts`,
		sound: "limitTime(core, known);",
		planted: "",
		foundAs: [DIFFERS],
	},
	{
		name: "a log that takes bytes anywhere",
		file: "worker/logs/log_shard.ts",
		sound: 'if (offset !== log.bytes) return { outcome: "wrong_offset", offset: log.bytes };',
		planted: "",
		foundAs: [LOG, "a fault was reported"],
	},
	{
		name: "an agent that does not fence itself",
		file: "agent/protocol/attempt.ts",
		sound: "const fenceAt = sentAt + ttlMs",
		planted: "const fenceAt = sentAt + 3_600_000 + ttlMs",
		foundAs: ["two agents run one job"],
		from: 194,
	},
	{
		name: "labels that go beyond those of the registration token",
		file: "schema/wire/labels.ts",
		sound: "given.includes(one) || isOfMachine(one);",
		planted: "true;",
		foundAs: [OFFER, STARTS],
	},
	{
		name: "a restriction that leaves offers as they are",
		file: `${CORE}/agent_lifecycle.ts`,
		sound: "\t\tagent.id,\n\t);\n\twithdrawUnfit(core, agent.id);",
		planted: "\t\tagent.id,\n\t);",
		foundAs: [DIFFERS, OFFER, STARTS],
	},
	{
		name: "a job that runs elsewhere while its removed agent has its lease",
		file: `${CORE}/agent_lifecycle.ts`,
		sound: "attempt.deadline - core.now()",
		planted: "0",
		foundAs: [DIFFERS, "two agents run one job"],
	},
	{
		name: "a token that is valid after the next one was used",
		file: `${CORE}/agent_tokens.ts`,
		sound: "return takeUpNext(core, agent);",
		planted: "return agent;",
		foundAs: [ANSWER],
	},
	{
		name: "a schedule that a repeated call makes once more",
		file: `${CORE}/schedules.ts`,
		sound: "if (known) return known;",
		planted: 'if (known) id = core.newId("schedule");',
		foundAs: ["one call has made two schedules"],
	},
];

/** The bug that the environment asks for. */
export function plantedBug(): PlantedBug | undefined {
	return PLANTED_BUGS.find(({ name }) => name === process.env.PLANTED_BUG);
}
