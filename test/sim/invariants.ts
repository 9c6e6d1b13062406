import { getTableColumns } from "drizzle-orm";
import { artifacts, attempts, jobs, runs, TRANSITIONS_OF_RUN } from "../../schema/database/tables.ts";
import { MAX_JOBS } from "../../schema/wire/limits.ts";
import { isTerminal, type JobState } from "../../schema/wire/states.ts";
import type { Coordinator } from "./coordinator.ts";
import type { SimulatedJob } from "./jobs.ts";
import type { Ledger } from "./ledger.ts";
import { ABSENCE_MS, type Model } from "./model.ts";
import { Violation, type World } from "./world.ts";

/**
 * The promises of the queue, asked of its tables, of the record and of what the agents did; beside the model, which knows the rules.
 * The numbers are those of docs/explanation/reliability.md.
 */

type Row = Record<string, unknown>;

/** After this many changes the whole of the queue is compared with the record. */
const RECORD_EVERY = 40;

export class Invariants {
	readonly #world: World;
	readonly #coordinator: Coordinator;
	readonly #ledger: Ledger;
	readonly #model: Model;
	readonly #leaseTtlMs: number;
	/** What is over, and how it ended: run, job or attempt → state. */
	readonly #ended = new Map<string, string>();
	/** Job and number → attempt. */
	readonly #numbers = new Map<string, string>();
	/** Runs that the queue held when it was looked at last. */
	#held = new Set<string>();
	#writes = 0;
	#changes = 0;
	/** Steps of the clock, by when they happened. */
	readonly clockSteps: { at: number; ms: number }[] = [];

	constructor(world: World, coordinator: Coordinator, ledger: Ledger, model: Model, leaseTtlMs: number) {
		this.#world = world;
		this.#coordinator = coordinator;
		this.#ledger = ledger;
		this.#model = model;
		this.#leaseTtlMs = leaseTtlMs;
		coordinator.record.onWrite = () => this.#checkReaders();
		model.onExpired = (attempt) => this.#checkPresence(attempt.id);
		ledger.onJobStarted = (job) => this.#checkFence(job);
	}

	/** Looks at the queue, if anything was written since the last time. */
	check(): void {
		const { database } = this.#coordinator.dispatcher;
		if (database.writes === this.#writes) return;
		this.#writes = database.writes;
		this.#changes += 1;
		this.#checkShape();
		this.#checkEnds();
		this.#checkDepartures();
		if (this.#changes % RECORD_EVERY === 0) this.#checkRecord();
	}

	/** Everything fits together: jobs, attempts, offers, logs. (1, 2) */
	#checkShape(): void {
		const none = (fault: string, text: string) => {
			const found = this.#queue<{ id: string }>(`${text} LIMIT 1`)[0];
			if (found) throw new Violation(fault, String(found.id));
		};
		const live = "state IN ('running', 'cancelling')";
		none("a job has two live attempts", `SELECT job_id AS id FROM attempts WHERE ${live} GROUP BY job_id HAVING count(*) > 1`);
		none(
			"a job runs without an attempt",
			`SELECT id FROM jobs WHERE ${live} AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = jobs.id AND a.state = jobs.state)`,
		);
		none(
			"an attempt lives without its job",
			`SELECT a.id FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id WHERE a.${live} AND a.state <> j.state`,
		);
		none("a job is leased without an offer", "SELECT id FROM jobs WHERE state = 'leased' AND id NOT IN (SELECT job_id FROM offers)");
		none(
			"an offer is there without its job",
			"SELECT attempt_id AS id FROM offers WHERE job_id NOT IN (SELECT id FROM jobs WHERE state = 'leased')",
		);
		none(
			"a run has ended before its jobs",
			"SELECT r.id FROM runs AS r JOIN jobs AS j ON j.run_id = r.id WHERE r.finished_at IS NOT NULL AND j.finished_at IS NULL",
		);
		none("a run has too many jobs", `SELECT run_id AS id FROM jobs GROUP BY run_id HAVING count(*) > ${MAX_JOBS}`);
		none("a job was added twice", "SELECT min(id) AS id FROM jobs GROUP BY run_id, key, matrix HAVING count(*) > 1");
		none(
			"a job needs one that its run does not have",
			`SELECT j.id FROM jobs AS j, json_each(j.needs) AS n WHERE NOT EXISTS (SELECT 1 FROM jobs AS o WHERE o.run_id = j.run_id AND o.key = n.value)`,
		);
		for (const { id } of this.#queue<{ id: string }>(
			`SELECT id FROM attempts WHERE NOT ${live} AND log_archived = 0 AND log_held = 0 AND id NOT IN (SELECT key FROM effects)`,
		)) {
			const isSealed = this.#coordinator.shards.some(
				({ database }) => database.writes > 0 && database.all("SELECT 1 FROM logs WHERE attempt_id = ? AND state <> 'open'", id).length > 0,
			);
			if (!isSealed) throw new Violation("a log is sealed by nobody", id);
		}
	}

	/** What is over stays as it ended; attempt numbers are never given twice. (1, 3) */
	#checkEnds(): void {
		for (const { id, job_id, number, state } of this.#queue<{ id: string; job_id: string; number: number; state: string }>(
			"SELECT id, job_id, number, state FROM attempts",
		)) {
			const known = this.#numbers.get(`${job_id} ${number}`);
			if (known && known !== id) throw new Violation("an attempt number was given twice", `${job_id} ${number}`);
			this.#numbers.set(`${job_id} ${number}`, id);
			this.#noteEnd(id, state);
		}
		for (const table of ["jobs", "runs"])
			for (const { id, state } of this.#queue<{ id: string; state: string }>(`SELECT id, state FROM ${table}`)) this.#noteEnd(id, state);
	}

	#noteEnd(id: string, state: string): void {
		const known = this.#ended.get(id);
		if (known && known !== state) throw new Violation("what was over has changed", `${id}: ${known}, then ${state}`);
		if (isTerminal(state as JobState)) this.#ended.set(id, state);
	}

	/** A run leaves the queue only when the record has all of it, and every log is where the record says. (3, 9, 10) */
	#checkDepartures(): void {
		const held = new Set(this.#queue<{ id: string }>("SELECT id FROM runs").map(({ id }) => id));
		for (const id of this.#held) if (!held.has(id)) this.#checkDeparted(id);
		this.#held = held;
	}

	#checkDeparted(runId: string): void {
		const run = this.#record("SELECT * FROM runs WHERE id = ?", runId)[0];
		const wrong = (why: string) => new Violation("a run has left before the record had it", `${runId}: ${why}`);
		if (!run || !isTerminal(run.state as JobState)) throw wrong(`the run is ${run?.state ?? "missing"}`);
		const known = this.#model.runs.get(runId);
		for (const job of known?.jobs ?? []) {
			const row = this.#record("SELECT * FROM jobs WHERE id = ?", job.id)[0];
			if (row?.state !== job.state) throw wrong(`job ${job.id} is ${row?.state}, and was ${job.state}`);
		}
		for (const attempt of this.#record("SELECT * FROM attempts WHERE run_id = ?", runId)) {
			if (!isTerminal(attempt.state as JobState)) throw wrong(`attempt ${attempt.id} is ${attempt.state}`);
			this.#checkLog(attempt);
		}
	}

	/** Every acknowledged byte is in the finished log, in order and once; and all of them where the log is whole. (9) */
	#checkLog(attempt: Row): void {
		const job = this.#ledger.jobs.get(attempt.id as string);
		const wrong = (why: string) => new Violation("a log is not what was acknowledged", `${attempt.id}: ${why}`);
		const stored = this.#storedLog(attempt);
		if (!stored)
			throw wrong(`it is not where the record says: ${attempt.log_key ?? (attempt.log_held === 1 ? "in the queue" : "nowhere")}`);
		if (stored.byteLength !== attempt.log_bytes) throw wrong(`${stored.byteLength} bytes, recorded as ${attempt.log_bytes}`);
		if (!job) {
			if (stored.byteLength > 0) throw wrong("nobody wrote it");
			return;
		}
		const written = job.spool.bytes;
		if (!startsWith(written, stored)) throw wrong("it is not what was written");
		if (stored.byteLength < job.spool.acknowledged)
			throw wrong(`${job.spool.acknowledged} bytes were acknowledged, ${stored.byteLength} are there`);
		if (attempt.log_incomplete === 0 && stored.byteLength !== written.byteLength)
			throw wrong(`called whole with ${stored.byteLength} of ${written.byteLength} bytes`);
	}

	/** A log from where the record says that it is. */
	#storedLog(attempt: Row): Uint8Array | undefined {
		if (attempt.log_held === 1)
			return this.#queue<{ bytes: Uint8Array }>("SELECT bytes FROM held_logs WHERE attempt_id = ?", attempt.id as string)[0]?.bytes;
		if (attempt.log_archived !== 1) return undefined;
		if (attempt.log_key === null) return new Uint8Array();
		const object = this.#coordinator.bucket.objects.get(attempt.log_key as string);
		if (attempt.log_offset === null) return object;
		const offset = attempt.log_offset as number;
		return object?.subarray(offset, offset + (attempt.log_bytes as number));
	}

	/** Whoever reads the record sees no finished run with something unfinished in it, and nothing that goes backwards. (10) */
	#checkReaders(): void {
		const torn = this.#record(
			`SELECT r.id FROM runs AS r JOIN jobs AS j ON j.run_id = r.id WHERE r.finished_at IS NOT NULL AND j.finished_at IS NULL
			UNION ALL SELECT r.id FROM runs AS r JOIN attempts AS a ON a.run_id = r.id WHERE r.finished_at IS NOT NULL AND a.finished_at IS NULL LIMIT 1`,
		)[0];
		// A row that the record refuses is set aside; the run cannot be whole without it.
		if (torn && this.#coordinator.record.poison.size === 0 && !this.#isSetAside(torn.id as string))
			throw new Violation("the record shows a finished run with something unfinished", String(torn.id));
		for (const table of ["runs", "jobs", "attempts"])
			for (const { id, state } of this.#record(`SELECT id, state FROM ${table} WHERE finished_at IS NOT NULL`))
				this.#noteEnd(String(id), String(state));
	}

	#isSetAside(runId: string): boolean {
		return this.#queue("SELECT 1 FROM outbox_dead WHERE run_id = ?", runId).length > 0;
	}

	/** Whatever the record has not got in its newest form is on its way there, or was set aside. (10) */
	#checkRecord(): void {
		const waiting = new Map(
			this.#queue<{ run_id: string; since: number }>("SELECT * FROM outbox").map(({ run_id, since }) => [run_id, since]),
		);
		const setAside = new Set(this.#queue<{ id: string }>("SELECT id FROM outbox_dead").map(({ id }) => id));
		const isPending = (row: Row) =>
			setAside.has(row.id as string) || (row.rev as number) >= (waiting.get((row.run_id ?? row.id) as string) ?? Number.POSITIVE_INFINITY);
		for (const [name, table] of Object.entries({ runs, jobs, attempts })) {
			const columns = Object.keys(getTableColumns(table)).join(", ");
			const recorded = new Map(this.#record(`SELECT ${columns} FROM ${name}`).map((row) => [row.id, row]));
			for (const row of this.#queue(`SELECT ${columns} FROM ${name}`)) {
				if (isPending(row)) continue;
				if (JSON.stringify(recorded.get(row.id)) !== JSON.stringify(row))
					throw new Violation(
						"the record lacks a row that nobody will send",
						`${name} ${row.id}: ${JSON.stringify(row)} is ${JSON.stringify(recorded.get(row.id))}`,
					);
			}
		}
	}

	/** A lease runs out only if the coordinator was there to hear its renewal, for the whole of a term. (12) */
	#checkPresence(attemptId: string): void {
		const { now } = this.#world;
		const steps = this.clockSteps.filter(({ at }) => now - at < this.#leaseTtlMs);
		const stepped = steps.reduce((sum, { ms }) => sum + Math.abs(ms), 0);
		const since = now - this.#leaseTtlMs + stepped;
		for (const { from, to } of this.#coordinator.absences) {
			const away = Math.min(to, now) - Math.max(from, since);
			if (to > since + CLOCK_MS && to - from > ABSENCE_MS + PRESENCE_SLACK_MS && away > 0)
				throw new Violation("a lease ran out while the coordinator was away", `${attemptId}: away from ${from} to ${to}, now ${now}`);
		}
	}

	/**
	 * No two agents that can act run one job at the same time. (4: self-fencing) A clock that was stepped forward takes as much from the
	 * margin: that is not promised.
	 */
	#checkFence(started: SimulatedJob): void {
		const { now } = this.#world;
		if (this.clockSteps.some(({ at, ms }) => ms > 0 && now - at < 2 * this.#leaseTtlMs + 60_000)) return;
		for (const job of this.#ledger.jobs.values()) {
			const isSame = job.assignment.job.id === started.assignment.job.id && job !== started;
			if (isSame && !job.isOver && job.couldAct && !this.#ledger.copied.has(job.life.name))
				this.#world.blame(new Violation("two agents run one job", `${job.assignment.attempt_id} and ${started.assignment.attempt_id}`));
		}
	}

	/** When all faults are over and everything has come to rest. (2, 5, 10) */
	checkEnd(): void {
		this.#checkShape();
		this.#checkRecord();
		const waiting = this.#queue<{ id: string; state: string }>("SELECT id, state FROM runs")[0];
		if (waiting && !this.#isSetAside(waiting.id)) throw new Violation("a run never ends", `${waiting.id} is ${waiting.state}`);
		const names = new Set<string>();
		// A submission is known by its name, what a plan has made by the plan and the file, a plan by its delivery.
		const known = `SELECT id, CASE WHEN discovered_by IS NOT NULL THEN discovered_by || ' ' || file WHEN kind = 'discovery' THEN trigger_delivery ELSE pipeline END AS name
			FROM runs WHERE rerun_of IS NULL AND kind <> 'comparison' AND NOT (kind = 'discovery' AND trigger_delivery IS NULL) ORDER BY id`;
		for (const { id, name } of this.#record(known)) {
			if (names.has(name as string)) throw new Violation("a submission made two runs", `${name}, ${id}`);
			names.add(name as string);
		}
		for (const [name, id] of this.#ledger.runs) {
			const run = this.#record("SELECT state FROM runs WHERE id = ?", id)[0];
			if (!run) throw new Violation("an acknowledged run is lost", `${name}, ${id}`);
		}
		this.#checkHistory();
	}

	/** Every transition is in the record, and each begins where the one before has ended. */
	#checkHistory(): void {
		const states = new Map<string, unknown>();
		const history = this.#record("SELECT run_id FROM transitions GROUP BY run_id")
			.flatMap(({ run_id }) => this.#record(TRANSITIONS_OF_RUN, run_id as string))
			.sort((a, b) => (a.rev as number) - (b.rev as number));
		for (const event of history) {
			const id = (event.job_id ?? event.run_id) as string;
			const before = states.get(id) ?? (event.job_id === null ? null : "blocked");
			const isTakenOver = event.from_state === null && event.reason_code === "reused";
			if (event.from_state !== before && !isTakenOver)
				throw new Violation("the history has a gap", `${id}: ${before}, then from ${event.from_state} to ${event.to_state}`);
			states.set(id, event.to_state);
		}
		for (const { id, state } of this.#record("SELECT id, state FROM runs UNION ALL SELECT id, state FROM jobs")) {
			if ((states.get(id as string) ?? "blocked") !== state)
				throw new Violation("the history has a gap", `${id} is ${state}; its history ends with ${states.get(id as string)}`);
		}
		for (const { attempt_id, key } of this.#record(`SELECT ${Object.keys(getTableColumns(artifacts)).join(", ")} FROM artifacts`))
			if (!this.#coordinator.bucket.objects.has(key as string)) throw new Violation("an artifact is not there", `${attempt_id}`);
	}

	#queue<Found = Row>(text: string, ...params: string[]): Found[] {
		return this.#coordinator.dispatcher.database.all<Found>(text, ...params);
	}

	#record(text: string, ...params: string[]): Row[] {
		return this.#coordinator.record.database.all<Row>(text, ...params);
	}
}

/** The clock counts whole milliseconds. */
const CLOCK_MS = 2;
/** The queue looks at its clock this often. */
const PRESENCE_SLACK_MS = 5_000;
function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
	return prefix.byteLength <= bytes.byteLength && prefix.every((byte, index) => byte === bytes[index]);
}
