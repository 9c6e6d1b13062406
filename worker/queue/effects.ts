import { withDeadline } from "../platform/deadline.ts";
import { errorFields, log } from "../platform/logger.ts";
import { sleep } from "../platform/sleep.ts";
import type { Core } from "./core/core.ts";
import type { Effect } from "./core/effects/effect_types.ts";
import {
	type EffectClass,
	type EffectOutcome,
	nextEffectDue,
	type PendingEffect,
	type Queue,
	queuesDue,
	recordOutcomes,
	takeEffects,
} from "./core/effects/effects.ts";
import type { ArchivedLogNote } from "./core/leases/archived_logs.ts";

/**
 * The handlers of side effects. The queue knows only whether an effect has happened. An error may
 * set `isFinal` (a repeat is useless) and `retryAfterMs` (the pause that the server asks for).
 * @returns the location of the log, if the effect has archived one
 */
export type EffectHandlers<Environment> = {
	readonly [Kind in Effect["kind"]]: (
		context: EffectContext<Environment>,
		effect: Extract<Effect, { kind: Kind }>,
	) => Promise<ArchivedLogNote | null>;
};

export interface EffectContext<Environment> {
	environment: Environment;
	core: Core;
}

interface EffectFailure {
	isFinal?: boolean;
	retryAfterMs?: number | null;
}

const BATCH = 20;
const DEADLINE_MS = 30_000;
const COALESCE_MS = 20;

/**
 * Performs the effects of a class. Each queue has one batch at a time, so that a silent server
 * delays no other project.
 */
export class EffectRunner<Environment> {
	readonly #context: EffectContext<Environment>;
	readonly #handlers: EffectHandlers<Environment>;
	readonly #class: EffectClass;
	readonly #onDone: () => void;
	/** The queues with work in progress, by project. */
	readonly #busy = new Set<string | null>();

	/** @param onDone called after effects have happened: something may have changed */
	constructor(context: EffectContext<Environment>, handlers: EffectHandlers<Environment>, effectClass: EffectClass, onDone: () => void) {
		this.#context = context;
		this.#handlers = handlers;
		this.#class = effectClass;
		this.#onDone = onDone;
	}

	/** When to run again. A queue with work in progress handles its own due effects. */
	get nextDue(): number | null {
		const again = this.#context.core.now() + DEADLINE_MS;
		if (this.#busy.has(null)) return again;
		const due = nextEffectDue(this.#context.core, this.#class, [...this.#busy] as string[]);
		return this.#busy.size > 0 ? Math.min(again, due ?? again) : due;
	}

	/**
	 * Starts work on each queue with a due effect. @returns a promise for each, resolved once no
	 * effect of it is due
	 */
	run(): Promise<void>[] {
		if (this.#busy.has(null)) return [];
		return queuesDue(this.#context.core, this.#class)
			.filter(({ project }) => !this.#busy.has(project))
			.map((queue) => this.#work(queue));
	}

	async #work(queue: Queue): Promise<void> {
		this.#busy.add(queue.project);
		try {
			// Batches the effects of jobs that end together.
			await sleep(COALESCE_MS);
			for (let due = this.#take(queue); due.length > 0; due = this.#take(queue)) {
				const outcomes = await Promise.all(due.map((pending) => this.#perform(pending)));
				recordOutcomes(this.#context.core, outcomes);
				this.#onDone();
			}
		} catch (error) {
			log("error", "effects stopped", errorFields(error));
		} finally {
			this.#busy.delete(queue.project);
		}
	}

	#take(queue: Queue): PendingEffect[] {
		return takeEffects(this.#context.core, BATCH, DEADLINE_MS + COALESCE_MS, queue);
	}

	async #perform(pending: PendingEffect): Promise<EffectOutcome> {
		const { effect } = pending;
		try {
			const performed = performEffect(this.#handlers, this.#context, effect);
			return { pending, archived: await withDeadline(performed, DEADLINE_MS, `the effect ${effect.kind}`), error: null };
		} catch (error) {
			const { isFinal, retryAfterMs = null } = error as EffectFailure;
			const about = "attemptId" in effect ? { attempt: effect.attemptId } : "runId" in effect ? { run: effect.runId } : {};
			const what = isFinal ? "an effect failed for good" : "an effect failed and will be tried again";
			const fields = isFinal === undefined ? errorFields(error) : { error: (error as Error).message };
			log("warn", what, { ...fields, effect: effect.kind, ...about });
			return { pending, archived: null, error: (error as Error).message ?? String(error), isFinal: isFinal ?? false, retryAfterMs };
		}
	}
}

/** Calls the handler of an effect. */
function performEffect<Environment, Kind extends Effect["kind"]>(
	handlers: EffectHandlers<Environment>,
	context: EffectContext<Environment>,
	effect: Extract<Effect, { kind: Kind }>,
): Promise<ArchivedLogNote | null> {
	return handlers[effect.kind as Kind](context, effect);
}
