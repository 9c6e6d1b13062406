import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { artifacts } from "./artifacts.ts";
import { boot } from "./boot.ts";
import { hostile } from "./hostile.ts";
import { lives } from "./lives.ts";
import { logs } from "./logs.ts";
import type { Part } from "./part.ts";
import { starts } from "./starts.ts";
import { MEMORY_COLUMNS, printTable, type Row, TIMING_COLUMNS } from "./table.ts";
import { waitingAgents } from "./waiting_agents.ts";

/**
 * `npm run bench` measures the speed on this machine. Each number stands beside its floor: the
 * least time for any such work, measured in the same run. The ratios can be compared between
 * machines of different speed. `npm run bench -- --only logs` runs one part.
 */

const PARTS: Record<string, Part> = { boot, starts, lives, logs, artifacts, waiting: waitingAgents, hostile };

async function main(): Promise<void> {
	const { only } = parseArgs({ options: { only: { type: "string" } } }).values;
	const chosen = Object.entries(PARTS).filter(([name]) => only === undefined || name === only);
	if (chosen.length === 0) {
		console.error(`The bench has no part ${only}. Its parts: ${Object.keys(PARTS).join(", ")}`);
		process.exitCode = 2;
		return;
	}
	const started = performance.now();
	console.log(`${os.cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString()}\n`);
	const memory: Row[] = [];
	for (const [name, part] of chosen) memory.push(...(await runPart(name, part)));
	if (memory.length > 0) printTable("Memory (resident)", MEMORY_COLUMNS, memory);
	console.log(`${((performance.now() - started) / 1000).toFixed(0)} s in all`);
}

/** Measures a part in a folder of its own and prints it. @returns its rows about memory */
async function runPart(name: string, { title, measure }: Part): Promise<Row[]> {
	const folder = mkdtempSync(path.join(os.tmpdir(), `windlass-bench-${name}-`));
	try {
		const { rows, memory } = await measure(folder);
		printTable(title, TIMING_COLUMNS, rows);
		return memory;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

await main();
