import path from "node:path";
import type { Run } from "../schema/wire/resources.ts";
import { type CpuTime, cpuTime } from "./cpu.ts";
import { bash } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, onceRow, shareOf, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

const SLOTS = 4;
const WARM_UP = 40;
const JOBS = 400;

/** Real jobs: each with a process, a control group, a workspace, a stored log and a result. */
export const jobs: Part = {
	title: "Real jobs",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--agent-slots", String(SLOTS)], async (target) => {
			const floor = await bash(SLOTS);
			await runAll(target, WARM_UP);
			const before = cpuTime(target.pid);
			const { value: run, memory } = await watchMemory(target, "real jobs", () => runAll(target, JOBS));
			const after = cpuTime(target.pid);
			const rows = [
				timingRow(`bash -c true, ${SLOTS} at a time`, floor, IS_FLOOR),
				timingRow(`jobs of \`true\`, ${SLOTS} slots`, run, shareOf(floor.rate, run.rate, "its rate")),
			];
			if (before && after) {
				const each = (process: keyof CpuTime) => (after[process] - before[process]) / JOBS;
				rows.push(onceRow("CPU time for each: host and workerd", each("server"), ""));
				rows.push(onceRow("CPU time for each: the agent with the processes of jobs", each("agent"), ""));
			}
			return { rows, memory };
		}),
};

/** Submits jobs and waits for the end of each. */
export async function runAll(target: Target, count: number, atOnce = count): Promise<Timing> {
	const samples: number[] = [];
	const one = () =>
		elapsed(async () => {
			const { id } = await target.post<Run>("/api/v1/runs", { run: "true" });
			await target.get(`/api/v1/runs/${id}/wait`);
		});
	let left = count;
	const submitter = async () => {
		while (left > 0) {
			left -= 1;
			samples.push(await one());
		}
	};
	const total = await elapsed(() => Promise.all(Array.from({ length: atOnce }, submitter)));
	return timing(samples, total);
}
