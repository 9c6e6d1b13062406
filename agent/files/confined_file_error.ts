/** Why the agent does not open a file. */
export type FileProblem = "absent" | "outside" | "irregular" | "denied" | "too_large" | "too_deep";

/** A file that the agent does not open. The message names it and says why. */
export class ConfinedFileError extends Error {
	override name = "ConfinedFileError";
	readonly problem: FileProblem;
	/** The predicate of the message, without the file's name. */
	readonly why: string;

	constructor(problem: FileProblem, file: string, why: string) {
		super(`${file} ${why}.`);
		this.problem = problem;
		this.why = why;
	}
}

/** Whether a file was removed, or replaced by something else, since it was listed. */
export function isGone(error: unknown): boolean {
	return error instanceof ConfinedFileError && (error.problem === "absent" || error.problem === "irregular");
}

/**
 * The system's error, or a ConfinedFileError with the file's path for a denied permission: the
 * system knows only the handle.
 */
export function deniedOr(error: unknown, relative: string): unknown {
	const isDenied = codeOf(error) === "EACCES" || codeOf(error) === "EPERM";
	return isDenied ? new ConfinedFileError("denied", relative, "cannot be read: the agent's user does not have the permission") : error;
}

export function absent(relative: string): ConfinedFileError {
	return new ConfinedFileError("absent", relative, "does not exist");
}

export function outside(relative: string): ConfinedFileError {
	return new ConfinedFileError("outside", relative, "leads out of its folder");
}

/** The system's code for an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
	return (error as NodeJS.ErrnoException).code;
}
