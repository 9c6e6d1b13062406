import { existsSync, readFileSync } from "node:fs";
import { workerdsOf } from "../../support/processes.ts";
import type { Target } from "./target.ts";

/** What must be so after all that: nobody has died, nothing has grown, and work is still done. */

/** How much more memory workerd may have than after the first cases. Its heap breathes by some ten MiB; a leak does not stop. */
const GROWTH_BYTES = 150 * 1024 * 1024;

/** Memory of the target's workerd. */
export function residentBytes({ pids }: Target): number {
	return pids.workerds.reduce((sum, pid) => sum + residentOf(pid), 0);
}

function residentOf(pid: number): number {
	const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return Number(kilobytes) * 1024;
}

/** @returns what is not as it should be */
export async function aftermath(target: Target, residentBefore: number): Promise<string[]> {
	const { coordinator, pids } = target;
	const now = workerdsOf(coordinator.data);
	if (!existsSync(`/proc/${pids.host}`)) return ["the coordinator has ended"];
	if (now.join() !== pids.workerds.join()) return [`workerd was ${pids.workerds.join()} and is ${now.join() || "gone"}`];
	const faults: string[] = [];
	for (const address of ["/healthz", "/readyz"]) {
		const response = await coordinator.request(address, { token: null });
		if (response.status !== 200) faults.push(`${address} says ${response.status}: ${await response.text()}`);
	}
	const grown = residentBytes(target) - residentBefore;
	if (grown > GROWTH_BYTES) faults.push(`workerd has grown by ${Math.round(grown / 1024 / 1024)} MiB`);
	const said = await runOnce(target);
	if (!/^still here$[\s\S]*^::exit 0\n$/m.test(said)) faults.push(`a run that should have worked said: ${said}`);
	return faults;
}

/** A run, by a real agent, from its submission to its last line. */
async function runOnce({ coordinator }: Target): Promise<string> {
	await coordinator.post("/api/v1/queue/resume", {});
	const agent = await coordinator.agent("survivor", { args: ["--labels", "survivor"] });
	try {
		const response = await coordinator.request("/api/v1/runs?follow=1", {
			method: "POST",
			body: JSON.stringify({ run: "echo still here", runs_on: ["survivor"] }),
			signal: AbortSignal.timeout(60_000),
		});
		return await response.text();
	} finally {
		await agent.kill();
	}
}
