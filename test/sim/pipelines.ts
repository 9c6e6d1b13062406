import type { Random } from "./random.ts";

/** Pipelines at random, from all that the language has for the queue. */

/** The labels that jobs may ask for; one agent has all of them. */
export const LABELS = ["linux", "gpu", "arm"] as const;

/** What the only step of a job does in this world, in place of a shell script. */
export interface Script {
	/** How long it runs. */
	ms: number;
	lines: number;
	/** How each attempt ends; the last one stands for all that follow. */
	ends: ("succeeded" | "failed" | "errored")[];
	/** How long it goes on when it is told to stop. */
	stubbornMs: number;
	saves: boolean;
}

export interface Submission {
	/** Names this submission, and no other. */
	name: string;
	text: string;
}

export function randomSubmission(random: Random, number: number): Submission {
	const jobs: Record<string, unknown> = {};
	const keys: string[] = [];
	const size = random.chance(0.4) ? 1 : random.between(2, 7);
	for (let index = 0; index < size; index += 1) {
		const needs = keys.filter(() => random.chance(0.35));
		const key = `job${index}`;
		jobs[key] = {
			...(needs.length > 0 ? { needs } : {}),
			...(random.chance(0.4) ? { runs_on: [random.pick(LABELS)] } : {}),
			...(random.chance(0.5) ? { retry: randomRetry(random) } : {}),
			...(random.chance(0.8) ? { timeout: `${random.between(5, 600)}s` } : {}),
			...(random.chance(0.2) ? { artifacts: { save: ["*"] } } : {}),
			steps: [{ run: JSON.stringify(randomScript(random)) }],
		};
		keys.push(key);
	}
	const pipeline = {
		name: `submission ${number}`,
		...(random.chance(0.3) ? { priority: random.between(-1, 2) } : {}),
		...(random.chance(0.3) ? { source: { git: "https://git.test/repository" } } : {}),
		jobs,
	};
	return { name: pipeline.name, text: JSON.stringify({ pipeline }) };
}

function randomRetry(random: Random): object {
	const on = ["failed", "errored", "timed_out", "lost"].filter(() => random.chance(0.5));
	return { attempts: random.between(1, 4), ...(on.length > 0 ? { on } : {}) };
}

function randomScript(random: Random): Script {
	const end = () => (random.chance(0.75) ? "succeeded" : random.pick(["failed", "errored"] as const));
	return {
		ms: random.chance(0.35) ? random.between(20_000, 240_000) : random.between(0, 12_000),
		lines: random.between(0, 5),
		ends: Array.from({ length: random.between(1, 3) }, end),
		stubbornMs: random.chance(0.3) ? random.between(1_000, 60_000) : random.between(0, 500),
		saves: random.chance(0.5),
	};
}
