import { formatDuration } from "../../../../schema/wire/duration.ts";
import { ADHOC_PROJECT } from "../../../../schema/wire/projects.ts";
import { isTerminal } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { findRun, type RunRow } from "../rows.ts";
import { pipelineOf } from "../runs/definitions.ts";
import { addEffect } from "./effects.ts";
import { lastResult, type Status, showStatus, yieldStatus } from "./shown_statuses.ts";

/** Commit statuses are requested in the transaction that changes the run, and sent in order. */

/** The name of the status of a discovery job, which is sent only if the job failed. */
const DISCOVERY = "discovery";
/** The ending of a status name that keeps it apart from the status of a push of the same commit. */
const OF_PULL_REQUEST = " (pull request)";
/**
 * Events whose runs have a status of their own, as in Woodpecker: a tag or schedule must not
 * replace the status of a push.
 */
const EVENT_SUFFIXES: Readonly<Record<string, string>> = { tag: " (tag)", schedule: " (schedule)", manual: " (manual)" };

/**
 * Requests the commit status of a run of a project's commit. Call it inside the command that
 * changes the run.
 */
export function updateStatus(core: Core, runId: string): void {
	const run = findRun(core, runId) as RunRow;
	if (run.project === ADHOC_PROJECT || run.source_git === null || run.commit_sha === null) return;
	const { is_command, is_partial, is_beside_push } = pipelineOf(core, run);
	const isDiscovery = run.kind === "discovery";
	if ((is_command || is_partial) && !isDiscovery) return;
	const suffix = is_beside_push ? OF_PULL_REQUEST : (EVENT_SUFFIXES[run.trigger_kind] ?? "");
	const name = `${isDiscovery ? DISCOVERY : run.pipeline}${suffix}`;
	const key = `status ${run.project} ${run.commit_sha} ${name}`;
	const status = { runId: run.id, state: run.state, description: describe(core, run) };
	const shown = isDiscovery
		? discoveryStatus(core, key, status)
		: didNothing(run)
			? yieldStatus(core, key, status)
			: showStatus(core, key, status);
	if (!shown) return;
	const { project, source_git: repository, commit_sha: sha } = run;
	addEffect(core, key, { kind: "commit_status", ...shown, project, repository, sha, ref: refOf(run), name });
}

/** Whether a run has ended without a result: it had no jobs to run, or a newer run replaced it. */
function didNothing({ state, reason_code }: RunRow): boolean {
	return state === "skipped" || (state === "cancelled" && reason_code === "superseded");
}

/**
 * The status of a discovery job: sent if it failed, or if a later one of the same commit succeeded.
 */
function discoveryStatus(core: Core, key: string, status: Status): Status | null {
	if (!isTerminal(status.state) || status.state === "cancelled") return null;
	const last = lastResult(core, key);
	if (status.state === "succeeded" && (last === null || last.state === "succeeded")) return null;
	return showStatus(core, key, status);
}

/** The branch or tag of a commit, as a forge calls it; for a pull request from a fork, its ref. */
function refOf({ tag, branch, is_trusted, source_ref }: RunRow): string | null {
	if (tag !== null) return tag;
	if (branch !== null && is_trusted === 1) return branch;
	return source_ref?.replace(/^refs\/(heads|tags)\//, "") ?? null;
}

/** The state of a run in a few words: forges show no more. */
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
			return "Nothing to run";
		case "cancelled":
			return run.reason_text ?? "Cancelled";
		case "succeeded":
			if (run.kind === "discovery") return "Found the pipelines to run";
			return `${jobs(core, run.id)} in ${formatDuration((run.finished_at ?? 0) - (run.started_at ?? run.finished_at ?? 0))}`;
		default:
			return (run.kind === "discovery" ? errorOfDiscovery(core, run.id) : failedJobs(core, run.id)) ?? run.reason_text ?? run.state;
	}
}

function errorOfDiscovery(core: Core, runId: string): string | null {
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
