import path from "node:path";
import { Worker } from "node:worker_threads";
import { type BenchAgent, BenchAttempt, joinAgents } from "./agent.ts";
import { trivialRequest } from "./floors.ts";
import { acceptedTexts, rejectedTexts } from "./hostile_texts.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, type Row, timingRow } from "./table.ts";
import { ADMIN_TOKEN, onTarget, type Target } from "./target.ts";
import { elapsed } from "./timing.ts";
import { wrongCredentials } from "./wrong_credentials.ts";

const CLIENTS = 8;
const MEASURED_MS = 20_000;
/** No request may wait longer. */
const MARK_MS = 100;

/** How long other requests wait while hostile clients send. */
export const hostile: Part = {
	title: "Hostile clients",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target);
			const { agents } = await joinAgents(target, "hostile", 1);
			const agent = agents[0] as BenchAgent;
			const attempt = await BenchAttempt.begin(agent);
			const { value: rows, memory } = await watchMemory(target, "hostile pipelines", async () => [
				...(await pausesWhile(target, "accepted", Object.values(acceptedTexts()), agent, attempt)),
				...(await pausesWhile(target, "rejected", Object.values(rejectedTexts()), agent, attempt)),
			]);
			const guesses = await wrongCredentials(target);
			return { rows: [timingRow("GET /healthz, one at a time", floor, IS_FLOOR), ...rows, ...guesses], memory };
		}),
};

/** How long other requests wait while clients send these texts as fast as they are answered. */
async function pausesWhile(
	target: Target,
	what: string,
	texts: readonly string[],
	agent: BenchAgent,
	attempt: BenchAttempt,
): Promise<Row[]> {
	const clients = new Worker(new URL("./hostile_clients.ts", import.meta.url), {
		workerData: { url: target.url, token: ADMIN_TOKEN, clients: CLIENTS, texts },
	});
	let answered = 0;
	clients.on("message", (count: number) => {
		answered = count;
	});
	const failed = new Promise<never>((_, reject) => clients.once("error", reject));
	const until = performance.now() + MEASURED_MS;
	const healthy: number[] = [];
	const renewed: number[] = [];
	const repeatedly = async (samples: number[], ask: () => Promise<unknown>) => {
		while (performance.now() < until) samples.push(await elapsed(ask));
	};
	await Promise.race([
		failed,
		Promise.all([
			repeatedly(healthy, () => target.send("/healthz", { method: "GET", token: null })),
			repeatedly(renewed, () => agent.renew([attempt])),
		]),
	]);
	await clients.terminate();
	const note = `${answered} answered`;
	return [
		pauseRow(`GET /healthz, ${CLIENTS} clients send the largest ${what}`, healthy, note),
		pauseRow(`  a renewal meanwhile`, renewed, `mark ${MARK_MS} ms`),
	];
}

/** The median, the 99th percentile and the longest wait. */
function pauseRow(what: string, samples: readonly number[], beside: string): Row {
	const sorted = [...samples].sort((a, b) => a - b);
	const at = (share: number) => `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1)} ms`;
	return [what, at(0.5), at(0.99), `max ${at(1)}`, beside];
}
