import type { Core } from "./core/core.ts";
import { findAttempt, liveAttemptsOfAgent } from "./core/rows.ts";

/** A reader of a live log must repeat its request within this time. */
const WATCH_MS = 30_000;

/** The live logs with readers: their agents send them faster. */
export class LogWatchers {
	readonly #core: Core;
	/** Attempt → how long its log counts as read. */
	readonly #until = new Map<string, number>();
	/** Agent → the watched attempts in its newest answer. */
	readonly #sent = new Map<string, string>();

	constructor(core: Core) {
		this.#core = core;
	}

	/** @returns whether this log had no reader before */
	add(attemptId: string): boolean {
		const isNew = !this.#until.has(attemptId);
		this.#until.set(attemptId, Date.now() + WATCH_MS);
		return isNew;
	}

	/** Whether this log has a reader. */
	has(attemptId: string): boolean {
		return (this.#until.get(attemptId) ?? 0) >= Date.now();
	}

	/** The attempts of an agent whose logs have readers. */
	watchedOf(agentId: string): string[] {
		if (this.#until.size === 0) return [];
		const now = Date.now();
		for (const [attemptId, until] of this.#until) if (until < now) this.#until.delete(attemptId);
		return liveAttemptsOfAgent(this.#core, agentId)
			.map(({ id }) => id)
			.filter((id) => this.#until.has(id));
	}

	/** Whether the agent's newest answer listed other attempts. */
	hasChanged(agentId: string): boolean {
		return this.watchedOf(agentId).join() !== (this.#sent.get(agentId) ?? "");
	}

	recordSent(agentId: string, watched: readonly string[]): void {
		this.#sent.set(agentId, watched.join());
	}

	evict(agentId: string): void {
		this.#sent.delete(agentId);
	}

	/** The agents whose list may have changed. */
	*agents(): Iterable<string> {
		for (const [agentId, sent] of this.#sent) if (sent !== "") yield agentId;
		for (const attemptId of this.#until.keys()) yield findAttempt(this.#core, attemptId)?.agent_id ?? "";
	}
}
