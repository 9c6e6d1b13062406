import { Waiters } from "../platform/waiters.ts";
import type { Core } from "./core/core.ts";
import { agentsHoldingLeases } from "./core/leases/polls.ts";

/** How long a planned stop waits for agents that hold leases to poll. */
const NOTICE_MS = 2_000;

/** A planned stop of the host: each agent gets an answer first that carries its longer leases. */
export class PlannedStop {
	readonly #core: Core;
	readonly #host = new Waiters();
	/** The agents that were notified; null while no stop is planned. */
	#notified: Set<string> | null = null;

	constructor(core: Core) {
		this.#core = core;
	}

	get isPlanned(): boolean {
		return this.#notified !== null;
	}

	plan(): void {
		this.#notified = new Set();
	}

	/** Whether the agent still has to be notified. */
	mustNotify(agentId: string): boolean {
		return this.#notified !== null && !this.#notified.has(agentId);
	}

	recordNotified(agentId: string): void {
		this.#notified?.add(agentId);
		if (this.#isComplete) this.#host.wakeAll();
	}

	/** Resolves once all agents that hold leases are notified, or after a short time. */
	async untilNotified(): Promise<void> {
		if (!this.#isComplete) await this.#host.wait("the host", NOTICE_MS);
	}

	get #isComplete(): boolean {
		return agentsHoldingLeases(this.#core).every((id) => this.#notified?.has(id));
	}
}
