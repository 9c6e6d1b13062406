import { FeedBudget } from "../platform/feed_budget.ts";
import { SHORT_HOLD_MS } from "../platform/settings.ts";
import { Waiters } from "../platform/waiters.ts";
import type { Core } from "./core/core.ts";
import { type Changes, heldOf, NOTHING_HELD, newestRevOf, type RunRows, readChanges, readRun } from "./core/reads.ts";

/** A follower that is further behind has to read everything again. */
const MAX_BEHIND = 1_000;
/** About what an answer takes in all: by itself, for each row, and to read from D1. */
const ANSWER_MS = 1.2;
const ROW_MS = 0.06;
const DEPARTED_MS = 2;

function costOf({ runs, jobs, agents, hasDeparted }: Changes): number {
	return ANSWER_MS + ROW_MS * (runs.length + jobs.length + agents.length) + (hasDeparted ? DEPARTED_MS : 0);
}

function nothingSince(rev: number): Changes {
	return { rev, isTooFarBehind: false, hasDeparted: false, runs: [], jobs: [], agents: [] };
}

/** Requests that wait for changes: of one run, of any run, or for a run to leave the queue. */
export class ChangeWaiters {
	readonly #core: Core;
	readonly #ofRuns = new Waiters();
	readonly #ofEverything = new Waiters();
	readonly #ofDepartures = new Waiters();
	readonly #budget: FeedBudget;
	#count = 0;
	#announcedRev: number;

	constructor(core: Core) {
		this.#core = core;
		this.#announcedRev = core.rev;
		this.#budget = new FeedBudget(() => core.now());
	}

	/**
	 * The run, once a row of it has a revision above `since`, or after `holdMs`; null if the run
	 * has left the queue.
	 */
	async followRun(runId: string, since: number, holdMs: number): Promise<{ rev: number; rows: RunRows } | null> {
		const rev = newestRevOf(this.#core, runId);
		if (rev > 0 && rev <= since) {
			await this.#ofRuns.wait(`${runId} ${since} ${this.#nextKey()}`, Math.min(holdMs, SHORT_HOLD_MS));
		}
		const rows = readRun(this.#core, runId);
		return rows && { rev: newestRevOf(this.#core, runId), rows };
	}

	/**
	 * The changes after revision `since`, or an empty answer after `holdMs`. With `since` null: the
	 * present revision.
	 */
	async followChanges(since: number | null, holdMs: number): Promise<Changes> {
		if (since === null) return nothingSince(this.#core.rev);
		if (this.#core.rev <= since) await this.#ofEverything.wait(this.#nextKey(), Math.min(holdMs, SHORT_HOLD_MS));
		if (this.#core.rev <= since) return nothingSince(this.#core.rev);
		await this.#budget.turn();
		if (this.#core.rev - since > MAX_BEHIND) return { ...nothingSince(this.#core.rev), isTooFarBehind: true };
		const changes = readChanges(this.#core, since);
		this.#budget.spend(costOf(changes));
		return changes;
	}

	/** The revision of a run, once it is above `since`, or after `holdMs`; null if the queue does not hold the run. */
	async nextRevOfRun(runId: string, since: number, holdMs: number): Promise<number | null> {
		const rev = newestRevOf(this.#core, runId);
		if (rev > 0 && rev <= since) await this.#ofRuns.wait(`${runId} ${since} ${this.#nextKey()}`, Math.min(holdMs, SHORT_HOLD_MS));
		return newestRevOf(this.#core, runId) || null;
	}

	/** The present revision, once it is above `since`, or after `holdMs`. */
	async nextRev(since: number, holdMs: number): Promise<number> {
		if (this.#core.rev <= since) await this.#ofEverything.wait(this.#nextKey(), Math.min(holdMs, SHORT_HOLD_MS));
		return this.#core.rev;
	}

	/** Whether a run has left the queue. Waits for it up to `holdMs`. */
	async hasDeparted(runId: string, holdMs: number): Promise<boolean> {
		const isHeld = () => heldOf(this.#core, { ...NOTHING_HELD, runs: [runId] }).runs.length > 0;
		for (const until = Date.now() + holdMs; isHeld() && Date.now() < until; )
			await this.#ofDepartures.wait(`${runId} ${this.#nextKey()}`, until - Date.now());
		return !isHeld();
	}

	/** Wakes the requests with changes. */
	announceChanges(): void {
		if (this.#core.rev === this.#announcedRev) return;
		this.#announcedRev = this.#core.rev;
		this.#wakeChangedRuns();
		this.wakeFeed();
	}

	/** Wakes the requests that follow all changes, also after a change without a revision. */
	wakeFeed(): void {
		this.#ofEverything.wakeAll();
	}

	/** Wakes the requests that wait for a run to leave: one may have left. */
	wakeDepartures(): void {
		this.#ofDepartures.wakeAll();
	}

	#wakeChangedRuns(): void {
		const revs = new Map<string, number>();
		const { changedRuns } = this.#core.hints;
		for (const key of this.#ofRuns.newestFirst()) {
			const [runId = "", since] = key.split(" ");
			if (!changedRuns.has(runId)) continue;
			const rev = revs.get(runId) ?? newestRevOf(this.#core, runId);
			revs.set(runId, rev);
			if (rev > Number(since)) this.#ofRuns.wake(key);
		}
		changedRuns.clear();
	}

	#nextKey(): string {
		this.#count += 1;
		return String(this.#count);
	}
}
