import * as z from "zod";

/** What a job asks of its agent, and what an agent has. Whether the one fits the other: schema/pipeline/validate/requirements.ts. */

/** Everything that a job asks for; the same text for the same wishes, so that such jobs stand in one queue partition. Sizes in bytes. */
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
/** What takes an agent a moment to find out; it joins before that. */
const LOOKED_FOR = ["tools", "gpus", "container"] as const;
/** What a machine has, as far as jobs may ask for it. */
export const capabilities = z.strictObject({
	/** As Node names them: linux, darwin; x64, arm64. */
	os: word.default(""),
	arch: word.default(""),
	cores: count.default(0),
	/** Bytes in all, and bytes free where its jobs work. */
	memory: count.default(0),
	disk: count.default(0),
	shells: z.array(word).max(50).default([]),
	/** What runs containers, with its version; null if nothing does. */
	container: word.nullable().default(null),
	gpus: z.array(word).max(64).default([]),
	/** Name → version. */
	tools: z.record(z.string().max(60), word).default({}),
	/** What the agent is still looking for: nothing follows from its absence yet. */
	looking_for: z.array(z.enum(LOOKED_FOR)).max(LOOKED_FOR.length).default([]),
});
export type Capabilities = z.infer<typeof capabilities>;
/** Of an agent that says nothing of its machine. */
export const NO_CAPABILITIES: Capabilities = capabilities.parse({});
