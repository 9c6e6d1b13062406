import type { Environment } from "../environment.ts";
import { faultFields, log } from "../log.ts";
import type { ArchivedLog } from "../logs/log_shard.ts";
import { indexTests } from "../tests/index_tests.ts";
import type { Core } from "./core/core.ts";
import { type Effect, type EffectOutcome, nextEffectDue, noteOutcomes, type PendingEffect, takeEffects } from "./core/effects.ts";
import { withDeadline } from "./deadline.ts";

/** What effects reach. */
type EffectEnvironment = Pick<Environment, "LOG_SHARD" | "DB" | "BUCKET">;

const BATCH = 20;
const DEADLINE_MS = 30_000;
const COALESCE_MS = 20;

/** Makes effects happen, one flight at a time, until none is due. */
export class EffectRunner {
	readonly #core: Core;
	readonly #environment: EffectEnvironment;
	readonly #onDone: () => void;
	#isRunning = false;

	/** @param onDone called after effects have happened: something may have changed */
	constructor(core: Core, environment: EffectEnvironment, onDone: () => void) {
		this.#core = core;
		this.#onDone = onDone;
		this.#environment = environment;
	}

	/** When to look again; while a flight is under way, it takes what falls due itself. */
	get nextDue(): number | null {
		return this.#isRunning ? this.#core.now() + DEADLINE_MS : nextEffectDue(this.#core);
	}

	/** @returns whether there was anything to do and this flight did it */
	async run(): Promise<boolean> {
		if (this.#isRunning || (nextEffectDue(this.#core) ?? Number.POSITIVE_INFINITY) > this.#core.now()) return false;
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
		return takeEffects(this.#core, BATCH, DEADLINE_MS + COALESCE_MS);
	}

	async #perform(pending: PendingEffect): Promise<EffectOutcome> {
		try {
			return {
				pending,
				archived: await withDeadline(this.#send(pending.effect), DEADLINE_MS, `the effect ${pending.effect.kind}`),
				error: null,
			};
		} catch (error) {
			log("warn", "an effect failed, will be tried again", {
				...faultFields(error),
				effect: pending.effect.kind,
				attempt: pending.effect.attemptId,
			});
			return { pending, archived: null, error: String(error) };
		}
	}

	async #send(effect: Effect): Promise<ArchivedLog | null> {
		if (effect.kind === "index_tests") {
			await indexTests(this.#environment, this.#core.team, effect);
			return null;
		}
		const { shard, ...seal } = effect;
		return this.#environment.LOG_SHARD.getByName(`log:${shard}`).seal({ ...seal, team: this.#core.team });
	}
}
