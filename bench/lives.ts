import path from "node:path";
import { BenchAgent, emptyResult, newRegistrationToken, submitFor } from "./agent.ts";
import { trivialRequest } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, type Row, shareOf, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

/** So many agents work at once. */
const WORKERS = [4, 50];
const JOBS = 2_000;
const SUBMITTERS = 32;
const WARM_UP = 200;
const LOADED_REQUESTS = 3_000;
const FLOOR_CLIENTS = 20;

/** The throughput of the coordinator alone: agents that run nothing and send no log. */
export const lives: Part = {
	title: "Whole lives of jobs",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target, FLOOR_CLIENTS, LOADED_REQUESTS);
			const rows: Row[] = [timingRow(`GET /healthz, ${FLOOR_CLIENTS} at a time`, floor, IS_FLOOR)];
			const { memory } = await watchMemory(target, "whole lives", async () => {
				for (const workers of WORKERS) rows.push(...(await livesOf(target, workers, floor)));
			});
			return { rows, memory };
		}),
};

/**
 * Jobs are queued first; then the agents take and end them.
 * @returns the rates of both, beside the floor
 */
export async function livesOf(target: Target, workers: number, floor: Timing, count = JOBS, name = "lives"): Promise<Row[]> {
	const label = `${name}-${workers}`;
	const registrationToken = await newRegistrationToken(target, workers);
	const agents = await Promise.all(
		Array.from({ length: workers }, (_, index) => BenchAgent.join(target, registrationToken, `${label}-${index}`, label)),
	);
	await submitAll(target, label, WARM_UP);
	await takeAll(agents, WARM_UP);
	const submitted = await submitAll(target, label, count);
	const ended = await takeAll(agents, count);
	return [
		timingRow(`submit, ${SUBMITTERS} at a time`, submitted, shareOf(floor.rate, submitted.rate, "its rate")),
		timingRow(`take and end a queued job, ${workers} agents`, ended, shareOf(floor.rate, ended.rate, "its rate")),
	];
}

async function submitAll(target: Target, label: string, count: number): Promise<Timing> {
	const samples: number[] = [];
	let left = count;
	const submit = async () => {
		while (left > 0) {
			left -= 1;
			samples.push(await elapsed(() => submitFor(target, label)));
		}
	};
	const total = await elapsed(() => Promise.all(Array.from({ length: SUBMITTERS }, submit)));
	return timing(samples, total);
}

/** Each poll brings the result of one job and takes the next. */
async function takeAll(agents: readonly BenchAgent[], count: number): Promise<Timing> {
	const samples: number[] = [];
	let taken = 0;
	const work = async (agent: BenchAgent) => {
		let [offer] = taken < count ? await agent.poll() : [];
		while (offer) {
			taken += 1;
			const result = emptyResult(offer);
			const before = performance.now();
			[offer] = await agent.poll([result]);
			samples.push(performance.now() - before);
		}
	};
	const total = await elapsed(() => Promise.all(agents.map(work)));
	return timing(samples, total);
}
