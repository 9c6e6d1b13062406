import type { Environment } from "../bindings.ts";
import { performEffect } from "../effect_handlers.ts";
import { NotSent } from "../outbound/send.ts";
import { withDeadline } from "../platform/deadline.ts";
import { errorFields, log } from "../platform/logger.ts";
import type { Core } from "../queue/core/core.ts";
import {
	type EffectClass,
	type EffectOutcome,
	nextEffectDue,
	noteOutcomes,
	type PendingEffect,
	type Queue,
	queuesDue,
	takeEffects,
} from "../queue/core/effects/effects.ts";

const BATCH = 20;
const DEADLINE_MS = 30_000;
const COALESCE_MS = 20;

/** Makes the effects of a class happen: of each of its queues one flight at a time, until none is due. Whoever does not answer holds up nobody else. */
export class EffectRunner {
	readonly #core: Core;
	readonly #environment: Environment;
	readonly #class: EffectClass;
	readonly #onDone: () => void;
	/** The queues that are being looked after, by project. */
	readonly #busy = new Set<string | null>();

	/** @param onDone called after effects have happened: something may have changed */
	constructor(core: Core, environment: Environment, effectClass: EffectClass, onDone: () => void) {
		this.#core = core;
		this.#class = effectClass;
		this.#onDone = onDone;
		this.#environment = environment;
	}

	/** When to look again; while a queue is looked after, what falls due in it is taken along. */
	get nextDue(): number | null {
		const again = this.#core.now() + DEADLINE_MS;
		if (this.#busy.has(null)) return again;
		const due = nextEffectDue(this.#core, this.#class, [...this.#busy] as string[]);
		return this.#busy.size > 0 ? Math.min(again, due ?? again) : due;
	}

	/** @returns the flights that begin with this, each over when nothing in its queue is due any more */
	run(): Promise<void>[] {
		if (this.#busy.has(null)) return [];
		return queuesDue(this.#core, this.#class)
			.filter(({ project }) => !this.#busy.has(project))
			.map((queue) => this.#lookAfter(queue));
	}

	async #lookAfter(queue: Queue): Promise<void> {
		this.#busy.add(queue.project);
		try {
			// Jobs that end together are looked after together.
			await new Promise((resolve) => setTimeout(resolve, COALESCE_MS));
			for (let due = this.#take(queue); due.length > 0; due = this.#take(queue)) {
				const outcomes = await Promise.all(due.map((pending) => this.#perform(pending)));
				noteOutcomes(this.#core, outcomes);
				this.#onDone();
			}
		} catch (error) {
			log("error", "effects stopped", errorFields(error));
		} finally {
			this.#busy.delete(queue.project);
		}
	}

	#take(queue: Queue): PendingEffect[] {
		return takeEffects(this.#core, BATCH, DEADLINE_MS + COALESCE_MS, queue);
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
			log("warn", what, { ...(error instanceof NotSent ? { error: error.message } : errorFields(error)), effect: effect.kind, ...about });
			return { pending, archived: null, error: (error as Error).message ?? String(error), isFinal, retryAfterMs };
		}
	}
}
