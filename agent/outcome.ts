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
export class JobFault extends Error {
	override name = "JobFault";
	readonly outcome: Outcome;

	constructor(code: string, text: string, state: FinishState = "errored") {
		super(text);
		this.outcome = { state, exitCode: null, reason: { code, text: text.slice(0, MAX_TEXT) } };
	}
}
