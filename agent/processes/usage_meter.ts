import { readFileSync } from "node:fs";

/** What the processes of an attempt have used since it began, and the memory that they hold now. */
export interface UsageReading {
	/** CPU time in milliseconds. */
	cpuMs: number;
	/** Resident memory in bytes. */
	memory: number;
	/** Bytes read from and written to disks. */
	read: number;
	written: number;
}

/** The processes that are measured, and what their control group counts. */
export interface Measured {
	/** At most so many of the processes. */
	knownPids(most: number): number[];
	/** Null where the processes have no group. */
	readonly cgroup: Counters | null;
}

/** What a control group has counted since it exists, with its ended processes; null for what the kernel does not count. */
interface Counters {
	readonly cpuMs: number | null;
	readonly io: Pick<UsageReading, "read" | "written"> | null;
}

/** Of more processes, the first ones are measured. */
const MOST_PROCESSES = 256;
/** The kernel counts CPU time in ticks of this length for programs. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

/** What a process has used, and when it started, which distinguishes processes with one number. */
type Used = Pick<UsageReading, "cpuMs" | "read" | "written">;
interface Known extends Used {
	startedAt: number;
}

/**
 * Measures the processes of an attempt: CPU time, reads and writes by its control group, which counts
 * ended processes, too, and by proc(5) what the group does not count. Without a group, short processes
 * between two readings are missed.
 */
export class UsageMeter {
	readonly #measured: Measured;
	/** The processes of the last reading. */
	#known = new Map<number, Known>();
	/** What ended processes have used. */
	readonly #ended: Used = { cpuMs: 0, read: 0, written: 0 };
	/** What the group had counted before the attempt: groups are used again. */
	readonly #before: Used;

	/** @param measured its group is the attempt's from now on */
	constructor(measured: Measured, before: Used = countedBy(measured.cgroup)) {
		this.#measured = measured;
		this.#before = before;
	}

	read(): UsageReading {
		let memory = 0;
		const running = new Map<number, Known>();
		for (const pid of this.#measured.knownPids(MOST_PROCESSES)) {
			const stat = statOf(pid);
			if (!stat) continue;
			memory += stat.memory;
			running.set(pid, { cpuMs: stat.cpuMs, startedAt: stat.startedAt, ...ioOf(pid) });
		}
		for (const [pid, used] of this.#known) if (running.get(pid)?.startedAt !== used.startedAt) this.#addEnded(used);
		this.#known = running;
		const sum = (key: keyof Used) => [...running.values()].reduce((all, one) => all + one[key], this.#ended[key]);
		const cpuMs = this.#measured.cgroup?.cpuMs ?? null;
		const io = this.#measured.cgroup?.io ?? null;
		const since = (key: keyof Used, counted: number | null) => Math.max(0, counted === null ? sum(key) : counted - this.#before[key]);
		return { cpuMs: since("cpuMs", cpuMs), memory, read: since("read", io?.read ?? null), written: since("written", io?.written ?? null) };
	}

	#addEnded(used: Used): void {
		for (const key of ["cpuMs", "read", "written"] as const) this.#ended[key] += used[key];
	}
}

function countedBy(counters: Counters | null): Used {
	return { cpuMs: counters?.cpuMs ?? 0, ...(counters?.io ?? { read: 0, written: 0 }) };
}

/** CPU time, memory and start of a process; null if it has ended. */
function statOf(pid: number): { cpuMs: number; memory: number; startedAt: number } | null {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, "utf8");
		// The name before may have blanks and parentheses.
		const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
		const [userTicks = 0, systemTicks = 0, startedAt = 0, pages = 0] = [11, 12, 19, 21].map((index) => Number(fields[index]));
		return { cpuMs: (userTicks + systemTicks) * TICK_MS, memory: pages * PAGE_BYTES, startedAt };
	} catch {
		return null;
	}
}

/** What a process has read and written; zeros where the agent may not know. */
function ioOf(pid: number): { read: number; written: number } {
	try {
		const text = readFileSync(`/proc/${pid}/io`, "utf8");
		const of = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
		return { read: of("read_bytes"), written: of("write_bytes") };
	} catch {
		return { read: 0, written: 0 };
	}
}
