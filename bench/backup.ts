import path from "node:path";
import { makeBackup } from "../cli/backup/make_backup.ts";
import { workersOf } from "../cli/coordinator/host.ts";
import { MIB } from "../schema/wire/limits.ts";
import { joinAgents } from "./agent.ts";
import { BYTES, begin, randomFile, upload } from "./artifacts.ts";
import { byteFloors } from "./floors.ts";
import type { Part } from "./part.ts";
import { bytesRow, IS_FLOOR, latencyRow, onceRow, shareOf, timesFloor } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

/** The backed-up artifacts: 2 GiB in all. */
const FILES = Math.ceil((2 * 1024 * MIB) / BYTES);

/** How long a submission waits at most while 2 GiB are backed up, and how fast that is. */
export const backup: Part = {
	title: "Backup",
	measure: (folder) => {
		const data = path.join(folder, "data");
		return onTarget(data, ["--no-agent"], async (target) => {
			const { copy } = await byteFloors(folder, BYTES);
			const file = randomFile();
			const { agents } = await joinAgents(target, "backup", FILES);
			for (const agent of agents) await upload(target, await begin(agent), file);
			const quiet = await submissions(target, new Promise((resolve) => setTimeout(resolve, 3_000)));
			let held = Number.NaN;
			let ms = Number.NaN;
			const making = elapsed(async () => {
				const made = await makeBackup({
					folder: data,
					file: path.join(folder, "backup.tar.zst"),
					leftOut: [],
					keys: null,
					workers: () => workersOf(data),
				});
				held = made.held_ms;
			}).then((value) => {
				ms = value;
			});
			const meanwhile = await submissions(target, making);
			const rows = [
				bytesRow(`cp and fsync of a file of ${BYTES / MIB} MiB`, BYTES, copy, IS_FLOOR),
				bytesRow(`backup of ${(FILES * BYTES) / MIB} MiB of artifacts`, FILES * BYTES, ms, shareOf(ms / FILES, copy, "cp")),
				onceRow("  the coordinator is held", held, ""),
				latencyRow("submissions before, one at a time", quiet.timing, IS_FLOOR),
				latencyRow("  meanwhile", meanwhile.timing, timesFloor(meanwhile.timing, quiet.timing)),
				onceRow("  the longest", meanwhile.longest, ""),
			];
			return { rows, memory: [] };
		});
	},
};

/** Submissions one after the other until something is over. */
async function submissions(target: Target, over: Promise<unknown>): Promise<{ timing: Timing; longest: number }> {
	let isOver = false;
	void over.finally(() => {
		isOver = true;
	});
	const samples: number[] = [];
	const started = performance.now();
	while (!isOver) {
		const json = { pipeline: { name: "b", runs_on: ["nobody"], steps: ["true"] } };
		samples.push(await elapsed(() => target.send("/api/v1/runs", { method: "POST", json })));
	}
	return { timing: timing(samples, performance.now() - started), longest: Math.max(...samples) };
}
