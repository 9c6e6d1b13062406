import { parentPort, workerData } from "node:worker_threads";
import { request } from "undici";

/**
 * Clients in a thread of their own, so that they do not slow the measurement. They send until the
 * thread is ended.
 */

interface Sending {
	url: string;
	token: string;
	clients: number;
	texts: readonly string[];
}

const { url, token, clients, texts } = workerData as Sending;
let sent = 0;

async function client(first: number): Promise<void> {
	for (let index = first; ; index += 1) {
		const body = texts[index % texts.length] ?? "";
		const { statusCode, body: answer } = await request(`${url}/api/v1/pipelines/validate`, {
			method: "POST",
			headers: { Authorization: `Bearer ${token}` },
			body,
			headersTimeout: 0,
			bodyTimeout: 0,
		});
		await answer.dump();
		if (statusCode === 503) continue;
		sent += 1;
		parentPort?.postMessage(sent);
	}
}

await Promise.all(Array.from({ length: clients }, (_, index) => client(index * 7)));
