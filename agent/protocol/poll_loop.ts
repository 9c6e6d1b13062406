import { PROTOCOL_VERSION } from "../../schema/wire/limits.ts";
import { type PollAnswer, pollAnswer } from "../../schema/wire/protocol.ts";
import { log } from "../logger.ts";
import { sleep } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { backoffMs, Unreachable } from "../transport/retry.ts";
import type { AgentSession } from "./agent_session.ts";
import type { RunningAttempts } from "./running_attempts.ts";

/** The timeout before the coordinator has sent its own. */
const POLL_TIMEOUT_MS = 60_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface PollLoopParts {
	client: Coordinator;
	session: AgentSession;
	attempts: RunningAttempts;
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
	/** Ends the current poll. */
	#current = new AbortController();
	#seq = 0;
	/** Whether the coordinator answered the newest poll. */
	isConnected = false;

	constructor(parts: PollLoopParts) {
		this.#parts = parts;
	}

	/** Ends the current poll, so that the next one reports the agent's new state. */
	restart(): void {
		this.#current.abort();
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
				const answer = await this.#poll();
				session.intervals = answer.intervals;
				this.isConnected = true;
				failures = 0;
				attempts.apply(answer, sentAt);
				for (const offer of answer.offers) attempts.take(offer, answer.intervals);
				await onRequests(answer, this.#current.signal);
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

	#poll() {
		const { client, session, attempts } = this.#parts;
		this.#seq += 1;
		return client.fetch(pollAnswer, {
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
			},
			timeoutMs: session.intervals?.poll_timeout_ms ?? POLL_TIMEOUT_MS,
			signal: this.#current.signal,
		});
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
		return setTimeout(() => current.abort(), Math.min(MAX_TIMER_MS, Math.max(0, idleExitMs - attempts.idleMs) + 1));
	}
}
