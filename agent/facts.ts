import { execFileSync } from "node:child_process";
import os from "node:os";
import type { Facts } from "../schema/wire/protocol.ts";

/** What an agent tells of itself: the labels that jobs may ask for, and facts for people. */
export function collectFacts(options: { slots: number; labels: readonly string[] }, version: string, hasCgroups: boolean): Facts {
	return {
		version,
		slots: options.slots,
		labels: [...new Set([os.platform(), os.arch(), ...options.labels])],
		facts: {
			hostname: os.hostname(),
			os: `${os.type()} ${os.release()}`,
			cpus: String(os.cpus().length),
			memory_mb: String(Math.round(os.totalmem() / 1024 / 1024)),
			node: process.versions.node,
			git: gitVersion(),
			processes: hasCgroups ? "held in control groups" : "no control groups: what detaches itself completely may outlive its job",
		},
	};
}

function gitVersion(): string {
	try {
		return execFileSync("git", ["--version"], { encoding: "utf8" }).trim().slice(0, 100);
	} catch {
		return "not installed";
	}
}
