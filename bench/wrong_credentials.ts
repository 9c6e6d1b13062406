import { Worker } from "node:worker_threads";
import { latencyRow, type Row } from "./table.ts";
import type { Target } from "./target.ts";
import { elapsed, timing } from "./timing.ts";

/**
 * Whether a client that guesses credentials delays a client with a valid token at another address.
 */

const PER_SECOND = 200;
const QUIET_MS = 5_000;
const FLOODED_MS = 20_000;
/** The 99th percentile may be this many times the quiet one. */
const MARK = 3;

export async function wrongCredentials(target: Target): Promise<Row[]> {
	const quiet = await validCalls(target, QUIET_MS);
	const flood = new Worker(new URL("./guessing_client.ts", import.meta.url), {
		workerData: { url: target.url, perSecond: PER_SECOND, forMs: FLOODED_MS },
	});
	const statuses = new Promise<Record<string, number>>((resolve, reject) => {
		flood.once("message", resolve);
		flood.once("error", reject);
	});
	const flooded = await validCalls(target, FLOODED_MS);
	const answered = Object.entries(await statuses)
		.map(([status, count]) => `${count} × ${status}`)
		.join(", ");
	const times = (flooded.p99 / quiet.p99).toFixed(1);
	return [
		latencyRow("GET /api/v1/agents, a valid token, quiet", quiet, ""),
		latencyRow(`  while ${PER_SECOND} wrong ones a second are tried`, flooded, `${times} × p99, mark ${MARK} ×`),
		[`  answers to them`, "", "", "", answered],
	];
}

async function validCalls(target: Target, forMs: number): Promise<{ p50: number; p99: number }> {
	const samples: number[] = [];
	for (const until = performance.now() + forMs; performance.now() < until; )
		samples.push(await elapsed(() => target.get("/api/v1/agents")));
	return timing(samples, forMs);
}
