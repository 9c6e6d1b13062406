import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { submitToStart, trivialRequest, wholeLives } from "./measurements.ts";

/**
 * `npm run bench`: how fast this is, on this machine, now. Every number stands beside what workerd needs for a trivial request in
 * the same run, so that machines of different speed can be compared by the ratios.
 */

const PROGRAM = path.resolve(import.meta.dirname, "../dist/cli/main.js");
const ADMIN_TOKEN = "bench-admin-token-0123456789";

async function main(): Promise<void> {
	const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-bench-"));
	const environment = { ...process.env, WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN };
	const coordinator = spawn(process.execPath, [PROGRAM, "serve", "--port", "0", "--data", path.join(folder, "data")], {
		env: environment,
		stdio: ["ignore", "pipe", "ignore"],
	});
	const exited = new Promise((resolve) => coordinator.once("exit", resolve));
	try {
		const url = await addressOf(coordinator.stdout);
		const target = { url, token: ADMIN_TOKEN };
		console.log(`${os.cpus().length} cores, Node ${process.versions.node}, ${new Date().toISOString()}\n`);
		const floor = await trivialRequest(target);
		const start = await submitToStart(target, folder);
		const lives = await wholeLives(target);
		const floorLoaded = await trivialRequest(target, 20);
		table([
			["", "p50", "p99", "rate", "beside its floor"],
			["workerd answers /healthz, one at a time", ms(floor.p50), ms(floor.p99), `${floor.rate.toFixed(0)}/s`, "the floor"],
			["submit → the step's process has started, idle", ms(start.p50), ms(start.p99), "", `${(start.p50 / floor.p50).toFixed(0)} × p50`],
			["workerd answers /healthz, 20 at a time", ms(floorLoaded.p50), ms(floorLoaded.p99), `${floorLoaded.rate.toFixed(0)}/s`, "the floor"],
			[
				"whole lives of jobs, 20 protocol-level agents",
				ms(lives.p50),
				ms(lives.p99),
				`${lives.rate.toFixed(0)}/s`,
				`1 / ${(floorLoaded.rate / lives.rate).toFixed(0)} of its rate`,
			],
		]);
	} finally {
		coordinator.kill("SIGTERM");
		await exited;
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Waits until the coordinator serves and the example that it runs first is over. */
function addressOf(output: NodeJS.ReadableStream): Promise<string> {
	return new Promise((resolve, reject) => {
		let text = "";
		output.on("data", (chunk) => {
			text += chunk;
			const [, url] = /status page +(http\S+)/.exec(text) ?? [];
			if (url && text.includes("::exit")) resolve(url);
		});
		output.on("end", () => reject(new Error(`the coordinator did not start:\n${text}`)));
	});
}

function ms(value: number): string {
	return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

function table(rows: string[][]): void {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	for (const row of rows)
		console.log(
			row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  "),
		);
}

await main();
