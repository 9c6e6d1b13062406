import * as z from "zod";

/**
 * What a backup is: a tar archive, compressed with zstd. It has the files of the data folder by their
 * places in it, the keys in a file of their own, and this as its last entry. Without it a backup is not
 * whole.
 */

export const FORMAT = 1;
export const MANIFEST = "manifest.json";
/** The signing key's folder is left out: a restored coordinator has a new one. */
export const KEYS = "keys.sealed";

/** A manifest has about 200 bytes for each file. */
export const MAX_MANIFEST_BYTES = 512 * 1024 ** 2;

/** How many characters a passphrase has at least. */
export const LEAST_PASSPHRASE = 12;

/** What can be left out. */
export const PARTS = ["logs", "artifacts"] as const;
export type BackupPart = (typeof PARTS)[number];

export const manifest = z.object({
	format: z.literal(FORMAT),
	/** The version of the program that has made it. */
	version: z.string(),
	made_at: z.string(),
	left_out: z.array(z.enum(PARTS)),
	/** Whether the keys are in it, sealed with a passphrase. */
	has_keys: z.boolean(),
	/** Objects that were deleted while it was made, and are not in it. */
	objects_deleted: z.number(),
	/** For how long the coordinator was held, in milliseconds. */
	held_ms: z.number(),
	files: z.array(z.object({ path: z.string(), size: z.number(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof manifest>;
