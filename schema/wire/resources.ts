import * as z from "zod";
import { attemptState, jobState, reason, runState, stepState } from "./states.ts";

/** The resources of the API, as every reader sees them. Times are ISO-8601 UTC with milliseconds. */

const time = z.string();

export const step = z.object({
	name: z.string(),
	state: stepState,
	exit_code: z.number().int().nullable(),
	started_at: time.nullable(),
	finished_at: time.nullable(),
	/** Where in the log, in bytes, the step's first line begins. */
	log_offset: z.number().int().nonnegative().nullable(),
});
export type Step = z.infer<typeof step>;

const attempt = z.object({
	id: z.string(),
	number: z.number().int().positive(),
	state: attemptState,
	reason: reason.nullable(),
	exit_code: z.number().int().nullable(),
	agent: z.object({ id: z.string(), name: z.string() }),
	started_at: time,
	finished_at: time.nullable(),
	log: z.object({ bytes: z.number().int(), sha256: z.string().nullable(), incomplete: z.boolean() }),
	steps: z.array(step),
});
export type Attempt = z.infer<typeof attempt>;

const job = z.object({
	id: z.string(),
	run_id: z.string(),
	key: z.string(),
	name: z.string(),
	matrix: z.record(z.string(), z.string()).nullable(),
	state: jobState,
	reason: reason.nullable(),
	needs: z.array(z.string()),
	runs_on: z.array(z.string()),
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

export const run = z.object({
	id: z.string(),
	number: z.number().int().positive(),
	state: runState,
	reason: reason.nullable(),
	trigger: z.object({ kind: z.string(), actor: z.string(), delivery: z.string().nullable() }),
	project: z.string(),
	pipeline: z.string(),
	source: z.object({ git: z.string(), ref: z.string().nullable() }).nullable(),
	branch: z.string().nullable(),
	tag: z.string().nullable(),
	commit: z.object({ sha: z.string(), message: z.string(), author: z.string() }).nullable(),
	priority: z.number().int(),
	warnings: z.number().int(),
	url: z.string(),
	created_at: time,
	started_at: time.nullable(),
	finished_at: time.nullable(),
	jobs: z.array(job),
});
export type Run = z.infer<typeof run>;

/** A run as lists show it: without its jobs. */
export const runSummary = run.omit({ jobs: true });
export type RunSummary = z.infer<typeof runSummary>;

/** A job as lists show it: without its attempts. */
export const jobSummary = job.omit({ attempts: true, steps: true });
export type JobSummary = z.infer<typeof jobSummary>;

const agentStatus = z.enum(["online", "draining", "offline"]);

export const agent = z.object({
	id: z.string(),
	name: z.string(),
	status: agentStatus,
	labels: z.array(z.string()),
	slots: z.number().int(),
	facts: z.record(z.string(), z.string()),
	version: z.string(),
	registered_at: time,
	last_seen_at: time.nullable(),
	running: z.array(z.object({ job_id: z.string(), job_name: z.string(), run_id: z.string(), attempt: z.number() })),
});
export type Agent = z.infer<typeof agent>;

export const artifact = z.object({
	path: z.string(),
	size: z.number().int().nonnegative(),
	sha256: z.string(),
	url: z.string(),
});
export type Artifact = z.infer<typeof artifact>;

/** Why a job is where it is: one sentence, and per agent the first thing that keeps it from the job. */
export const explanation = z.object({
	job_id: z.string(),
	state: jobState,
	summary: z.string(),
	position: z.number().int().nullable(),
	waiting_for: z.array(z.string()),
	retry_at: time.nullable(),
	agents: z.array(z.object({ id: z.string(), name: z.string(), fits: z.boolean(), reason: z.string() })),
});
export type Explanation = z.infer<typeof explanation>;

/** One page of a list; `next_cursor` is null on the last. */
export interface Page<Item> {
	items: Item[];
	next_cursor: string | null;
}
