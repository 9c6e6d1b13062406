/**
 * A wrong use of a command, or a setting, file or server that cannot be used: the command prints
 * one sentence and ends with code 2.
 */
export class UsageError extends Error {
	override name = "UsageError";
}
