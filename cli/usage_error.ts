/** A set-up that cannot work; one clear sentence, exit code 2. */
export class UsageError extends Error {
	override name = "UsageError";
}
