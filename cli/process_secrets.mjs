// Plain JavaScript: the bootstrap runs it before anything is installed or built.
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/**
 * Every process of the same user can read the variables of a process in `/proc/PID/environ`, and
 * every user can read its arguments in `/proc/PID/cmdline`. Both lie in the memory of the process,
 * so it can overwrite them. Jobs run as the agent's user.
 */

/** Variables whose values jobs must not read. */
const SECRET_VARIABLES = [
	"WINDLASS_TOKEN",
	"WINDLASS_ADMIN_TOKEN",
	"WINDLASS_API_TOKEN",
	"WINDLASS_MASTER_KEY",
	"WINDLASS_MASTER_KEY_BEFORE",
	"WINDLASS_METRICS_TOKEN",
	"WINDLASS_BACKUP_PASSPHRASE",
];

/** No secret of the product is shorter. Overwriting a shorter text could damage other variables. */
const SHORTEST = 12;

/**
 * Removes secrets from the variables of this process. Processes that it starts from now on do not
 * get them, and on Linux other processes cannot read them here.
 * @returns the secrets, by the names of their variables
 */
export function takeSecrets(environment = process.env) {
	const taken = {};
	for (const name of SECRET_VARIABLES) {
		if (environment[name] === undefined) continue;
		taken[name] = environment[name];
		delete environment[name];
	}
	overwrite(Object.values(taken));
	return taken;
}

/**
 * Overwrites values in the variables and arguments that this process was started with.
 * @returns whether none of them is left; only Linux allows it
 */
export function overwrite(values) {
	const wanted = values.filter((value) => value.length >= SHORTEST).map((value) => Buffer.from(value));
	if (wanted.length === 0) return true;
	if (process.platform !== "linux") return false;
	try {
		for (const [start, end] of ownRanges()) overwriteIn(start, end, wanted);
		const shown = ["environ", "cmdline"].map((name) => readFileSync(`/proc/self/${name}`));
		return !shown.some((bytes) => wanted.some((value) => bytes.includes(value)));
	} catch {
		return false;
	}
}

/** The memory of this process's arguments and variables: proc_pid_stat(5), fields 48 to 51. */
function ownRanges() {
	const text = readFileSync("/proc/self/stat", "utf8");
	// The name in parentheses may hold anything; the field after it is the third.
	const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
	const [argumentsStart, argumentsEnd, variablesStart, variablesEnd] = [48, 49, 50, 51].map((number) => Number(fields[number - 3]));
	return [
		[argumentsStart, argumentsEnd],
		[variablesStart, variablesEnd],
	];
}

function overwriteIn(start, end, values) {
	const memory = openSync("/proc/self/mem", "r+");
	try {
		const bytes = Buffer.alloc(end - start);
		readSync(memory, bytes, 0, bytes.length, start);
		for (const value of values) {
			for (let at = bytes.indexOf(value); at !== -1; at = bytes.indexOf(value, at + value.length))
				writeSync(memory, Buffer.alloc(value.length, "*"), 0, value.length, start + at);
		}
	} finally {
		closeSync(memory);
	}
}
