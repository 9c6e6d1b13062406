import { jobsMeant } from "../../schema/pipeline/resolve/references.ts";
import type { ResolvedJob, ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { asksForStatus, countsAsFailure, type DownloadableJob, UNWANTED } from "../../schema/pipeline/runtime/decide.ts";
import type { SettledJob } from "../../schema/pipeline/runtime/settle.ts";
import { failFastReason } from "../../schema/wire/reasons.ts";
import { isTerminal, type JobState, type Reason } from "../../schema/wire/states.ts";

/**
 * The jobs of a pipeline on this machine: their order, their needs, and the jobs that a failure
 * ends.
 */

export interface LocalJob {
	definition: ResolvedJob;
	state: JobState;
	reason: Reason | null;
	exitCode: number | null;
	outputs: Record<string, string> | null;
	needs: LocalJob[];
	/**
	 * The name of the folder for its files: several jobs may have the same name, and a name may
	 * hold characters that a folder cannot.
	 */
	folder: string;
}

const MAX_FOLDER = 200;

/** Whether a job is chosen: all jobs are, unless one is named. */
export function isChosen({ key, name }: ResolvedJob, only: string | null): boolean {
	return only === null || key === only || name === only;
}

/** The jobs of a pipeline, blocked, with the jobs that they need. */
export function jobsOf(pipeline: ResolvedPipeline): LocalJob[] {
	const jobs: LocalJob[] = [];
	addLocalJobs(jobs, pipeline.jobs);
	return jobs;
}

/** Adds jobs, blocked, to the jobs of a pipeline. @returns the new ones */
export function addLocalJobs(jobs: LocalJob[], definitions: readonly ResolvedJob[]): LocalJob[] {
	const taken = new Set(jobs.map(({ folder }) => folder));
	const made = definitions.map((definition) => blockedJob(definition, taken));
	jobs.push(...made);
	const all = jobs.map(({ definition }) => definition);
	for (const job of made) {
		const needed = new Set(job.definition.needs.flatMap((need) => jobsMeant(all, need)));
		job.needs = jobs.filter(({ definition }) => needed.has(definition));
	}
	return made;
}

function blockedJob(definition: ResolvedJob, taken: Set<string>): LocalJob {
	const folder = folderFor(definition, taken);
	return { definition, state: "blocked", reason: null, exitCode: null, outputs: null, needs: [], folder };
}

/**
 * Puts matrix jobs in the place of the job that stood for them.
 * @param lists the lists of jobs that have it
 */
export function replaceJob(job: LocalJob, definitions: readonly ResolvedJob[], lists: readonly LocalJob[][]): void {
	const taken = new Set(lists.flat().map(({ folder }) => folder));
	const made = definitions.map((definition): LocalJob => ({ ...job, definition, folder: folderFor(definition, taken) }));
	for (const list of lists) list.splice(list.indexOf(job), 1, ...made);
	for (const { needs } of lists.flat()) if (needs.includes(job)) needs.splice(needs.indexOf(job), 1, ...made);
}

/** A name that no other job's folder has: the job's key, with its values of the matrix. */
function folderFor({ key, matrix }: ResolvedJob, taken: Set<string>): string {
	const name = [key, ...Object.values(matrix ?? {})]
		.join("-")
		.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
		.slice(0, MAX_FOLDER);
	let unique = name;
	for (let n = 2; taken.has(unique); n += 1) unique = `${name}-${n}`;
	taken.add(unique);
	return unique;
}

/** The next job: all jobs that it needs have ended. */
export function nextJob(jobs: readonly LocalJob[]): LocalJob | undefined {
	return jobs.find((job) => job.state === "blocked" && job.needs.every(({ state }) => isTerminal(state)));
}

export function endJob(job: LocalJob, state: JobState, reason: Reason | null): void {
	job.state = state;
	job.reason = reason;
}

/**
 * Skips the jobs that `fail_fast` ends after a failure. All of them are blocked, because one job
 * runs at a time. A job whose condition asks for states is not skipped: it may be there for just
 * this case.
 */
export function failFast({ definition: failed, state }: LocalJob, jobs: readonly LocalJob[], pipeline: ResolvedPipeline): LocalJob[] {
	if (!countsAsFailure({ state, mayFail: failed.allow_failure })) return [];
	const skipped = jobs.filter(
		({ definition, state: other }) =>
			other === "blocked" && (pipeline.fail_fast || (failed.fail_fast && definition.key === failed.key)) && !asksForStatus(definition),
	);
	for (const job of skipped) endJob(job, "skipped", failFastReason(failed.name));
	return skipped;
}

/** The files that a job fetches, by the jobs that saved them. */
export function fetchesOf({ artifacts }: SettledJob, jobs: readonly LocalJob[]) {
	const definitions = jobs.map(({ definition }) => definition);
	return artifacts.fetch.flatMap((fetched) => {
		const sources = new Set(jobsMeant(definitions, fetched));
		return jobs.filter(({ definition }) => sources.has(definition)).map((job) => ({ job, patterns: fetched.paths, into: fetched.into }));
	});
}

/** A job as the conditions of other jobs see it. */
export function endedJob({ definition, state, reason, outputs }: LocalJob, of: LocalJob): DownloadableJob {
	const { key, name, allow_failure: mayFail, outputs: declared } = definition;
	const isUnwanted = state === "skipped" && reason?.code === UNWANTED;
	const isOrder = of.definition.needs.some((need) => need.key === key && need.is_order === true);
	return { key, name, state, mayFail, isUnwanted, isOrder, declared, outputs: () => outputs };
}

/** All jobs that a job needs, directly or through others. */
export function ancestorsOf(job: LocalJob): LocalJob[] {
	const found = new Set<LocalJob>();
	const unvisited = [...job.needs];
	for (let one = unvisited.pop(); one; one = unvisited.pop()) {
		if (found.has(one)) continue;
		found.add(one);
		unvisited.push(...one.needs);
	}
	return [...found];
}
