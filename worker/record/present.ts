import type { AttemptRow, EventRow, JobRow, RunRow } from "../../schema/database/tables.ts";
import type { Attempt, Event, Job, JobSummary, Run, RunSummary, Step } from "../../schema/wire/resources.ts";
import type { Reason } from "../../schema/wire/states.ts";
import { isoTime } from "./iso_time.ts";
import type { JobRecord, RunRecord } from "./runs.ts";
import { readTotals } from "./test_totals.ts";

function reasonOf(row: { reason_code: string | null; reason_text: string | null }): Reason | null {
	return row.reason_code === null ? null : { code: row.reason_code, text: row.reason_text ?? "" };
}

export function presentRunSummary(run: RunRow, baseUrl: string): RunSummary {
	return {
		id: run.id,
		number: run.number,
		kind: run.kind,
		state: run.state,
		reason: reasonOf(run),
		trigger: { kind: run.trigger_kind, actor: run.trigger_actor, delivery: run.trigger_delivery },
		project: run.project,
		pipeline: run.pipeline,
		source: sourceOf(run),
		branch: run.branch,
		tag: run.tag,
		commit: run.commit_sha === null ? null : { sha: run.commit_sha, message: run.commit_message ?? "", author: run.commit_author ?? "" },
		pull_request: run.pull_request,
		file: run.file,
		discovered_by: run.discovered_by,
		trusted: run.is_trusted === 1,
		approved_by: run.approved_by,
		priority: run.priority,
		params: JSON.parse(run.params) as RunSummary["params"],
		rerun_of: run.rerun_of,
		warnings: run.warnings,
		url: `${baseUrl}/runs/${run.id}`,
		created_at: isoTime(run.created_at),
		started_at: isoTime(run.started_at),
		finished_at: isoTime(run.finished_at),
	};
}

function sourceOf({ source_git, source_ref, source_upload }: RunRow): RunSummary["source"] {
	if (source_upload !== null) return { upload: source_upload };
	return source_git === null ? null : { git: source_git, ref: source_ref };
}

export function presentRun({ run, jobs, attempts }: RunRecord, baseUrl: string): Run {
	return {
		...presentRunSummary(run, baseUrl),
		jobs: jobs.map((job) => presentJob({ job, attempts: attempts.filter((attempt) => attempt.job_id === job.id) })),
	};
}

/** A text of a queue or a record is as it was stored. */
function approvalsOf({ approvals }: Pick<JobRow, "approvals">): JobSummary["approvals"] {
	return approvals === null ? [] : (JSON.parse(approvals) as JobSummary["approvals"]);
}

export function presentJobSummary(job: JobRow): JobSummary {
	return {
		id: job.id,
		run_id: job.run_id,
		key: job.key,
		name: job.name,
		matrix: job.matrix === null ? null : (JSON.parse(job.matrix) as Record<string, string>),
		state: job.state,
		reason: reasonOf(job),
		needs: JSON.parse(job.needs) as string[],
		runs_on: JSON.parse(job.runs_on) as JobSummary["runs_on"],
		allow_failure: job.allow_failure === 1,
		outputs: job.outputs === null ? null : (JSON.parse(job.outputs) as Record<string, string>),
		approved_by: job.approved_by,
		approvals: approvalsOf(job),
		exit_code: job.exit_code,
		attempt: job.attempt,
		created_at: isoTime(job.created_at),
		queued_at: isoTime(job.queued_at),
		started_at: isoTime(job.started_at),
		finished_at: isoTime(job.finished_at),
	};
}

/** A job with the steps of its newest attempt. */
export function presentJob({ job, attempts }: JobRecord): Job {
	const presented = attempts.map(presentAttempt);
	return { ...presentJobSummary(job), attempts: presented, steps: presented.at(-1)?.steps ?? [] };
}

function presentAttempt(attempt: AttemptRow): Attempt {
	return {
		id: attempt.id,
		number: attempt.number,
		state: attempt.state,
		reason: reasonOf(attempt),
		exit_code: attempt.exit_code,
		agent: { id: attempt.agent_id, name: attempt.agent_name },
		started_at: isoTime(attempt.started_at),
		finished_at: isoTime(attempt.finished_at),
		log: {
			bytes: attempt.log_bytes,
			sha256: attempt.log_sha256,
			incomplete: attempt.log_incomplete === 1,
			expired_at: isoTime(attempt.log_expired_at),
		},
		steps: JSON.parse(attempt.steps) as Step[],
		tests: attempt.tests === null ? null : readTotals(attempt.tests),
		coverage: attempt.coverage === null ? null : (JSON.parse(attempt.coverage) as Attempt["coverage"]),
		caches: attempt.caches === null ? [] : (JSON.parse(attempt.caches) as Attempt["caches"]),
		annotations: attempt.annotations === null ? [] : (JSON.parse(attempt.annotations) as Attempt["annotations"]),
		usage: attempt.usage === null ? null : (JSON.parse(attempt.usage) as Attempt["usage"]),
	};
}

export function presentEvent(row: EventRow): Event {
	const { rev, run_id, job_id, from_state: from, to_state: to, actor } = row;
	return { rev, run_id, job_id, from, to, reason: reasonOf(row), actor, at: isoTime(row.at) };
}
