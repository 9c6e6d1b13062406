import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { sleep } from "../sleep.ts";
import type { Cgroup } from "./cgroup.ts";

/**
 * Finds and ends all processes of an attempt. With control groups they cannot leave the attempt's
 * group. Without them the agent knows them by their process groups; processes that left those
 * (setsid, a double fork) by an inherited variable; and processes that cleared their environment by
 * their working directory.
 */

/** The variable that every process of an attempt inherits. */
export const MARKER = "WINDLASS_ATTEMPT";

const LOOK_MS = 50;
const MAX_KILL_ROUNDS = 100;

/** The processes of one attempt. */
export class AttemptProcesses {
	readonly #attemptId: string;
	readonly #folder: string;
	readonly cgroup: Cgroup | null;
	/** Process groups that steps lead. */
	#groups: number[] = [];

	/** @param folder the attempt's folder: every process that works in it belongs to the attempt */
	constructor(attemptId: string, folder: string, cgroup: Cgroup | null) {
		this.#attemptId = attemptId;
		this.#folder = folder;
		this.cgroup = cgroup;
	}

	/** Adds a process that leads a group of its own. */
	add(leader: number): void {
		this.#groups.push(leader);
	}

	/** Removes groups that have ended: their numbers may belong to another job by now. */
	forgetEnded(): void {
		this.#groups = livingGroups(this.#groups);
	}

	/** Ends all of them: SIGTERM, the grace period, then SIGKILL until none is left. */
	async endAll(graceMs: number): Promise<void> {
		this.forgetEnded();
		await this.end(this.#groups, graceMs);
	}

	/** Ends these groups, and the attempt's processes that are in no group. */
	async end(groups: readonly number[], graceMs: number): Promise<void> {
		this.#signal(groups, "SIGTERM");
		const until = performance.now() + graceMs;
		while (performance.now() < until) {
			if (!this.#isAnyLeft(groups)) return;
			await sleep(LOOK_MS);
		}
		for (let round = 0; round < MAX_KILL_ROUNDS && this.#isAnyLeft(groups); round += 1) {
			this.#signal(groups, "SIGKILL");
			this.cgroup?.kill();
			await sleep(LOOK_MS);
		}
	}

	#signal(groups: readonly number[], signal: NodeJS.Signals): void {
		for (const group of groups) sendSignal(-group, signal);
		// Processes of these groups have the signal already, and some programs give a second one another
		// meaning.
		for (const pid of this.#strays()) if (!groups.includes(processOf(pid)?.group ?? 0)) sendSignal(pid, signal);
	}

	#isAnyLeft(groups: readonly number[]): boolean {
		return livingGroups(groups).length > 0 || this.#strays().some((pid) => processOf(pid)?.isLiving);
	}

	/** All processes of the attempt, in whichever group. */
	#strays(): number[] {
		const inCgroup = this.cgroup?.pids ?? [];
		const elsewhere = runningPids().filter(
			(pid) => !inCgroup.includes(pid) && (hasVariable(pid, MARKER, this.#attemptId) || worksIn(pid, this.#folder)),
		);
		return [...inCgroup, ...elsewhere];
	}
}

/**
 * The processes that were started with `NAME=value` in their environment. Only Linux tells;
 * elsewhere the list is empty.
 */
export function findByEnvironment(name: string, value: string): number[] {
	return runningPids().filter((pid) => hasVariable(pid, name, value));
}

function hasVariable(pid: number, name: string, value: string): boolean {
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

/** The groups that have a living process. A zombie does not count. */
function livingGroups(groups: readonly number[]): number[] {
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
		// The name in parentheses may hold anything; plain fields follow the last parenthesis.
		const [state = "", , group = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
		return { group: Number(group), isLiving: state !== "Z" && state !== "X" };
	} catch {
		return null;
	}
}

/** Sends a signal. @returns false if no such process exists */
function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
