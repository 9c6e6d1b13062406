import * as z from "zod";

export const JOB_STATES = [
	"blocked",
	"queued",
	"leased",
	"running",
	"cancelling",
	"succeeded",
	"failed",
	"errored",
	"timed_out",
	"cancelled",
	"skipped",
] as const;
export const jobState = z.enum(JOB_STATES);
export type JobState = (typeof JOB_STATES)[number];

export const RUN_STATES = [
	"queued",
	"running",
	"waiting",
	"cancelling",
	"succeeded",
	"failed",
	"errored",
	"timed_out",
	"cancelled",
	"skipped",
] as const;
export const runState = z.enum(RUN_STATES);
export type RunState = (typeof RUN_STATES)[number];

const ATTEMPT_STATES = ["running", "cancelling", "succeeded", "failed", "errored", "timed_out", "cancelled", "expired"] as const;
export const attemptState = z.enum(ATTEMPT_STATES);
export type AttemptState = (typeof ATTEMPT_STATES)[number];

const STEP_STATES = ["pending", "running", "succeeded", "failed", "skipped", "cancelled", "timed_out"] as const;
export const stepState = z.enum(STEP_STATES);
export type StepState = (typeof STEP_STATES)[number];

/** The end of an attempt in an agent's report. `errored`: the cause is outside of the job. */
export const finishState = z.enum(["succeeded", "failed", "errored", "timed_out", "cancelled"]);
export type FinishState = z.infer<typeof finishState>;

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "errored", "timed_out", "cancelled", "skipped", "expired"]);

/** Whether a run, job or attempt in this state has ended. Such a state never changes. */
export function isTerminal(state: RunState | JobState | AttemptState): boolean {
	return TERMINAL.has(state);
}

/**
 * The aggregate state of several jobs or runs is the first of these states that any of them has.
 * - Failures first: the other jobs cannot undo them. A job fails by itself, while a timeout or an
 * error may come from outside. A cancel comes last, because a failure is often its cause
 * (`fail_fast`).
 * - Then open states, so that nothing counts as succeeded before all have ended.
 * - `skipped` last: a skipped job says nothing about the others.
 */
export const AGGREGATE_ORDER = [
	...(["failed", "timed_out", "errored", "cancelled"] as const),
	...(["cancelling", "running", "leased", "queued", "waiting", "blocked"] as const),
	...(["succeeded", "skipped"] as const),
] as const satisfies readonly (RunState | JobState)[];

/** The aggregate state; null for no states. */
export function aggregateState<State extends RunState | JobState>(states: readonly State[]): State | null {
	const first = AGGREGATE_ORDER.find((state) => (states as readonly string[]).includes(state));
	return (first as State | undefined) ?? null;
}

/** The reason for a state: a code for rules, a sentence for people. */
export const reason = z.object({ code: z.string().max(64), text: z.string().max(2000) });
export type Reason = z.infer<typeof reason>;
