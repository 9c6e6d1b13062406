import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { Agent, request } from "undici";

/**
 * Tries wrong tokens and sign-ins at a steady rate from an address of its own. A thread, so that it
 * does not slow the measurement.
 */

const { url, perSecond, forMs } = workerData as { url: string; perSecond: number; forMs: number };
const dispatcher = new Agent({ connect: { localAddress: "127.0.0.66" } });
const statuses: Record<string, number> = {};

async function guess(number: number): Promise<void> {
	const isSignIn = number % 2 === 0;
	const { statusCode, body } = isSignIn
		? await request(`${url}/sign-in`, {
				method: "POST",
				dispatcher,
				headers: { Origin: url },
				body: `token=${randomBytes(24).toString("hex")}`,
			})
		: await request(`${url}/api/v1/runs`, { dispatcher, headers: { Authorization: `Bearer wlu_${randomBytes(24).toString("hex")}` } });
	await body.dump();
	statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
}

const started = performance.now();
const guesses: Promise<void>[] = [];
const timer = setInterval(() => {
	const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
	while (guesses.length < due) guesses.push(guess(guesses.length));
	if (performance.now() - started < forMs) return;
	clearInterval(timer);
	void Promise.all(guesses).then(() => parentPort?.postMessage(statuses));
}, 5);
