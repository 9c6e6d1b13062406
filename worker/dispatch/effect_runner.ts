import type { Environment } from "../environment.ts";
import { faultFields, log } from "../log.ts";
import { NotSent } from "../outbound/send.ts";
import type { Core } from "./core/core.ts";
import { type EffectOutcome, type Lane, nextEffectDue, noteOutcomes, type PendingEffect, takeEffects } from "./core/effects.ts";
import { withDeadline } from "./deadline.ts";
import { performEffect } from "./perform_effect.ts";

const BATCH = 20;
const DEADLINE_MS = 30_000;
const COALESCE_MS = 20;

/** Makes effects happen, one flight at a time, until none is due. */
export class EffectRunner {
	readonly #core: Core;
	readonly #environment: Environment;
	readonly #lane: Lane;
	readonly #onDone: () => void;
	#isRunning = false;

	/** @param onDone called after effects have happened: something may have changed */
	constructor(core: Core, environment: Environment, lane: Lane, onDone: () => void) {
		this.#core = core;
		this.#lane = lane;
		this.#onDone = onDone;
		this.#environment = environment;
	}

	/** When to look again; while a flight is under way, it takes what falls due itself. */
	get nextDue(): number | null {
		return this.#isRunning ? this.#core.now() + DEADLINE_MS : nextEffectDue(this.#core, this.#lane);
	}

	/** @returns whether there was anything to do and this flight did it */
	async run(): Promise<boolean> {
		if (this.#isRunning || (nextEffectDue(this.#core, this.#lane) ?? Number.POSITIVE_INFINITY) > this.#core.now()) return false;
		this.#isRunning = true;
		try {
			// Jobs that end together are looked after together.
			await new Promise((resolve) => setTimeout(resolve, COALESCE_MS));
			for (let due = this.#take(); due.length > 0; due = this.#take()) {
				const outcomes = await Promise.all(due.map((pending) => this.#perform(pending)));
				noteOutcomes(this.#core, outcomes);
				this.#onDone();
			}
		} catch (error) {
			log("error", "effects stopped", faultFields(error));
		} finally {
			this.#isRunning = false;
		}
		return true;
	}

	#take(): PendingEffect[] {
		return takeEffects(this.#core, BATCH, DEADLINE_MS + COALESCE_MS, this.#lane);
	}

	async #perform(pending: PendingEffect): Promise<EffectOutcome> {
		const { effect } = pending;
		try {
			const performed = performEffect(this.#environment, this.#core, effect);
			return { pending, archived: await withDeadline(performed, DEADLINE_MS, `the effect ${effect.kind}`), error: null };
		} catch (error) {
			const { isFinal, retryAfterMs } = error instanceof NotSent ? error : { isFinal: false, retryAfterMs: null };
			const about = "attemptId" in effect ? { attempt: effect.attemptId } : "runId" in effect ? { run: effect.runId } : {};
			const what = isFinal ? "an effect failed for good" : "an effect failed, will be tried again";
			log("warn", what, { ...(error instanceof NotSent ? { error: error.message } : faultFields(error)), effect: effect.kind, ...about });
			return { pending, archived: null, error: (error as Error).message ?? String(error), isFinal, retryAfterMs };
		}
	}
}
