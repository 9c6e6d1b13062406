import type { FinishState, Reason } from "../schema/wire/states.ts";

/** How a job, or a part of it, went. */
export interface Outcome {
	state: FinishState;
	exitCode: number | null;
	reason: Reason | null;
}

export const SUCCESS: Outcome = { state: "succeeded", exitCode: 0, reason: null };

const MAX_TEXT = 2000;

/** What ends a job before its steps have had their say: not the job's own fault, unless `state` says so. */
export class JobError extends Error {
	override name = "JobError";
	readonly outcome: Outcome;

	constructor(code: string, text: string, state: FinishState = "errored") {
		super(text);
		this.outcome = { state, exitCode: null, reason: { code, text: text.slice(0, MAX_TEXT) } };
	}
}

/** The job's output is lost, and the log cannot say where: nobody could tell what has happened. */
export function logLost(why: string): JobError {
	return new JobError("log_lost", `The agent could not keep the log of this job: ${why}. Check the disk of the agent's work folder.`);
}

/** An outcome that something else has come to: of one that succeeded it takes the place, of any other it goes into the reason. */
export function withReason(outcome: Outcome, other: Outcome): Outcome {
	if (outcome.state === "succeeded" || outcome.reason === null) return other;
	const text = `${outcome.reason.text} ${other.reason?.text ?? ""}`.trim().slice(0, MAX_TEXT);
	return { ...outcome, reason: { ...outcome.reason, text } };
}
