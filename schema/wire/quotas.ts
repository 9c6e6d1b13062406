import * as z from "zod";

/** Quotas of a team: how much of a shared coordinator it takes. */

const amount = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).nullable();

/** Null: no limit. */
const quotas = z.object({
	/** Jobs that wait for an agent: submissions above it are refused. */
	queued_jobs: amount,
	/** Jobs that run at once: others wait. */
	running_jobs: amount,
	/** Bytes of logs, artifacts and uploaded sources: uploads above it are refused. */
	stored_bytes: amount,
	/** Bytes of caches: the least recently used go. */
	cache_bytes: amount,
});
export type Quotas = z.infer<typeof quotas>;
export type QuotaName = keyof Quotas;

export const NO_QUOTAS: Quotas = { queued_jobs: null, running_jobs: null, stored_bytes: null, cache_bytes: null };

/** PATCH /quotas: what is left out stays. */
export const quotaChange = quotas.partial().strict();
export type QuotaChange = z.infer<typeof quotaChange>;

export const quotaState = z.object({
	quotas,
	/** How much is used of each. That of the stored bytes is up to a minute old. */
	use: z.record(z.enum(["queued_jobs", "running_jobs", "stored_bytes", "cache_bytes"]), z.number()),
});
export type QuotaState = z.infer<typeof quotaState>;
