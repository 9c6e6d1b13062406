import { ApiError } from "../../schema/wire/errors.ts";
import { PROTOCOL_VERSION } from "../../schema/wire/limits.ts";
import {
	type Facts,
	type HelloAnswer,
	type HelloBody,
	helloAnswer,
	type Intervals,
	type Offer,
	type PollAnswer,
	pollAnswer,
	registered,
	renewAnswer,
	rotatedToken,
} from "../../schema/wire/protocol.ts";
import { say } from "../logger.ts";
import type { AgentHealth } from "../machine/health.ts";
import type { Identity, StateFolder } from "../machine/state_folder.ts";
import type { AgentOptions } from "../options.ts";
import { sleep } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { backoffMs, Unreachable, untilAnswered } from "../transport/retry.ts";
import { Attempt } from "./attempt.ts";
import { CoordinatorClock } from "./coordinator_clock.ts";
import type { JobFactory } from "./job.ts";

/** Until the coordinator has said what to keep to. */
const POLL_TIMEOUT_MS = 60_000;
const RENEW_MS = 10_000;
/** How long a result may still be delivered after a second signal. */
const DELIVERY_PATIENCE_MS = 5_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Why everything is aborted when the agent is told to stop before it has begun. */
const STOPPED = new Error("the agent is stopped");

/** What an agent is made of: whatever of it touches files, processes and sockets. */
export interface AgentParts {
	options: Pick<AgentOptions, "name" | "token" | "tokenError" | "slots" | "once" | "idleExitMs">;
	/** What it keeps between its lives. */
	memory: Pick<
		StateFolder,
		"identity" | "registrationKey" | "keepIdentity" | "forgetIdentity" | "nextSession" | "rotationKey" | "keepRotated"
	>;
	client: Coordinator;
	/** Connections of their own, so that no renewal waits behind a log or a file. */
	renewals: Coordinator;
	workshop: JobFactory;
	/** What it tells of itself. */
	facts: () => Facts;
	/** Called with the labels that the coordinator counts, where it says which. */
	onLabels: (labels: readonly string[]) => void;
}

/**
 * The agent: registers once, opens a session, and from then on keeps two loops. One long-poll carries everything the
 * coordinator has to say (offers, cancels, who watches); beside it, on a path that never waits, leases are renewed.
 *
 *   starting ─▶ working ─▶ draining ─▶ stopped
 *
 * Draining (one SIGTERM) takes nothing new and finishes what runs; a second signal cancels that, too. Stopping is not cancelling.
 */
export class RunningAgent {
	readonly #options: AgentParts["options"];
	readonly #memory: AgentParts["memory"];
	readonly #client: Coordinator;
	readonly #renewals: Coordinator;
	readonly #workshop: JobFactory;
	readonly #facts: () => Facts;
	readonly #onLabels: AgentParts["onLabels"];
	readonly #clock = new CoordinatorClock();
	readonly #attempts = new Map<string, Attempt>();
	readonly #finished = new Set<Promise<void>>();
	/** Settled once the coordinator knows this agent. */
	readonly joined: Promise<void>;
	#onJoined: () => void = () => undefined;
	#intervals: Intervals | null = null;
	/** Ends the loops for good. */
	readonly #stop = new AbortController();
	/** Ends the present poll, so that the next one can say something new. */
	#repoll = new AbortController();
	#isDraining = false;
	/** Whether the newest poll was answered. */
	#isInTouch = false;
	#session = 0;
	#instance = "";
	/** The token that the coordinator knows this agent by. */
	#token = "";
	/** The ignored labels that were logged last. */
	#loggedIgnored = "";
	#pollSeq = 0;
	#renewSeq = 0;
	#idleSince = performance.now();
	#jobsTaken = 0;

	constructor({ options, memory, client, renewals, workshop, facts, onLabels }: AgentParts) {
		this.#options = options;
		this.#memory = memory;
		this.#client = client;
		this.#renewals = renewals;
		this.#workshop = workshop;
		this.#facts = facts;
		this.#onLabels = onLabels;
		this.joined = new Promise((resolve) => {
			this.#onJoined = resolve;
		});
	}

	/**
	 * Works until it is told to stop.
	 * @throws ApiError where the coordinator refuses the agent for good
	 */
	async run(): Promise<void> {
		try {
			const identity = await this.#join();
			say(
				"info",
				`${identity.name} is ready at ${this.#client.server}: ${this.#options.slots} ${this.#options.slots === 1 ? "slot" : "slots"}`,
			);
			this.#isInTouch = true;
			this.#onJoined();
			const renewing = this.#renewLoop();
			try {
				await this.#pollLoop();
				// After the goodbye nothing is said any more: no late facts, no late renewal.
				this.#stop.abort(STOPPED);
				await this.#bye();
			} finally {
				// Also after a fatal answer: nothing that this agent has started may run on unwatched.
				for (const attempt of this.#attempts.values()) attempt.stop("lost");
				await Promise.all(this.#finished);
				this.#stop.abort(STOPPED);
				await renewing;
			}
		} catch (error) {
			if (error !== STOPPED) throw error;
		}
	}

	/** How it is, and what it runs. */
	get health(): AgentHealth {
		const jobs = [...this.#attempts.values()].flatMap((attempt) => (attempt.job ? [{ attempt: attempt.id, ...attempt.job }] : []));
		const state = this.#isDraining ? "draining" : this.#isInTouch ? "ready" : "looking for the coordinator";
		return { isReady: state === "ready", body: { status: state, server: this.#client.server, slots: this.#options.slots, jobs } };
	}

	/** Finish what runs, take nothing new, then end. Called again: end what runs. */
	drain(): void {
		if (this.#isDraining) {
			say("warn", "cancelling what runs");
			for (const attempt of this.#attempts.values()) attempt.stop("agent_stopped");
			// A coordinator that cannot be reached must not keep the agent for ever.
			const patience = (this.#intervals?.kill_grace_ms ?? 0) + DELIVERY_PATIENCE_MS;
			setTimeout(() => {
				for (const attempt of this.#attempts.values()) attempt.stop("lost");
			}, patience).unref();
			return;
		}
		this.#isDraining = true;
		say("info", this.#attempts.size > 0 ? `draining: ${this.#attempts.size} running; signal again to cancel` : "stopping");
		if (this.#intervals === null) this.#stop.abort(STOPPED);
		this.#repoll.abort();
	}

	/** Comes back as itself, or registers where the coordinator does not know it (any more). */
	async #join(): Promise<Identity> {
		const known = this.#memory.identity;
		if (known) {
			try {
				await this.#helloAs(known);
				if (known.server !== this.#client.server) await this.#memory.keepIdentity({ ...known, server: this.#client.server });
				return known;
			} catch (error) {
				if (!isUnknown(error)) throw error;
				// A former life may have asked for the next token and not kept it: this one is out of date then.
				const rotated = await this.#rotate(known, this.#stop.signal).catch((failure) => {
					// Rejected: it was never asked for another one. Other failures say nothing of the identity.
					if (failure instanceof ApiError) return null;
					throw failure;
				});
				if (rotated) {
					await this.#helloAs(rotated);
					return rotated;
				}
				if (!this.#options.token) throw error;
				say("warn", `${this.#client.server} does not know ${known.name}; registering anew`);
				await this.#memory.forgetIdentity();
			}
		}
		const identity = await this.#register();
		await this.#helloAs(identity);
		return identity;
	}

	async #register(): Promise<Identity> {
		const { token, tokenError, name } = this.#options;
		if (!token) {
			const why = tokenError === null ? "was given no registration token" : `has no registration token (${tokenError})`;
			throw new ApiError("authentication_required", `This agent is not registered and ${why}.`, {
				suggestions: ["Make one with: windlass agent-tokens create; give it in a file: --token-file FILE"],
			});
		}
		const answer = await untilAnswered(
			() =>
				this.#client.fetch(registered, {
					method: "POST",
					path: "/api/v1/agents",
					token,
					json: { registration_key: this.#memory.registrationKey, name },
					signal: this.#stop.signal,
				}),
			this.#stop.signal,
			(error) => say("warn", `cannot register yet: ${error.message}`),
		);
		const identity = { ...answer, server: this.#client.server };
		await this.#memory.keepIdentity({ id: identity.id, name: identity.name, token: identity.token, server: identity.server });
		say("info", `registered as ${identity.name}`);
		return identity;
	}

	async #helloAs(identity: Identity): Promise<void> {
		this.#token = identity.token;
		this.#session = await this.#memory.nextSession();
		this.#instance = crypto.randomUUID();
		const json = this.#introduction([]);
		const call = { method: "POST", path: "/api/v1/agents/self/hello", token: this.#token, json, signal: this.#stop.signal } as const;
		const answer = await untilAnswered(
			() => this.#client.fetch(helloAnswer, call),
			this.#stop.signal,
			(error) => say("warn", `the coordinator cannot be reached yet: ${error.message}`),
		);
		this.#intervals = answer.intervals;
		this.#takeLabels(answer);
	}

	/** Applies which labels count, and logs once which do not. */
	#takeLabels({ labels, ignored_labels }: HelloAnswer): void {
		if (labels) this.#onLabels(labels);
		const ignored = ignored_labels.join(", ");
		if (ignored !== "" && ignored !== this.#loggedIgnored)
			say("warn", `the coordinator ignores the labels ${ignored}: the registration token of this agent does not give them`);
		this.#loggedIgnored = ignored;
	}

	/**
	 * Gets the next token and keeps it. Repeated after a lost answer, in this life or a later one, it is the same token.
	 * @throws ApiError where the coordinator refuses it
	 */
	async #rotate(identity: Identity, signal: AbortSignal): Promise<Identity> {
		const json = { rotation_key: await this.#memory.rotationKey() };
		const call = { method: "POST", path: "/api/v1/agents/self/rotate", token: identity.token, json, signal } as const;
		const { token } = await untilAnswered(() => this.#client.fetch(rotatedToken, call), signal);
		const rotated = { ...identity, token };
		await this.#memory.keepRotated(rotated);
		this.#token = token;
		say("info", "the token of this agent was rotated");
		return rotated;
	}

	/** Does what people ask of this process by way of the coordinator. */
	async #applyRequests({ drain, rotate }: Pick<PollAnswer, "drain" | "rotate">): Promise<void> {
		if (drain && !this.#isDraining) {
			say("info", "the coordinator asks this agent to end once nothing runs");
			this.drain();
		}
		const { identity } = this.#memory;
		if (!rotate || !identity) return;
		// Asked to end, the agent does not wait for this: it is asked again with the next poll.
		const signal = AbortSignal.any([this.#stop.signal, this.#repoll.signal]);
		await this.#rotate(identity, signal).catch((error) => {
			if (!signal.aborted) say("warn", `the token of this agent could not be rotated: ${error.message}`);
		});
	}

	#introduction(running: string[]): HelloBody {
		return { protocol: PROTOCOL_VERSION, session: this.#session, instance: this.#instance, running, facts: this.#facts() };
	}

	/** Says anew what the agent is, in the session that it has: what there was to find out is known by now. */
	async tellFacts(): Promise<void> {
		if (this.#intervals === null || this.#isDraining) return;
		const { signal } = this.#stop;
		const json = () => this.#introduction([...this.#attempts.keys()]);
		const call = () => ({ method: "POST", path: "/api/v1/agents/self/hello", token: this.#token, json: json(), signal }) as const;
		await untilAnswered(() => this.#client.fetch(helloAnswer, call()), signal).then(
			(answer) => this.#takeLabels(answer),
			(error) => {
				// The loops meet an error like this, too, and act on it.
				if (!signal.aborted) say("warn", `the facts of this agent were not taken: ${error.message}`);
			},
		);
	}

	async #pollLoop(): Promise<void> {
		let failures = 0;
		while (!this.#isDraining || this.#attempts.size > 0) {
			this.#repoll = new AbortController();
			if (this.#isDone()) return;
			const idle = this.#idleTimer();
			try {
				const sentAt = performance.now();
				const answer = await this.#poll();
				this.#intervals = answer.intervals;
				this.#isInTouch = true;
				failures = 0;
				for (const { attempt_id, ttl_ms } of answer.renewed) this.#attempts.get(attempt_id)?.extend(ttl_ms, sentAt);
				for (const id of answer.cancel) this.#attempts.get(id)?.stop("cancelled");
				this.#setWatched(answer.watch);
				for (const offer of answer.offers) this.#take(offer, answer.intervals);
				await this.#applyRequests(answer);
			} catch (error) {
				if (this.#repoll.signal.aborted) continue;
				if (!(error instanceof Unreachable)) throw error;
				this.#isInTouch = false;
				say("warn", `${error.message}; trying again`);
				await sleep(backoffMs(failures, error), this.#repoll.signal).catch(() => undefined);
				failures += 1;
			} finally {
				clearTimeout(idle);
			}
		}
		await Promise.all(this.#finished);
	}

	#poll() {
		this.#pollSeq += 1;
		return this.#client.fetch(pollAnswer, {
			method: "POST",
			path: "/api/v1/agents/self/poll",
			token: this.#token,
			json: {
				protocol: PROTOCOL_VERSION,
				session: this.#session,
				seq: this.#pollSeq,
				slots_free: this.#isDraining ? 0 : Math.max(0, this.#options.slots - this.#attempts.size),
				running: [...this.#attempts.keys()],
				draining: this.#isDraining,
			},
			timeoutMs: this.#intervals?.poll_timeout_ms ?? POLL_TIMEOUT_MS,
			signal: this.#repoll.signal,
		});
	}

	/** Whether the agent was started for less than for ever, and has done it. */
	#isDone(): boolean {
		if (this.#attempts.size > 0) return false;
		if (this.#options.once && this.#jobsTaken > 0) return true;
		const { idleExitMs } = this.#options;
		return idleExitMs !== null && performance.now() - this.#idleSince >= idleExitMs;
	}

	/** Ends a poll in time for an agent that is to leave when it has been idle. */
	#idleTimer(): NodeJS.Timeout | undefined {
		const { idleExitMs } = this.#options;
		if (idleExitMs === null || this.#attempts.size > 0) return undefined;
		const left = this.#idleSince + idleExitMs - performance.now();
		const repoll = this.#repoll;
		return setTimeout(() => repoll.abort(), Math.min(LONGEST_TIMER_MS, Math.max(0, left) + 1));
	}

	#take(offer: Offer, intervals: Intervals): void {
		if (this.#attempts.has(offer.attempt_id)) return;
		const isEnough = this.#options.once && this.#jobsTaken + this.#attempts.size > 0;
		const isFull = this.#isDraining || this.#attempts.size >= this.#options.slots || isEnough;
		if (isFull) {
			void this.#release(offer);
			return;
		}
		const attempt = new Attempt(offer.attempt_id, offer.lease_token, {
			client: this.#client,
			intervals,
			workshop: this.#workshop,
			clock: this.#clock,
		});
		this.#attempts.set(attempt.id, attempt);
		const done = attempt.run().finally(() => {
			if (attempt.isClaimed) this.#jobsTaken += 1;
			this.#attempts.delete(attempt.id);
			this.#finished.delete(done);
			this.#idleSince = performance.now();
			// A slot is free, or the agent is done: the parked poll does not say so yet.
			this.#repoll.abort();
		});
		this.#finished.add(done);
	}

	async #release(offer: Offer): Promise<void> {
		const call = { method: "POST", path: `/api/v1/attempts/${offer.attempt_id}/release`, token: offer.lease_token, json: {} } as const;
		await this.#client.call(call).catch(() => undefined);
	}

	/** Keeps the leases: on its own path, never parked, never behind busy work. */
	async #renewLoop(): Promise<void> {
		while (!this.#stop.signal.aborted) {
			await sleep(this.#intervals?.renew_ms ?? RENEW_MS, this.#stop.signal).catch(() => undefined);
			// One that is still being claimed has no lease yet; it would be called lost.
			const running = [...this.#attempts.values()].filter((attempt) => attempt.isClaimed).map(({ id }) => id);
			if (this.#stop.signal.aborted || running.length === 0) continue;
			this.#renewSeq += 1;
			const sentAt = performance.now();
			const json = { session: this.#session, seq: this.#renewSeq, running };
			try {
				const answer = await this.#renewals.fetch(renewAnswer, {
					method: "POST",
					path: "/api/v1/agents/self/renew",
					token: this.#token,
					json,
					timeoutMs: this.#intervals?.renew_timeout_ms ?? RENEW_MS,
					signal: this.#stop.signal,
				});
				this.#clock.heard(answer.now, sentAt);
				for (const { attempt_id, ttl_ms } of answer.renewed) this.#attempts.get(attempt_id)?.extend(ttl_ms, sentAt);
				for (const id of answer.cancel) this.#attempts.get(id)?.stop("cancelled");
				for (const id of answer.lost) this.#attempts.get(id)?.stop("lost");
				this.#setWatched(answer.watch);
			} catch (error) {
				if (this.#stop.signal.aborted) return;
				if (error instanceof Unreachable) say("warn", `the leases could not be renewed: ${error.message}`);
				else this.#repoll.abort();
			}
		}
	}

	#setWatched(watched: readonly string[]): void {
		for (const [id, attempt] of this.#attempts) attempt.watch(watched.includes(id));
	}

	async #bye(): Promise<void> {
		const call = {
			method: "POST",
			path: "/api/v1/agents/self/bye",
			token: this.#token,
			json: { session: this.#session },
			timeoutMs: 3_000,
		} as const;
		await this.#client.call(call).catch(() => undefined);
	}
}

/** Whether the coordinator does not know the token (any more). */
function isUnknown(error: unknown): boolean {
	return error instanceof ApiError && error.code === "authentication_required";
}
