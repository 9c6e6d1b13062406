import * as z from "zod";

/**
 * What the processes of an attempt used, in samples of equal length. An agent measures attempts that
 * run for some seconds; the samples of a long one are longer.
 */

/** How many samples an attempt has at most. */
export const MAX_SAMPLES = 120;

const samples = z.array(z.number().int().nonnegative()).max(MAX_SAMPLES);

export const usage = z.object({
	/** When the first sample begins, in milliseconds since 1970, and how long each is. */
	began_at: z.number().int().nonnegative(),
	interval_ms: z.number().int().positive(),
	/** CPU time in thousandths of a core, on average over the sample. */
	cpu: samples,
	/** Resident memory at the end of the sample, in bytes. */
	memory: samples,
	/** Bytes that were read from and written to disks in the sample. */
	read: samples,
	written: samples,
	/** The most memory at one time that the agent has seen, in bytes. */
	peak_memory: z.number().int().nonnegative(),
});
export type Usage = z.infer<typeof usage>;
