import { existsSync, watch } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../schema/wire/resources.ts";
import { bash } from "./floors.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, latencyRow, timesFloor, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { type Timing, timing } from "./timing.ts";

const WARM_UP = 10;
const STARTS = 200;
/** So long everything rests before a job is submitted: it is the time of an idle installation. */
const REST_MS = 100;

/** The time to the start of a job while nothing else runs. */
export const starts: Part = {
	title: "From the submission to the step",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), [], async (target) => {
			const floor = await bash();
			const { start, end } = await submitToStart(target, folder);
			const rows = [
				timingRow("bash -c true, one at a time", floor, IS_FLOOR),
				latencyRow("submit → the step's process has started, idle", start, timesFloor(start, floor)),
				latencyRow("submit → the waiting client has the end, idle", end, timesFloor(end, floor)),
			];
			return { rows, memory: [] };
		}),
};

/**
 * The time from the submission to the first action of the step's process, with an idle agent: one
 * at a time.
 */
async function submitToStart(target: Target, folder: string): Promise<{ start: Timing; end: Timing }> {
	const samples: number[] = [];
	const ends: number[] = [];
	const started = performance.now();
	for (let index = -WARM_UP; index < STARTS; index += 1) {
		const sign = path.join(folder, `started-${index}`);
		const appeared = fileAppears(sign);
		await sleep(REST_MS);
		const before = performance.now();
		const { id } = await target.post<Run>("/api/v1/runs", { run: `: > ${sign}` });
		await appeared;
		if (index >= 0) samples.push(performance.now() - before);
		await target.get(`/api/v1/runs/${id}/wait`);
		if (index >= 0) ends.push(performance.now() - before);
	}
	const total = performance.now() - started;
	return { start: timing(samples, total), end: timing(ends, total) };
}

function fileAppears(file: string): Promise<void> {
	return new Promise((resolve) => {
		const watcher = watch(path.dirname(file), () => {
			if (!existsSync(file)) return;
			watcher.close();
			resolve();
		});
	});
}
