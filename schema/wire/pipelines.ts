import * as z from "zod";
import { ADHOC_PROJECT, projectName } from "./projects.ts";

/** Stored pipelines: the coordinator keeps them, not a repository. */

/** The name of a stored pipeline. */
const pipelineName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is lower-case letters, digits, dot, dash or underscore, at most 63");

/** POST /pipelines */
export const pipelineRequest = z.strictObject({
	name: pipelineName,
	project: projectName.default(ADHOC_PROJECT),
	/** Its text, in YAML or JSON. */
	yaml: z.string(),
});

/** PUT /pipelines/:id: a new version. */
export const pipelineChange = z.strictObject({
	yaml: z.string(),
	/** The version that was changed. If there is a newer one, the change is rejected. */
	version: z.number().int().positive(),
});

export const pipelineVersion = z.object({
	number: z.number().int().positive(),
	sha256: z.string(),
	size: z.number().int(),
	/** The version whose text this one restores. */
	restores: z.number().int().nullable(),
	actor: z.string(),
	created_at: z.string(),
});
export type PipelineVersion = z.infer<typeof pipelineVersion>;

export const storedPipeline = z.object({
	id: z.string(),
	project: z.string(),
	name: z.string(),
	/** The number of its newest version. */
	version: z.number().int().positive(),
	url: z.string(),
	created_at: z.string(),
	updated_at: z.string(),
});
export type StoredPipeline = z.infer<typeof storedPipeline>;

/** A pipeline with its text. */
export const wholePipeline = storedPipeline.extend({ yaml: z.string() });
export type WholePipeline = z.infer<typeof wholePipeline>;
