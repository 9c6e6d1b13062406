import { formatDuration } from "../../../schema/wire/duration.ts";
import { ADHOC_PROJECT } from "../../../schema/wire/projects.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import type { Core } from "./core.ts";
import { pipelineOf } from "./definitions.ts";
import { addEffect } from "./effects.ts";
import { findRun, type RunRow } from "./rows.ts";

/** What the forge of a project is told of its commits: written with the state of a run, in one transaction, and told in its order. */

/** What the status of a plan is called: it is told only where it could not do its work. */
const PLAN = "plan";
/** What the name of a status ends with that stands beside the one of the push of the same commit. */
const OF_PULL_REQUEST = " (pull request)";

/** Has the forge told how a run stands, if it is about a commit of a project. To be called inside the command that has changed it. */
export function noteStatus(core: Core, runId: string): void {
	const run = findRun(core, runId) as RunRow;
	if (run.project === ADHOC_PROJECT || run.source_git === null || run.commit_sha === null) return;
	const { is_command, is_beside_push } = pipelineOf(core, run);
	if (run.kind === "plan" ? !isPlanTold(core, run, run.commit_sha) : is_command) return;
	const name = run.kind === "plan" ? PLAN : `${run.pipeline}${is_beside_push ? OF_PULL_REQUEST : ""}`;
	addEffect(core, `status ${run.project} ${run.commit_sha} ${name}`, {
		kind: "commit_status",
		runId: run.id,
		project: run.project,
		repository: run.source_git,
		sha: run.commit_sha,
		name,
		state: run.state,
		description: describe(core, run),
	});
}

/** Of a plan it is told that it could not do its work; and, after that, that one of the same commit could. */
function isPlanTold(core: Core, { project, state }: RunRow, sha: string): boolean {
	if (!isTerminal(state) || state === "cancelled") return false;
	if (state === "succeeded")
		return core.sql.all("DELETE FROM plan_faults WHERE project = ? AND commit_sha = ? RETURNING at", project, sha).length > 0;
	core.sql.all("INSERT INTO plan_faults (project, commit_sha, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", project, sha, core.now());
	return true;
}

/** Forgets plans that failed long ago. To be called inside a command. */
export function forgetPlanFaults(core: Core, before: number): void {
	core.sql.all("DELETE FROM plan_faults WHERE at < ?", before);
}

/** How a run stands, in a few words: forges show no more. */
function describe(core: Core, run: RunRow): string {
	switch (run.state) {
		case "queued":
			return "Waits for an agent";
		case "waiting":
			return "Waits for an approval";
		case "running":
			return "Runs";
		case "cancelling":
			return "Is being cancelled";
		case "skipped":
			return "Nothing was to be run";
		case "cancelled":
			return run.reason_text ?? "Cancelled";
		case "succeeded":
			if (run.kind === "plan") return "Found what is to be run";
			return `${jobs(core, run.id)} in ${formatDuration((run.finished_at ?? 0) - (run.started_at ?? run.finished_at ?? 0))}`;
		default:
			return (run.kind === "plan" ? faultOfPlan(core, run.id) : failedJobs(core, run.id)) ?? run.reason_text ?? run.state;
	}
}

function faultOfPlan(core: Core, runId: string): string | null {
	return core.sql.all<{ reason_text: string | null }>("SELECT reason_text FROM jobs WHERE run_id = ?", runId)[0]?.reason_text ?? null;
}

function jobs(core: Core, runId: string): string {
	const n = core.sql.all<{ n: number }>("SELECT count(*) AS n FROM jobs WHERE run_id = ?", runId)[0]?.n ?? 0;
	return n === 1 ? "1 job" : `${n} jobs`;
}

function failedJobs(core: Core, runId: string): string | null {
	const failed = core.sql.all<{ name: string; state: string }>(
		`SELECT name, state FROM jobs WHERE run_id = ? AND state IN ('failed', 'errored', 'timed_out') AND allow_failure = 0
		ORDER BY finished_at, position LIMIT 3`,
		runId,
	);
	if (failed.length === 0) return null;
	return failed.map(({ name, state }) => `${name}: ${state.replace("_", " ")}`).join(", ");
}
