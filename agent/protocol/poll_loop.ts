import { ApiError } from "../../schema/wire/errors.ts";
import { PROTOCOL_VERSION } from "../../schema/wire/limits.ts";
import { type PollAnswer, pollAnswer } from "../../schema/wire/protocol.ts";
import { log } from "../logger.ts";
import { sleep, WAIT_ENDED } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { backoffMs, Unreachable } from "../transport/retry.ts";
import type { AgentSession } from "./agent_session.ts";
import type { PendingResults } from "./pending_results.ts";
import type { RunningAttempts } from "./running_attempts.ts";

/** The timeout before the coordinator has sent its own. */
const POLL_TIMEOUT_MS = 60_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A poll with results is answered at once. */
const RESULTS_TIMEOUT_MS = 30_000;
/**
 * While every slot is taken, a poll can wait for this long: most results are ready by then, and go
 * with it.
 */
const BUSY_PAUSE_MS = 100;
/** The pause after a poll with a result that was not answered. */
const UNANSWERED_PAUSE_MS = 2_000;
/** The errors by which the coordinator rejects what a poll carries, and not the agent. */
const UNUSABLE: ReadonlySet<string> = new Set(["validation_failed", "too_large", "malformed"]);
/** The coordinator answers a replaced poll within this time, or does not hear the agent. */
const ABANDON_MS = 5_000;

export interface PollLoopParts {
	client: Coordinator;
	session: AgentSession;
	attempts: RunningAttempts;
	results: PendingResults;
	/** The agent ends when it has been idle for this long; null: never. */
	idleExitMs: number | null;
	/**
	 * Handles the requests of a person: to drain, to rotate the token. `signal` is aborted by
	 * `restart`.
	 */
	onRequests: (requests: Pick<PollAnswer, "drain" | "rotate">, signal: AbortSignal) => Promise<void>;
}

/**
 * The long poll that brings everything from the coordinator: offers, cancels, and who watches a
 * log.
 */
export class PollLoop {
	readonly #parts: PollLoopParts;
	/** Replaces the current poll. */
	#current = new AbortController();
	#seq = 0;
	/** How many results the current poll carries. */
	#carried = 0;
	/** Whether the answer to the newest poll has left out a result: the coordinator failed. */
	#isUnanswered = false;
	/** Whether something has changed that the current poll does not say. */
	#hasNews = false;
	/** Whether the coordinator answered the newest poll. */
	isConnected = false;

	constructor(parts: PollLoopParts) {
		this.#parts = parts;
		parts.results.onAdded = () => this.restart();
	}

	/**
	 * Replaces the current poll, so that the next one reports the agent's new state. A poll with
	 * results is answered at once, and is not replaced: its results would only be sent twice.
	 */
	restart(): void {
		if (this.#carried === 0 || this.#parts.results.size === 0) this.#current.abort(WAIT_ENDED);
		this.#hasNews = true;
	}

	/**
	 * Polls until the agent has nothing left to do.
	 * @throws ApiError when the coordinator rejects the agent
	 */
	async run(): Promise<void> {
		const { session, attempts, onRequests } = this.#parts;
		this.isConnected = true;
		let failures = 0;
		while (!attempts.isDraining || attempts.size > 0) {
			this.#current = new AbortController();
			if (this.#isDone()) return;
			const idleTimer = this.#startIdleTimer();
			try {
				const sentAt = performance.now();
				const answer = await this.#poll(this.#current.signal);
				session.intervals = answer.intervals;
				this.isConnected = true;
				failures = 0;
				attempts.apply(answer, sentAt);
				// The coordinator has the poll after it was sent, and holds it before it makes an
				// assignment.
				const leasedAt = Math.min(performance.now(), sentAt + answer.held_ms);
				for (const offer of answer.offers) attempts.take(offer, answer.intervals, leasedAt);
				await onRequests(answer, this.#current.signal);
				if (this.#isUnanswered) await sleep(UNANSWERED_PAUSE_MS);
				else if (attempts.freeSlots === 0) await this.#pause();
			} catch (error) {
				if (this.#current.signal.aborted) continue;
				if (!(error instanceof Unreachable)) throw error;
				this.isConnected = false;
				log("warn", `${error.message}; trying again`);
				await sleep(backoffMs(failures, error), this.#current.signal).catch(() => undefined);
				failures += 1;
			} finally {
				clearTimeout(idleTimer);
			}
		}
		await attempts.ended();
	}

	/**
	 * Polls once. The answer to a poll that was replaced is never processed: the next poll says
	 * what the agent has, and the coordinator takes the rest back. The replaced request keeps its
	 * connection, because the coordinator answers it when the next poll comes.
	 */
	async #poll(replaced: AbortSignal): Promise<PollAnswer> {
		const { client, session, attempts, results: pending } = this.#parts;
		this.#seq += 1;
		const results = pending.next();
		this.#carried = results.length;
		this.#hasNews = false;
		this.#isUnanswered = false;
		const abandoned = new AbortController();
		const answer = client.fetch(pollAnswer, {
			method: "POST",
			path: "/api/v1/agents/self/poll",
			token: session.token,
			json: {
				protocol: PROTOCOL_VERSION,
				session: session.number,
				seq: this.#seq,
				slots_free: attempts.freeSlots,
				running: attempts.ids,
				draining: attempts.isDraining,
				results,
			},
			timeoutMs: results.length > 0 ? RESULTS_TIMEOUT_MS : (session.intervals?.poll_timeout_ms ?? POLL_TIMEOUT_MS),
			signal: abandoned.signal,
		});
		const isReplaced = Promise.withResolvers<never>();
		const replace = () => isReplaced.reject(replaced.reason);
		replaced.addEventListener("abort", replace, { once: true });
		try {
			const answered = await Promise.race([answer, isReplaced.promise]);
			this.#isUnanswered = !pending.settle(results, answered.results);
			return answered;
		} catch (error) {
			if (!(error instanceof ApiError && UNUSABLE.has(error.code) && results.length > 0)) throw error;
			pending.reject(results, error);
			throw new Unreachable(`The coordinator cannot use a poll with results: ${error.message}`);
		} finally {
			this.#carried = 0;
			replaced.removeEventListener("abort", replace);
			if (replaced.aborted) {
				answer.catch(() => undefined);
				setTimeout(() => abandoned.abort(), ABANDON_MS).unref();
			}
		}
	}

	/**
	 * Waits for a moment, or for something to tell: no answer can bring a job while every slot is
	 * taken.
	 */
	async #pause(): Promise<void> {
		if (this.#hasNews) return;
		await sleep(BUSY_PAUSE_MS, this.#current.signal).catch(() => undefined);
	}

	/** Whether the agent has done the work that `once` or `idleExitMs` limits it to. */
	#isDone(): boolean {
		const { attempts, idleExitMs } = this.#parts;
		if (attempts.hasRunOnce) return true;
		return idleExitMs !== null && attempts.idleMs !== null && attempts.idleMs >= idleExitMs;
	}

	/** Ends the current poll at the moment at which the agent has been idle for long enough. */
	#startIdleTimer(): NodeJS.Timeout | undefined {
		const { attempts, idleExitMs } = this.#parts;
		if (idleExitMs === null || attempts.idleMs === null) return undefined;
		const current = this.#current;
		return setTimeout(() => current.abort(WAIT_ENDED), Math.min(MAX_TIMER_MS, Math.max(0, idleExitMs - attempts.idleMs) + 1));
	}
}
