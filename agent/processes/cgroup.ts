import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sha256 } from "../files/hashing.ts";

/**
 * Control groups (Linux, cgroup v2). A process cannot leave its group, whatever it does with
 * sessions, parents or its environment. Each attempt gets one if the agent may create groups (as
 * root, or with systemd's `Delegate=yes`).
 */
export class Cgroups {
	readonly #folder: string;

	private constructor(folder: string) {
		this.#folder = folder;
	}

	/** The groups of the agent that has this work folder; null if it may not create any. */
	static open(workDir: string): Cgroups | null {
		try {
			const [, mount] = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8")) ?? [];
			const [, own] = /^0::(\S*)/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? [];
			if (mount === undefined || own === undefined) return null;
			const folder = path.join(mount, own, `windlass-${sha256(workDir).slice(0, 16)}`);
			mkdirSync(folder, { recursive: true });
			const cgroups = new Cgroups(folder);
			cgroups.create("probe").remove();
			return cgroups;
		} catch {
			return null;
		}
	}

	/** The group of an attempt. It is created if it does not exist. */
	create(name: string): Cgroup {
		const folder = path.join(this.#folder, name);
		mkdirSync(folder, { recursive: true });
		return new Cgroup(folder);
	}

	/** The groups that an earlier process of the agent left behind. */
	left(): Cgroup[] {
		return foldersIn(this.#folder).map((name) => new Cgroup(path.join(this.#folder, name)));
	}
}

/** One control group, and those below it. */
export class Cgroup {
	/**
	 * A process that writes its number to this file joins the group, with every process that it
	 * starts.
	 */
	readonly entry: string;
	/** A process that waits in the group for jobs, and is no part of them. */
	resident: number | null = null;
	readonly #folder: string;

	constructor(folder: string) {
		this.#folder = folder;
		this.entry = path.join(folder, "cgroup.procs");
	}

	/** The processes in the group, without the resident. */
	get pids(): number[] {
		return pidsIn(this.#folder).filter((pid) => pid !== this.resident);
	}

	/** The CPU time of all processes that were ever in the group, in milliseconds; null if the kernel does not count it. */
	get cpuMs(): number | null {
		const [, used] = /^usage_usec (\d+)$/m.exec(this.#read("cpu.stat")) ?? [];
		if (used !== undefined) return Number(used) / 1_000;
		// cgroup v1, in which some container runtimes still work.
		const usedByV1 = this.#read("cpuacct.usage");
		return usedByV1 === "" ? null : Number(usedByV1) / 1_000_000;
	}

	/** The bytes that they have read from and written to disks; null if the kernel does not count them. */
	get io(): { read: number; written: number } | null {
		const devices = this.#read("io.stat");
		if (devices === "") return null;
		const sum = (key: string) =>
			[...devices.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))].reduce((all, [, bytes]) => all + Number(bytes), 0);
		return { read: sum("rbytes"), written: sum("wbytes") };
	}

	/** A file of the group; empty if the kernel has none. */
	#read(file: string): string {
		try {
			return readFileSync(path.join(this.#folder, file), "utf8");
		} catch {
			return "";
		}
	}

	/** Whether it has neither processes nor groups below it. */
	get isEmpty(): boolean {
		return this.pids.length === 0 && !hasFolders(this.#folder);
	}

	/** Ends all processes at once; none can start another one in between. */
	kill(): void {
		try {
			writeFileSync(path.join(this.#folder, "cgroup.kill"), "1");
		} catch {
			// Kernels before 5.14 have no such file. The caller kills the processes one by one.
		}
	}

	/** Removes the group if it is empty. */
	remove(): void {
		for (const name of foldersIn(this.#folder)) new Cgroup(path.join(this.#folder, name)).remove();
		try {
			rmdirSync(this.#folder);
		} catch {
			// Not empty, or gone already. The next start of the agent removes it.
		}
	}
}

function pidsIn(folder: string): number[] {
	try {
		const own = readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
		return hasFolders(folder) ? [...own, ...foldersIn(folder).flatMap((name) => pidsIn(path.join(folder, name)))] : own;
	} catch {
		return [];
	}
}

/** A folder of cgroup2 has a link from each folder in it, and two others. */
function hasFolders(folder: string): boolean {
	return statSync(folder).nlink > 2;
}

function foldersIn(folder: string): string[] {
	try {
		return readdirSync(folder, { withFileTypes: true })
			.filter((entry) => entry.isDirectory())
			.map(({ name }) => name);
	} catch {
		return [];
	}
}
