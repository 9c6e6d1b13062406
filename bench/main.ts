import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { artifacts } from "./artifacts.ts";
import { backup } from "./backup.ts";
import { batches } from "./batches.ts";
import { boot } from "./boot.ts";
import { caches } from "./caches.ts";
import { costs } from "./costs.ts";
import { endurance } from "./endurance.ts";
import { history } from "./history.ts";
import { hostile } from "./hostile.ts";
import { jobs } from "./jobs.ts";
import { lives } from "./lives.ts";
import { logs } from "./logs.ts";
import { pages } from "./pages.ts";
import type { Part } from "./part.ts";
import { comparedRow, readSaved, record, type Saved, save } from "./saved.ts";
import { starts } from "./starts.ts";
import { MEMORY_COLUMNS, printTable, type Row, TIMING_COLUMNS } from "./table.ts";
import { waitingAgents } from "./waiting_agents.ts";
import { watchers } from "./watchers.ts";

/**
 * `npm run bench` measures the speed on this machine. Each number stands beside its floor: the
 * least time for any such work, measured in the same run. The ratios can be compared between
 * machines of different speed. `--only logs` runs one part, `--short` those that a change of a job's
 * life shows in. `--save FILE` keeps the rows, and `--compare FILE` prints the ratios to them.
 */

const PARTS: Record<string, Part> = {
	...{ boot, starts, jobs, lives, batches, costs, endurance, history, logs, artifacts, caches, backup },
	...{ waiting: waitingAgents, watchers, pages, hostile },
};
/** About a minute. */
const SHORT: readonly string[] = ["starts", "jobs", "lives", "batches", "costs"];
const OPTIONS = {
	only: { type: "string" },
	short: { type: "boolean", default: false },
	save: { type: "string" },
	compare: { type: "string" },
} as const;

async function main(): Promise<void> {
	const { only, short, save: saveAs, compare } = parseArgs({ options: OPTIONS }).values;
	const chosen = Object.entries(PARTS).filter(([name]) => (only === undefined || name === only) && (!short || SHORT.includes(name)));
	const before = compare === undefined ? null : readSaved(compare);
	const saved: Saved = {};
	if (chosen.length === 0) {
		console.error(`The bench has no part ${only}. Its parts: ${Object.keys(PARTS).join(", ")}`);
		process.exitCode = 2;
		return;
	}
	const started = performance.now();
	console.log(`${os.cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString()}\n`);
	const memory: Row[] = [];
	for (const [name, part] of chosen) {
		const measured = await runPart(name, part);
		record(saved, part.title, measured.rows);
		if (before) printComparison(before, part.title, measured.rows);
		memory.push(...measured.memory);
	}
	if (saveAs !== undefined) save(saveAs, saved);
	if (memory.length > 0) printTable("Memory (resident)", MEMORY_COLUMNS, memory);
	console.log(`${((performance.now() - started) / 1000).toFixed(0)} s in all`);
}

/** Prints the rows of a part as multiples of an earlier run. */
function printComparison(before: Saved, title: string, rows: readonly Row[]): void {
	const compared = rows.map((row) => comparedRow(before, title, row)).filter((row) => row !== null);
	if (compared.length > 0) printTable("Beside the saved run (! more than 5 %)", TIMING_COLUMNS, compared);
}

/** Measures a part in a folder of its own and prints it. */
async function runPart(name: string, { title, measure }: Part): Promise<{ rows: Row[]; memory: Row[] }> {
	const folder = mkdtempSync(path.join(os.tmpdir(), `windlass-bench-${name}-`));
	try {
		const measured = await measure(folder);
		printTable(title, TIMING_COLUMNS, measured.rows);
		return measured;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

await main();
