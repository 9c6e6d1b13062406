import { readdirSync, readFileSync } from "node:fs";

/** CPU time of the coordinator's processes, as Linux counts it (proc_pid_stat(5)). */

/** A tick of Linux, in milliseconds. */
const TICK_MS = 10;

/** CPU time in milliseconds: of host and workerd, and of an agent beside them with its ended jobs. */
export interface CpuTime {
	server: number;
	agent: number;
}

/** The CPU time so far of a host and its children; null without /proc. */
export function cpuTime(host: number): CpuTime | null {
	if (process.platform !== "linux") return null;
	const time = { server: own(host), agent: 0 };
	for (const pid of childrenOf(host)) {
		if (readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd")) time.server += own(pid);
		else time.agent += withDescendants(pid);
	}
	return time;
}

function own(pid: number): number {
	const [user = 0, system = 0] = times(pid);
	return (user + system) * TICK_MS;
}

/** Also that of children that have ended, and of shells that wait for jobs. */
function withDescendants(pid: number): number {
	const all = times(pid).reduce((sum, ticks) => sum + ticks, 0) * TICK_MS;
	return childrenOf(pid).reduce((sum, child) => sum + withDescendants(child), all);
}

/** User and system time, of the process and of its ended children. A process that has ended has none. */
function times(pid: number): number[] {
	try {
		const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
		return fields.slice(11, 15).map(Number);
	} catch {
		return [];
	}
}

function childrenOf(pid: number): number[] {
	try {
		return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
			readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
		);
	} catch {
		return [];
	}
}
