import type { JobState } from "../../wire/states.ts";
import type { RunFacts } from "../expressions/scope.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { type Decision, type DownloadableJob, decide, type Standing, UNWANTED } from "./decide.ts";

/** What would become of the jobs of a run before any of them has run. */

/** A job, and what is decided of it: `waiting` without an end of its needs. */
export interface PlannedJob {
	job: ResolvedJob;
	/** The needed jobs. */
	needs: readonly ResolvedJob[];
	decision: Decision;
}

/** @returns the jobs in the order of the pipeline */
export function planJobs(pipeline: ResolvedPipeline, run: RunFacts): PlannedJob[] {
	const byKey = Map.groupBy(pipeline.jobs, ({ key }) => key);
	const decided = new Map<ResolvedJob, PlannedJob>();
	const plan = (job: ResolvedJob): PlannedJob => {
		const known = decided.get(job);
		if (known) return known;
		const needs = job.needs.flatMap((need) =>
			(byKey.get(need.key) ?? [])
				.filter(({ matrix }) => hasValues(matrix, need.matrix))
				.map((needed) => ({ needed, isOrder: need.is_order === true })),
		);
		const found = needs.map(({ needed, isOrder }) => downloadable(plan(needed), isOrder));
		const decision = decide(job, { pipeline, run, needs: found, ancestors: () => ancestors(job).map(standing) });
		const planned = { job, needs: needs.map(({ needed }) => needed), decision };
		decided.set(job, planned);
		return planned;
	};
	const ancestors = (job: ResolvedJob): PlannedJob[] => {
		const found = new Set<ResolvedJob>();
		const open = job.needs.flatMap(({ key }) => byKey.get(key) ?? []);
		for (let next = open.pop(); next !== undefined; next = open.pop()) {
			if (found.has(next)) continue;
			found.add(next);
			open.push(...next.needs.flatMap(({ key }) => byKey.get(key) ?? []));
		}
		return [...found].map(plan);
	};
	for (const job of inOrder(pipeline.jobs, byKey)) plan(job);
	return pipeline.jobs.map(plan);
}

/** The jobs with those first that others need: a long chain of needs is no deep call. */
function inOrder(jobs: readonly ResolvedJob[], byKey: ReadonlyMap<string, readonly ResolvedJob[]>): ResolvedJob[] {
	const placed = new Set<ResolvedJob>();
	for (const job of jobs) {
		const open = [job];
		while (open.length > 0) {
			const next = open.at(-1) as ResolvedJob;
			const before = placed.has(next) ? [] : next.needs.flatMap(({ key }) => byKey.get(key) ?? []).filter((one) => !placed.has(one));
			if (before.length > 0) open.push(...before);
			else {
				placed.add(next);
				open.pop();
			}
		}
	}
	return [...placed];
}

function hasValues(matrix: ResolvedJob["matrix"], wanted: Readonly<Record<string, string>> | null): boolean {
	return wanted === null || Object.entries(wanted).every(([axis, value]) => matrix?.[axis] === value);
}

function standing({ job, decision }: PlannedJob): Standing {
	const isUnwanted = decision.is === "skipped" && decision.reason.code === UNWANTED;
	const states: Partial<Record<Decision["is"], JobState>> = { skipped: "skipped", broken: "errored" };
	return { state: states[decision.is] ?? "blocked", mayFail: job.allow_failure, isUnwanted };
}

function downloadable(planned: PlannedJob, isOrder: boolean): DownloadableJob {
	const { key, name, outputs } = planned.job;
	return { ...standing(planned), key, name, isOrder, declared: outputs, outputs: () => null };
}
