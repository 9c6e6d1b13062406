import * as z from "zod";
import { projectName } from "./projects.ts";

/** Secrets in the API. Their values are never shown. */

/** Hiding a shorter value would hide half of the log. */
export const MIN_SECRET_BYTES = 6;
const MAX_SECRET_BYTES = 64 * 1024;
export const MAX_SECRETS_PER_JOB = 50;

const bytesOf = (value: string) => new TextEncoder().encode(value).byteLength;

/** The hidden parts of a secret: its value, and its trimmed lines if they are long enough. */
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

/** In the `secrets` of a job: the project's token for its forge. No secret has this name. */
export const FORGE_TOKEN = "forge";

/** PUT /secrets/:name */
export const secretRequest = z.strictObject({
	value,
	/** Its project; without it, every project of the team. */
	project: projectName.optional(),
});

/** The visible properties of a secret. */
export const secret = z.object({
	name: z.string(),
	/** Null: for every project of the team. */
	project: z.string().nullable(),
	created_at: z.string(),
	updated_at: z.string(),
});
export type Secret = z.infer<typeof secret>;

/** POST /secrets/rotate: how many were re-encrypted. */
export const rotation = z.object({ secrets: z.number().int().nonnegative() });
export type Rotation = z.infer<typeof rotation>;
