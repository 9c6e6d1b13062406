import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../sim/random.ts";
import { ADMIN_TOKEN } from "../support/processes.ts";
import { makeWork, type Work } from "./work.ts";

/** Whoever submits runs, and writes down what was acknowledged. */
export class Clients {
	/** Run → what was asked for. */
	readonly acknowledged = new Map<string, Work>();
	readonly #random: Random;
	readonly #url: string;
	readonly #mark: string;
	readonly #stop = new AbortController();
	#submitted = 0;
	/** How many answers of `cancel` said that it was taken. */
	cancelled = 0;

	constructor(random: Random, url: string, mark: string) {
		this.#random = random;
		this.#url = url;
		this.#mark = mark;
	}

	/** Submits one run after the other until it is told to stop; each is tried until it is acknowledged. */
	async submitAllTheWhile(pauseMs: number): Promise<void> {
		while (!this.#stop.signal.aborted) {
			this.#submitted += 1;
			const name = `chaos ${this.#submitted}`;
			const work = makeWork(this.#random, name, this.#mark);
			const { id } = await this.#untilAnswered<{ id: string }>("/api/v1/runs", { pipeline: work.pipeline }, { "Idempotency-Key": name });
			const known = this.acknowledged.get(id);
			if (known) throw new Error(`${name} was given the run of another submission`);
			this.acknowledged.set(id, work);
			if (this.#random.chance(0.1)) void this.#cancel(id);
			await pause(this.#random.below(pauseMs * 2));
		}
	}

	stop(): void {
		this.#stop.abort();
	}

	async #cancel(id: string): Promise<void> {
		await pause(this.#random.below(4_000));
		const response = await this.#send(`/api/v1/runs/${id}/cancel`, null, {}).catch(() => null);
		if (response?.ok) this.cancelled += 1;
	}

	async #untilAnswered<Body>(path: string, body: object, headers: Record<string, string>): Promise<Body> {
		for (;;) {
			const response = await this.#send(path, body, headers).catch(() => null);
			if (response?.ok) return (await response.json()) as Body;
			if (response && response.status < 500) throw new Error(`${path}: ${response.status} ${await response.text()}`);
			await pause(200);
		}
	}

	#send(path: string, body: object | null, headers: Record<string, string>): Promise<Response> {
		return fetch(this.#url + path, {
			method: "POST",
			headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json", ...headers },
			...(body ? { body: JSON.stringify(body) } : {}),
			signal: AbortSignal.timeout(10_000),
		});
	}
}
