import type { Intervals, Offer } from "../../schema/wire/protocol.ts";
import type { Coordinator } from "../transport/client.ts";
import { Attempt } from "./attempt.ts";
import type { CoordinatorClock } from "./coordinator_clock.ts";
import type { JobFactory, StopReason } from "./job.ts";
import type { PendingResults } from "./pending_results.ts";

export interface RunningAttemptsParts {
	client: Coordinator;
	jobFactory: JobFactory;
	clock: CoordinatorClock;
	slots: number;
	/** Whether the agent ends after one job. */
	once: boolean;
	/**
	 * Called when nothing is left of an attempt. `isReported`: a poll has said before that its slot is
	 * free.
	 */
	onEnded: (isReported: boolean) => void;
	/** The results that the next poll carries. */
	results: PendingResults;
}

/** The news about running attempts that the coordinator sends with a poll or a renewal. */
interface AttemptNews {
	renewed: readonly { attempt_id: string; ttl_ms: number }[];
	cancel: readonly string[];
	lost?: readonly string[];
	watch: readonly string[];
}

/** The attempts that run on this agent, and the rules for taking another one. */
export class RunningAttempts {
	readonly #parts: RunningAttemptsParts;
	readonly #attempts = new Map<string, Attempt>();
	readonly #ends = new Set<Promise<void>>();
	#idleSince = performance.now();
	#jobsTaken = 0;
	readonly #ended = new Map<string, number>();
	/** A draining agent takes no further offers. */
	isDraining = false;

	constructor(parts: RunningAttemptsParts) {
		this.#parts = parts;
	}

	get size(): number {
		return this.#attempts.size;
	}

	get ids(): string[] {
		return [...this.#attempts.keys()];
	}

	/**
	 * The attempts that have a lease. The coordinator would call an attempt lost while its claim is
	 * under way.
	 */
	get claimedIds(): string[] {
		return [...this.#attempts.values()].filter((attempt) => attempt.isClaimed).map(({ id }) => id);
	}

	get freeSlots(): number {
		return this.isDraining || this.#isEnough ? 0 : Math.max(0, this.#parts.slots - this.#occupied);
	}

	/**
	 * The slots in which a job runs: one whose result waits for the next poll has left its slot.
	 */
	get #occupied(): number {
		return [...this.#attempts.values()].filter(({ isDelivering }) => !isDelivering).length;
	}

	/** Whether the agent takes one job only, and has it. */
	get #isEnough(): boolean {
		return this.#parts.once && this.#jobsTaken + this.#attempts.size > 0;
	}

	/** The attempts and their jobs, for the health endpoint. */
	get jobs() {
		return [...this.#attempts.values()].flatMap((attempt) => (attempt.job ? [{ attempt: attempt.id, ...attempt.job }] : []));
	}

	/** How many jobs it has begun, and how many have ended in each state. */
	get counts(): { taken: number; ended: Record<string, number> } {
		const running = [...this.#attempts.values()].filter(({ isClaimed }) => isClaimed).length;
		return { taken: this.#jobsTaken + running, ended: Object.fromEntries(this.#ended) };
	}

	/** Whether the agent has run the one job that it was started for. */
	get hasRunOnce(): boolean {
		return this.#parts.once && this.#attempts.size === 0 && this.#jobsTaken > 0;
	}

	/** How long no attempt has run; null while one runs. */
	get idleMs(): number | null {
		return this.#attempts.size > 0 ? null : performance.now() - this.#idleSince;
	}

	/**
	 * Starts an attempt, or declines the offer if the agent has no slot for it.
	 * @param leasedAt a moment before the lease of an assignment began, on the monotonic clock
	 */
	take(offer: Offer, intervals: Intervals, leasedAt: number): void {
		const { client, jobFactory, clock, results, onEnded } = this.#parts;
		if (this.#attempts.has(offer.attempt_id)) return;
		if (this.freeSlots === 0) {
			void this.#decline(offer);
			return;
		}
		const attempt = new Attempt(offer.attempt_id, offer.lease_token, { client, intervals, jobFactory, clock, results });
		this.#attempts.set(attempt.id, attempt);
		const { assignment } = offer;
		if (assignment) {
			clock.update(assignment.now, leasedAt);
			attempt.extend(assignment.ttl_ms, leasedAt);
		}
		const end = attempt.run(assignment).finally(() => {
			if (attempt.isClaimed) this.#jobsTaken += 1;
			if (attempt.endedAs !== null) this.#ended.set(attempt.endedAs, (this.#ended.get(attempt.endedAs) ?? 0) + 1);
			this.#attempts.delete(attempt.id);
			this.#ends.delete(end);
			this.#idleSince = performance.now();
			onEnded(attempt.isDelivering);
		});
		this.#ends.add(end);
	}

	/** @param sentAt when the answered request was sent, on the monotonic clock */
	apply({ renewed, cancel, lost = [], watch }: AttemptNews, sentAt: number): void {
		for (const { attempt_id, ttl_ms } of renewed) this.#attempts.get(attempt_id)?.extend(ttl_ms, sentAt);
		for (const id of cancel) this.#attempts.get(id)?.stop("cancelled");
		for (const id of lost) this.#attempts.get(id)?.stop("lost");
		for (const [id, attempt] of this.#attempts) attempt.watch(watch.includes(id));
	}

	stopAll(reason: StopReason): void {
		for (const attempt of this.#attempts.values()) attempt.stop(reason);
	}

	/** Waits until every attempt has ended. */
	async ended(): Promise<void> {
		await Promise.all(this.#ends);
	}

	async #decline(offer: Offer): Promise<void> {
		const call = { method: "POST", path: `/api/v1/attempts/${offer.attempt_id}/release`, token: offer.lease_token, json: {} } as const;
		await this.#parts.client.call(call).catch(() => undefined);
	}
}
