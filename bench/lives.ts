import path from "node:path";
import { BenchAgent, BenchAttempt, newRegistrationToken, submitFor } from "./agent.ts";
import { trivialRequest } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, shareOf, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { type Timing, timing } from "./timing.ts";

const MEASURED_MS = 8_000;
const AGENTS = 20;
/** Submissions at once, so that no agent waits for a job. */
const SUBMITTERS = 2 * AGENTS;
const LABEL = "lives";
const LOADED_REQUESTS = 3_000;

/** The throughput of the queue alone. */
export const lives: Part = {
	title: "Whole lives of jobs",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target, AGENTS, LOADED_REQUESTS);
			const { value: life, memory } = await watchMemory(target, "whole lives", () => wholeLives(target));
			const rows = [
				timingRow(`GET /healthz, ${AGENTS} at a time`, floor, IS_FLOOR),
				timingRow(`submit → finished, ${AGENTS} protocol-level agents`, life, shareOf(floor.rate, life.rate, "its rate")),
			];
			return { rows, memory };
		}),
};

/** Jobs from submission to end, with agents that run nothing. */
async function wholeLives(target: Target): Promise<Timing> {
	const registrationToken = await newRegistrationToken(target, AGENTS);
	const agents = await Promise.all(
		Array.from({ length: AGENTS }, (_, index) => BenchAgent.join(target, registrationToken, `${LABEL}-${index}`, LABEL)),
	);
	/**
	 * For an ended job: true; for a submitted one: the function to call. A job may end before its
	 * submission is answered.
	 */
	const done = new Map<string, true | (() => void)>();
	const onDone = (jobId: string) => {
		const waiting = done.get(jobId);
		done.set(jobId, true);
		if (typeof waiting === "function") waiting();
	};
	const samples: number[] = [];
	const started = performance.now();
	const isEnough = () => performance.now() - started > MEASURED_MS;
	// Agents work until every submitted job has ended.
	let isOver = false;
	const working = agents.map((agent) => work(agent, () => isOver, onDone));
	const submit = async () => {
		while (!isEnough()) {
			const before = performance.now();
			const { jobId } = await submitFor(target, LABEL);
			if (!done.has(jobId)) await new Promise<void>((resolve) => done.set(jobId, resolve));
			done.delete(jobId);
			samples.push(performance.now() - before);
		}
	};
	await Promise.all(Array.from({ length: SUBMITTERS }, submit));
	isOver = true;
	const measured = timing(samples, performance.now() - started);
	void Promise.allSettled(working);
	return measured;
}

/** Polls, claims and finishes until the measurement is over. */
async function work(agent: BenchAgent, isOver: () => boolean, onDone: (jobId: string) => void): Promise<void> {
	while (!isOver()) {
		for (const offer of await agent.poll()) {
			const attempt = new BenchAttempt(agent.target, offer);
			await attempt.start();
			await attempt.finish();
			onDone(attempt.jobId);
		}
	}
}
