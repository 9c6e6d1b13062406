import * as z from "zod";
import { RUN_TRUST } from "./agents.ts";
import { annotations } from "./annotations.ts";
import { cacheUses } from "./caches.ts";
import { capabilities, resolvedRequirements } from "./requirements.ts";
import { attemptState, jobState, reason, runState, stepState } from "./states.ts";
import { usage } from "./usage.ts";

/** The resources of the API, as every reader sees them. Times are ISO-8601 UTC with milliseconds. */

const time = z.string();

export const step = z.object({
	name: z.string(),
	state: stepState,
	exit_code: z.number().int().nullable(),
	started_at: time.nullable(),
	finished_at: time.nullable(),
	/** The offset in the log, in bytes, of the step's first line. */
	log_offset: z.number().int().nonnegative().nullable(),
	/** The number of that line, counted from 0. */
	log_line: z.number().int().nonnegative().nullable().default(null),
});
export type Step = z.infer<typeof step>;

/** What an artifact is: a file that the job saves; its summary (Markdown); its test cases (JSON). */
export const ARTIFACT_KINDS = ["file", "summary", "tests"] as const;
export const artifactKind = z.enum(ARTIFACT_KINDS);
export type ArtifactKind = (typeof ARTIFACT_KINDS)[number];

const amount = z.number().int().nonnegative();
/** The totals of the tests of an attempt. */
export const testTotals = z.object({
	passed: amount,
	failed: amount,
	skipped: amount,
	/** How many of the passed tests failed at first. */
	flaky: amount.default(0),
	duration_ms: amount,
	/** True if there were more cases than are stored. */
	truncated: z.boolean(),
});
export type TestTotals = z.infer<typeof testTotals>;
/** Covered lines, and all lines that tests can cover. */
export const coverageTotals = z.object({ covered: amount, lines: amount });
export type CoverageTotals = z.infer<typeof coverageTotals>;

/** The result of one test. */
export const testCase = z.object({
	suite: z.string(),
	name: z.string(),
	state: z.enum(["passed", "failed", "skipped"]),
	/** Whether it failed and then passed in the same report. */
	flaky: z.boolean().default(false),
	duration_ms: z.number().nonnegative(),
	file: z.string().nullable(),
	/** The message and the output of a failed test. */
	message: z.string().nullable(),
	output: z.string().nullable(),
});
export type TestCase = z.infer<typeof testCase>;

const attempt = z.object({
	id: z.string(),
	number: z.number().int().positive(),
	state: attemptState,
	reason: reason.nullable(),
	exit_code: z.number().int().nullable(),
	agent: z.object({ id: z.string(), name: z.string() }),
	started_at: time,
	finished_at: time.nullable(),
	log: z.object({
		bytes: z.number().int(),
		sha256: z.string().nullable(),
		incomplete: z.boolean(),
		/** When retention deleted it. */
		expired_at: time.nullable(),
	}),
	steps: z.array(step),
	tests: testTotals.nullable(),
	coverage: coverageTotals.nullable(),
	/** What its steps used; null for a short attempt, and for one in a container. */
	usage: usage.nullable(),
	/** What the job says about its source. */
	annotations: annotations,
	caches: cacheUses,
});
export type Attempt = z.infer<typeof attempt>;

export const job = z.object({
	id: z.string(),
	run_id: z.string(),
	key: z.string(),
	name: z.string(),
	matrix: z.record(z.string(), z.string()).nullable(),
	state: jobState,
	reason: reason.nullable(),
	needs: z.array(z.string()),
	/** Its requirements. */
	runs_on: resolvedRequirements,
	/** Whether the run continues, and succeeds with a warning, if this job fails. */
	allow_failure: z.boolean(),
	/** Its outputs for the jobs that need it; null before it has succeeded. */
	outputs: z.record(z.string(), z.string()).nullable(),
	/** Who approved it; null before that. */
	approved_by: z.string().nullable(),
	/** Who has approved it so far, and with what words. */
	approvals: z.array(z.object({ by: z.string(), comment: z.string().nullable(), at: z.string() })),
	exit_code: z.number().int().nullable(),
	/** The number of the newest attempt, 0 before the first. */
	attempt: z.number().int().nonnegative(),
	attempts: z.array(attempt),
	steps: z.array(step),
	created_at: time,
	queued_at: time.nullable(),
	started_at: time.nullable(),
	finished_at: time.nullable(),
});
export type Job = z.infer<typeof job>;

/** `discovery`: a run that reads the pipeline files of a repository. `comparison`: one that lists the refs of a repository. */
export const RUN_KINDS = ["pipeline", "discovery", "comparison"] as const;
export type RunKind = (typeof RUN_KINDS)[number];

export const run = z.object({
	id: z.string(),
	/** Counts the runs of its project. Discovery and comparison runs have counts of their own. */
	number: z.number().int().positive(),
	kind: z.enum(RUN_KINDS),
	state: runState,
	reason: reason.nullable(),
	trigger: z.object({ kind: z.string(), actor: z.string(), delivery: z.string().nullable() }),
	project: z.string(),
	pipeline: z.string(),
	source: z.union([z.object({ git: z.string(), ref: z.string().nullable() }), z.object({ upload: z.string() })]).nullable(),
	branch: z.string().nullable(),
	tag: z.string().nullable(),
	commit: z.object({ sha: z.string(), message: z.string(), author: z.string() }).nullable(),
	pull_request: z.number().int().nullable(),
	/** Its pipeline file in the repository, and the discovery run that read it. */
	file: z.string().nullable(),
	discovered_by: z.string().nullable(),
	/** False for a run of a fork: it gets no secrets, and waits for an approval. */
	trusted: z.boolean(),
	approved_by: z.string().nullable(),
	priority: z.number().int(),
	params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
	/** The run that this one repeats. */
	rerun_of: z.string().nullable(),
	/** How many jobs failed and were allowed to fail. */
	warnings: z.number().int(),
	url: z.string(),
	created_at: time,
	started_at: time.nullable(),
	finished_at: time.nullable(),
	jobs: z.array(job),
});
export type Run = z.infer<typeof run>;

/** The answer to a submission. */
export const submittedRun = run.extend({
	/** Unmet requirements that keep its jobs from starting: a sentence each. */
	notices: z.array(z.string()),
});
export type SubmittedRun = z.infer<typeof submittedRun>;

/** How long something usually takes: half of the counted successes, and nine tenths, took at most this. */
const usualDuration = z.object({ p50_ms: z.number().int(), p90_ms: z.number().int(), counted: z.number().int().positive() });
export type UsualDuration = z.infer<typeof usualDuration>;

/** The estimates of a run and its jobs; null without an earlier success. */
export const runEstimate = z.object({
	run: usualDuration.nullable(),
	jobs: z.array(z.object({ id: z.string(), name: z.string(), usual: usualDuration.nullable() })),
});
export type RunEstimate = z.infer<typeof runEstimate>;

/** The answer to a dry run: what a submission would do. */
export const plannedRun = z.object({
	project: z.string(),
	pipeline: z.string(),
	jobs: z.array(
		z.object({
			key: z.string(),
			name: z.string(),
			matrix: z.record(z.string(), z.string()).nullable(),
			/** The names of the jobs that it needs. */
			needs: z.array(z.string()),
			condition: z.string().nullable(),
			/**
			 * `starts` at once; `waits` for its needs, and a condition that uses them decides then; `skipped` or
			 * `errored` in any case.
			 */
			outlook: z.enum(["starts", "waits", "skipped", "errored"]),
			/** Why it is skipped or errored. */
			reason: z.string().nullable(),
			/** Whether its matrix is made of an output. */
			is_expanded_later: z.boolean(),
			waits_for_approval: z.boolean(),
			/** The position of its requirements in `requirements`; null beyond the first 50. */
			requirements: z.number().int().nullable(),
			missing_secrets: z.array(z.string()),
		}),
	),
	requirements: z.array(
		z.object({
			/** In words; empty for any agent. */
			wanted: z.array(z.string()),
			/** How many agents fit. */
			fitting: z.number().int(),
			/** At most 50, those that fit first. */
			agents: z.array(z.object({ id: z.string(), name: z.string(), fits: z.boolean(), reason: z.string() })),
		}),
	),
	notices: z.array(z.string()),
});
export type PlannedRun = z.infer<typeof plannedRun>;

/** The answer to a batch of submissions. */
export const submittedBatch = z.object({
	/** The runs, in the order of the lines. */
	items: z.array(
		z.object({
			id: z.string(),
			url: z.string(),
			/** Whether the run of this Idempotency-Key was submitted before. */
			is_replay: z.boolean(),
		}),
	),
	/** Unmet requirements that keep jobs from starting: a sentence each. */
	notices: z.array(z.string()),
});
export type SubmittedBatch = z.infer<typeof submittedBatch>;

/** A run in a list: without its jobs. */
export const runSummary = run.omit({ jobs: true });
export type RunSummary = z.infer<typeof runSummary>;

/** A job in a list: without its attempts. */
export const jobSummary = job.omit({ attempts: true, steps: true });
export type JobSummary = z.infer<typeof jobSummary>;

/** `lost`: it fell silent without a goodbye; `offline`: it was stopped. */
const agentStatus = z.enum(["online", "draining", "offline", "lost"]);

export const agent = z.object({
	id: z.string(),
	name: z.string(),
	status: agentStatus,
	/** The labels that count. */
	labels: z.array(z.string()),
	/** Labels that the agent declares and that its registration token does not give. */
	ignored_labels: z.array(z.string()),
	/** The projects whose jobs it takes; an empty list means every project. */
	projects: z.array(z.string()),
	/** The runs whose jobs it takes. */
	runs: z.enum(RUN_TRUST),
	/** Set while the agent gets no new jobs. */
	disabled: z.object({ by: z.string(), at: time }).nullable(),
	/** Set while the agent's process must end once it is idle. */
	drain: z.object({ by: z.string(), at: time }).nullable(),
	/** Set until the agent uses the new token after a request to rotate. */
	rotation: z.object({ by: z.string(), at: time }).nullable(),
	/** When it first used its present token; null for the token of its registration. */
	rotated_at: time.nullable(),
	slots: z.number().int(),
	facts: z.record(z.string(), z.string()),
	capabilities,
	version: z.string(),
	registered_at: time,
	last_seen_at: time.nullable(),
	running: z.array(z.object({ job_id: z.string(), job_name: z.string(), run_id: z.string(), attempt: z.number(), started_at: time })),
});
export type Agent = z.infer<typeof agent>;

export const artifact = z.object({
	path: z.string(),
	size: z.number().int().nonnegative(),
	sha256: z.string(),
	executable: z.boolean(),
	url: z.string(),
	/** The name of the entry that it belongs to; null without one. */
	name: z.string().nullable(),
	/** When retention deletes it, if its job sets a time; not before its run has left the queue. */
	expires_at: time.nullable(),
	/** When retention deleted it. */
	expired_at: time.nullable(),
});
export type Artifact = z.infer<typeof artifact>;

/** A transition of a run, or of one of its jobs. */
export const event = z.object({
	rev: z.number().int(),
	run_id: z.string(),
	job_id: z.string().nullable(),
	from: z.string().nullable(),
	to: z.string(),
	reason: reason.nullable(),
	actor: z.string(),
	at: time,
});
export type Event = z.infer<typeof event>;

/** Lines of a log, by number. A very long line is truncated. */
export const logLines = z.object({
	first: z.number().int(),
	lines: z.array(z.string()),
	/** The offset in the log of the line after these. */
	next_offset: z.number().int(),
	/** How many lines the log has now. */
	total: z.number().int(),
});
export type LogLines = z.infer<typeof logLines>;

/**
 * Lines of a log that contain a text. `next_line`: where to continue, if the search has not reached
 * the end.
 */
export const logMatches = z.object({
	items: z.array(z.object({ line: z.number().int(), text: z.string() })),
	next_line: z.number().int().nullable(),
});
export type LogMatches = z.infer<typeof logMatches>;

/** An uploaded source bundle. */
export const uploadedSource = z.object({
	id: z.string(),
	size: z.number().int(),
	sha256: z.string(),
	entries: z.number().int(),
	unpacked_bytes: z.number().int(),
});
export type UploadedSource = z.infer<typeof uploadedSource>;

/** Whether the queue offers jobs. */
export const queueState = z.object({
	paused: z.boolean(),
	paused_by: z.string().nullable(),
	reason: z.string().nullable(),
	paused_at: time.nullable(),
});
export type QueueState = z.infer<typeof queueState>;
export const pauseRequest = z.strictObject({ reason: z.string().max(500).optional() });

const ranTest = z.object({ job_id: z.string(), job: z.string(), suite: z.string(), name: z.string(), duration_ms: z.number() });
/** The tests of a run. */
export const runTests = z.object({
	totals: testTotals,
	items: z.array(
		testCase.extend({
			job_id: z.string(),
			job: z.string(),
			/**
			 * Whether its last earlier result in this job was no failure: on this branch, if it ran
			 * there.
			 */
			newly_failing: z.boolean(),
			/**
			 * Whether it has both passed and failed in this job on this commit, in one report or in
			 * several runs.
			 */
			flaky: z.boolean(),
		}),
	),
	/** Where to continue, if there are more. */
	next_from: z.number().int().nullable(),
	slowest: z.array(ranTest),
	/** Tests that have both passed and failed in one job on the run's commit. */
	flaky: z.array(z.object({ suite: z.string(), name: z.string() })),
	/**
	 * By job; `before`: the newest earlier coverage of the default branch, or else of the branch.
	 */
	coverage: z.array(
		coverageTotals.extend({
			job_id: z.string(),
			job: z.string(),
			before: coverageTotals.extend({ run_id: z.string(), number: z.number().int(), branch: z.string().nullable() }).nullable(),
		}),
	),
});
export type RunTests = z.infer<typeof runTests>;

/** The results of one test, newest first. */
export const testHistory = z.object({
	items: z.array(
		z.object({
			run_id: z.string(),
			job_id: z.string(),
			job: z.string(),
			number: z.number().int(),
			branch: z.string().nullable(),
			commit_sha: z.string().nullable(),
			state: testCase.shape.state,
			/** Whether it failed and then passed in the same report. */
			flaky: z.boolean(),
			duration_ms: z.number(),
			at: time,
		}),
	),
	next_cursor: z.string().nullable(),
});
export type TestHistory = z.infer<typeof testHistory>;

/** What to rerun: the whole run, the failed jobs, or one job and those that need it. */
export const rerunRequest = z
	.strictObject({ only: z.enum(["failed"]).optional(), job: z.string().max(40).optional() })
	.refine((value) => value.only === undefined || value.job === undefined, "takes only or job, not both");
export type RerunRequest = z.infer<typeof rerunRequest>;

export const approvalRequest = z.strictObject({ comment: z.string().max(500).optional() });

/** The result of checking a pipeline without running it. */
export const pipelineCheck = z.object({
	valid: z.boolean(),
	errors: z.array(
		z.object({
			path: z.string(),
			line: z.number().int().nullable(),
			column: z.number().int().nullable(),
			message: z.string(),
			suggestion: z.string().nullable(),
			/** The included file that the place is in; without it the pipeline itself. */
			file: z.string().optional(),
		}),
	),
	name: z.string().nullable(),
	jobs: z.array(z.object({ key: z.string(), name: z.string(), needs: z.array(z.string()) })),
});
export type PipelineCheck = z.infer<typeof pipelineCheck>;

/** What a pass of retention has deleted. */
export const swept = z.object({
	runs: z.number().int(),
	logs: z.number().int(),
	artifacts: z.number().int(),
	sources: z.number().int(),
	/** Caches that nobody has used for long. */
	caches: z.number().int(),
	/** Objects that no result names. */
	orphans: z.number().int(),
});
export type Swept = z.infer<typeof swept>;

/** Why a job is in its state: one sentence, and the first unmet requirement for each agent. */
export const explanation = z.object({
	job_id: z.string(),
	state: jobState,
	summary: z.string(),
	/** The position of a queued job among all that are queued, from 1. */
	position: z.number().int().nullable(),
	/** When a queued job will start, if every job takes its usual time; null if that is unknown. */
	starts_in_ms: z.number().int().nullable(),
	waiting_for: z.array(z.string()),
	retry_at: time.nullable(),
	agents: z.array(z.object({ id: z.string(), name: z.string(), fits: z.boolean(), reason: z.string() })),
});
export type Explanation = z.infer<typeof explanation>;

/** One page of a list. `next_cursor` is null on the last page. */
export interface Page<Item> {
	items: Item[];
	next_cursor: string | null;
}
