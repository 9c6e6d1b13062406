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
	/** The pipeline with which each attempt adds jobs to its run, in base64: one text in another grows with every level. */
	uploads: string | null;
}

export interface Submission {
	/** Names this submission, and no other. */
	name: string;
	text: string;
}

/** What a random job may be asked to put out. */
const OUTPUT = "verdict";
/** What a job puts out for the matrix of another. */
const CELLS = "cells";

type JobText = Record<string, unknown>;

export function randomSubmission(random: Random, number: number, mostJobs = 7): Submission {
	const jobs: Record<string, JobText> = {};
	const size = random.chance(0.4) ? 1 : random.between(2, mostJobs);
	for (let index = 0; index < size; index += 1) {
		const needs = Object.keys(jobs).filter(() => random.chance(0.35));
		jobs[`job${index}`] = randomJob(random, `job${index}`, needs, jobs);
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

/** Jobs that a job adds to its run. They may need all that the job has found there, and itself. Some are refused. */
export function randomUpload(random: Random, uploader: string, known: Record<string, JobText>): string {
	const jobs: Record<string, JobText> = {};
	const size = random.between(1, 3);
	for (let index = 0; index < size; index += 1) {
		const key = `${uploader}${MORE}${index}`;
		const before = { ...known, ...jobs };
		const needs = Object.keys(before).filter(() => random.chance(0.35));
		jobs[key] = randomJob(random, key, needs, before);
	}
	if (random.chance(0.05)) jobs.lost = { needs: "nobody", steps: ["a"] };
	if (random.chance(0.03)) Object.assign(jobs, tooMany());
	return JSON.stringify({ jobs });
}

/** More jobs than a run may have. */
function tooMany(): Record<string, JobText> {
	const values = Array.from({ length: 16 }, (_, index) => String(index));
	return Object.fromEntries(["a", "b", "c", "d"].map((key) => [`too_many_${key}`, { matrix: { n: values, m: values }, steps: ["a"] }]));
}

function randomJob(random: Random, key: string, needs: string[], jobs: Record<string, JobText>): JobText {
	const condition = random.chance(0.35) ? randomCondition(random, needs, jobs) : "";
	const planners = needs.filter((need) => declares(jobs[need], CELLS));
	const late = planners.length > 0 && random.chance(0.8) ? randomLateMatrix(random, random.pick(planners)) : null;
	const matrix = late ?? (random.chance(0.2) ? randomMatrix(random) : null);
	const outputs = [...(random.chance(0.3) ? [OUTPUT] : []), ...(matrix === null && random.chance(0.4) ? [CELLS] : [])];
	const job: JobText = {
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
		...(outputs.length > 0 ? { outputs } : {}),
		// One job of a run stands in a group that cancels: which of two came first is nobody's business.
		...(random.chance(0.2) ? { concurrency: randomGroup(random, `jobs-${key}`, matrix === null) } : {}),
		...(random.chance(0.15) ? { finally: { steps: ["clean up"], timeout: `${random.between(5, 120)}s` } } : {}),
	};
	const mayUpload = key.split(MORE).length <= MOST_UPLOADS;
	const uploads = mayUpload && random.chance(UPLOADERS) ? randomUpload(random, key, { ...jobs, [key]: job }) : null;
	return { ...job, steps: [{ run: JSON.stringify(randomScript(random, outputs, uploads)) }] };
}

/** How many jobs add jobs to their run; an added job adds some, too, but those add none. */
const UPLOADERS = 0.12;
const MOST_UPLOADS = 2;
/** In the keys of added jobs, after that of the job that adds them. */
const MORE = "_more";

function declares(job: JobText | undefined, output: string): boolean {
	return (job?.outputs as string[] | undefined)?.includes(output) === true;
}

/** A matrix that a needed job puts out: all of it, or the values of its axis. */
function randomLateMatrix(random: Random, planner: string): object | string {
	const put = `\${{ needs.${planner}.outputs.${CELLS} }}`;
	if (random.chance(0.2)) return put;
	return {
		n: put,
		...(random.chance(0.5) ? { fail_fast: true } : {}),
		...(random.chance(0.4) ? { max_parallel: random.between(1, 3) } : {}),
	};
}

/** What is put out for a matrix: mostly a list, at times a whole matrix, and what makes no job. */
function randomCells(random: Random): string {
	const list = Array.from({ length: random.between(1, 3) }, (_, index) => String(index));
	if (random.chance(0.65)) return JSON.stringify(list);
	if (random.chance(0.5)) return JSON.stringify({ n: list });
	return random.pick(["", "no list", "[]", "3", "[[]]", JSON.stringify(Array.from({ length: 300 }, (_, index) => String(index)))]);
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
function randomNeed(random: Random, job: string, jobs: Record<string, JobText>): unknown {
	const matrix = jobs[job]?.matrix as { n?: string[] } | undefined;
	return Array.isArray(matrix?.n) && random.chance(0.4) ? { job, matrix: { n: matrix.n[0] } } : job;
}

/** A few atoms with && between, as the model knows them. */
function randomCondition(random: Random, needs: readonly string[], jobs: Record<string, JobText>): string {
	const speaking = needs.filter((need) => !jobs[need]?.matrix && declares(jobs[need], OUTPUT));
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

function randomScript(random: Random, declared: readonly string[], uploads: string | null): Script {
	const end = () => (random.chance(0.75) ? "succeeded" : random.pick(["failed", "errored"] as const));
	return {
		ms: random.chance(0.35) ? random.between(20_000, 240_000) : random.between(0, 12_000),
		lines: random.between(0, 5),
		ends: Array.from({ length: random.between(1, 3) }, end),
		stubbornMs: random.chance(0.3) ? random.between(1_000, 60_000) : random.between(0, 500),
		saves: random.chance(0.5),
		exitCode: random.between(1, 3),
		outputs: [
			...(random.chance(0.6) ? [[OUTPUT, random.pick(["yes", "no"])] as [string, string]] : []),
			...(declared.includes(CELLS) && random.chance(0.95) ? [[CELLS, randomCells(random)] as [string, string]] : []),
		],
		uploads: uploads && btoa(uploads),
	};
}
