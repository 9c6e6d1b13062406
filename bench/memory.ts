import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { megabytes, type Row } from "./table.ts";
import type { Target } from "./target.ts";

/** Resident memory of the coordinator's two processes, as Linux counts it (proc_pid_status(5)). */

const SETTLE_MS = 2_000;

interface Resident {
	now: number;
	/** The highest since the process started, or since `resetPeak`. */
	peak: number;
}

/**
 * Runs an action.
 * @returns the memory of host and workerd before it, at its peak, and a moment after; no rows
 * without /proc
 */
export async function watchMemory<Value>(
	target: Target,
	what: string,
	action: () => Promise<Value>,
): Promise<{ value: Value; memory: Row[] }> {
	if (process.platform !== "linux") return { value: await action(), memory: [] };
	const processes = [
		{ name: "host", pid: target.pid },
		{ name: "workerd", pid: workerdOf(target.pid) },
	];
	const before = processes.map(({ pid }) => {
		resetPeak(pid);
		return residentOf(pid).now;
	});
	const value = await action();
	const peaks = processes.map(({ pid }) => residentOf(pid).peak);
	// Time for the processes to give back free memory.
	await sleep(SETTLE_MS);
	const memory = processes.map(({ name, pid }, index): Row => {
		const [start = Number.NaN, peak = Number.NaN] = [before[index], peaks[index]];
		return [
			`${name}, ${what}`,
			megabytes(start),
			megabytes(peak),
			megabytes(residentOf(pid).now),
			`+ ${megabytes(Math.max(0, peak - start))}`,
		];
	});
	return { value, memory };
}

/** The child of the host that is workerd; the other child may be an agent. */
function workerdOf(host: number): number {
	const children = readFileSync(`/proc/${host}/task/${host}/children`, "utf8").trim().split(" ").map(Number);
	const workerd = children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd"));
	if (workerd === undefined) throw new Error(`the coordinator ${host} has no workerd`);
	return workerd;
}

function residentOf(pid: number): Resident {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
	return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
}

/** Linux records the peak; this resets it (proc_pid_clear_refs(5)). */
function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
