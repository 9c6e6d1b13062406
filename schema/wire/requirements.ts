import * as z from "zod";

/**
 * The requirements of jobs and the capabilities of agents. schema/pipeline/validate/requirements.ts
 * compares them.
 */

/**
 * All requirements of a job. Equal requirements have equal text, so that such jobs share a queue
 * partition. Sizes in bytes.
 */
export const resolvedRequirements = z.object({
	labels: z.array(z.string()).default([]),
	os: z.string().optional(),
	arch: z.string().optional(),
	cores: z.number().optional(),
	memory: z.number().optional(),
	disk: z.number().optional(),
	gpus: z.number().optional(),
	container: z.literal(true).optional(),
	/** Tool → range of versions. */
	tools: z.record(z.string(), z.string()).optional(),
});
export type Requirements = z.infer<typeof resolvedRequirements>;

const count = z.number().int().nonnegative();
const word = z.string().max(200);
/** Capabilities that take an agent a moment to find. It joins before that. */
const LOOKED_FOR = ["tools", "gpus", "container"] as const;
/** The capabilities of a machine that jobs may ask for. */
export const capabilities = z.strictObject({
	/** As Node names them: linux, darwin; x64, arm64. */
	os: word.default(""),
	arch: word.default(""),
	cores: count.default(0),
	/** All bytes of memory, and free bytes of the disk with the workspaces. */
	memory: count.default(0),
	disk: count.default(0),
	shells: z.array(word).max(50).default([]),
	/** The container runtime with its version; null without one. */
	container: word.nullable().default(null),
	gpus: z.array(word).max(64).default([]),
	/** Name → version. */
	tools: z.record(z.string().max(60), word).default({}),
	/** Capabilities that the agent still looks for: they are unknown, not absent. */
	looking_for: z.array(z.enum(LOOKED_FOR)).max(LOOKED_FOR.length).default([]),
});
export type Capabilities = z.infer<typeof capabilities>;
/** An agent without agent info. */
export const NO_CAPABILITIES: Capabilities = capabilities.parse({});
