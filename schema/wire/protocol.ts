import * as z from "zod";
import { annotations } from "./annotations.ts";
import { buildCacheAccess } from "./build_caches.ts";
import { cacheUses } from "./caches.ts";
import { checkoutOptions, chosenCheckout } from "./checkout.ts";
import { discoveryResult, discoveryWork } from "./discovery.ts";
import { labels } from "./labels.ts";
import {
	DEFAULT_MAX_LOG_BYTES,
	MAX_ARTIFACT_PATH_BYTES,
	MAX_ARTIFACTS_PER_JOB,
	MAX_ATTEMPT_STEPS,
	MAX_OUTPUT_BYTES,
	MAX_OUTPUTS_BYTES,
	MAX_PARTS,
	MAX_RESULT_LOG_BASE64,
	MAX_RESULTS,
	MAX_SAVE_ENTRIES,
	MAX_UPLOADS_PER_REQUEST,
	PART_BYTES,
} from "./limits.ts";
import { listedRefs } from "./refs.ts";
import { capabilities, NO_CAPABILITIES, resolvedRequirements } from "./requirements.ts";
import { ARTIFACT_KINDS, artifactKind, coverageTotals, step, testTotals } from "./resources.ts";
import { finishState, reason } from "./states.ts";
import { usage } from "./usage.ts";
import { reportFiles, stepValues, workOf } from "./work.ts";

/**
 * The agent protocol: the requests of agents and the answers of the coordinator.
 * docs/reference/protocol.md describes it.
 */

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a sha256 in hex");
export const agentName = z
	.string()
	.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "expected letters, digits, dot, dash or underscore, at most 63");
const attemptList = z.array(z.string().max(40)).max(1000);

/**
 * The coordinator's time of the answer, in milliseconds since the epoch. Agents convert their times
 * to this clock.
 */
const coordinatorTime = count.optional();

/** Intervals and times that the coordinator decides and agents follow. */
const intervals = z.object({
	lease_ttl_ms: count,
	renew_ms: count,
	renew_timeout_ms: count,
	kill_grace_ms: count,
	poll_timeout_ms: count,
	log_flush_watched_ms: count,
	log_flush_ms: count,
	/**
	 * The longest log of an attempt. A longer one keeps its first three quarters and its last
	 * quarter.
	 */
	log_max_bytes: count.default(DEFAULT_MAX_LOG_BYTES),
});
export type Intervals = z.infer<typeof intervals>;

export const register = z.strictObject({
	/** Chosen by the agent once. A repeated registration with the same key is the same agent. */
	registration_key: z.string().min(16).max(100),
	name: agentName,
});
export const registered = z.object({ id: z.string(), name: z.string(), token: z.string() });
export type Registered = z.infer<typeof registered>;

const facts = z.strictObject({
	version: z.string().max(40),
	slots: z.number().int().min(1).max(1000),
	labels,
	facts: z.record(z.string().max(60), z.string().max(200)),
	capabilities: capabilities.default(NO_CAPABILITIES),
});
export type Facts = z.input<typeof facts>;

export const hello = z.strictObject({
	protocol: count,
	session: z.number().int().positive(),
	instance: z.string().min(8).max(64),
	running: attemptList,
	facts,
});
export type Hello = z.infer<typeof hello>;
/** A hello as an agent sends it. */
export type HelloBody = z.input<typeof hello>;
export const helloAnswer = z.object({
	intervals,
	/**
	 * The labels that count: a registration token with labels limits what its agents may declare.
	 */
	labels: z.array(z.string()).optional(),
	/** Labels that the agent declares and that its registration token does not give. */
	ignored_labels: z.array(z.string()).default([]),
});
export type HelloAnswer = z.infer<typeof helloAnswer>;

const work = workOf(z.string());

/** The whole of a job, as its agent gets it with an offer or when it claims one. */
export const assignment = z.object({
	attempt_id: z.string(),
	number: z.number().int().positive(),
	ttl_ms: count,
	now: coordinatorTime,
	run: z.object({
		id: z.string(),
		number: count,
		project: z.string(),
		url: z.string(),
		event: z.string(),
		pull_request: z.number().nullable().default(null),
	}),
	pipeline: z.string(),
	job: z.object({ id: z.string(), key: z.string(), name: z.string(), url: z.string() }),
	server_url: z.string(),
	matrix: work.variables.nullable().default(null),
	env: work.variables,
	/** Variables whose values are hidden wherever they would be shown. */
	secrets: work.variables.default({}),
	timeout_ms: count,
	/** How long a job may write nothing; null: without a limit. */
	idle_timeout_ms: count.nullable().default(null),
	runs_on: resolvedRequirements.default({ labels: [] }),
	steps: z.array(work.step),
	/** The steps that run however the others ended. */
	finally: work.cleanup.nullable().default(null),
	/** The values of the expressions of steps; null if no step has one. */
	values: stepValues.nullable().default(null),
	container: work.container.nullable().default(null),
	services: z.array(work.service).default([]),
	/** The names of the declared outputs. */
	outputs: z.array(z.string()).default([]),
	reports: reportFiles.nullable().default(null),
	/** The caches of its workspace; the agent fills in keys that use its files. */
	caches: z.array(work.cache).default([]),
	/** The right to use the caches of build tools; null without one. */
	build_cache: buildCacheAccess.nullable().default(null),
	/** The task of a discovery job, which runs no steps. */
	discovery: discoveryWork.nullable().default(null),
	/** Whether the job lists the refs of the source and runs no steps. */
	lists_refs: z.boolean().default(false),
	source: z
		.union([
			z.object({
				git: z.string(),
				ref: z.string().nullable(),
				commit: z.string().nullable(),
				/**
				 * The credentials for reading the repository over HTTP: `user:password`, or a token
				 * alone.
				 */
				credentials: z.string().nullable().default(null),
				/**
				 * False for a fork. Its submodules and large files are read without credentials.
				 */
				is_trusted: z.boolean().default(true),
				checkout: checkoutOptions.default(chosenCheckout()),
			}),
			/** A bundle from /attempts/:id/source. */
			z.object({ upload: z.string() }),
		])
		.nullable(),
	/** `fetch`: the jobs whose files are fetched first, as /attempts/:id/downloads lists them. */
	artifacts: z.object({
		save: z.array(z.string()),
		/** The entries of `save` that are maps, as far as the agent needs them. */
		entries: z.array(z.object({ paths: z.array(z.string()), required: z.boolean() })).default([]),
		fetch: z.array(z.string()).default([]),
	}),
});
export type Assignment = z.infer<typeof assignment>;

const fileSize = count.max(PART_BYTES * MAX_PARTS, "is more than a file may have");
const artifactPath = z.string().min(1).max(MAX_ARTIFACT_PATH_BYTES);
export const finish = z.strictObject({
	state: finishState,
	exit_code: z.number().int().nullable(),
	reason: reason.nullable(),
	log: z.strictObject({ bytes: count, sha256: sha256.nullable(), incomplete: z.boolean() }),
	steps: z.array(step).max(MAX_ATTEMPT_STEPS),
	artifacts: z
		.array(
			z.strictObject({
				path: artifactPath,
				size: fileSize,
				sha256,
				executable: z.boolean().default(false),
				key: z.string().max(200),
				/** A file that the job saves, its summary, or its test cases. */
				kind: artifactKind.default("file"),
				/**
				 * The entry of `artifacts.save` that names the file, and sets its name and how long
				 * it is kept.
				 */
				entry: z
					.number()
					.int()
					.min(0)
					.max(MAX_SAVE_ENTRIES - 1)
					.nullable()
					.default(null),
			}),
		)
		.max(MAX_ARTIFACTS_PER_JOB + ARTIFACT_KINDS.length),
	outputs: z
		.record(z.string().max(63), z.string().max(MAX_OUTPUT_BYTES))
		.refine((outputs) => JSON.stringify(outputs).length <= MAX_OUTPUTS_BYTES, `may have ${MAX_OUTPUTS_BYTES} bytes in all`)
		.default({}),
	tests: testTotals.nullable().default(null),
	coverage: coverageTotals.nullable().default(null),
	/** What the steps used. */
	usage: usage.nullable().default(null),
	/** What the job says about its source. */
	annotations: annotations.default([]),
	/** How it used its caches. */
	caches: cacheUses.default([]),
	/** The result of a discovery job. */
	discovery: discoveryResult.nullable().default(null),
	/** The refs of the source, if the job listed them. */
	refs: listedRefs.nullable().default(null),
});
export type Finish = z.infer<typeof finish>;
/** A result as an agent sends it: fields with a default may be missing. */
export type FinishBody = z.input<typeof finish>;
/** Of a result with files, or with what a discovery job found, an agent sends `finish`. */
const BY_FINISH = { artifacts: true, discovery: true, refs: true } as const;

/** The result of an attempt as a poll carries it. */
const result = finish.omit(BY_FINISH).extend({
	attempt_id: z.string().max(40),
	lease_token: z.string().max(1000),
	/**
	 * The whole log in base64, where no byte of it was sent before; null: it was sent, or is empty.
	 */
	log_text: z.base64().max(MAX_RESULT_LOG_BASE64).nullable().default(null),
});
export type Result = z.infer<typeof result>;
/** The same as an agent sends it. */
export type ResultBody = z.input<typeof result>;

export const poll = z.strictObject({
	protocol: count,
	session: z.number().int().positive(),
	seq: z.number().int().positive(),
	slots_free: count,
	running: attemptList,
	draining: z.boolean().default(false),
	/** Results that were not answered yet. A poll with results is answered at once. */
	results: z.array(result).max(MAX_RESULTS).default([]),
});
export type Poll = z.infer<typeof poll>;
const offer = z.object({
	attempt_id: z.string(),
	job_id: z.string(),
	lease_token: z.string(),
	expires_at: z.string(),
	/**
	 * The whole job: the agent begins at once. Null: the agent claims the offer with
	 * /attempts/:id/start, which answers with it.
	 */
	assignment: assignment.nullable(),
});
export type Offer = z.infer<typeof offer>;
/** A lease that was extended: it holds for this long from when the request was sent. */
const renewedLease = z.object({ attempt_id: z.string(), ttl_ms: count });
/** Why one of several things in a request was rejected; as in an error answer. */
const rejection = z.object({
	error: z.string(),
	message: z.string(),
	details: z.record(z.string(), z.unknown()),
	suggestions: z.array(z.string()),
});
export const pollAnswer = z.object({
	offers: z.array(offer),
	/** Attempts to cancel. */
	cancel: attemptList,
	/** Attempts whose log somebody reads right now. */
	watch: attemptList,
	/** Leases that were moved outside of a renewal: the coordinator is about to stop on purpose. */
	renewed: z.array(renewedLease),
	intervals,
	/** The agent is asked to end its process once nothing runs. */
	drain: z.boolean().default(false),
	/** The agent is asked to get itself a new token. */
	rotate: z.boolean().default(false),
	/** What became of each result: the state of the attempt, or the error that rejects it. */
	results: z.array(z.object({ attempt_id: z.string(), state: z.string().nullable(), error: rejection.nullable() })),
	/**
	 * How long the poll has waited: the leases of its assignments began that long after it came.
	 */
	held_ms: count,
});
export type PollAnswer = z.infer<typeof pollAnswer>;

export const renew = z.strictObject({
	session: z.number().int().positive(),
	seq: z.number().int().positive(),
	running: attemptList,
});
export type Renew = z.infer<typeof renew>;
export const renewAnswer = z.object({
	renewed: z.array(renewedLease),
	cancel: attemptList,
	lost: attemptList,
	watch: attemptList,
	now: coordinatorTime,
});
export type RenewAnswer = z.infer<typeof renewAnswer>;

export const rotateToken = z.strictObject({
	/** Chosen and kept by the agent before it asks: the same key gets the same token. */
	rotation_key: z.string().min(16).max(100),
});
export const rotatedToken = z.object({ token: z.string() });
export type RotatedToken = z.infer<typeof rotatedToken>;

export const bye = z.strictObject({ session: z.number().int().positive() });

const objectId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "expected a full commit id");
const commit = z.strictObject({
	sha: objectId,
	branch: z.string().max(500).nullable(),
	tag: z.string().max(500).nullable(),
	message: z.string().max(MAX_PARTS),
	author: z.string().max(500),
});
export type Commit = z.infer<typeof commit>;
/** What an agent has checked out. */
export const pinnedCommit = commit.extend({
	/**
	 * The id that the agent was asked for, where it is that of an annotated tag which points to the
	 * commit.
	 */
	tag_object: objectId.nullable().default(null),
});
export type PinnedCommit = z.infer<typeof pinnedCommit>;
export const commitAnswer = z.object({ sha: z.string() });

/** The names of the jobs that an uploaded pipeline has added to its run. */
export const uploadedPipeline = z.object({ jobs: z.array(z.string()) });
export type UploadedPipeline = z.infer<typeof uploadedPipeline>;

export const steps = z.strictObject({ steps: z.array(step).max(MAX_ATTEMPT_STEPS) });

export const artifactUploadRequest = z.strictObject({
	files: z
		.array(
			z.strictObject({
				path: artifactPath,
				size: fileSize,
				sha256,
				/** The sha256 of each part of a file that is too large for one, in their order. */
				parts: z.array(sha256).max(MAX_PARTS).default([]),
			}),
		)
		.min(1)
		.max(MAX_UPLOADS_PER_REQUEST),
});
export type ArtifactUploadRequest = z.infer<typeof artifactUploadRequest>;
export const artifactUploads = z.object({
	files: z.array(
		z.object({
			path: z.string(),
			key: z.string(),
			parts: z.array(z.object({ number: z.number().int().positive(), url: z.string(), offset: count, size: count })),
		}),
	),
});
export type ArtifactUploads = z.infer<typeof artifactUploads>;
/** Files of needed jobs, each with the place in the workspace where it is to be put. */
export const downloadList = z.object({
	items: z.array(z.object({ job: z.string(), path: z.string(), size: count, sha256, executable: z.boolean(), url: z.string() })),
});
export type DownloadList = z.infer<typeof downloadList>;

export const partAnswer = z.object({ number: z.number() });

export const finishAnswer = z.object({ attempt_state: z.string() });
