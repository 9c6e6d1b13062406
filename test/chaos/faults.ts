import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../sim/random.ts";
import { LEASE_TTL_MS } from "../support/processes.ts";
import type { Stage, StageAgent } from "./stage.ts";

/** What is done to the processes, at random. Whatever is done to one is undone before something else is done to it. */

type Strike = (stage: Stage, random: Random) => Promise<void>;
type AgentStrike = (agent: StageAgent, random: Random) => Promise<void>;

/** Mostly short, now and then longer than a lease. */
function aWhile(random: Random): number {
	return random.chance(0.2) ? LEASE_TTL_MS + random.below(5_000) : random.below(4_000);
}

const COORDINATOR_FAULTS: Record<string, Strike> = {
	"workerd killed": async (stage) => stage.signalWorkerd("SIGKILL"),
	"workerd frozen": async (stage, random) => {
		stage.signalWorkerd("SIGSTOP");
		await pause(aWhile(random));
		stage.signalWorkerd("SIGCONT");
	},
	"host killed": (stage, random) => stage.replaceHost("SIGKILL", aWhile(random)),
	"host frozen": async (stage, random) => {
		stage.coordinator.program.signal("SIGSTOP");
		await pause(random.below(4_000));
		stage.coordinator.program.signal("SIGCONT");
	},
	"host stopped as planned": (stage, random) => stage.replaceHost("SIGTERM", aWhile(random)),
	"data disk full": (stage, random) => stage.fillDisk(random.between(500, 4_000)),
};

const AGENT_FAULTS: Record<string, AgentStrike> = {
	"agent killed": (agent, random) => agent.replace("SIGKILL", aWhile(random)),
	"agent frozen": async (agent, random) => {
		agent.program.signal("SIGSTOP");
		await pause(aWhile(random));
		agent.program.signal("SIGCONT");
	},
	"agent stopped as planned": (agent, random) => agent.replace("SIGTERM", random.below(2_000)),
	"connections cut": async (agent) => agent.network.cut(),
	"connections slow": (agent, random) => during(agent, random, () => agent.network.slow(random.between(100, 3_000))),
	"connections half-open": (agent, random) => during(agent, random, () => agent.network.halfOpen()),
	"answers lost": (agent, random) => during(agent, random, () => agent.network.loseAnswers()),
};

async function during(agent: StageAgent, random: Random, begin: () => void): Promise<void> {
	begin();
	await pause(aWhile(random));
	agent.network.repair();
}

/** Strikes again and again, at random, until it is told to stop. */
export class Faults {
	readonly counts = new Map([...Object.keys(COORDINATOR_FAULTS), ...Object.keys(AGENT_FAULTS)].map((name) => [name, 0]));
	readonly #stage: Stage;
	readonly #random: Random;
	readonly #isTold: (line: string) => void;
	readonly #stop = new AbortController();

	constructor(stage: Stage, random: Random, onStrike: (line: string) => void) {
		this.#stage = stage;
		this.#random = random;
		this.#isTold = onStrike;
		if (!stage.canBeFilled) this.counts.delete("data disk full");
	}

	/** @returns once everything that was done is undone */
	async strikeAllTheWhile(): Promise<void> {
		const coordinator = this.#strikeOne(Object.keys(COORDINATOR_FAULTS), 6_000, "coordinator", (name, random) =>
			(COORDINATOR_FAULTS[name] as Strike)(this.#stage, random),
		);
		const agents = this.#stage.agents.map((agent) =>
			this.#strikeOne(Object.keys(AGENT_FAULTS), 5_000, agent.name, (name, random) => (AGENT_FAULTS[name] as AgentStrike)(agent, random)),
		);
		await Promise.all([coordinator, ...agents]);
	}

	stop(): void {
		this.#stop.abort();
	}

	/** Each kind comes before any comes again, so that a short time has something of everything. */
	async #strikeOne(names: string[], pauseMs: number, whom: string, strike: (name: string, random: Random) => Promise<void>): Promise<void> {
		const random = this.#random.fork();
		let left: string[] = [];
		while (!this.#stop.signal.aborted) {
			await pause(random.below(pauseMs), undefined, { signal: this.#stop.signal }).catch(() => undefined);
			if (this.#stop.signal.aborted) return;
			if (left.length === 0) left = names.filter((name) => this.counts.has(name));
			const name = random.pick(left);
			left = left.filter((one) => one !== name);
			this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
			this.#isTold(`${whom}: ${name}`);
			await strike(name, random);
		}
	}
}
