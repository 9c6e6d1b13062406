import * as z from "zod";
import { parseDuration } from "../wire/duration.ts";
import { isId } from "../wire/ids.ts";
import { MAX_JOB_TIMEOUT_MS, MAX_RETRY_ATTEMPTS, MAX_STEPS } from "../wire/limits.ts";
import { label } from "../wire/protocol.ts";
import { AmbiguousScalar } from "./document.ts";

/** The pipeline language: every key that is accepted, and what its value must be. */

/** Marks the message of an unknown-key issue; what follows are the keys that would have been known. */
export const KNOWN_KEYS = "known keys: ";

/** An object that refuses unknown keys and says which ones it knows. */
function strict<Shape extends z.ZodRawShape>(shape: Shape) {
	return z.strictObject(shape, {
		error: (issue) => (issue.code === "unrecognized_keys" ? KNOWN_KEYS + Object.keys(shape).join(", ") : undefined),
	});
}

/** Text. Numbers and truth values are taken as they are written; what would change when printed is refused. */
const text = z.unknown().transform((value, context): string => {
	if (value instanceof AmbiguousScalar) {
		context.addIssue({ code: "custom", message: `${value.source} is ambiguous as text: quote it ("${value.source}")` });
		return z.NEVER;
	}
	if (typeof value === "number" || typeof value === "boolean") return String(value);
	if (typeof value !== "string") {
		context.addIssue({ code: "custom", message: value === undefined ? "is required" : `expected text, got ${kindOf(value)}` });
		return z.NEVER;
	}
	if (value.includes("${{")) {
		context.addIssue({
			code: "custom",
			message: "expressions in ${{ }} are not supported here; use a variable from env, such as $NAME",
		});
		return z.NEVER;
	}
	if (value.includes("\0")) {
		context.addIssue({ code: "custom", message: "text may not hold a NUL byte" });
		return z.NEVER;
	}
	return value;
});

export function kindOf(value: unknown): string {
	if (value === null || value === undefined) return "nothing";
	if (Array.isArray(value)) return "a list";
	if (value instanceof AmbiguousScalar) return `${typeof value.value} ${value.source}`;
	return typeof value === "object" ? "a map" : `${typeof value} ${JSON.stringify(value)}`;
}

const nonEmpty = text.pipe(z.string().trim().min(1, "may not be empty"));
const number = z.preprocess((value) => (value instanceof AmbiguousScalar ? value.value : value), z.number().int());

const duration = nonEmpty.transform((value, context): number => {
	const ms = parseDuration(value);
	if (ms === null || ms <= 0) {
		context.addIssue({ code: "custom", message: `${JSON.stringify(value)} is not a duration; write 90s, 5m or 1h30m` });
		return z.NEVER;
	}
	if (ms > MAX_JOB_TIMEOUT_MS) {
		context.addIssue({ code: "custom", message: "the longest timeout is 24h" });
		return z.NEVER;
	}
	return ms;
});

export const environment = z.record(
	z
		.string()
		.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name is letters, digits and underscores")
		.refine((name) => !/^CI(_|$)/.test(name), "CI and CI_* are set by Windlass and cannot be overridden")
		.refine((name) => !name.startsWith("WINDLASS_"), "WINDLASS_* names are reserved"),
	text,
);

export const SHELLS = ["bash", "sh", "python3", "node"] as const;
const shell = z.enum(SHELLS);

/** A folder inside the workspace. */
const workingDirectory = nonEmpty.refine(
	(path) => !path.startsWith("/") && !path.split("/").includes(".."),
	"must be a folder inside the workspace: relative, without ..",
);

export const runsOn = z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(nonEmpty.pipe(label)).max(20));

export const RETRY_CAUSES = ["failed", "errored", "timed_out", "lost"] as const;
const retry = strict({
	attempts: number.pipe(z.number().min(1).max(MAX_RETRY_ATTEMPTS)),
	on: z.array(z.enum(RETRY_CAUSES)).min(1).optional(),
});

const stepShape = strict({
	name: nonEmpty.optional(),
	run: nonEmpty,
	env: environment.optional(),
	working_directory: workingDirectory.optional(),
	shell: shell.optional(),
	timeout: duration.optional(),
});
const step = z.preprocess((value) => (isPlainCommand(value) ? { run: value } : value), stepShape);
const stepList = z.array(step).min(1, "at least one step is needed").max(MAX_STEPS);

function isPlainCommand(value: unknown): boolean {
	return typeof value === "string" || value instanceof AmbiguousScalar || typeof value === "number" || typeof value === "boolean";
}

const glob = nonEmpty.refine(
	(pattern) => !pattern.replace(/^!/, "").startsWith("/") && !pattern.split("/").includes(".."),
	"must be a pattern inside the workspace: relative, without ..",
);

const jobKeys = {
	runs_on: runsOn.optional(),
	timeout: duration.optional(),
	retry: retry.optional(),
	artifacts: strict({ save: z.array(glob).min(1).max(100) }).optional(),
	steps: stepList,
};

export const JOB_KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

const job = strict({
	name: nonEmpty.optional(),
	needs: z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(nonEmpty)).optional(),
	env: environment.optional(),
	...jobKeys,
});

const gitAddress = nonEmpty
	.refine((url) => !url.startsWith("-"), "must be a repository address")
	.refine(
		(url) => /^(https?|ssh|git|file):\/\//.test(url) || url.startsWith("/") || /^[\w.-]+@[\w.-]+:/.test(url),
		"must be an address that git can clone: https://…, ssh://…, git@host:path, file:///… or an absolute path",
	)
	.refine(
		(url) => !/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(url),
		"may not carry a password: give the agent an SSH key or a git credential helper instead",
	);
const gitRef = nonEmpty.refine((ref) => !ref.startsWith("-") && !/[\s~^:?*[\\]|\.\.|@\{/.test(ref), "is not a branch, tag or commit");

/** What the workspace is made of: a git repository, or a bundle that was uploaded before. */
export const source = strict({
	git: gitAddress.optional(),
	ref: gitRef.optional(),
	upload: nonEmpty.refine((id) => isId("source", id), "is not the id of an uploaded source (src_…)").optional(),
}).transform((value, context): { git: string; ref: string | null } | { upload: string } => {
	const { git, ref, upload } = value;
	if (git !== undefined && upload === undefined) return { git, ref: ref ?? null };
	if (upload !== undefined && git === undefined && ref === undefined) return { upload };
	const fault =
		git === undefined && upload === undefined
			? "needs git (a repository's address) or upload (src_…)"
			: "takes git, with ref or without, or upload; not both";
	context.addIssue({ code: "custom", message: fault });
	return z.NEVER;
});
export type SourceText = z.infer<typeof source>;

export const priority = number.pipe(z.number().min(-100, "at least -100").max(100, "at most 100"));

const head = {
	name: nonEmpty.pipe(z.string().max(200)).optional(),
	env: environment.optional(),
	defaults: strict({
		runs_on: runsOn.optional(),
		timeout: duration.optional(),
		retry: retry.optional(),
		shell: shell.optional(),
		working_directory: workingDirectory.optional(),
	}).optional(),
	source: source.optional(),
	priority: priority.optional(),
};

/** A pipeline with `jobs`. */
export const pipelineOfJobs = strict({ ...head, jobs: z.record(z.string(), job) });
/** A pipeline with `steps` at the top: one job called `main`. */
export const pipelineOfSteps = strict({ ...head, ...jobKeys });
/** What is said of a pipeline that has neither. */
export const PIPELINE_KEYS = [...new Set([...Object.keys(head), ...Object.keys(jobKeys), "jobs"])];

export type PipelineOfJobs = z.infer<typeof pipelineOfJobs>;
export type PipelineOfSteps = z.infer<typeof pipelineOfSteps>;
export type JobText = z.infer<typeof job>;
