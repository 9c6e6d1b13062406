import * as z from "zod";
import { projectName } from "./projects.ts";

/** Secrets as the API takes and shows them. Their values are never shown. */

/** What is shorter could not be hidden in a log without hiding half of it. */
export const MIN_SECRET_BYTES = 6;
const MAX_SECRET_BYTES = 64 * 1024;
export const MAX_SECRETS_PER_JOB = 50;

const bytesOf = (value: string) => new TextEncoder().encode(value).byteLength;

/** What of a secret is hidden: the value, and its lines, where they are long enough without the blanks around them. */
export function hiddenParts(value: string): string[] {
	const parts = [value, value.trim(), ...value.split(/\r?\n/).map((line) => line.trim())];
	return [...new Set(parts)].filter((part) => bytesOf(part.trim()) >= MIN_SECRET_BYTES);
}

const value = z
	.string()
	.refine(
		(one) => hiddenParts(one).length > 0,
		`has fewer than ${MIN_SECRET_BYTES} bytes without the blanks around it: so short a value cannot be hidden in logs`,
	)
	.refine((one) => bytesOf(one) <= MAX_SECRET_BYTES, `has more than ${MAX_SECRET_BYTES / 1024} KiB`)
	.refine((one) => !one.includes("\0"), "holds a NUL byte, which no variable of a job can")
	.refine((one) => one.isWellFormed(), "is not valid Unicode");

/** PUT /secrets/:name */
export const secretRequest = z.strictObject({
	value,
	/** The project that it is for; every project of the team without one. */
	project: projectName.optional(),
});

/** What can be known of a secret. */
export const secret = z.object({
	name: z.string(),
	/** Null: for every project of the team. */
	project: z.string().nullable(),
	created_at: z.string(),
	updated_at: z.string(),
});
export type Secret = z.infer<typeof secret>;

/** POST /secrets/rotate: how many are encrypted anew. */
export const rotation = z.object({ secrets: z.number().int().nonnegative() });
export type Rotation = z.infer<typeof rotation>;
