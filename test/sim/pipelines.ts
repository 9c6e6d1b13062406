import type { Trigger } from "../../schema/wire/triggers.ts";
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
	/** How long it continues after a request to stop. */
	stubbornMs: number;
	saves: boolean;
	/** What it ends with when it fails. */
	exitCode: number;
	outputs: [string, string][];
}

export interface Submission {
	/** Names this submission, and no other. */
	name: string;
	text: string;
}

/** What a random job may be asked to put out. */
const OUTPUT = "verdict";

export function randomSubmission(random: Random, number: number, mostJobs = 7): Submission {
	const jobs: Record<string, Record<string, unknown>> = {};
	const size = random.chance(0.4) ? 1 : random.between(2, mostJobs);
	for (let index = 0; index < size; index += 1) {
		const needs = Object.keys(jobs).filter(() => random.chance(0.35));
		jobs[`job${index}`] = randomJob(random, needs, jobs);
	}
	const pipeline = {
		name: `submission ${number}`,
		params: { target: { type: "choice", options: ["a", "b"], default: random.pick(["a", "b"]) } },
		...(random.chance(0.3) ? { priority: random.between(-1, 2) } : {}),
		...(random.chance(0.3) ? { source: { git: "https://git.test/repository" } } : {}),
		...(random.chance(0.15) ? { fail_fast: true } : {}),
		...(random.chance(0.15) ? { timeout: `${random.between(20, 900)}s` } : {}),
		...(random.chance(0.2) ? { concurrency: randomGroup(random, "runs", true) } : {}),
		jobs,
	};
	const changed = random.chance(0.5) ? { changed: random.chance(0.5) ? ["docs/a.md"] : ["src/a.ts"] } : {};
	return { name: pipeline.name, text: JSON.stringify({ pipeline, ...changed }) };
}

/** The events that a forge may deliver. */
export function randomTrigger(random: Random, isPull: boolean): Trigger {
	const branch = random.pick(["main", "feature"]);
	return {
		kind: isPull ? "pull_request" : "push",
		ref: isPull ? "refs/pull/1/head" : `refs/heads/${branch}`,
		branch,
		tag: null,
		sha: random.chance(0.5) ? "5".repeat(40) : null,
		before: random.chance(0.5) ? "4".repeat(40) : null,
		message: random.chance(0.1) ? "not now [skip ci]" : null,
		pull_request: isPull ? { number: 1, event: "opened", title: "a change", target: "main", is_from_fork: false } : null,
		actor: "somebody",
	};
}

/** The files that a repository says with what is to be run: whole pipelines, some that do not want to run, some that are broken. */
export function randomFiles(random: Random): { path: string; text: string }[] {
	return Array.from({ length: random.between(0, 2) }, (_, index) => {
		const path = `.windlass/file${index}.yml`;
		if (random.chance(0.15)) return { path, text: "jobs: 3" };
		const { pipeline } = JSON.parse(randomSubmission(random, index, 3).text) as { pipeline: Record<string, unknown> };
		const { source: _own, ...rest } = pipeline;
		const on = random.chance(0.3) ? { on: { push: { branches: "main", paths: "src/**" }, pull_request: {} } } : {};
		return { path, text: JSON.stringify({ ...rest, name: `file ${index}`, ...on }) };
	});
}

function randomJob(random: Random, needs: string[], jobs: Record<string, Record<string, unknown>>): Record<string, unknown> {
	const condition = random.chance(0.35) ? randomCondition(random, needs, jobs) : "";
	const matrix = random.chance(0.2) ? randomMatrix(random) : null;
	return {
		...(needs.length > 0 ? { needs: needs.map((need) => randomNeed(random, need, jobs)) } : {}),
		...(condition === "" ? {} : { if: condition }),
		...(matrix ? { matrix } : {}),
		...(random.chance(0.4) ? { runs_on: [random.pick(LABELS)] } : {}),
		...(random.chance(0.5) ? { retry: randomRetry(random) } : {}),
		...(random.chance(0.8) ? { timeout: `${random.between(5, 600)}s` } : {}),
		...(random.chance(0.2) ? { artifacts: { save: ["*"] } } : {}),
		...(random.chance(0.2) ? { allow_failure: true } : {}),
		// Nobody has kept it: the job cannot be given what it asks for.
		...(random.chance(0.08) ? { secrets: { KEY: "of_nobody" } } : {}),
		...(random.chance(0.3) ? { outputs: [OUTPUT] } : {}),
		// One job of a run stands in a group that cancels: which of two came first is nobody's business.
		...(random.chance(0.2) ? { concurrency: randomGroup(random, `jobs-${Object.keys(jobs).length}`, matrix === null) } : {}),
		steps: [{ run: JSON.stringify(randomScript(random)) }],
		...(random.chance(0.15) ? { finally: { steps: ["clean up"], timeout: `${random.between(5, 120)}s` } } : {}),
	};
}

function randomGroup(random: Random, name: string, mayCancel: boolean): object {
	const group = `${name}-${random.between(1, 2)}`;
	if (mayCancel && random.chance(0.4)) return { group, cancel_in_progress: true };
	return { group, limit: random.between(1, 3) };
}

function randomMatrix(random: Random): object {
	const n = Array.from({ length: random.between(1, 3) }, (_, index) => `${index}`);
	return {
		n,
		...(random.chance(0.3) ? { os: ["x", "y"], exclude: [{ n: n[0], os: "y" }] } : {}),
		...(random.chance(0.3) ? { include: [{ n: "9" }] } : {}),
		...(random.chance(0.5) ? { fail_fast: true } : {}),
		...(random.chance(0.4) ? { max_parallel: random.between(1, 3) } : {}),
	};
}

/** A job with all of its variants, or one of them. */
function randomNeed(random: Random, job: string, jobs: Record<string, Record<string, unknown>>): unknown {
	const matrix = jobs[job]?.matrix as { n: string[]; os?: string[] } | undefined;
	return matrix && random.chance(0.4) ? { job, matrix: { n: matrix.n[0] } } : job;
}

/** A few atoms with && between, as the model knows them. */
function randomCondition(random: Random, needs: readonly string[], jobs: Record<string, Record<string, unknown>>): string {
	const speaking = needs.filter((need) => !jobs[need]?.matrix && jobs[need]?.outputs);
	const atoms = [
		() => "always()",
		() => "success()",
		() => "failure()",
		() => "!failure()",
		() => `params.target == "${random.pick(["a", "b"])}"`,
		() => 'changed("docs/**")',
		...(needs.length > 0 ? [() => `needs.${random.pick(needs)}.result == "${random.pick(["succeeded", "failed", "skipped"])}"`] : []),
		...(speaking.length > 0 ? [() => `needs.${random.pick(speaking)}.outputs.${OUTPUT} == "yes"`] : []),
	];
	return Array.from({ length: random.between(1, 2) }, () => random.pick(atoms)()).join(" && ");
}

function randomRetry(random: Random): object {
	const on = ["failed", "errored", "timed_out", "lost"].filter(() => random.chance(0.5));
	const codes = (on.length === 0 || on.includes("failed")) && random.chance(0.3) ? { exit_codes: [1, random.between(2, 3)] } : {};
	return { attempts: random.between(1, 4), ...(on.length > 0 ? { on } : {}), ...codes };
}

function randomScript(random: Random): Script {
	const end = () => (random.chance(0.75) ? "succeeded" : random.pick(["failed", "errored"] as const));
	return {
		ms: random.chance(0.35) ? random.between(20_000, 240_000) : random.between(0, 12_000),
		lines: random.between(0, 5),
		ends: Array.from({ length: random.between(1, 3) }, end),
		stubbornMs: random.chance(0.3) ? random.between(1_000, 60_000) : random.between(0, 500),
		saves: random.chance(0.5),
		exitCode: random.between(1, 3),
		outputs: random.chance(0.6) ? [[OUTPUT, random.pick(["yes", "no"])]] : [],
	};
}
