import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Cgroup } from "./cgroup.ts";

/**
 * The control group of a container on this machine, by the container's id, which is in the path of
 * the group, wherever the runtime puts it. Not to be written to: it is the runtime's.
 * @returns null if no process that the agent sees is in such a group, as with a daemon elsewhere
 */
export function containerCgroup(id: string): Cgroup | null {
	try {
		for (const name of readdirSync("/proc")) {
			const folder = /^\d+$/.test(name) ? groupOf(name, id) : null;
			if (folder !== null) return new Cgroup(folder);
		}
	} catch {
		// A system without proc(5).
	}
	return null;
}

/** The folder of the group that counts CPU time, cgroup v2 before v1 (cgroups(7)); null if the process is not in the container. */
function groupOf(pid: string, id: string): string | null {
	const groups = readOrEmpty(`/proc/${pid}/cgroup`);
	if (!groups.includes(id)) return null;
	const mounts = readOrEmpty("/proc/self/mountinfo");
	const inGroup = (controllers: RegExp) => {
		const group = [...groups.matchAll(/^\d+:([^:\n]*):(.*)$/gm)].find(([, list = ""]) => controllers.test(list))?.[2];
		return group?.includes(id) ? topOf(group, id) : null;
	};
	for (const [controllers, mount] of [
		[/^$/, /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m],
		[/\bcpuacct\b/, /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup \S+ \S*\bcpuacct\b/m],
	] as const) {
		const group = inGroup(controllers);
		const [, at] = mount.exec(mounts) ?? [];
		if (group !== null && at !== undefined) return path.join(at, group);
	}
	return null;
}

/** A container may have groups of its own below the one that bears its id. */
function topOf(group: string, id: string): string {
	const parts = group.split("/");
	return parts.slice(0, parts.findIndex((part) => part.includes(id)) + 1).join("/");
}

function readOrEmpty(file: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return "";
	}
}
