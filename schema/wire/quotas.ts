import * as z from "zod";
import { exactBytes, formatBytes, parseBytes } from "./bytes.ts";
import { exactDuration, formatDuration, parseDuration } from "./duration.ts";
import { LEAST_LOG_LIMIT } from "./limits.ts";

/** Quotas of a team: how much of a shared coordinator it takes. What the whole coordinator allows holds besides. */

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
	/** Milliseconds that a job may run, whatever its timeout says. */
	job_ms: z.number().int().min(1_000).max(Number.MAX_SAFE_INTEGER).nullable(),
	/** Bytes of the log of a job: what is above it is left out. */
	log_bytes: z.number().int().min(LEAST_LOG_LIMIT).max(Number.MAX_SAFE_INTEGER).nullable(),
});
export type Quotas = z.infer<typeof quotas>;
export type QuotaName = keyof Quotas;

export const NO_QUOTAS: Quotas = {
	queued_jobs: null,
	running_jobs: null,
	stored_bytes: null,
	cache_bytes: null,
	job_ms: null,
	log_bytes: null,
};

/** PATCH /quotas: what is left out stays. */
export const quotaChange = quotas.partial().strict();
export type QuotaChange = z.infer<typeof quotaChange>;

export const quotaState = z.object({
	quotas,
	/** How much is used of those that the whole team shares. That of the stored bytes is up to a minute old. */
	use: z.object({ queued_jobs: z.number(), running_jobs: z.number(), stored_bytes: z.number(), cache_bytes: z.number() }),
});
export type QuotaState = z.infer<typeof quotaState>;

/** How much is used of a quota; null for one that holds for each job. */
export function usedOf({ use }: QuotaState, name: QuotaName): number | null {
	return (use as Partial<Record<QuotaName, number>>)[name] ?? null;
}

/** What the amount of a quota is. */
export type QuotaUnit = "count" | "bytes" | "duration";

/** The quotas in the order in which people see them. */
export const QUOTAS: readonly { name: QuotaName; unit: QuotaUnit; label: string; about: string }[] = [
	{ name: "queued_jobs", unit: "count", label: "Waiting jobs", about: "Above it submissions are refused." },
	{ name: "running_jobs", unit: "count", label: "Running jobs", about: "Above it jobs wait." },
	{
		...{ name: "stored_bytes", unit: "bytes", label: "Logs, artifacts and sources" },
		about: "Above it uploads are refused. A minute old at most.",
	},
	{ name: "cache_bytes", unit: "bytes", label: "Caches", about: "Above it the least recently used ones go." },
	{ name: "job_ms", unit: "duration", label: "Time of a job", about: "A job that runs longer fails, whatever its timeout says." },
	{ name: "log_bytes", unit: "bytes", label: "Log of a job", about: "What is above it is left out." },
];

/** How amounts of each unit are written for people, in a form, and read from one. */
export const QUOTA_TEXTS: Record<
	QuotaUnit,
	{ words(amount: number): string; exact(amount: number): string; parse(text: string): number | null; example: string; noun: string }
> = {
	count: {
		words: (amount) => amount.toLocaleString("en"),
		exact: String,
		parse: (text) => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : null),
		...{ example: "100", noun: "whole number above 0" },
	},
	bytes: { words: formatBytes, exact: exactBytes, parse: parseBytes, example: "20GiB", noun: "size, such as 20GiB" },
	duration: { words: formatDuration, exact: exactDuration, parse: parseDuration, example: "2h", noun: "duration, such as 2h" },
};
