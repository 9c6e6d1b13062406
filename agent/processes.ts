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
	for (const pid of findByEnvironment(MARKER, attemptId)) sendSignal(pid, signal);
}

function isAnyLeft(attemptId: string, groups: readonly number[]): boolean {
	return groups.some((group) => sendSignal(-group, 0)) || findByEnvironment(MARKER, attemptId).some((pid) => !isZombie(pid));
}

/** A process that has ended and was not waited for: nothing is left of it to end. */
function isZombie(pid: number): boolean {
	try {
		return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return true;
	}
}

/** Sends a signal; false if there was nobody to get it. */
function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch {
		return false;
	}
}
