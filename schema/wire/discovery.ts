import * as z from "zod";
import { isRef, REF_ERROR } from "./git.ts";
import { MAX_CHANGED_PATHS, MAX_DISCOVERY_BYTES, MAX_DISCOVERY_FILE_BYTES, MAX_DISCOVERY_FILES, MAX_INCLUDED_FILES } from "./limits.ts";
import { isInnerPath } from "./paths.ts";
import { commitId } from "./triggers.ts";

/**
 * A discovery job: an agent reads the pipeline files of a repository and runs nothing of it. Its
 * result carries the files, and the coordinator makes the runs.
 */

/** The task of the agent. */
export const discoveryWork = z.object({
	/** The pipeline file, or a folder of them; null: the default places. */
	config: z.string().nullable(),
	/** The base of the comparison: a commit or the target branch. Null: no comparison. */
	changes: z.union([z.object({ since: commitId }), z.object({ target: z.string() })]).nullable(),
	/**
	 * The default branch of the project, if the forge names another one: whether the branch still
	 * exists.
	 */
	default_branch: z.string().optional(),
	/** The projects whose files the pipelines may include. */
	projects: z
		.array(
			z.object({
				name: z.string(),
				repository: z.string(),
				default_branch: z.string(),
				/** The credentials for reading the repository over HTTP; null: none are needed, or given. */
				credentials: z.string().nullable(),
			}),
		)
		.default([]),
});
export type DiscoveryWork = z.infer<typeof discoveryWork>;

/** The default places: one file, in either spelling, or a folder of them. */
export const CONFIG_FILE = ".windlass.yml";
export const CONFIG_FILES: readonly string[] = [CONFIG_FILE, ".windlass.yaml"];
export const CONFIG_FOLDER = ".windlass";

/** The default places that exist among these paths of a repository. More than one is an error. */
export function usualFolders(paths: readonly string[]): string[] {
	const isInside = (path: string) => path.startsWith(`${CONFIG_FOLDER}/`);
	return [...CONFIG_FILES.filter((file) => paths.includes(file)), ...(paths.some(isInside) ? [`${CONFIG_FOLDER}/`] : [])];
}

function bytesOf(text: string): number {
	return new TextEncoder().encode(text).byteLength;
}

const fileText = z.string().refine((text) => bytesOf(text) <= MAX_DISCOVERY_FILE_BYTES, `has more than ${MAX_DISCOVERY_FILE_BYTES} bytes`);

/** The result of the agent. */
export const discoveryResult = z.strictObject({
	files: z
		.array(z.strictObject({ path: z.string().min(1).max(500), text: fileText }))
		.max(MAX_DISCOVERY_FILES)
		.refine(
			(files) => files.reduce((sum, { text }) => sum + bytesOf(text), 0) <= MAX_DISCOVERY_BYTES,
			`has more than ${MAX_DISCOVERY_BYTES} bytes`,
		),
	/** The changed paths; null if they are unknown. */
	changed: z.array(z.string().max(4096)).max(MAX_CHANGED_PATHS).nullable(),
	/** The files that they include: with the text, or with why it cannot be read. */
	included: z
		.array(
			z.strictObject({
				file: z.string().min(1).max(500),
				/** Null: a file of the repository itself, at its commit. */
				project: z.string().max(63).nullable(),
				ref: z.string().max(500).nullable(),
				/** The commit of a file of another project. */
				sha: commitId.nullable().default(null),
				text: fileText.nullable(),
				error: z.string().max(500).nullable().default(null),
			}),
		)
		.max(MAX_INCLUDED_FILES)
		.default([]),
	/** The commit that they were compared with, if it is known. */
	base: commitId.nullable().default(null),
	/** Whether the repository no longer has the default branch in question. */
	is_default_branch_missing: z.boolean().optional(),
});
export type DiscoveryResult = z.infer<typeof discoveryResult>;

/** POST /projects/:name/trigger */
export const triggerRequest = z
	.strictObject({
		/** The branch; without it the default branch. */
		branch: z.string().max(200).refine(isRef, REF_ERROR).optional(),
		tag: z.string().max(200).refine(isRef, REF_ERROR).optional(),
		/**
		 * Only this file of the repository, whatever its `on` says. Without it, the files that a
		 * push would run.
		 */
		file: z.string().max(500).refine(isInnerPath, "must be a file of the repository").optional(),
		params: z.record(z.string().max(100), z.string().max(4096)).default({}),
	})
	.refine(({ branch, tag }) => branch === undefined || tag === undefined, "takes branch or tag, not both");
export type TriggerRequest = z.infer<typeof triggerRequest>;
