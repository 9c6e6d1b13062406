/**
 * Bugs, to be planted one at a time where the product's source is loaded: a checker that does not
 * find them is none. Each names a function, the sound code in it and what that becomes (patterns:
 * plant.ts), and the faults by which it may be found.
 */
export type PlantedBug = {
	name: string;
	file: string;
	/** The function or method in which it is planted. */
	in: string;
	/** What the sound code becomes. */
	planted: string;
	foundAs: readonly string[];
	/** The world in which it shows soon. */
	seed: number;
	/** It shows in few worlds: only `npm run sim -- --planted` looks for it. */
	isRare?: true;
} & ({ sound: string } | { sql: string });

const CORE = "worker/queue/core";
const ADD_JOBS = `${CORE}/runs/add_jobs.ts`;
const AGENT_LIFECYCLE = `${CORE}/agents/lifecycle.ts`;
const AGENT_TOKENS = `${CORE}/agents/tokens.ts`;
const AGENTS = `${CORE}/agents/agents.ts`;
const ATTEMPTS = `${CORE}/leases/attempts.ts`;
const BEGIN = `${CORE}/runs/begin.ts`;
const ENDINGS = `${CORE}/runs/endings.ts`;
const GROUPS = `${CORE}/runs/groups.ts`;
const HELD_LOGS = `${CORE}/leases/held_logs.ts`;
const OFFERS = `${CORE}/leases/offers.ts`;
const OUTBOX = `${CORE}/record/outbox.ts`;
const POLLS = `${CORE}/leases/polls.ts`;
const FAIL_FAST = `${CORE}/runs/fail_fast.ts`;
const PROGRESS = `${CORE}/runs/progress.ts`;
const STOP = `${CORE}/runs/stop.ts`;
const SWEEP = `${CORE}/sweep.ts`;
const RELAY = "worker/queue/relay.ts";
const RECORD_STATEMENTS = "worker/queue/record.ts";
const LOG_SHARD = "worker/logs/log_shard.ts";
const DECIDE = "schema/pipeline/runtime/decide.ts";
const LABELS = "schema/wire/labels.ts";
const AGENT_ATTEMPT = "agent/protocol/attempt.ts";

const DIFFERS = "the queue is not where the model is";
const ANSWER = "an answer is not what the model foretells";
const RECORD = "the record lacks a row that nobody will send";
const OFFER = "an offer was made that may not be";
const STARTS = "a job starts on an agent that may not have it";
const LOG = "a log is not what was acknowledged";
const FAILED = "the code has failed";
const NO_REST = "it never comes to rest";
const GAP = "the history has a gap";
const LEFT = "a run has left before the record had it";

export const PLANTED_BUGS: readonly PlantedBug[] = [
	{
		name: "a record without compare-and-set",
		file: RECORD_STATEMENTS,
		in: "upsert",
		sql: "WHERE excluded.rev >",
		planted: "WHERE true OR excluded.rev >",
		foundAs: [GAP, RECORD, "what was over has changed", LEFT, "the record shows a finished run with something unfinished"],
		seed: 30,
		isRare: true,
	},
	{
		name: "a late copy that shortens the history",
		file: RECORD_STATEMENTS,
		in: "recordStatements",
		sql: " WHERE length(excluded.list) > length(transitions.list)",
		planted: "",
		foundAs: [GAP],
		seed: 4,
		isRare: true,
	},
	{
		name: "an agent that knows nothing of a project takes its job from one that does",
		file: OFFERS,
		in: "waitsForWarm",
		sound: "return true;",
		planted: "return false;",
		foundAs: [OFFER],
		seed: 2,
	},
	{
		name: "a pack whose logs begin at the same place",
		file: HELD_LOGS,
		in: "nextPack",
		sound: "$content.set($part, $offset)",
		planted: "$content.set($part, 0)",
		foundAs: [LOG],
		seed: 1,
	},
	{
		name: "an old renewal that counts",
		file: POLLS,
		in: "renewLeases",
		sound: "$renew.seq > $agent.renew_seq",
		planted: "true",
		foundAs: [DIFFERS],
		seed: 3,
	},
	{
		name: "an offer that a new session does not return",
		file: AGENTS,
		in: "openSession",
		sound: "if (!$isSame) $return; else $withdraw;",
		planted: "$withdraw",
		foundAs: [DIFFERS, OFFER],
		seed: 20,
	},
	{
		name: "an answer that did not reach its agent and keeps its job",
		file: POLLS,
		in: "recordPoll",
		sound: "withdrawUnreceived($$all)",
		planted: "0",
		foundAs: [DIFFERS, OFFER],
		seed: 3,
	},
	{
		name: "an answer that is never received and goes out for ever",
		file: OFFERS,
		in: "withdrawUnreceived",
		sound: "withdrawOffer($core, $offer, !$isFirst)",
		planted: "withdrawOffer($core, $offer, false)",
		foundAs: [DIFFERS, OFFER],
		seed: 6,
	},
	{
		name: "an assigned job that may have run and waits again as if it had not",
		file: OFFERS,
		in: "expireOffer",
		sound: "if ($offer.is_assigned === 1) $lose; else $withdraw;",
		planted: "$withdraw;",
		foundAs: [DIFFERS, OFFER, "two agents run one job"],
		seed: 3,
		isRare: true,
	},
	{
		name: "an assigned job that a renewal does not claim",
		file: POLLS,
		in: "renewLeases",
		sound: "claimNamed($$all)",
		planted: "0",
		foundAs: [DIFFERS],
		seed: 3,
		isRare: true,
	},
	{
		name: "a cancel that an agent which has begun does not get",
		file: STOP,
		in: "stopJob",
		sound: "$offer?.is_assigned === 1",
		planted: "false",
		foundAs: [DIFFERS],
		seed: 9,
	},
	{
		name: "results that an overtaken poll has brought in vain",
		file: POLLS,
		in: "recordPoll",
		sound: "$results.flatMap($$all)",
		planted: "($poll.seq <= $agent.poll_seq ? [] : $results.flatMap($$all))",
		foundAs: [DIFFERS, ANSWER, FAILED],
		seed: 3,
		isRare: true,
	},
	{
		name: "a lease that an agent counts from the answer of its poll",
		file: "agent/protocol/poll_loop.ts",
		in: "run",
		sound: "Math.min(performance.now(), $sentAt + $answer.held_ms)",
		planted: "performance.now()",
		foundAs: ["two agents run one job"],
		seed: 3,
		isRare: true,
	},
	{
		name: "a session that goes on after its goodbye",
		file: AGENTS,
		in: "agentInSession",
		sound: "$isOlder || $agent.instance === $none",
		planted: "$isOlder",
		foundAs: [ANSWER, DIFFERS, OFFER],
		seed: 10,
		isRare: true,
	},
	{
		name: "a job that its agent has given up and that waits for its lease",
		file: POLLS,
		in: "recordPoll",
		sound: "loseUnlisted($$all)",
		planted: "0",
		foundAs: ["a lower priority went first", DIFFERS, OFFER],
		seed: 3,
	},
	{
		name: "a lease that is not fenced",
		file: ATTEMPTS,
		in: "assertLive",
		sound: "$isOther || isTerminal($attempt.state)",
		planted: "$isOther",
		foundAs: [ANSWER, DIFFERS],
		seed: 7,
	},
	{
		name: "an outbox row deleted without its revision",
		file: OUTBOX,
		in: "acknowledgeBatch",
		sql: "(run_id, rev) IN (SELECT value ->> 'run_id', value ->> 'rev'",
		planted: "run_id IN (SELECT value ->> 'run_id'",
		foundAs: [RECORD, LEFT],
		seed: 0,
	},
	{
		name: "a cancel that moves the lease clock",
		file: STOP,
		in: "stopJob",
		sound: 'setTimer($core, "cancel", $attempt, $at)',
		planted: 'setTimer($core, "lease", $attempt, $core.now() + 600_000), setTimer($core, "cancel", $attempt, $at)',
		foundAs: [DIFFERS],
		seed: 3,
	},
	{
		name: "a second cancel that moves the first one's deadline",
		file: STOP,
		in: "stopJob",
		sound: "const $next = moveJob($core, $job, $verb, $reason);",
		planted: `const $next = moveJob($core, $job, $verb, $reason);
			if ($next === null) $core.sql.all("UPDATE timers SET due_at = due_at + 60000 WHERE kind = 'cancel' AND id IN (SELECT id FROM attempts WHERE job_id = ?)", $job.id);`,
		foundAs: [DIFFERS],
		seed: 5,
		isRare: true,
	},
	{
		name: "a requeue that reuses an attempt number",
		file: BEGIN,
		in: "beginAttempt",
		sound: "$job.attempt + 1",
		planted: "Math.max(1, $job.attempt)",
		foundAs: [FAILED, DIFFERS],
		seed: 2,
	},
	{
		name: "expiry without grace after a boot",
		file: SWEEP,
		in: "recordOpening",
		sound: "grantGrace($core)",
		planted: "0",
		foundAs: [DIFFERS],
		seed: 6,
	},
	{
		name: "expiry without grace after an absence",
		file: SWEEP,
		in: "sweep",
		sound: "if ($late > $most) command($core, () => grantGrace($core));",
		planted: ";",
		foundAs: [DIFFERS, OFFER],
		seed: 3,
	},
	{
		name: "an absence that nothing notices",
		file: SWEEP,
		in: "presence",
		sound: "if ($isRunning) $start;",
		planted: ";",
		foundAs: ["a lease ran out while the coordinator was away"],
		seed: 61,
		isRare: true,
	},
	{
		name: "a poison row that stops the drain",
		file: RELAY,
		in: "send",
		sound: "if (!isRowError($error)) throw $error;",
		planted: "throw $error;",
		foundAs: [NO_REST],
		seed: 1,
		isRare: true,
	},
	{
		name: "a row set aside and forgotten",
		file: OUTBOX,
		in: "retryDeadEntries",
		sql: "FROM outbox_dead WHERE true",
		planted: "FROM outbox_dead WHERE false",
		foundAs: [NO_REST, RECORD, LEFT, GAP, LOG],
		seed: 4,
		isRare: true,
	},
	{
		name: "a seal forgotten",
		file: ENDINGS,
		in: "storeLog",
		sound: "addEffect($core, $attempt, $effect);",
		planted: `const effect = $effect;
			if (effect.declaredBytes !== null) addEffect($core, $attempt, effect);`,
		foundAs: ["a log is sealed by nobody", NO_REST],
		seed: 0,
	},
	{
		name: "a job that starts before its needs are met",
		file: DECIDE,
		in: "decide",
		sound: "$needs.some($isOpen) || ($status && $ancestors)",
		planted: "$needs.filter($isOpen).length > 1 || ($status && $ancestors)",
		foundAs: [DIFFERS],
		seed: 1,
	},
	{
		name: "a job that asks how others ended and does not wait for those behind a need that was skipped",
		file: DECIDE,
		in: "decide",
		sound: "$needs.some($isOpen) || ($status && $ancestors)",
		planted: "$needs.some($isOpen)",
		foundAs: [DIFFERS],
		seed: 3,
		isRare: true,
	},
	{
		name: "a priority that is upside down",
		file: OFFERS,
		in: "bestJob",
		sound: "[-$lane.priority, $$rest]",
		planted: "[$lane.priority, $$rest]",
		foundAs: ["a lower priority went first"],
		seed: 1,
	},
	{
		name: "offers that take no slot",
		file: OFFERS,
		in: "capacityOf",
		sound: "Math.min($free - $offers, $slots - $held - $offers)",
		planted: "Math.min($free, $slots - $held)",
		foundAs: [OFFER],
		seed: 40,
	},
	{
		name: "a retry too many",
		file: ENDINGS,
		in: "isRetryLeft",
		sound: "return $count < $allowed;",
		planted: "return $count <= $allowed;",
		foundAs: [DIFFERS, OFFER],
		seed: 2,
	},
	{
		name: "a run that leaves with rows still to be sent",
		file: OUTBOX,
		in: "evictDone",
		sql: "AND NOT EXISTS (SELECT 1 FROM outbox WHERE run_id = r.id)",
		planted: "",
		foundAs: [LEFT, RECORD, LOG, GAP],
		seed: 2,
	},
	{
		name: "a history that is cut short",
		file: OUTBOX,
		in: "acknowledgeBatch",
		sql: "(run_id, rev) IN (SELECT value ->> 0, value ->> 1",
		planted: "run_id IN (SELECT value ->> 0",
		foundAs: [GAP],
		seed: 7,
	},
	{
		name: "a group with no limit",
		file: GROUPS,
		in: "isGroupFull",
		sound: "$holding >= $limit",
		planted: "$holding > $limit",
		foundAs: [OFFER],
		seed: 3,
		isRare: true,
	},
	{
		name: "a run that takes the slot of one that is still there",
		file: GROUPS,
		in: "nextToAdmit",
		sound: "if ($holding >= $limit) return null;",
		planted: ";",
		foundAs: [DIFFERS, OFFER],
		seed: 1,
	},
	{
		name: "a failure that was allowed and skips what needs it",
		file: DECIDE,
		in: "countsAsSuccess",
		sound: "$succeeded || $mayFail || $unwanted",
		planted: "$succeeded || $unwanted",
		foundAs: [DIFFERS],
		seed: 1,
	},
	{
		name: "variants that go on when one has failed",
		file: FAIL_FAST,
		in: "failFast",
		sound: "!$isOfRun && !$failFast",
		planted: "!$isOfRun",
		foundAs: [OFFER, DIFFERS],
		seed: 5,
		isRare: true,
	},
	{
		name: "a run that goes on when its time is over",
		file: PROGRESS,
		in: "writeRun",
		sound: 'setTimer($core, "run_timeout", $run, $at)',
		planted: "0",
		foundAs: [DIFFERS],
		seed: 3,
	},
	{
		name: "a job whose time runs while its agent waits for the answer to its start",
		file: ATTEMPTS,
		in: "startAttempt",
		sound: "limitTime($core, $attempt)",
		planted: "0",
		foundAs: [DIFFERS],
		seed: 2,
	},
	{
		name: "a log that takes bytes anywhere",
		file: LOG_SHARD,
		in: "append",
		sound: "if ($offset !== $log.bytes) return $wrong;",
		planted: ";",
		foundAs: [LOG, "a fault was reported"],
		seed: 2,
	},
	{
		name: "an agent that does not fence itself",
		file: AGENT_ATTEMPT,
		in: "extend",
		sound: "$sentAt + $ttl - $grace - $margin",
		planted: "$sentAt + 3_600_000 + $ttl - $grace - $margin",
		foundAs: ["two agents run one job"],
		seed: 1,
		isRare: true,
	},
	{
		name: "labels that go beyond those of the registration token",
		file: LABELS,
		in: "isGiven",
		sound: "$given.includes($one) || $isOfMachine",
		planted: "true",
		foundAs: [OFFER, STARTS],
		seed: 9,
	},
	{
		name: "a restriction that leaves offers as they are",
		file: AGENT_LIFECYCLE,
		in: "restrict",
		sound: "withdrawUnfit($$all)",
		planted: "0",
		foundAs: [DIFFERS, OFFER, STARTS],
		seed: 35,
		isRare: true,
	},
	{
		name: "a job that runs elsewhere while its removed agent has its lease",
		file: AGENT_LIFECYCLE,
		in: "removeAgent",
		sound: "$attempt.deadline - $core.now()",
		planted: "0",
		foundAs: [DIFFERS, OFFER, "two agents run one job"],
		seed: 11,
	},
	{
		name: "a token that is valid after the next one was used",
		file: AGENT_TOKENS,
		in: "authenticateAgent",
		sound: "return takeUpNext($core, $agent);",
		planted: "return $agent;",
		foundAs: [ANSWER],
		seed: 1,
		isRare: true,
	},
	{
		name: "a cancel that leaves `finally` no time",
		file: STOP,
		in: "stopJob",
		sound: "cleanupSlack($$all)",
		planted: "0",
		foundAs: [DIFFERS],
		seed: 7,
	},
	{
		name: "jobs that an attempt adds after it has lost its lease",
		file: ADD_JOBS,
		in: "uploader",
		sound: "liveAttempt($core, $lease)",
		planted: `($core.sql.all("SELECT * FROM attempts WHERE id = ?", $lease.attemptId)[0] ?? liveAttempt($core, $lease))`,
		foundAs: [ANSWER, DIFFERS],
		seed: 1,
	},
	{
		name: "jobs that the same upload adds twice",
		file: ADD_JOBS,
		in: "addJobs",
		sound: "const $known = addedBefore($$all);",
		planted: "const $known = []; definition = run.definition;",
		foundAs: ["a job was added twice", DIFFERS],
		seed: 14,
	},
	{
		name: "jobs that wait for the first matrix job of one that they need",
		file: `${CORE}/runs/expand_matrix.ts`,
		in: "expandMatrix",
		sound: "addNeed($$all)",
		planted: "0",
		foundAs: [DIFFERS, OFFER],
		seed: 24,
	},
];
