import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sha256 } from "../files/hashing.ts";

/**
 * Control groups (Linux, cgroup v2): a process cannot leave its group by anything that it does with sessions, parents or its
 * environment. Where the agent may make groups below its own (as root, or where systemd's `Delegate=yes` says so), every attempt gets one.
 */
export class Cgroups {
	readonly #folder: string;

	private constructor(folder: string) {
		this.#folder = folder;
	}

	/** Groups for the agent of this work folder; null where it may not make any. */
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

	/** The group of an attempt, made if it is not there. */
	create(name: string): Cgroup {
		const folder = path.join(this.#folder, name);
		mkdirSync(folder, { recursive: true });
		return new Cgroup(folder);
	}

	/** Groups that a former life has left. */
	left(): Cgroup[] {
		return foldersIn(this.#folder).map((name) => new Cgroup(path.join(this.#folder, name)));
	}
}

/** One control group, and those below it. */
export class Cgroup {
	/** A process that writes its number here belongs to the group from then on, and so does all that it starts. */
	readonly entry: string;
	readonly #folder: string;

	constructor(folder: string) {
		this.#folder = folder;
		this.entry = path.join(folder, "cgroup.procs");
	}

	/** Every process in it. */
	get pids(): number[] {
		return pidsIn(this.#folder);
	}

	/** Ends all of it at once; nothing can be started in between. */
	kill(): void {
		try {
			writeFileSync(path.join(this.#folder, "cgroup.kill"), "1");
		} catch {
			// Kernels before 5.14: whoever asked goes on to look at the pids.
		}
	}

	/** Removes the group, which must be empty. */
	remove(): void {
		for (const name of foldersIn(this.#folder)) new Cgroup(path.join(this.#folder, name)).remove();
		try {
			rmdirSync(this.#folder);
		} catch {
			// Not empty yet, or gone already; the next start of the agent looks again.
		}
	}
}

function pidsIn(folder: string): number[] {
	try {
		const own = readFileSync(path.join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
		return [...own, ...foldersIn(folder).flatMap((name) => pidsIn(path.join(folder, name)))];
	} catch {
		return [];
	}
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
