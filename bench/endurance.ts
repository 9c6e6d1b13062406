import { readdirSync } from "node:fs";
import path from "node:path";
import { runAll } from "./jobs.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { countRow, timingRow } from "./table.ts";
import { onTarget } from "./target.ts";

const SLOTS = 4;
const JOBS = 10_000;
const AT_ONCE = 64;

/** Memory and files after many jobs at full speed. */
export const endurance: Part = {
	title: "Ten thousand jobs",
	measure: (folder) => {
		const data = path.join(folder, "data");
		return onTarget(data, ["--agent-slots", String(SLOTS)], async (target) => {
			const files = () =>
				readdirSync(path.join(data, "storage", "r2"), { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
			const before = files().length;
			const { value: run, memory } = await watchMemory(target, "ten thousand jobs", () => runAll(target, JOBS, AT_ONCE));
			const rows = [
				timingRow(`jobs of \`true\`, ${SLOTS} slots`, run, ""),
				countRow(
					"files in R2 for their logs",
					files().length - before,
					`1 for ${Math.round(JOBS / Math.max(1, files().length - before))} logs`,
				),
			];
			return { rows, memory };
		});
	},
};
