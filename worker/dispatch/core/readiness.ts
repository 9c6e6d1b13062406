import { ExpressionFailed, evaluate, type NeedFacts, type Scope, usesOf } from "../../../schema/pipeline/expression.ts";
import { runFacts, type SettledJob, settleJob } from "../../../schema/pipeline/settle.ts";
import { isTerminal, type JobState, type Reason } from "../../../schema/wire/states.ts";
import type { Core } from "./core.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";
import { findRun, type JobRow, type RunRow } from "./rows.ts";

/**
 * Whether a blocked job may go on: its condition, then its needs. Without a condition, or with one that does not ask how the needs ended, a
 * job goes on when all of them succeeded, and is skipped as soon as one ended otherwise. One that asks (success(), failure(), always())
 * waits for all of them.
 */

export type Verdict = { is: "waiting" } | { is: "ready" } | { is: "skipped" | "broken"; reason: Reason };

/** A needed job, as far as its dependents care. */
interface NeedRow {
	key: string;
	name: string;
	position: number;
	state: JobState;
	allow_failure: number;
	outputs: string | null;
}

const FAILURES: ReadonlySet<JobState> = new Set(["failed", "errored", "timed_out"]);

/** Whether a job has failed, and was not allowed to. */
export function countsAsFailure(job: { state: JobState; allow_failure: number }): boolean {
	return FAILURES.has(job.state) && job.allow_failure === 0;
}

/** Whether those that need a job may go on after it. */
function countsAsSuccess(job: { state: JobState; allow_failure: number }): boolean {
	return job.state === "succeeded" || (FAILURES.has(job.state) && job.allow_failure === 1);
}

export function judge(core: Core, job: JobRow): Verdict {
	const { condition } = definitionOf(core, job);
	const needs = needsOf(core, job);
	const isOpen = needs.some(({ state }) => !isTerminal(state));
	const uses = condition === null ? null : usesOf(condition);
	try {
		if (condition !== null && !uses?.late && !evaluate(condition, scopeOf(core, job, needs))) return skippedBy(condition);
		const bad = needs.find((need) => isTerminal(need.state) && !countsAsSuccess(need));
		if (bad && !uses?.status) return { is: "skipped", reason: needEnded(bad) };
		if (isOpen) return { is: "waiting" };
		if (condition !== null && uses?.late && !evaluate(condition, scopeOf(core, job, needs))) return skippedBy(condition);
		settledJob(core, job, needs);
	} catch (error) {
		if (!(error instanceof ExpressionFailed)) throw error;
		return { is: "broken", reason: { code: "config_invalid", text: `An expression cannot be evaluated: ${error.message}`.slice(0, 2000) } };
	}
	return { is: "ready" };
}

function skippedBy(condition: string): Verdict {
	return { is: "skipped", reason: { code: "condition", text: `Its condition is false: ${condition}` } };
}

const OUTCOMES: Partial<Record<JobState, string>> = {
	failed: "failed",
	errored: "errored",
	timed_out: "timed out",
	cancelled: "was cancelled",
	skipped: "was skipped",
};

function needEnded(need: NeedRow): Reason {
	return { code: "need_failed", text: `Needs ${need.name}, which ${OUTCOMES[need.state] ?? need.state}.` };
}

/** What the pipeline says of a job whose needs have ended, with every text filled in. @throws ExpressionFailed */
export function settledJob(core: Core, job: JobRow, needs: readonly NeedRow[] = needsOf(core, job)): SettledJob {
	return settleJob(definitionOf(core, job), scopeOf(core, job, needs));
}

function needsOf(core: Core, job: JobRow): NeedRow[] {
	return core.sql.all<NeedRow>(
		`SELECT j.key, j.name, j.position, j.state, j.allow_failure, j.outputs FROM needs AS n JOIN jobs AS j ON j.id = n.needs_id
		WHERE n.job_id = ? ORDER BY j.position`,
		job.id,
	);
}

function scopeOf(core: Core, job: JobRow, needs: readonly NeedRow[]): Scope {
	const run = findRun(core, job.run_id) as RunRow;
	const pipeline = pipelineOf(core, run);
	return {
		run: runFacts(pipeline, run.project, run.trigger_kind),
		params: pipeline.params,
		matrix: pipeline.jobs[job.position]?.matrix ?? {},
		changed: pipeline.changed,
		needs: Object.fromEntries(needs.map((need) => [need.key, factsOf(need, needs, pipeline.jobs[need.position]?.outputs ?? [])])),
		status: { success: needs.every(countsAsSuccess), failure: hasFailedAncestor(core, job) },
	};
}

/** The result of several variants is that of the worst. */
const WORST: readonly JobState[] = ["failed", "timed_out", "errored", "cancelled", "skipped", "succeeded"];

function factsOf(need: NeedRow, needs: readonly NeedRow[], declared: readonly string[]): NeedFacts {
	const states = needs.filter(({ key }) => key === need.key).map(({ state }) => state);
	const written = need.outputs === null ? {} : (JSON.parse(need.outputs) as Record<string, string>);
	return {
		result: WORST.find((state) => states.includes(state)) ?? "",
		outputs: Object.fromEntries(declared.map((name) => [name, written[name] ?? ""])),
	};
}

/** Whether anything that a job needs, directly or by way of others, has failed: what comes to clean up stands at the end of a chain. */
function hasFailedAncestor(core: Core, job: JobRow): boolean {
	return (
		core.sql.all(
			`WITH RECURSIVE ancestors(id) AS (
				SELECT needs_id FROM needs WHERE job_id = ?
				UNION SELECT n.needs_id FROM ancestors AS a JOIN needs AS n ON n.job_id = a.id
			)
			SELECT 1 FROM ancestors AS a JOIN jobs AS j ON j.id = a.id
			WHERE j.state IN ('failed', 'errored', 'timed_out') AND j.allow_failure = 0 LIMIT 1`,
			job.id,
		).length > 0
	);
}

/** Whether a job wants to run when others have failed. */
export function asksForStatus(core: Core, job: JobRow): boolean {
	const { condition } = definitionOf(core, job);
	return condition !== null && usesOf(condition).status;
}
