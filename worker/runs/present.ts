import type {
	AttemptRow,
	DeliveryRow,
	EventRow,
	JobRow,
	PipelineRow,
	PipelineVersionRow,
	ProjectRow,
	RunRow,
} from "../../schema/database/tables.ts";
import type { RegistrationTokenSummary } from "../../schema/wire/agents.ts";
import { nextTime } from "../../schema/wire/cron.ts";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { PipelineVersion, StoredPipeline } from "../../schema/wire/pipelines.ts";
import type { Project } from "../../schema/wire/projects.ts";
import { capabilities } from "../../schema/wire/requirements.ts";
import type { Agent, Attempt, Event, Job, JobSummary, Run, RunSummary, Step } from "../../schema/wire/resources.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import type { Reason } from "../../schema/wire/states.ts";
import type { RegistrationTokenRow } from "../queue/core/agents/registration_tokens.ts";
import { restrictionOf } from "../queue/core/agents/restrictions.ts";
import type { ComparisonState } from "../queue/core/discovery/comparisons.ts";
import type { ScheduleRow } from "../queue/core/discovery/schedules.ts";
import type { AgentRows } from "../queue/core/reads.ts";
import { readTotals } from "../test_results/test_totals.ts";
import { apiGuess, forgeOf } from "../webhooks/forge.ts";
import type { JobRecord, RunRecord } from "./store.ts";

/** Rows as the resources of the API. */

function time(at: number): string;
function time(at: number | null): string | null;
function time(at: number | null): string | null {
	return at === null ? null : new Date(at).toISOString();
}

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
		created_at: time(run.created_at),
		started_at: time(run.started_at),
		finished_at: time(run.finished_at),
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
		exit_code: job.exit_code,
		attempt: job.attempt,
		created_at: time(job.created_at),
		queued_at: time(job.queued_at),
		started_at: time(job.started_at),
		finished_at: time(job.finished_at),
	};
}

/** A job; its steps are those of its newest attempt. */
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
		started_at: time(attempt.started_at),
		finished_at: time(attempt.finished_at),
		log: {
			bytes: attempt.log_bytes,
			sha256: attempt.log_sha256,
			incomplete: attempt.log_incomplete === 1,
			expired_at: time(attempt.log_expired_at),
		},
		steps: JSON.parse(attempt.steps) as Step[],
		tests: attempt.tests === null ? null : readTotals(attempt.tests),
		coverage: attempt.coverage === null ? null : (JSON.parse(attempt.coverage) as Attempt["coverage"]),
	};
}

/** What is known of a project beside its settings. */
interface ProjectFindings {
	/** The secrets that it names and that are not there. */
	missing: readonly string[];
	/** The notices that are stored. */
	notices: readonly string[];
	/** How its refs were compared; null where they are not, or nobody has asked. */
	comparison: ComparisonState | null;
}

export function presentProject(
	row: ProjectRow,
	baseUrl: string,
	{ missing, notices, comparison }: ProjectFindings = { missing: [], notices: [], comparison: null },
): Project {
	const { id, name, repository, default_branch, credentials, config, hook_secret, forge, forge_api, forge_token, status_context } = row;
	return {
		id,
		name,
		repository,
		default_branch,
		credentials,
		config,
		hook_secret,
		hook_url: `${baseUrl}/hooks/${id}`,
		forge,
		forge_api,
		forge_token,
		status_context,
		checkout_depth: row.checkout_depth,
		checkout_tags: row.checkout_tags,
		checkout_submodules: row.checkout_submodules,
		checkout_lfs: row.checkout_lfs,
		public_badges: row.has_public_badges === 1,
		require_pipeline: row.requires_pipeline === 1,
		poll: row.poll,
		comparison: comparison && {
			compared_at: time(comparison.compared_at),
			found: comparison.found,
			run_id: comparison.run_id,
			next_at: time(comparison.next_at),
			error: comparison.error,
		},
		keep_runs: row.keep_runs,
		keep_logs: row.keep_logs,
		keep_artifacts: row.keep_artifacts,
		notices: [
			...noticesOf(row),
			...missing.map((secret) => `There is no secret ${secret}: windlass secrets set ${secret} --project ${row.name}`),
			...notices,
			...(comparison?.error ? [`The newest comparison of its refs failed, so that missed pushes are not found: ${comparison.error}`] : []),
		],
		created_at: time(row.created_at),
		updated_at: time(row.updated_at),
	};
}

/** What a project is set up for and cannot do. */
function noticesOf(row: ProjectRow): string[] {
	const { name, repository, hook_secret, forge, forge_token, poll } = row;
	const isHalf = (hook_secret !== null || forge !== null) && repository === null;
	return [
		...(isHalf ? ["It has no repository: nothing can be run of what its forge delivers."] : []),
		...(poll !== null && repository === null ? ["Its refs are not compared (poll): it has no repository."] : []),
		...(forge !== null && hook_secret === null && poll === null
			? ["Its hook is closed: no secret is named that deliveries are signed with (hook_secret)."]
			: []),
		...(hook_secret !== null && forge === null ? ["Commit statuses are not sent: it does not say what its forge is (forge)."] : []),
		...(forge !== null && forge_token === null ? ["Commit statuses are not sent: no token for its forge is named (forge_token)."] : []),
		...(forge !== null && forge_token !== null && repository !== null ? apiNotices(row, name) : []),
	];
}

/** Whether it is known where the API of its forge is. */
function apiNotices(row: ProjectRow, name: string): string[] {
	const forge = forgeOf(row);
	if (typeof forge === "string") return [`Commit statuses are not sent: ${forge} (repository).`];
	const guess = apiGuess(row);
	if (guess === null) return [];
	return [
		`Its repository is read over SSH, which does not say where the API of its forge is. Commit statuses are sent to ${guess}, which is a guess: name the address (forge_api) with windlass projects edit ${name} --forge-api ${guess}`,
	];
}

export function presentDelivery(row: DeliveryRow): Delivery {
	const { id, project, forge, delivery, event, outcome, reason, trigger, run_id, received_at } = row;
	return {
		id,
		project,
		forge,
		delivery,
		event,
		outcome,
		reason,
		trigger: trigger === null ? null : (JSON.parse(trigger) as Delivery["trigger"]),
		run_id,
		received_at: time(received_at),
	};
}

const TIMES_SHOWN = 5;

/** @param now milliseconds since 1970: what comes next comes after that */
export function presentSchedule(row: ScheduleRow, now: number): Schedule {
	const { id, project, origin, cron, timezone, branch, file, pipeline, params, paused_by, fired_at, run_id, error, created_at } = row;
	const next: string[] = [];
	for (
		let at = nextTime(cron, timezone, now);
		paused_by === null && at !== null && next.length < TIMES_SHOWN;
		at = nextTime(cron, timezone, at)
	)
		next.push(time(at));
	return {
		id,
		project,
		origin,
		cron,
		timezone,
		branch,
		file,
		pipeline,
		params: JSON.parse(params) as Record<string, string>,
		paused_by,
		next,
		fired_at: time(fired_at),
		run_id,
		error,
		created_at: time(created_at),
	};
}

export function presentPipeline({ id, project, name, version, created_at, updated_at }: PipelineRow, baseUrl: string): StoredPipeline {
	return { id, project, name, version, url: `${baseUrl}/pipelines/${id}`, created_at: time(created_at), updated_at: time(updated_at) };
}

export function presentVersion({ number, sha256, size, restores, actor, created_at }: PipelineVersionRow): PipelineVersion {
	return { number, sha256, size, restores, actor, created_at: time(created_at) };
}

export function presentEvent(row: EventRow): Event {
	const { rev, run_id, job_id, from_state: from, to_state: to, actor } = row;
	return { rev, run_id, job_id, from, to, reason: reasonOf(row), actor, at: time(row.at) };
}

/** Who has asked for something, and when. */
function askedBy(by: string | null, at: number | null): { by: string; at: string } | null {
	return at === null ? null : { by: by ?? "", at: time(at) };
}

/** Never with the token itself, which nobody keeps. */
export function presentRegistrationToken(row: RegistrationTokenRow): RegistrationTokenSummary {
	const { id, uses, uses_left, expires_at, labels, created_by, created_at } = row;
	return {
		id,
		uses,
		uses_left,
		labels: JSON.parse(labels) as string[],
		...restrictionOf(row),
		created_by,
		created_at: time(created_at),
		expires_at: time(expires_at),
	};
}

export function presentAgent({ agent, running }: AgentRows): Agent {
	return {
		id: agent.id,
		name: agent.name,
		status: agent.status,
		labels: JSON.parse(agent.labels) as string[],
		ignored_labels: JSON.parse(agent.ignored_labels) as string[],
		...restrictionOf(agent),
		disabled: askedBy(agent.disabled_by, agent.disabled_at),
		drain: askedBy(agent.drained_by, agent.drained_at),
		rotation: askedBy(agent.rotation_by, agent.rotation_at),
		rotated_at: time(agent.rotated_at),
		slots: agent.slots,
		facts: JSON.parse(agent.facts) as Record<string, string>,
		capabilities: capabilities.parse(JSON.parse(agent.capabilities)),
		version: agent.version,
		registered_at: time(agent.registered_at),
		last_seen_at: time(agent.last_seen_at),
		running,
	};
}
