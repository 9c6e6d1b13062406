import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
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
const LOOK_MS = 100;

/** Whether a crowd that waits is in the way of the one agent that a job is for. */
export const parked: Part = {
	title: "Parked agents",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target);
			const alone = (await joinAgents(target, "alone", 1)).agents.map((agent) => new ParkedAgent(agent));
			await park(target, alone);
			await offers(target, alone, WARM_UP);
			const offerAlone = await offers(target, alone, OFFERS);
			const { value: among, memory } = await watchMemory(target, `${AGENTS} parked agents`, async () => {
				const { agents, joined } = await joinAgents(target, "crowd", AGENTS - 1);
				const crowd = agents.map((agent) => new ParkedAgent(agent));
				const parking = await elapsed(() => park(target, crowd));
				return { joined, parking, offer: await offers(target, [...alone, ...crowd], OFFERS) };
			});
			const rows = [
				timingRow("GET /healthz, one at a time", floor, IS_FLOOR),
				latencyRow("submit → its agent has the offer, 1 agent parked", offerAlone, timesFloor(offerAlone, floor)),
				latencyRow(`submit → its agent has the offer, ${AGENTS} parked`, among.offer, timesFloor(among.offer, floor)),
				timingRow("an agent joins: registration and hello", among.joined, timesFloor(among.joined, floor)),
				onceRow(`${AGENTS} polls at once → all are parked`, among.parking, `each ${timesFloor({ p50: among.parking / AGENTS }, floor)}`),
			];
			return { rows, memory };
		}),
};

/** An agent that always has a poll at the coordinator, unless it has just been given something. */
class ParkedAgent {
	readonly agent: BenchAgent;
	#offer: Promise<Offer> | null = null;

	constructor(agent: BenchAgent) {
		this.agent = agent;
	}

	/** Polls, if no poll is under way. */
	park(): void {
		if (this.#offer) return;
		this.#offer = this.agent.nextOffer();
		// When all is measured the coordinator goes away under those that are still parked.
		this.#offer.catch(() => undefined);
	}

	/** What it was offered; from then on it is no longer parked. */
	async offered(): Promise<Offer> {
		if (!this.#offer) throw new Error(`${this.agent.label} is not parked`);
		const offer = await this.#offer;
		this.#offer = null;
		return offer;
	}
}

/** Parks all of them; when this returns the coordinator has heard of each. */
async function park(target: Target, crowd: readonly ParkedAgent[]): Promise<void> {
	const before = Date.now();
	for (const one of crowd) one.park();
	const names = new Set(crowd.map(({ agent }) => agent.label));
	while (names.size > 0) {
		const { items } = await target.get<{ items: Agent[] }>("/api/v1/agents");
		for (const { name, last_seen_at } of items) if (last_seen_at !== null && Date.parse(last_seen_at) >= before) names.delete(name);
		await pause(LOOK_MS);
	}
}

/** From a submission to the offer at the one agent that it is for: one at a time, each time another agent, which then polls again. */
async function offers(target: Target, crowd: readonly ParkedAgent[], count: number): Promise<Timing> {
	const samples: number[] = [];
	const started = performance.now();
	for (let index = 0; index < count; index += 1) {
		// A step that shares no factor with the size of the crowd: neither the oldest polls nor the newest are preferred.
		const one = crowd[(index * 7) % crowd.length] as ParkedAgent;
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
		one.park();
	}
	return timing(samples, performance.now() - started);
}
