import { randomUUID } from "node:crypto";
import { log } from "../logger.ts";
import type { Cgroup, Cgroups } from "./cgroup.ts";
import { Starter } from "./starter.ts";

/** More jobs than this hardly begin within a moment. */
const MOST = 16;
/** No job has ended for so long: the next one hardly comes at once. */
const IDLE_MS = 100;

/** The shells that wait for the steps of jobs. */
export class Starters {
	readonly #cgroups: Cgroups | null;
	readonly #waiting: Starter[] = [];
	/** How many of them jobs use. */
	#used = 0;
	/** There are at least so many: one for each slot. */
	#fewest = 0;
	#filling: NodeJS.Timeout | undefined;

	constructor(cgroups: Cgroups | null) {
		this.#cgroups = cgroups;
	}

	/**
	 * Prepares what the jobs of this many slots need. Call it once nothing of an earlier process is
	 * left.
	 */
	prepareAhead(slots: number): void {
		this.#fewest = Math.min(slots, MOST / 2);
		this.#fill();
	}

	/** A shell for a job; null if none waits. */
	take(): Starter | null {
		clearTimeout(this.#filling);
		for (let starter = this.#waiting.shift(); starter; starter = this.#waiting.shift()) {
			if (starter.isWaiting) {
				this.#used += 1;
				return starter;
			}
			void starter.end();
		}
		return null;
	}

	/**
	 * Takes a shell back when nothing of its job runs any more.
	 * @param isReusable whether the next job may use it
	 */
	async giveBack(starter: Starter, isReusable: boolean): Promise<void> {
		this.#used -= 1;
		if (isReusable && starter.isClean && this.#fewest > 0) this.#waiting.push(starter);
		else await starter.end();
		this.#fillLater();
	}

	/** Ends all that wait. */
	async close(): Promise<void> {
		this.#fewest = 0;
		clearTimeout(this.#filling);
		await Promise.all(this.#waiting.splice(0).map((starter) => starter.end()));
	}

	/**
	 * While a process joins a group, the kernel starts and ends no other one, so a running job would
	 * wait. Many that join together take no longer than one. So there are twice as many as needed,
	 * and all are replaced at once: when too few are left, or when the agent is idle.
	 */
	#fillLater(): void {
		clearTimeout(this.#filling);
		if (this.#waiting.length + this.#used < this.#fewest) this.#fill();
		else this.#filling = setTimeout(() => this.#fill(), IDLE_MS).unref();
	}

	#fill(): void {
		try {
			if (this.#cgroups === null) return;
			const cgroups: Cgroup[] = [];
			while (this.#waiting.length + this.#used + cgroups.length < 2 * this.#fewest)
				cgroups.push(this.#cgroups.create(`ready-${randomUUID()}`));
			this.#waiting.push(...Starter.prepare(cgroups));
		} catch (error) {
			// The next jobs start their steps without one.
			log("warn", `The agent cannot prepare processes for the next jobs: ${(error as Error).message}`);
		}
	}
}
