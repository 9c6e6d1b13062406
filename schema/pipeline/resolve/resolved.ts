import * as z from "zod";
import { BUILD_TOOLS } from "../../wire/build_caches.ts";
import { checkoutChoice } from "../../wire/checkout.ts";
import { discoveryWork } from "../../wire/discovery.ts";
import { resolvedRequirements } from "../../wire/requirements.ts";
import { trigger } from "../../wire/triggers.ts";
import { lateText, reportFiles, workOf } from "../../wire/work.ts";
import { APPROVER_ROLES, RETRY_CAUSES } from "../validate/language.ts";
import { NOTIFY_EVENTS } from "../validate/notifications.ts";
import { SHELLS } from "../validate/steps.ts";

/**
 * A resolved pipeline: defaults applied and matrices expanded. A run stores it, and its jobs are
 * made of it. The defaults in these schemas are for runs of earlier versions.
 */

/** A text, or a template that uses needed jobs. */
const templated = z.union([z.string(), lateText]);
const work = workOf(templated);
const resolvedStep = work.step.extend({ shell: z.enum([...SHELLS, "default"]) });

const cell = z.record(z.string(), z.string());
/** A job: all of its matrix jobs, or those with these values. */
const reference = z.object({ key: z.string(), matrix: cell.nullable() });
export type Reference = z.infer<typeof reference>;

const patterns = z.array(z.string());
const concurrency = z.object({ group: z.string(), limit: z.number(), cancel_in_progress: z.boolean() });

/**
 * The work of a discovery job, which reads the pipeline files of a commit. No pipeline has one: a
 * trigger makes it.
 */
const discovery = z.object({
	work: discoveryWork,
	trigger,
	/** The one file to run; null: all files whose `on` matches. */
	file: z.string().nullable(),
	params: z.record(z.string(), z.string()),
	/** Whether the commit is the head of the default branch, from which schedules are taken. */
	is_of_default_branch: z.boolean(),
	/** Whether a person repeated an old delivery: newer ones do not replace it. */
	is_replay: z.boolean().default(false),
	/** Whether a commit without a pipeline file is a failed run. */
	requires_pipeline: z.boolean().default(false),
});
export type Discovery = z.infer<typeof discovery>;

const notification = z.object({
	on: z.array(z.enum(NOTIFY_EVENTS)),
	/**
	 * An address with the name of the secret to sign with, or the name of the secret with a Slack
	 * address.
	 */
	to: z.union([z.object({ webhook: z.string(), secret: z.string() }), z.object({ slack: z.string() })]),
});
export type Notification = z.infer<typeof notification>;

const resolvedJob = z.object({
	key: z.string(),
	name: z.string(),
	matrix: cell.nullable().default(null),
	/** An earlier version stored keys alone. */
	needs: z.array(
		z.preprocess(
			(need) => (typeof need === "string" ? { key: need, matrix: null } : need),
			/** `is_order`: a needed job that its own condition skips holds up nothing. */
			reference.extend({ is_order: z.literal(true).optional() }),
		),
	),
	condition: z.string().nullable().default(null),
	/** An earlier version stored labels alone. */
	runs_on: z.preprocess((wanted) => (Array.isArray(wanted) ? { labels: wanted } : wanted), resolvedRequirements),
	container: work.container.nullable().default(null),
	services: z.array(work.service).default([]),
	env: work.variables,
	/** Variable → the name of a secret. */
	secrets: z.record(z.string(), z.string()).default({}),
	timeout_ms: z.number(),
	idle_timeout_ms: z.number().nullable().default(null),
	/** Null: the defaults for every cause. */
	retry: z
		.object({ attempts: z.number(), on: z.array(z.enum(RETRY_CAUSES)), exit_codes: z.array(z.number()).nullable().default(null) })
		.nullable(),
	allow_failure: z.boolean().default(false),
	/** Whether a matrix job that fails cancels the others. */
	fail_fast: z.boolean().default(false),
	/** How many of its matrix jobs run at once; null: all. */
	max_parallel: z.number().nullable().default(null),
	concurrency: concurrency.nullable().default(null),
	approval: z
		.object({
			roles: z.array(z.enum(APPROVER_ROLES)),
			/** Names of those who may approve, beside the roles. */
			users: z.array(z.string()).default([]),
			/** How many must approve. */
			count: z.number().default(1),
			/** Whether the person who submitted the run may not. */
			not_author: z.boolean().default(false),
			timeout_ms: z.number().nullable(),
			message: z.string().nullable(),
		})
		.nullable()
		.default(null),
	outputs: z.array(z.string()).default([]),
	steps: z.array(resolvedStep),
	/** The steps that run however the others ended. */
	finally: z
		.object({ steps: z.array(resolvedStep), timeout_ms: z.number() })
		.nullable()
		.default(null),
	artifacts: z.object({
		save: patterns,
		/** The entries of `save` that are maps. */
		entries: z
			.array(z.object({ paths: patterns, name: z.string().nullable(), required: z.boolean(), expire_in_ms: z.number().nullable() }))
			.default([]),
		fetch: z.array(reference.extend({ paths: patterns, into: z.string().nullable() })).default([]),
	}),
	reports: reportFiles.nullable().default(null),
	caches: z.array(work.cache).default([]),
	build_caches: z.array(z.enum(BUILD_TOOLS)).default([]),
	discovery: discovery.nullable().default(null),
	/**
	 * For a job whose matrix comes from outputs: JSON of what its matrix jobs are made of (jobs.ts). The
	 * job itself never runs.
	 */
	expansion: z.string().nullable().default(null),
	/** The job that has added it to its run, by its key, and the digest of what that job uploaded. */
	added_by: z.object({ key: z.string(), digest: z.string() }).nullable().default(null),
	/**
	 * Whether it lists the refs of the source instead of running steps. No pipeline has such a job:
	 * a comparison makes it.
	 */
	lists_refs: z.boolean().default(false),
});
export type ResolvedJob = z.infer<typeof resolvedJob>;

const resolvedPipeline = z.object({
	name: z.string(),
	/**
	 * Whether it is a submitted command and not a pipeline: its result is no status of the commit.
	 */
	is_command: z.boolean().default(false),
	/** Whether only some jobs of its file run: its result is no status of the commit, either. */
	is_partial: z.boolean().default(false),
	/**
	 * Whether the push of the same commit runs it, too: the pull request has a status of its own.
	 */
	is_beside_push: z.boolean().default(false),
	source: z
		.union([
			z.object({ git: z.string(), ref: z.string().nullable(), checkout: checkoutChoice.default({}) }),
			z.object({ upload: z.string() }),
		])
		.nullable(),
	/** The branch, if it is known at submission. */
	branch: z.string().nullable().default(null),
	/** The pull request, and its target branch. */
	pull_request: z
		.object({ number: z.number(), target: z.string(), draft: z.boolean().optional(), labels: z.array(z.string()).optional() })
		.nullable()
		.default(null),
	/** The commit, and the one that the changes are compared with, where a trigger knows them. */
	sha: z.string().nullable().default(null),
	base_sha: z.string().nullable().default(null),
	/** The target branch of the merge group. */
	merge_target: z.string().nullable().default(null),
	params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
	/** The parameters of type number: in expressions they are doubles, whole values as well. */
	doubles: z.array(z.string()).default([]),
	/**
	 * The pattern of a changed(), or its list of patterns in JSON → whether they match a changed
	 * path; a missing answer counts as changed. An earlier version stored an answer for each
	 * pattern.
	 */
	changed: z.record(z.string(), z.boolean()).default({}),
	priority: z.number(),
	/** How long the run may take from its first start. */
	timeout_ms: z.number().nullable().default(null),
	fail_fast: z.boolean().default(false),
	concurrency: concurrency.extend({ hold_during_approval: z.boolean() }).nullable().default(null),
	notify: z.array(notification).default([]),
	/** The jobs that stood for matrix jobs before these were known, by their keys. */
	placeholders: z.record(z.string(), resolvedJob).default({}),
	/** The key of the pipeline that the run began with, once jobs were added to it. */
	replaces: z.string().nullable().default(null),
	/** The included files of other projects, with their commits. */
	includes: z.array(z.object({ project: z.string(), file: z.string(), ref: z.string().nullable(), sha: z.string() })).default([]),
	jobs: z.array(resolvedJob),
});
export type ResolvedPipeline = z.infer<typeof resolvedPipeline>;

/** A pipeline that is not parsed from a text: missing values are those of an empty pipeline. */
export function withDefaults(given: z.input<typeof resolvedPipeline>): ResolvedPipeline {
	return resolvedPipeline.parse(given);
}

/** Reads a stored pipeline, of this version or an earlier one. */
export function readDefinition(json: string): ResolvedPipeline {
	return resolvedPipeline.parse(JSON.parse(json));
}
