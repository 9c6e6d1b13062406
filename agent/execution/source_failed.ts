import type { Outcome } from "../outcome.ts";

/** The source could not be read: an error of the repository or the network, not of the job. */
export class SourceFailed extends Error {
	override name = "SourceFailed";
	readonly outcome: Outcome;

	constructor(text: string) {
		super(text);
		this.outcome = { state: "errored", exitCode: null, reason: { code: "checkout_failed", text } };
	}
}
