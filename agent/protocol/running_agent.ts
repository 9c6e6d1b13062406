import type { PollAnswer } from "../../schema/wire/protocol.ts";
import { log } from "../logger.ts";
import type { Coordinator } from "../transport/client.ts";
import { AgentSession, type SessionParts } from "./agent_session.ts";
import { CoordinatorClock } from "./coordinator_clock.ts";
import type { JobFactory } from "./job.ts";
import { renewLeases } from "./lease_renewal.ts";
import { PendingResults } from "./pending_results.ts";
import { PollLoop } from "./poll_loop.ts";
import { RunningAttempts } from "./running_attempts.ts";

/** How long the agent still delivers results after a second signal. */
const DELIVERY_PATIENCE_MS = 5_000;
/** Aborts everything when the agent has to stop before its session has begun. */
const STOPPED = new Error("the agent is stopped");

/** The parts of an agent that touch files, processes and sockets. */
export interface AgentParts extends Omit<SessionParts, "signal"> {
	options: SessionParts["options"] & { slots: number; once: boolean; idleExitMs: number | null };
	/** A client with connections of its own, for lease renewals. */
	renewals: Coordinator;
	jobFactory: JobFactory;
	/** Called once before the first poll. @param token the agent's own, as it is then */
	beforePolls: (token: () => string, signal: AbortSignal) => Promise<void>;
}

/** What metrics tell of an agent. */
export interface AgentNumbers {
	isReady: boolean;
	slots: number;
	running: number;
	/** The jobs that it has taken since its start, and what became of them. */
	taken: number;
	ended: Readonly<Record<string, number>>;
	/** Results that the coordinator has not answered yet. */
	undelivered: number;
}

/** The agent's state, for the health endpoint. */
export interface AgentHealth {
	/** Whether the agent reaches its coordinator and takes work. */
	isReady: boolean;
	body: Record<string, unknown>;
}

/**
 * The agent's side of the protocol. It registers once, opens a session, and then runs two loops:
 * the poll loop brings work, and the lease renewal never waits behind it.
 *
 * starting ─▶ ready ─▶ draining ─▶ stopped
 *
 * A draining agent (one SIGTERM) takes no offer and finishes its jobs; a second signal cancels
 * them. Stopping is not cancelling.
 */
export class RunningAgent {
	readonly #parts: AgentParts;
	readonly #clock = new CoordinatorClock();
	readonly #results = new PendingResults();
	/** Ends both loops. */
	readonly #stop = new AbortController();
	readonly #session: AgentSession;
	readonly #attempts: RunningAttempts;
	readonly #poll: PollLoop;
	readonly #joined = Promise.withResolvers<void>();
	/** Resolves when the coordinator knows this agent. */
	readonly joined = this.#joined.promise;

	constructor(parts: AgentParts) {
		const { options, client, jobFactory } = parts;
		this.#parts = parts;
		this.#session = new AgentSession({ ...parts, signal: this.#stop.signal });
		this.#attempts = new RunningAttempts({
			client,
			jobFactory,
			clock: this.#clock,
			results: this.#results,
			slots: options.slots,
			once: options.once,
			onEnded: (isReported) => {
				// An agent that may end now looks at once; any other has nothing new to say.
				const mayEnd = options.once || options.idleExitMs !== null || this.#attempts.isDraining;
				if (!isReported || mayEnd) this.#poll.restart();
			},
		});
		this.#poll = new PollLoop({
			client,
			session: this.#session,
			attempts: this.#attempts,
			results: this.#results,
			idleExitMs: options.idleExitMs,
			onRequests: (requests, signal) => this.#applyRequests(requests, signal),
		});
	}

	/**
	 * Works until the agent is stopped.
	 * @throws ApiError when the coordinator rejects the agent
	 */
	async run(): Promise<void> {
		const { client, options, renewals } = this.#parts;
		try {
			const identity = await this.#session.join();
			const slots = `${options.slots} ${options.slots === 1 ? "slot" : "slots"}`;
			log("info", `${identity.name} is ready at ${client.server}: ${slots}`);
			this.#joined.resolve();
			const renewing = renewLeases({
				client: renewals,
				session: this.#session,
				attempts: this.#attempts,
				clock: this.#clock,
				onRejected: () => this.#poll.restart(),
				signal: this.#stop.signal,
			});
			try {
				await this.#parts.beforePolls(() => this.#session.token, this.#stop.signal);
				await this.#poll.run();
				// Nothing may be sent after the goodbye, neither agent info nor a renewal.
				this.#stop.abort(STOPPED);
				await this.#session.bye();
			} finally {
				// Also after a fatal answer: no job may run on without its agent.
				this.#attempts.stopAll("lost");
				await this.#attempts.ended();
				this.#stop.abort(STOPPED);
				await renewing;
			}
		} catch (error) {
			if (error !== STOPPED) throw error;
		}
	}

	get health(): AgentHealth {
		const status = this.#attempts.isDraining ? "draining" : this.#poll.isConnected ? "ready" : "looking for the coordinator";
		const { client, options } = this.#parts;
		const body = { status, server: client.server, slots: options.slots, jobs: this.#attempts.jobs };
		return { isReady: status === "ready", body };
	}

	/** For metrics. */
	get numbers(): AgentNumbers {
		const { options } = this.#parts;
		return {
			...{ isReady: this.health.isReady, slots: options.slots, running: this.#attempts.size, undelivered: this.#results.size },
			...this.#attempts.counts,
		};
	}

	/**
	 * Takes no further offer, finishes the running jobs, and ends. A second call cancels the
	 * running jobs.
	 */
	drain(): void {
		const { intervals } = this.#session;
		if (this.#attempts.isDraining) {
			log("warn", "cancelling the running jobs");
			this.#attempts.stopAll("agent_stopped");
			// An unreachable coordinator must not keep the agent from ending.
			const patience = (intervals?.kill_grace_ms ?? 0) + DELIVERY_PATIENCE_MS;
			setTimeout(() => this.#attempts.stopAll("lost"), patience).unref();
			return;
		}
		this.#attempts.isDraining = true;
		const running = this.#attempts.size;
		const jobs = running === 1 ? "1 job runs" : `${running} jobs run`;
		log("info", running > 0 ? `draining: ${jobs}; a second signal cancels` : "stopping");
		if (intervals === null) this.#stop.abort(STOPPED);
		this.#poll.restart();
	}

	/** Sends the agent info again: the agent has found out more about its machine. */
	async sendInfo(): Promise<void> {
		if (this.#session.intervals === null || this.#attempts.isDraining) return;
		await this.#session.sendInfo(() => this.#attempts.ids);
	}

	/** Applies the requests that a person made at the coordinator. */
	async #applyRequests({ drain, rotate }: Pick<PollAnswer, "drain" | "rotate">, signal: AbortSignal): Promise<void> {
		if (drain && !this.#attempts.isDraining) {
			log("info", "the coordinator asks this agent to finish its jobs and end");
			this.drain();
		}
		// A draining agent does not wait for the rotation: the next poll asks for it again.
		if (rotate) await this.#session.rotateToken(AbortSignal.any([this.#stop.signal, signal]));
	}
}
