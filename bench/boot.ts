import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { nodeStart } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, latencyRow, timesFloor } from "./table.ts";
import { onTarget, spawnCoordinator, stopCoordinator } from "./target.ts";
import { type Timing, timing } from "./timing.ts";

const BOOTS = 4;
const CHECK_MS = 5;

/** How long a restart takes. */
export const boot: Part = {
	title: "Boot",
	measure: async (folder) => {
		const data = path.join(folder, "data");
		// The first start makes the folder, which is no part of a restart.
		const { memory } = await onTarget(data, ["--no-agent"], (target) => watchMemory(target, "just started", async () => undefined));
		const floor = await nodeStart();
		const booted = await boots(data);
		const rows = [
			latencyRow("node --eval 0", floor, IS_FLOOR),
			latencyRow("windlass serve, its start → /healthz answers", booted, timesFloor(booted, floor)),
		];
		return { rows, memory };
	},
};

/** The time from the start of the process to its first answer, on an existing data folder. */
async function boots(data: string): Promise<Timing> {
	const samples: number[] = [];
	const started = performance.now();
	for (let index = 0; index < BOOTS; index += 1) {
		const port = await freePort();
		const before = performance.now();
		const child = spawnCoordinator(data, ["--no-agent", "--port", String(port)]);
		child.stdout?.resume();
		try {
			while (!(await answers(`http://127.0.0.1:${port}/healthz`))) {
				if (child.exitCode !== null) throw new Error(`The coordinator ended with code ${child.exitCode} before it served.`);
				await sleep(CHECK_MS);
			}
			samples.push(performance.now() - before);
		} finally {
			await stopCoordinator(child);
		}
	}
	return timing(samples, performance.now() - started);
}

async function answers(url: string): Promise<boolean> {
	try {
		const { statusCode, body } = await request(url);
		await body.dump();
		return statusCode === 200;
	} catch {
		return false;
	}
}

function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const { port } = server.address() as { port: number };
			server.close(() => resolve(port));
		});
	});
}
