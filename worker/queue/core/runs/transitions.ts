import { ApiError, type ErrorCode } from "../../../../schema/wire/errors.ts";
import { isTerminal, type JobState, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { recordTransition } from "../record/events.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, type JobRow } from "../rows.ts";
import { countQueued } from "./queued_jobs.ts";

/** What can be done to a job. */
export type JobCommand = "queue" | "offer" | "requeue" | "start" | "cancel" | "finish" | "lose" | "skip" | "abandon";

/** A cell of the table: the next states, no effect, or an error. */
type Cell = { to: readonly JobState[] } | "ignore" | { reject: ErrorCode };

/** The advice to an agent whose attempt is not live. */
export const STOP_ATTEMPT = "Stop the processes of the job, and discard what is not sent yet.";

const IGNORE = "ignore";
const over: Cell = { reject: "attempt_finished" };
const superseded: Cell = { reject: "attempt_superseded" };

/** Nothing leads out of a terminal state. */
const TERMINAL: Record<JobCommand, Cell> = {
	queue: IGNORE,
	offer: { reject: "conflict" },
	requeue: IGNORE,
	start: over,
	cancel: IGNORE,
	finish: over,
	lose: IGNORE,
	skip: IGNORE,
	abandon: IGNORE,
};

/**
 * The state machine of a job: state × command. A transition that is not listed as `to` cannot be
 * written.
 */
export const JOB_TRANSITIONS: Record<JobState, Record<JobCommand, Cell>> = {
	blocked: {
		queue: { to: ["queued"] },
		offer: { reject: "conflict" },
		requeue: IGNORE,
		start: superseded,
		cancel: { to: ["cancelled"] },
		finish: superseded,
		lose: IGNORE,
		skip: { to: ["skipped"] },
		abandon: { to: ["errored"] },
	},
	queued: {
		queue: IGNORE,
		offer: { to: ["leased"] },
		requeue: IGNORE,
		start: superseded,
		cancel: { to: ["cancelled"] },
		finish: superseded,
		lose: IGNORE,
		skip: { to: ["skipped"] },
		abandon: { to: ["errored"] },
	},
	leased: {
		queue: IGNORE,
		offer: { reject: "conflict" },
		requeue: { to: ["queued"] },
		start: { to: ["running"] },
		cancel: { to: ["cancelled"] },
		finish: superseded,
		lose: IGNORE,
		skip: { to: ["skipped"] },
		abandon: { to: ["errored"] },
	},
	running: {
		queue: IGNORE,
		offer: { reject: "conflict" },
		requeue: IGNORE,
		start: superseded,
		cancel: { to: ["cancelling"] },
		finish: { to: ["succeeded", "failed", "errored", "timed_out", "cancelled", "blocked"] },
		lose: { to: ["blocked", "errored"] },
		skip: IGNORE,
		abandon: IGNORE,
	},
	cancelling: {
		queue: IGNORE,
		offer: { reject: "conflict" },
		requeue: IGNORE,
		start: superseded,
		cancel: IGNORE,
		finish: { to: ["cancelled"] },
		lose: { to: ["cancelled"] },
		skip: IGNORE,
		abandon: IGNORE,
	},
	succeeded: TERMINAL,
	failed: TERMINAL,
	errored: TERMINAL,
	timed_out: TERMINAL,
	cancelled: TERMINAL,
	skipped: TERMINAL,
};

/** By code: what is wrong, and what to do. */
const ERRORS: Partial<Record<ErrorCode, readonly [message: string, suggestion: string]>> = {
	attempt_finished: ["The job of this attempt has ended.", STOP_ATTEMPT],
	attempt_superseded: ["Another attempt of the job has replaced this one.", STOP_ATTEMPT],
	conflict: ["The state of the job does not allow this.", "Read the state of the job again."],
};

/** Columns of a job that may change together with its state. */
export type JobChanges = Partial<Pick<JobRow, "attempt" | "started_at" | "outputs" | "exit_code" | "result_attempt">>;

/**
 * Moves a job along the table, by compare-and-set on the state that was read. It records the
 * transition and marks the row for the record.
 * @param to needed if the table leaves a choice
 * @param changes other columns, which are written with the state
 * @returns the new state, or null if the command has no effect in this state
 * @throws ApiError as the table says; Error if `to` is not in the table
 */
export function moveJob(
	core: Core,
	job: JobRow,
	verb: JobCommand,
	reason: Reason | null,
	to?: JobState,
	changes: JobChanges = {},
): JobState | null {
	const cell = JOB_TRANSITIONS[job.state][verb];
	if (cell === IGNORE) return null;
	if ("reject" in cell) {
		const [message, suggestion] = ERRORS[cell.reject] ?? ["Rejected.", "Read the state of the job again."];
		throw new ApiError(cell.reject, message, { details: { job_id: job.id, state: job.state }, suggestions: [suggestion] });
	}
	const next = to ?? (cell.to[0] as JobState);
	if (!cell.to.includes(next)) throw new Error(`no way from ${job.state} by ${verb} to ${next}`);
	const now = core.now();
	if (core.rows.peek("jobs", job.id)?.state !== job.state) throw new Error(`job ${job.id} is no longer ${job.state}`);
	changeRow(core, "jobs", job.id, {
		...{ state: next, reason_code: reason?.code ?? null, reason_text: reason?.text ?? null },
		...{ finished_at: isTerminal(next) ? now : null, ...(next === "queued" && { queued_at: now }), rev: nextRev(core) },
		...changes,
	});
	recordTransition(core, { runId: job.run_id, jobId: job.id, from: job.state, to: next, reason });
	markDirty(core, job.run_id);
	if (next === "queued") countQueued(core, job.partition_id, 1);
	if (job.state === "queued") countQueued(core, job.partition_id, -1);
	Object.assign(job, changes, { state: next });
	job.reason_code = reason?.code ?? null;
	job.reason_text = reason?.text ?? null;
	return next;
}
