import { overwrite, takeSecrets } from "./process_secrets.mjs";

/**
 * The secrets that this program was started with. Jobs run as the same user, so they must not find
 * them in this process.
 */

const taken: Record<string, string> = {};

/** Removes them from the variables of this process. Called before all other code. */
export function hideOwnSecrets(): void {
	Object.assign(taken, takeSecrets(process.env));
}

/** The value of a removed variable; an empty one counts as unset. */
export function ownSecret(name: string): string | undefined {
	return taken[name] || undefined;
}

/**
 * Whether every process of this user can still read a value in a variable or argument of this
 * process.
 */
export function isStillReadable(value: string): boolean {
	const wasGiven = Object.values(taken).includes(value) || process.argv.some((argument) => argument.includes(value));
	return !overwrite([value]) && wasGiven;
}
