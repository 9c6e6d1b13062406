import * as z from "zod";
import { actorName } from "./actor_name.ts";
import { parseBytes } from "./bytes.ts";
import { checkoutOptions } from "./checkout.ts";
import { parseDuration } from "./duration.ts";
import { addressError, isRef, REF_ERROR } from "./git.ts";
import { MIB } from "./limits.ts";
import { isInnerPath } from "./paths.ts";
import { SECRET_NAME, SECRET_NAME_ERROR } from "./secret_names.ts";
import { isWebAddress } from "./web_address.ts";

/** Projects: they number runs, and have the settings of a repository. */

/** The name of a project. */
export const projectName = z
	.string()
	.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is lower-case letters, digits, dot, dash or underscore, at most 63");

/** The project of runs without a project. Nobody can create it. */
export const ADHOC_PROJECT = "adhoc";

const repository = z
	.string()
	.max(1000)
	.superRefine((value, context) => {
		const error = addressError(value);
		if (error) context.addIssue({ code: "custom", message: error });
	});

/** The kinds of forges. Forgejo counts as Gitea: their APIs and deliveries are alike. */
const FORGES = ["github", "gitea", "gitlab"] as const;
export type ForgeKind = (typeof FORGES)[number];

/** An account of a forge, such as `ada`, `renovate[bot]` or `ada@corp`. */
const account = z.string().regex(/^[\w.@-]{1,100}(\[bot\])?$/, "is not the name of an account at a forge");
const secretName = z.string().regex(SECRET_NAME, SECRET_NAME_ERROR);
const keep = z.string().superRefine((value, context) => {
	if ((parseDuration(value) ?? 0) <= 0) context.addIssue({ code: "custom", message: "is not a duration such as 12h or 30d" });
});

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const interval = z.string().superRefine((value, context) => {
	const ms = parseDuration(value) ?? 0;
	if (ms < MINUTE_MS || ms > 7 * DAY_MS) context.addIssue({ code: "custom", message: "is not a duration between 1m and 7d, such as 5m" });
});

const settings = {
	/** The repository of its runs, unless a run names another one. */
	repository: repository.nullable(),
	default_branch: z.string().max(200).refine(isRef, REF_ERROR),
	/**
	 * The name of the secret for reading the repository over HTTP: `user:password`, or a token
	 * alone.
	 */
	credentials: secretName.nullable(),
	/** The pipeline file, or a folder of them. Default: `.windlass.yml` or `.windlass/`. */
	config: z.string().min(1).max(500).refine(isInnerPath, "must be a file or a folder of the repository: relative, without ..").nullable(),
	/**
	 * The name of the secret that signs deliveries to its webhook. Without it, none is accepted.
	 */
	hook_secret: secretName.nullable(),
	/** The kind of its forge, which gets commit statuses. */
	forge: z.enum(FORGES).nullable(),
	/** The API of the forge, unless the address of the repository implies it. */
	forge_api: z.string().max(1000).refine(isWebAddress, "is not an address such as https://git.lan/api/v1").nullable(),
	/** The name of the secret with a token for the forge. Without it, no statuses are sent. */
	forge_token: secretName.nullable(),
	/**
	 * The App ID or client ID of a GitHub App. With it, the secret of `forge_token` holds the App's
	 * private key.
	 */
	forge_app: z
		.string()
		.regex(/^[A-Za-z0-9._-]{1,100}$/, "is the App ID or the client ID of a GitHub App, such as 123456 or Iv23liABCDEF")
		.nullable(),
	/** The prefix of the names of its commit statuses. */
	status_context: z
		.string()
		.regex(/^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}$/, "is letters, digits, blank, dot, dash, underscore or slash, at most 100"),
	/** The checkout depth of its jobs, unless their pipeline sets one; null: the default. */
	checkout_depth: checkoutOptions.shape.depth.nullable(),
	checkout_filter: checkoutOptions.shape.filter.nullable(),
	checkout_tags: checkoutOptions.shape.tags.nullable(),
	checkout_submodules: checkoutOptions.shape.submodules.nullable(),
	checkout_lfs: checkoutOptions.shape.lfs.nullable(),
	/** How often the agents that ran its jobs fetch its default branch ahead of the next job; null: never. */
	warm_mirrors: interval.nullable(),
	/** Whether everybody may see its badges without signing in. */
	public_badges: z.boolean(),
	/** Whether a commit without a pipeline file gets a failed status. */
	require_pipeline: z.boolean(),
	/**
	 * How often an agent compares the refs of the repository with the known ones; null: only after
	 * an outage.
	 */
	poll: interval.nullable(),
	/** The projects whose pipelines may include files of its repository; null: only its own. */
	includable_by: z.array(projectName).min(1).max(200).nullable(),
	/**
	 * The accounts of its forge whose pull requests from forks run without an approval; null: nobody's.
	 */
	trusted_authors: z.array(account).min(1).max(200).nullable(),
	/** The people who may approve runs of forks; null: everybody whose role allows it. */
	fork_approvers: z.array(actorName).min(1).max(200).nullable(),
	/** Whether everybody may see its runs, logs and artifacts without signing in. */
	public: z.boolean(),
	/** How long its runs, logs and artifacts are kept; null: the default. */
	keep_runs: keep.nullable(),
	keep_logs: keep.nullable(),
	keep_artifacts: keep.nullable(),
	/** How much room its caches may take; null: the default. */
	cache_quota: z
		.string()
		.refine((text) => (parseBytes(text) ?? 0) >= MIB, "is not a size of at least 1MiB, such as 20GiB")
		.nullable(),
};

/** POST /projects */
export const projectRequest = z.strictObject({
	name: projectName.refine((name) => name !== ADHOC_PROJECT, "is where runs are that belong to no other project; choose another name"),
	repository: settings.repository.default(null),
	default_branch: settings.default_branch.default("main"),
	credentials: settings.credentials.default(null),
	config: settings.config.default(null),
	hook_secret: settings.hook_secret.default(null),
	forge: settings.forge.default(null),
	forge_api: settings.forge_api.default(null),
	forge_token: settings.forge_token.default(null),
	forge_app: settings.forge_app.default(null),
	status_context: settings.status_context.default("windlass"),
	checkout_depth: settings.checkout_depth.default(null),
	checkout_filter: settings.checkout_filter.default(null),
	checkout_tags: settings.checkout_tags.default(null),
	checkout_submodules: settings.checkout_submodules.default(null),
	checkout_lfs: settings.checkout_lfs.default(null),
	warm_mirrors: settings.warm_mirrors.default(null),
	public_badges: settings.public_badges.default(false),
	require_pipeline: settings.require_pipeline.default(false),
	poll: settings.poll.default(null),
	includable_by: settings.includable_by.default(null),
	trusted_authors: settings.trusted_authors.default(null),
	fork_approvers: settings.fork_approvers.default(null),
	public: settings.public.default(false),
	keep_runs: settings.keep_runs.default(null),
	keep_logs: settings.keep_logs.default(null),
	keep_artifacts: settings.keep_artifacts.default(null),
	cache_quota: settings.cache_quota.default(null),
});
export type ProjectRequest = z.infer<typeof projectRequest>;

/** PATCH /projects/:name */
export const projectChange = z.strictObject(settings).partial();
export type ProjectChange = z.infer<typeof projectChange>;

/** The comparisons of a project's refs with the known ones. */
const comparison = z.object({
	/** The time of the newest comparison; null before the first. */
	compared_at: z.string().nullable(),
	/** How many new branches, tags and commits it found. */
	found: z.number().int().nonnegative(),
	/** The run of the newest comparison, finished or not. */
	run_id: z.string().nullable(),
	/** When the next one is due; null: after the next outage. */
	next_at: z.string().nullable(),
	/** Why the newest comparison failed; null if it did not. */
	error: z.string().nullable(),
});

export const project = z.object({
	id: z.string(),
	name: z.string(),
	repository: z.string().nullable(),
	default_branch: z.string(),
	credentials: z.string().nullable(),
	config: z.string().nullable(),
	hook_secret: z.string().nullable(),
	/** The address for deliveries of its forge. */
	hook_url: z.string(),
	forge: z.enum(FORGES).nullable(),
	forge_api: z.string().nullable(),
	forge_token: z.string().nullable(),
	forge_app: z.string().nullable(),
	status_context: z.string(),
	checkout_depth: settings.checkout_depth,
	checkout_filter: settings.checkout_filter,
	checkout_tags: settings.checkout_tags,
	checkout_submodules: settings.checkout_submodules,
	checkout_lfs: settings.checkout_lfs,
	warm_mirrors: z.string().nullable(),
	public_badges: z.boolean(),
	require_pipeline: z.boolean(),
	poll: z.string().nullable(),
	/** Null for a project without comparisons. */
	comparison: comparison.nullable(),
	includable_by: z.array(z.string()).nullable(),
	trusted_authors: z.array(z.string()).nullable(),
	fork_approvers: z.array(z.string()).nullable(),
	public: z.boolean(),
	keep_runs: z.string().nullable(),
	keep_logs: z.string().nullable(),
	keep_artifacts: z.string().nullable(),
	cache_quota: z.string().nullable(),
	/** Problems of its settings: a sentence each. */
	notices: z.array(z.string()),
	created_at: z.string(),
	updated_at: z.string(),
});
export type Project = z.infer<typeof project>;
