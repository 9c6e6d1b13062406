import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { setImmediate } from "node:timers/promises";

/** The processes of this machine, from proc(5). Other systems than Linux have none to show. */

/** The newest process number of the machine at a moment of the monotonic clock. */
export interface ProcessMark {
	pid: number;
	at: number;
	/** Process numbers begin anew at this number. */
	maximum: number;
}

/** No machine starts more processes and threads in a second. */
const MAX_STARTS_PER_S = 20_000;
/** So few process numbers are looked up without a list of all processes. */
const FEW = 64;
/** How many processes are read before other work of the agent has its turn. */
const SLICE = 64;

/** Marks this moment; null if the machine does not show its newest process number. */
export function markProcesses(): ProcessMark | null {
	const pid = newestPid();
	const maximum = numberIn("/proc/sys/kernel/pid_max");
	return pid === null || maximum === null ? null : { pid, at: performance.now(), maximum };
}

/**
 * The processes that may have started since a mark. Process numbers grow and begin anew at a
 * maximum, so the numbers since a recent mark are known.
 * @param mark null: all processes
 */
export function startedSince(mark: ProcessMark | null): number[] {
	const newest = mark && newestPid();
	if (mark === null || newest === null) return runningPids();
	const { pid: first, at, maximum } = mark;
	if (performance.now() - at > (maximum / MAX_STARTS_PER_S) * 1_000) return runningPids();
	const distance = (pid: number) => (pid - first + maximum) % maximum;
	const count = distance(newest);
	if (count > FEW) return runningPids().filter((pid) => distance(pid) <= count);
	return Array.from({ length: count }, (_, index) => (first + index + 1) % maximum).filter((pid) => pid > 1 && pid !== process.pid);
}

/**
 * Those of the processes that were started with this variable, work in this folder, or are in this
 * process group.
 * @param group null: in any group
 */
export async function findProcesses(
	pids: readonly number[],
	[name, value]: readonly [name: string, value: string],
	folder: string,
	group: number | null,
): Promise<number[]> {
	const found: number[] = [];
	for (const [index, pid] of pids.entries()) {
		if (index % SLICE === SLICE - 1) await setImmediate();
		if (!existsSync(`/proc/${pid}`)) continue;
		const isFound = hasVariable(pid, name, value) || worksIn(pid, folder) || (group !== null && processOf(pid)?.group === group);
		if (isFound && isWhole(pid)) found.push(pid);
	}
	return found;
}

/** Whether the number is a process's. Threads have numbers, too, and a signal to one is to all. */
function isWhole(pid: number): boolean {
	try {
		return readFileSync(`/proc/${pid}/status`, "utf8").includes(`\nTgid:\t${pid}\n`);
	} catch {
		return false;
	}
}

/** The processes that were started with `NAME=value` in their environment. */
export function findByEnvironment(name: string, value: string): number[] {
	return runningPids().filter((pid) => hasVariable(pid, name, value));
}

/** Whether a process was started with `NAME=value` in its environment. */
export function hasVariable(pid: number, name: string, value: string): boolean {
	try {
		const wanted = Buffer.from(`${name}=${value}\0`);
		const environment = readFileSync(`/proc/${pid}/environ`);
		const at = environment.indexOf(wanted);
		return at === 0 || (at > 0 && environment[at - 1] === 0);
	} catch {
		return false;
	}
}

function worksIn(pid: number, folder: string): boolean {
	try {
		const current = readlinkSync(`/proc/${pid}/cwd`);
		return current === folder || current.startsWith(folder + path.sep);
	} catch {
		return false;
	}
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

/** The last field of proc_loadavg(5). */
function newestPid(): number | null {
	return numberIn("/proc/loadavg");
}

/** The last number in a file; null without one. */
function numberIn(file: string): number | null {
	try {
		const number = Number(readFileSync(file, "utf8").trim().split(" ").at(-1));
		return number > 0 ? number : null;
	} catch {
		return null;
	}
}

/**
 * The groups that have a living process among these. A zombie does not count.
 */
export function livingGroups(groups: readonly number[], mark: ProcessMark | null): number[] {
	const answering = groups.filter((group) => sendSignal(-group, 0));
	if (answering.length === 0 || process.platform !== "linux") return answering;
	const living = new Set(
		startedSince(mark)
			.flatMap((pid) => processOf(pid) ?? [])
			.filter(({ isLiving }) => isLiving)
			.map(({ group }) => group),
	);
	return answering.filter((group) => living.has(group));
}

/** The group of a process and whether it lives; null if it is gone. */
export function processOf(pid: number): { group: number; isLiving: boolean } | null {
	try {
		// The name in parentheses may hold anything; plain fields follow the last parenthesis.
		const [state = "", , group = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
		return { group: Number(group), isLiving: state !== "Z" && state !== "X" };
	} catch {
		return null;
	}
}

/** Whether a process lives, and nobody has stopped it. */
export function canRun(pid: number): boolean {
	try {
		return /^[RSD]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "");
	} catch {
		return false;
	}
}

/** Sends a signal. @returns false if no such process exists */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

/** These processes, their children, and the children of those: at most so many. */
export function descendantsOf(pids: readonly number[], most: number): number[] {
	const found = new Set(pids);
	for (const pid of found) {
		for (const child of found.size < most ? childrenOf(pid) : []) found.add(child);
	}
	return [...found];
}

function childrenOf(pid: number): number[] {
	try {
		return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
	} catch {
		return [];
	}
}
