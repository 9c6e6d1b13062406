import type { Identity } from "../../agent/protocol/identity.ts";
import { RunningAgent } from "../../agent/protocol/running_agent.ts";
import { sleep } from "../../agent/sleep.ts";
import { untilAnswered } from "../../agent/transport/retry.ts";
import { registrationToken } from "../../schema/wire/agents.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { helloAnswer, type Offer, pollAnswer, registered } from "../../schema/wire/protocol.ts";
import { type Coordinator, USER_TOKEN } from "./coordinator.ts";
import { SimulatedJobFactory } from "./jobs.ts";
import type { Ledger } from "./ledger.ts";
import type { Network } from "./network.ts";
import { LABELS } from "./pipelines.ts";
import { Life, type World } from "./world.ts";

/** Whatever agents need of the world. */
export interface Surroundings {
	world: World;
	network: Network;
	coordinator: Coordinator;
	ledger: Ledger;
}

/** What an agent keeps between its lives. */
class Memory {
	registrationKey = crypto.randomUUID();
	identity: Identity | null = null;
	#session = 0;
	#rotationKey: string | null = null;

	async storeIdentity(identity: Identity): Promise<void> {
		this.identity = identity;
	}

	async deleteIdentity(): Promise<void> {
		this.identity = null;
		this.registrationKey = crypto.randomUUID();
		this.#rotationKey = null;
	}

	async rotationKey(): Promise<string> {
		this.#rotationKey ??= crypto.randomUUID();
		return this.#rotationKey;
	}

	async storeRotated(identity: Identity): Promise<void> {
		this.identity = identity;
		this.#rotationKey = null;
	}

	async nextSession(): Promise<number> {
		this.#session += 1;
		return this.#session;
	}

	/** The same folder, on another machine. */
	copy(): Memory {
		const copy = new Memory();
		copy.registrationKey = this.registrationKey;
		copy.identity = this.identity;
		copy.#session = this.#session;
		copy.#rotationKey = this.#rotationKey;
		return copy;
	}
}

/** As a service manager would. */
const RESTART_MS = 5_000;

/** The product's own agent, on a host of this world that starts it again when it ends. */
export class SimulatedAgent {
	readonly name: string;
	readonly #surroundings: Surroundings;
	readonly #labels: readonly string[];
	readonly #slots: number;
	readonly #memory: Memory;
	#life: Life | null = null;
	#agent: RunningAgent | null = null;
	/** Whether its host is to start it again. */
	isWanted = true;

	constructor(
		surroundings: Surroundings,
		name: string,
		{ labels, slots }: { labels: readonly string[]; slots: number },
		memory = new Memory(),
	) {
		this.#surroundings = surroundings;
		this.name = name;
		this.#labels = labels;
		this.#slots = slots;
		this.#memory = memory;
	}

	/** Another process with the state of this one. */
	twin(): SimulatedAgent {
		return new SimulatedAgent(
			this.#surroundings,
			`twin of ${this.name}`,
			{ labels: this.#labels, slots: this.#slots },
			this.#memory.copy(),
		);
	}

	get isAlive(): boolean {
		return this.#life !== null;
	}

	start(): void {
		if (this.#life || !this.isWanted) return;
		const { world } = this.#surroundings;
		const life = new Life(this.name);
		this.#life = life;
		world.after(0, `${this.name} is started`, () => this.#run(life), life);
	}

	async #run(life: Life): Promise<void> {
		const { world, network, coordinator, ledger } = this.#surroundings;
		const client = network.client(this.name);
		const token = this.#memory.identity ? null : await newToken(client, this.#given);
		this.#agent = new RunningAgent({
			options: { name: this.name.replaceAll(" ", "-"), token, slots: this.#slots, once: false, tokenError: null, idleExitMs: null },
			memory: this.#memory,
			client,
			renewals: client,
			jobFactory: new SimulatedJobFactory(world, ledger, client, coordinator.bucket.objects),
			info: () => ({ version: "1", slots: this.#slots, labels: [...this.#labels], facts: {} }),
			onLabels: () => undefined,
			beforePolls: async () => undefined,
		});
		try {
			await this.#agent.run();
		} catch (error) {
			if (!(error instanceof ApiError)) throw error;
			world.note(`${this.name} ends: ${error.code}`);
			// Forgotten by a coordinator that it was away from for long, or another process has
			// registered with its key: a person makes it join anew.
			if (error.code === "authentication_required" || error.code === "conflict") await this.#memory.deleteIdentity();
		}
		if (this.#life !== life) return;
		this.#life = null;
		world.naturally(RESTART_MS, `the host of ${this.name} looks after it`, () => this.start());
	}

	/**
	 * The labels that its registration token gives: none, those that it declares, or others. One
	 * agent has to have all.
	 */
	get #given(): string[] {
		const { random } = this.#surroundings.world;
		const choices = this.#labels === LABELS ? [[], [...LABELS]] : [[], [...this.#labels], ["linux"]];
		return random.pick(choices);
	}

	kill(): void {
		this.#life?.end();
		this.#life = null;
	}

	freeze(isFrozen: boolean): void {
		this.#life?.freeze(isFrozen);
	}

	/** SIGTERM. */
	drain(): void {
		const agent = this.#agent;
		if (this.#life && agent) this.#surroundings.world.after(0, `${this.name} is asked to stop`, () => agent.drain(), this.#life);
	}
}

async function newToken(client: ReturnType<Network["client"]>, labels: string[] = []): Promise<string> {
	const call = { method: "POST", path: "/api/v1/agent-tokens", token: USER_TOKEN, json: { labels } } as const;
	return (await untilAnswered(() => client.fetch(registrationToken, call))).token;
}

/** What a sick agent does with its offers. */
export type Sickness = "never starts" | "always releases";

/** An agent that takes offers and runs nothing. */
export class SickAgent {
	readonly #surroundings: Surroundings;
	readonly #name: string;
	readonly #sickness: Sickness;
	readonly #labels: readonly string[];
	readonly #life: Life;

	constructor(surroundings: Surroundings, name: string, sickness: Sickness, labels: readonly string[]) {
		this.#surroundings = surroundings;
		this.#name = name;
		this.#sickness = sickness;
		this.#labels = labels;
		this.#life = new Life(name);
	}

	start(): void {
		this.#surroundings.world.after(0, `${this.#name} is started`, () => this.#run(), this.#life);
	}

	kill(): void {
		this.#life.end();
	}

	async #run(): Promise<void> {
		const client = this.#surroundings.network.client(this.#name);
		try {
			await this.#poll(client, await this.#join(client));
		} catch (error) {
			// Somebody has removed it, or revoked its registration token.
			if (!(error instanceof ApiError)) throw error;
		}
	}

	/** @returns the token of the agent */
	async #join(client: ReturnType<Network["client"]>): Promise<string> {
		const registration = { name: this.#name.replaceAll(" ", "-"), registration_key: crypto.randomUUID() };
		const joining = await newToken(client);
		const { token } = await untilAnswered(() =>
			client.fetch(registered, { method: "POST", path: "/api/v1/agents", token: joining, json: registration }),
		);
		const facts = { version: "1", slots: 1, labels: [...this.#labels], facts: {} };
		const hello = { protocol: 2, session: 1, instance: crypto.randomUUID(), running: [], facts };
		await untilAnswered(() => client.fetch(helloAnswer, { method: "POST", path: "/api/v1/agents/self/hello", token, json: hello }));
		return token;
	}

	async #poll(client: ReturnType<Network["client"]>, token: string): Promise<never> {
		for (let seq = 1; ; seq += 1) {
			const json = { protocol: 2, session: 1, seq, slots_free: 1, running: [], draining: false };
			const answer = await client
				.fetch(pollAnswer, { method: "POST", path: "/api/v1/agents/self/poll", token, json, timeoutMs: 70_000 })
				.catch(() => null);
			for (const offer of answer?.offers ?? []) await this.#refuse(client, offer);
			await sleep(answer ? 500 : 5_000);
		}
	}

	async #refuse(client: ReturnType<Network["client"]>, offer: Offer): Promise<void> {
		if (this.#sickness === "never starts") return;
		const path = `/api/v1/attempts/${offer.attempt_id}/release`;
		await client.call({ method: "POST", path, token: offer.lease_token, json: {} }).catch(() => undefined);
	}
}
