import type { ReasonCode } from "../schema/wire/reasons.ts";
import type { FinishState, Reason } from "../schema/wire/states.ts";

/** The end of a job, or of a part of it. */
export interface Outcome {
	state: FinishState;
	exitCode: number | null;
	reason: Reason | null;
}

export const SUCCESS: Outcome = { state: "succeeded", exitCode: 0, reason: null };

const MAX_TEXT = 2000;

/** An error that ends a job. The job itself is not to blame, unless `state` says `failed`. */
export class JobError extends Error {
	override name = "JobError";
	readonly outcome: Outcome;

	constructor(code: ReasonCode, text: string, state: FinishState = "errored") {
		super(text);
		this.outcome = { state, exitCode: null, reason: { code, text: text.slice(0, MAX_TEXT) } };
	}
}

/** Output of the job is lost, and the log cannot say where. */
export function logLost(why: string): JobError {
	return new JobError("log_lost", `The agent could not keep the log of this job: ${why}. Check the disk of the agent's work folder.`);
}

/**
 * The outcome with a second error. It replaces a success; to any other outcome its reason is added.
 */
export function withReason(outcome: Outcome, other: Outcome): Outcome {
	if (outcome.state === "succeeded" || outcome.reason === null) return other;
	const text = `${outcome.reason.text} ${other.reason?.text ?? ""}`.trim().slice(0, MAX_TEXT);
	return { ...outcome, reason: { ...outcome.reason, text } };
}
