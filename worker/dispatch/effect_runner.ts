import type { LogShard } from "../logs/log_shard.ts";
import type { Core } from "./core/core.ts";
import { type Effect, effectDone, effectFailed, type PendingEffect, takeEffects } from "./core/effects.ts";
import { withDeadline } from "./deadline.ts";

const BATCH = 20;
const DEADLINE_MS = 30_000;

/** Makes effects happen, one flight at a time, until none is due. */
export class EffectRunner {
	readonly #core: Core;
	readonly #shards: DurableObjectNamespace<LogShard>;
	#isRunning = false;

	constructor(core: Core, shards: DurableObjectNamespace<LogShard>) {
		this.#core = core;
		this.#shards = shards;
	}

	async run(): Promise<void> {
		if (this.#isRunning) return;
		this.#isRunning = true;
		try {
			for (let due = this.#take(); due.length > 0; due = this.#take()) await Promise.all(due.map((pending) => this.#perform(pending)));
		} catch (error) {
			console.error(JSON.stringify({ level: "error", message: "effects stopped", error: String(error) }));
		} finally {
			this.#isRunning = false;
		}
	}

	#take(): PendingEffect[] {
		return takeEffects(this.#core, BATCH, DEADLINE_MS + 1_000);
	}

	async #perform(pending: PendingEffect): Promise<void> {
		try {
			await withDeadline(this.#send(pending.effect), DEADLINE_MS, "a log shard");
			effectDone(this.#core, pending);
		} catch (error) {
			effectFailed(this.#core, pending, String(error));
		}
	}

	async #send({ shard, ...seal }: Effect): Promise<void> {
		await this.#shards.getByName(`log:${shard}`).seal({ ...seal, team: this.#core.team });
	}
}
