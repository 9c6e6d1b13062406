import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** The name of the folder of an attempt: its id, or a number that later attempts get again. */

/** In a folder with a number: the id of its attempt. */
const OWNER = "attempt";

/**
 * Gives attempts the lowest number that is free. What a tool has kept often holds paths of the
 * workspace, so a job with caches finds its workspace where the one before had it.
 */
export class FolderNumbers {
	readonly #taken = new Map<string, number>();
	readonly #placeOf: (name: string) => string;

	/** @param placeOf the place of a folder of this name */
	constructor(placeOf: (name: string) => string) {
		this.#placeOf = placeOf;
	}

	/** The name of the folder of an attempt that has a number. */
	take(attemptId: string): string {
		const taken = new Set(this.#taken.values());
		let number = 1;
		// What an earlier process has left is still being removed.
		while (taken.has(number) || existsSync(this.#placeOf(nameOf(number)))) number += 1;
		this.#taken.set(attemptId, number);
		return nameOf(number);
	}

	/** The same once it is taken; the id of an attempt without a number. */
	nameOf(attemptId: string): string {
		const number = this.#taken.get(attemptId);
		return number === undefined ? attemptId : nameOf(number);
	}

	giveBack(attemptId: string): void {
		this.#taken.delete(attemptId);
	}
}

function nameOf(number: number): string {
	return `job-${number}`;
}

/** Notes the attempt that a folder with a number belongs to. */
export function noteOwner(folder: string, attemptId: string): void {
	writeFileSync(`${folder}/${OWNER}`, attemptId, { mode: 0o600 });
}

/** The attempt that a folder belongs to. */
export function ownerOf(folder: string, name: string): string {
	try {
		return readFileSync(`${folder}/${OWNER}`, "utf8");
	} catch {
		return name;
	}
}
