import { overwrite, takeSecrets } from "./process_secrets.mjs";

/** The secrets that this program was started with. Jobs run as its user, or below it, and are not to read them. */

const taken: Record<string, string> = {};

/** Takes them out of the variables of this process, before anything else reads or starts anything. */
export function hideOwnSecrets(): void {
	Object.assign(taken, takeSecrets(process.env));
}

/** The value of a variable that was taken; empty ones are none. */
export function ownSecret(name: string): string | undefined {
	return taken[name] || undefined;
}

/** Whether a value was given in a variable or an argument, and every process of this user can still read it there. */
export function isStillReadable(value: string): boolean {
	const wasGiven = Object.values(taken).includes(value) || process.argv.some((argument) => argument.includes(value));
	return !overwrite([value]) && wasGiven;
}
