import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Offer } from "../schema/wire/protocol.ts";
import type { Agent } from "../schema/wire/resources.ts";
import { type BenchAgent, BenchAttempt, joinAgents, submitFor } from "./agent.ts";
import { trivialRequest } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, latencyRow, onceRow, timesFloor, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

const AGENTS = 1_000;
const OFFERS = 100;
const WARM_UP = 20;
const CHECK_MS = 100;

/** Whether many waiting agents delay the offer to the one agent that a job is for. */
export const waitingAgents: Part = {
	title: "Waiting agents",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target);
			const alone = (await joinAgents(target, "alone", 1)).agents.map((agent) => new WaitingAgent(agent));
			await waitAll(target, alone);
			await offers(target, alone, WARM_UP);
			const offerAlone = await offers(target, alone, OFFERS);
			const { value: among, memory } = await watchMemory(target, `${AGENTS} waiting agents`, async () => {
				const { agents, joined } = await joinAgents(target, "crowd", AGENTS - 1);
				const crowd = agents.map((agent) => new WaitingAgent(agent));
				const begun = await elapsed(() => waitAll(target, crowd));
				return { joined, begun, offer: await offers(target, [...alone, ...crowd], OFFERS) };
			});
			const rows = [
				timingRow("GET /healthz, one at a time", floor, IS_FLOOR),
				latencyRow("submit → its agent has the offer, 1 agent waits", offerAlone, timesFloor(offerAlone, floor)),
				latencyRow(`submit → its agent has the offer, ${AGENTS} wait`, among.offer, timesFloor(among.offer, floor)),
				timingRow("an agent joins: registration and hello", among.joined, timesFloor(among.joined, floor)),
				onceRow(`${AGENTS} polls at once → all wait`, among.begun, `each ${timesFloor({ p50: among.begun / AGENTS }, floor)}`),
			];
			return { rows, memory };
		}),
};

/** An agent with a long poll at the coordinator, until it gets an offer. */
class WaitingAgent {
	readonly agent: BenchAgent;
	#offer: Promise<Offer> | null = null;

	constructor(agent: BenchAgent) {
		this.agent = agent;
	}

	/** Begins a long poll, unless there is one. */
	wait(): void {
		if (this.#offer) return;
		this.#offer = this.agent.nextOffer();
		// At the end the coordinator stops while agents still wait.
		this.#offer.catch(() => undefined);
	}

	/** The offer that ends the long poll. */
	async offered(): Promise<Offer> {
		if (!this.#offer) throw new Error(`${this.agent.label} does not wait`);
		const offer = await this.#offer;
		this.#offer = null;
		return offer;
	}
}

/** Begins a long poll of each; when this returns the coordinator has all of them. */
async function waitAll(target: Target, crowd: readonly WaitingAgent[]): Promise<void> {
	const before = Date.now();
	for (const one of crowd) one.wait();
	const names = new Set(crowd.map(({ agent }) => agent.label));
	while (names.size > 0) {
		const { items } = await target.get<{ items: Agent[] }>("/api/v1/agents");
		for (const { name, last_seen_at } of items) if (last_seen_at !== null && Date.parse(last_seen_at) >= before) names.delete(name);
		await sleep(CHECK_MS);
	}
}

/**
 * The time from a submission to the offer at its agent: one at a time, each with another agent,
 * which then polls again.
 */
async function offers(target: Target, crowd: readonly WaitingAgent[], count: number): Promise<Timing> {
	const samples: number[] = [];
	const started = performance.now();
	for (let index = 0; index < count; index += 1) {
		// 7 is coprime to the number of agents: neither the oldest polls nor the newest are
		// preferred.
		const one = crowd[(index * 7) % crowd.length] as WaitingAgent;
		const before = performance.now();
		const [offer] = await Promise.all([
			one.offered().then((given) => {
				samples.push(performance.now() - before);
				return given;
			}),
			submitFor(target, one.agent.label),
		]);
		const attempt = new BenchAttempt(target, offer);
		await attempt.start();
		await attempt.finish();
		one.wait();
	}
	return timing(samples, performance.now() - started);
}
