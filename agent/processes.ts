import { readdirSync, readFileSync } from "node:fs";

/**
 * Ending everything that a job has started. A job runs in process groups of its own; what leaves its group (setsid, a double
 * fork) is still known by a variable that every process inherits.
 */

/** The variable that marks every process of an attempt. */
export const MARKER = "WINDLASS_ATTEMPT";

const LOOK_MS = 50;
const MAX_KILL_ROUNDS = 100;

/** The processes that carry `NAME=value` in the environment that they were started with. Linux only; elsewhere none. */
export function findByEnvironment(name: string, value: string): number[] {
	const wanted = Buffer.from(`${name}=${value}\0`);
	return runningPids().filter((pid) => {
		try {
			const environment = readFileSync(`/proc/${pid}/environ`);
			const at = environment.indexOf(wanted);
			return at === 0 || (at > 0 && environment[at - 1] === 0);
		} catch {
			return false;
		}
	});
}

function runningPids(): number[] {
	try {
		return readdirSync("/proc")
			.map(Number)
			.filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid);
	} catch {
		return [];
	}
}

/**
 * Ends all processes of an attempt: SIGTERM, up to `graceMs` to comply, SIGKILL, until none is left.
 * @param groups process groups that the attempt's steps lead
 */
export async function endProcesses(attemptId: string, groups: readonly number[], graceMs: number): Promise<void> {
	signalAll(attemptId, groups, "SIGTERM");
	const until = performance.now() + graceMs;
	while (performance.now() < until) {
		if (!isAnyLeft(attemptId, groups)) return;
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
	for (let round = 0; round < MAX_KILL_ROUNDS && isAnyLeft(attemptId, groups); round += 1) {
		signalAll(attemptId, groups, "SIGKILL");
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
}

function signalAll(attemptId: string, groups: readonly number[], signal: NodeJS.Signals): void {
	for (const group of groups) sendSignal(-group, signal);
	// Who is in one of the groups has had the signal: some programs take a second one for more than it is.
	const strays = findByEnvironment(MARKER, attemptId).filter((pid) => !groups.includes(processOf(pid)?.group ?? 0));
	for (const pid of strays) sendSignal(pid, signal);
}

function isAnyLeft(attemptId: string, groups: readonly number[]): boolean {
	return livingGroups(groups).length > 0 || findByEnvironment(MARKER, attemptId).some((pid) => processOf(pid)?.isLiving);
}

/** Those of the groups in which a process lives; one that has ended and was not waited for does not count. */
export function livingGroups(groups: readonly number[]): number[] {
	const answering = groups.filter((group) => sendSignal(-group, 0));
	if (answering.length === 0 || process.platform !== "linux") return answering;
	const living = new Set(
		runningPids()
			.flatMap((pid) => processOf(pid) ?? [])
			.filter(({ isLiving }) => isLiving)
			.map(({ group }) => group),
	);
	return answering.filter((group) => living.has(group));
}

/** The group of a process and whether it lives, from proc(5); null if it is gone. */
function processOf(pid: number): { group: number; isLiving: boolean } | null {
	try {
		// The name in parentheses may hold anything; what follows the last one is made of plain fields.
		const [state = "", , group = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
		return { group: Number(group), isLiving: state !== "Z" && state !== "X" };
	} catch {
		return null;
	}
}

/** Sends a signal; false if there was nobody to get it. */
function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
