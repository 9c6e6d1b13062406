import * as z from "zod";
import { checkoutChoice } from "../../wire/checkout.ts";
import { discoveryWork } from "../../wire/discovery.ts";
import { resolvedRequirements } from "../../wire/requirements.ts";
import { trigger } from "../../wire/triggers.ts";
import { reportFiles, workOf } from "../../wire/work.ts";
import { RETRY_CAUSES, ROLES, SHELLS } from "../validate/language.ts";
import { NOTIFY_EVENTS } from "../validate/notifications.ts";

/**
 * A pipeline after parsing, with every default filled in and every matrix expanded: what a run stores and its jobs are made of. Runs
 * that an earlier version accepted lack what it did not know; hence the defaults.
 */

const lateText = z.object({ template: z.string() });
/** A text, or one with expressions that speak of needed jobs. */
const templated = z.union([z.string(), lateText]);
const work = workOf(templated);
const resolvedStep = work.step.extend({ shell: z.enum([...SHELLS, "default"]) });

const cell = z.record(z.string(), z.string());
/** A job with all of its variants, or those that have these values. */
const reference = z.object({ key: z.string(), matrix: cell.nullable() });
export type Reference = z.infer<typeof reference>;

const patterns = z.array(z.string());
const concurrency = z.object({ group: z.string(), limit: z.number(), cancel_in_progress: z.boolean() });

/** A job that runs nothing, but finds out what is to be run. No pipeline has one: a trigger makes it. */
const discovery = z.object({
	work: discoveryWork,
	trigger,
	/** The one file that is meant; null: all that want to run. */
	file: z.string().nullable(),
	params: z.record(z.string(), z.string()),
	/** Whether what it finds is what the main line of the project says now: schedules are taken from there. */
	is_of_default_branch: z.boolean(),
	/** Whether somebody has asked for a delivery that came before: it yields to no newer one. */
	is_replay: z.boolean().default(false),
	/** Whether a commit without a pipeline file is a failed run. */
	requires_pipeline: z.boolean().default(false),
});
export type Discovery = z.infer<typeof discovery>;

const notification = z.object({
	on: z.array(z.enum(NOTIFY_EVENTS)),
	/** Where to: an address with the name of the secret to sign with, or the name of the secret that holds a Slack address. */
	to: z.union([z.object({ webhook: z.string(), secret: z.string() }), z.object({ slack: z.string() })]),
});
export type Notification = z.infer<typeof notification>;

const resolvedJob = z.object({
	key: z.string(),
	name: z.string(),
	matrix: cell.nullable().default(null),
	/** In an earlier version: keys alone. */
	needs: z.array(z.preprocess((need) => (typeof need === "string" ? { key: need, matrix: null } : need), reference)),
	condition: z.string().nullable().default(null),
	/** In an earlier version: labels alone. */
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
	/** Whether one variant that fails ends the others. */
	fail_fast: z.boolean().default(false),
	concurrency: concurrency.nullable().default(null),
	approval: z
		.object({ roles: z.array(z.enum(ROLES)), timeout_ms: z.number().nullable(), message: z.string().nullable() })
		.nullable()
		.default(null),
	outputs: z.array(z.string()).default([]),
	steps: z.array(resolvedStep),
	artifacts: z.object({
		save: patterns,
		/** The entries of `save` that are maps. */
		entries: z
			.array(z.object({ paths: patterns, name: z.string().nullable(), required: z.boolean(), expire_in_ms: z.number().nullable() }))
			.default([]),
		fetch: z.array(reference.extend({ paths: patterns, into: z.string().nullable() })).default([]),
	}),
	reports: reportFiles.nullable().default(null),
	discovery: discovery.nullable().default(null),
	/** Whether it runs nothing, but lists the refs of the source. No pipeline has such a job: a comparison makes it. */
	lists_refs: z.boolean().default(false),
});
export type ResolvedJob = z.infer<typeof resolvedJob>;

const resolvedPipeline = z.object({
	name: z.string(),
	/** Whether it is no pipeline, but a command that somebody has submitted: how that ends says nothing of the commit that it was run at. */
	is_command: z.boolean().default(false),
	/** Whether the push of the same commit runs it, too: how it goes for the pull request is told apart from that. */
	is_beside_push: z.boolean().default(false),
	source: z
		.union([
			z.object({ git: z.string(), ref: z.string().nullable(), checkout: checkoutChoice.default({}) }),
			z.object({ upload: z.string() }),
		])
		.nullable(),
	/** The branch that this is about, as far as it is known beforehand. */
	branch: z.string().nullable().default(null),
	/** The pull request that this is about, and the branch that that is to go into. */
	pull_request: z
		.object({ number: z.number(), target: z.string(), draft: z.boolean().optional(), labels: z.array(z.string()).optional() })
		.nullable()
		.default(null),
	/** The branch that the merge group is to go into that this is about. */
	merge_target: z.string().nullable().default(null),
	params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
	/** The parameters of type number: in expressions they are doubles, also where their value is whole. */
	doubles: z.array(z.string()).default([]),
	/**
	 * The pattern of a changed(), or its list of them in JSON → whether they name a changed path; what is not here counts as changed. In an
	 * earlier version: each pattern by itself.
	 */
	changed: z.record(z.string(), z.boolean()).default({}),
	priority: z.number(),
	/** How long the run may take from its first start. */
	timeout_ms: z.number().nullable().default(null),
	fail_fast: z.boolean().default(false),
	concurrency: concurrency.extend({ hold_during_approval: z.boolean() }).nullable().default(null),
	notify: z.array(notification).default([]),
	jobs: z.array(resolvedJob),
});
export type ResolvedPipeline = z.infer<typeof resolvedPipeline>;

/** A pipeline that no text has said: whatever is not given is as an empty one has it. */
export function withDefaults(given: z.input<typeof resolvedPipeline>): ResolvedPipeline {
	return resolvedPipeline.parse(given);
}

/** Reads a stored pipeline, of this version or an earlier one. */
export function readDefinition(json: string): ResolvedPipeline {
	return resolvedPipeline.parse(JSON.parse(json));
}
