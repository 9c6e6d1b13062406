import type { ArchivedLog, LogShard } from "../logs/log_shard.ts";
import type { Core } from "./core/core.ts";
import { type Effect, effectDone, effectFailed, nextEffectDue, type PendingEffect, takeEffects } from "./core/effects.ts";
import { withDeadline } from "./deadline.ts";

const BATCH = 20;
const DEADLINE_MS = 30_000;

/** Makes effects happen, one flight at a time, until none is due. */
export class EffectRunner {
	readonly #core: Core;
	readonly #shards: DurableObjectNamespace<LogShard>;
	readonly #onDone: () => void;
	#isRunning = false;

	/** @param onDone called after each effect that has happened: something may have changed */
	constructor(core: Core, shards: DurableObjectNamespace<LogShard>, onDone: () => void) {
		this.#core = core;
		this.#onDone = onDone;
		this.#shards = shards;
	}

	/** When to look again; while a flight is under way, it takes what falls due itself. */
	get nextDue(): number | null {
		return this.#isRunning ? this.#core.now() + DEADLINE_MS : nextEffectDue(this.#core);
	}

	/** @returns whether there was anything to do and this flight did it */
	async run(): Promise<boolean> {
		if (this.#isRunning) return false;
		this.#isRunning = true;
		let hasFlown = false;
		try {
			for (let due = this.#take(); due.length > 0; due = this.#take()) {
				hasFlown = true;
				await Promise.all(due.map((pending) => this.#perform(pending)));
			}
		} catch (error) {
			console.error(JSON.stringify({ level: "error", message: "effects stopped", error: String(error) }));
		} finally {
			this.#isRunning = false;
		}
		return hasFlown;
	}

	#take(): PendingEffect[] {
		return takeEffects(this.#core, BATCH, DEADLINE_MS + 1_000);
	}

	async #perform(pending: PendingEffect): Promise<void> {
		try {
			const archived = await withDeadline(this.#send(pending.effect), DEADLINE_MS, "a log shard");
			effectDone(this.#core, pending, archived);
			this.#onDone();
		} catch (error) {
			effectFailed(this.#core, pending, String(error));
		}
	}

	async #send({ shard, ...seal }: Effect): Promise<ArchivedLog | null> {
		return this.#shards.getByName(`log:${shard}`).seal({ ...seal, team: this.#core.team });
	}
}
