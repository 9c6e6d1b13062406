import type { LogShard } from "../logs/log_shard.ts";
import type { Core } from "./core/core.ts";
import { dueEffects, type Effect, effectDone, effectFailed } from "./core/effects.ts";

const BATCH = 20;

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
			for (let due = dueEffects(this.#core, BATCH); due.length > 0; due = dueEffects(this.#core, BATCH)) {
				await Promise.all(
					due.map(async (pending) => {
						try {
							await this.#perform(pending.effect);
							effectDone(this.#core, pending.seq);
						} catch (error) {
							effectFailed(this.#core, pending, String(error));
						}
					}),
				);
			}
		} finally {
			this.#isRunning = false;
		}
	}

	async #perform(effect: Effect): Promise<void> {
		const { shard, ...seal } = effect;
		await this.#shards.getByName(`log:${shard}`).seal({ ...seal, team: this.#core.team });
	}
}
