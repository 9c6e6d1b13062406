import { withDeadline } from "../platform/deadline.ts";
import { errorFields, log } from "../platform/logger.ts";
import { sleep } from "../platform/sleep.ts";
import type { Core } from "./core/core.ts";
import { acknowledgeBatch, batchOf, buryEntry, isDirty, nextBatch, type OutboxBatch } from "./core/record/outbox.ts";
import { recordStatements } from "./record.ts";

const RUNS_PER_BATCH = 50;
const DEADLINE_MS = 30_000;
/** The record may be behind by this much. A read by id asks the queue itself. */
const COALESCE_MS = 50;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
const LONGEST_PAUSE_MS = DEADLINE_MS + 1_000;
/** How a run's transitions are called among the rows that are set aside. */
const TRANSITIONS = "transitions of ";

/**
 * Sends changed rows to D1, one batch at a time, until none is left. If D1 is down, it retries with
 * growing pauses. A row that D1 rejects is found by halving the batch, and set aside.
 */
export class OutboxRelay {
	readonly #core: Core;
	readonly #db: D1Database;
	#isRunning = false;
	#failures = 0;
	/** When to retry after a failure; null without one. */
	#retryAt: number | null = null;

	/** Since when D1 has been behind; null: it is not. */
	#behindSince: number | null = null;

	constructor(core: Core, db: D1Database) {
		this.#core = core;
		this.#db = db;
	}

	/** For how long D1 has been behind, in milliseconds. */
	get lagMs(): number {
		return this.#behindSince === null ? 0 : Math.max(0, this.#core.now() - this.#behindSince);
	}

	/** When to run again. A batch in progress is followed by the rows that change meanwhile. */
	get nextDue(): number | null {
		return this.#isRunning ? this.#core.now() + LONGEST_PAUSE_MS : this.#retryAt;
	}

	/**
	 * Starts sending, unless a batch is in progress, the pause after a failure lasts, or no row has
	 * changed.
	 * @returns whether it has started
	 */
	async run(): Promise<boolean> {
		const pause = (this.#retryAt ?? 0) - this.#core.now();
		// A pause longer than any was set before the clock was stepped back.
		if (this.#isRunning || (pause > 0 && pause <= LONGEST_PAUSE_MS)) return false;
		if (!isDirty(this.#core)) return false;
		this.#isRunning = true;
		this.#behindSince ??= this.#core.now();
		// The alarm covers a batch that never ends: the object may be evicted during it.
		this.#retryAt = this.#core.now() + LONGEST_PAUSE_MS;
		try {
			// A job that is submitted, offered and started at once is one row to write, not three.
			await sleep(COALESCE_MS);
			for (let batch = nextBatch(this.#core, RUNS_PER_BATCH); batch; batch = nextBatch(this.#core, RUNS_PER_BATCH)) {
				await this.#send(batch);
				if (batch.sent.length < RUNS_PER_BATCH) await sleep(COALESCE_MS);
			}
			this.#failures = 0;
			this.#retryAt = null;
			this.#behindSince = null;
		} catch (error) {
			this.#failures += 1;
			this.#retryAt = this.#core.now() + Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
			log("warn", "the record is behind", { ...errorFields(error), failures: this.#failures });
		} finally {
			this.#isRunning = false;
		}
		return true;
	}

	async #send(batch: OutboxBatch): Promise<void> {
		try {
			const statements = recordStatements(this.#db, batch);
			const results = statements.length === 0 ? [] : await withDeadline(this.#db.batch(statements), DEADLINE_MS, "D1");
			log("trace", "recorded", () => ({
				...{ rows: batch.entries.length, runs: batch.runs.map(({ id }) => id) },
				rows_written: results.reduce((sum, { meta }) => sum + (meta?.rows_written ?? 0), 0),
			}));
		} catch (error) {
			if (!isRowError(error)) throw error;
			await this.#halve(batch, error);
			return;
		}
		acknowledgeBatch(this.#core, batch);
	}

	/** Narrows a rejected batch down to the run, then to the row. */
	async #halve(batch: OutboxBatch, error: unknown): Promise<void> {
		const runIds = batch.sent.map(({ run_id }) => run_id);
		if (runIds.length > 1) {
			const middle = Math.ceil(runIds.length / 2);
			await this.#send(batchOf(this.#core, runIds.slice(0, middle)));
			await this.#send(batchOf(this.#core, runIds.slice(middle)));
			return;
		}
		if (batch.sent.length === 0) {
			for (const entry of batch.entries) buryEntry(this.#core, entry, String(error));
			return;
		}
		for (const part of partsOf(batch)) await this.#send(part);
		acknowledgeBatch(this.#core, { ...batch, entries: [], sentTransitions: [] });
	}
}

/** The rows of a run one by one, and its transitions. A part acknowledges nothing of its run. */
function partsOf(batch: OutboxBatch): OutboxBatch[] {
	const { runs, jobs, attempts, artifacts, transitions, sentTransitions } = batch;
	const nothing = { ...batch, sent: [], runs: [], jobs: [], attempts: [], artifacts: [], transitions: [], sentTransitions: [] };
	const rows = batch.entries.map((entry): OutboxBatch => {
		const isIt = (row: { id: string }) => row.id === entry.id;
		return {
			...{ ...nothing, entries: [entry], runs: runs.filter(isIt), jobs: jobs.filter(isIt), attempts: attempts.filter(isIt) },
			artifacts: artifacts.filter(({ attempt_id }) => attempt_id === entry.id),
		};
	});
	const [first] = transitions;
	if (!first) return rows;
	const entry = { id: `${TRANSITIONS}${first.run_id}`, run_id: first.run_id, rev: first.rev };
	return [...rows, { ...nothing, entries: [entry], transitions, sentTransitions }];
}

/** Whether D1 rejected the rows themselves, so that a repeat is of no use. */
function isRowError(error: unknown): boolean {
	return /SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)|too big|malformed JSON/i.test(String(error));
}
