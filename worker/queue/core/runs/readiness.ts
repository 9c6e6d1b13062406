import { runFacts } from "../../../../schema/pipeline/resolve/run_facts.ts";
import {
	type Circumstances,
	countsAsFailure,
	type Decision,
	type DownloadableJob,
	decide,
	type Standing,
	settle,
	UNWANTED,
} from "../../../../schema/pipeline/runtime/decide.ts";
import type { SettledJob } from "../../../../schema/pipeline/runtime/settle.ts";
import type { JobState } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { findRun, type JobRow, type RunRow } from "../rows.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";

/** Applies the rules of the pipeline language to the stored needs of a job. */

/** Whether a blocked job may start. */
export function decideJob(core: Core, job: JobRow): Decision {
	return decide(definitionOf(core, job), circumstancesOf(core, job));
}

/**
 * The definition of a job whose needs have ended, with all expressions evaluated. @throws
 * ExpressionFailed
 */
export function settledJob(core: Core, job: JobRow): SettledJob {
	return settle(definitionOf(core, job), circumstancesOf(core, job));
}

/** Whether a job has failed and was not allowed to fail. */
export function hasFailed({ state, allow_failure }: Pick<JobRow, "state" | "allow_failure">): boolean {
	return countsAsFailure({ state, mayFail: allow_failure === 1 });
}

interface NeedRow {
	id: string;
	key: string;
	name: string;
	position: number;
	state: JobState;
	reason_code: string | null;
	allow_failure: number;
}

/** The values that the expressions of a job can use. */
export function circumstancesOf(core: Core, job: JobRow): Circumstances {
	const run = findRun(core, job.run_id) as RunRow;
	const pipeline = pipelineOf(core, run);
	const rows = hasNoNeeds(job)
		? []
		: core.sql.all<NeedRow>(
				`SELECT j.id, j.key, j.name, j.position, j.state, j.reason_code, j.allow_failure FROM needs AS n JOIN jobs AS j ON j.id = n.needs_id
		WHERE n.job_id = ? ORDER BY j.position`,
				job.id,
			);
	const orders = new Set(rows.length === 0 ? [] : definitionOf(core, job).needs.flatMap(({ key, is_order }) => (is_order ? key : [])));
	const needs = rows.map(
		({ id, key, name, position, state, reason_code, allow_failure }): DownloadableJob => ({
			key,
			name,
			...standingOf({ state, reason_code, allow_failure }),
			isOrder: orders.has(key),
			declared: pipeline.jobs[position]?.outputs ?? [],
			outputs: () => outputsOf(core, id),
		}),
	);
	const ancestors = () => ancestorsOf(core, job.id).map(standingOf);
	return { pipeline, run: runFacts(pipeline, run.project, run.trigger_kind), needs, ancestors };
}

function standingOf({ state, reason_code, allow_failure }: Pick<JobRow, "state" | "reason_code" | "allow_failure">): Standing {
	return { state, mayFail: allow_failure === 1, isUnwanted: state === "skipped" && reason_code === UNWANTED };
}

function hasNoNeeds({ needs }: Pick<JobRow, "needs">): boolean {
	return needs === "[]";
}

function outputsOf(core: Core, jobId: string): Record<string, string> | null {
	const [row] = core.sql.all<{ outputs: string | null }>("SELECT outputs FROM jobs WHERE id = ?", jobId);
	return row?.outputs ? (JSON.parse(row.outputs) as Record<string, string>) : null;
}

/** All jobs that a job needs, directly or indirectly, in the order of the pipeline. */
export function ancestorsOf(core: Core, jobId: string): Pick<JobRow, "key" | "name" | "state" | "reason_code" | "allow_failure">[] {
	return core.sql.all(
		`WITH RECURSIVE ancestors(id) AS (
			SELECT needs_id FROM needs WHERE job_id = ?
			UNION SELECT n.needs_id FROM ancestors AS a JOIN needs AS n ON n.job_id = a.id
		)
		SELECT j.key, j.name, j.state, j.reason_code, j.allow_failure FROM ancestors AS a JOIN jobs AS j ON j.id = a.id ORDER BY j.position`,
		jobId,
	);
}
