import * as z from "zod";
import { BUILD_TOOLS } from "./build_caches.ts";
import {
	CACHE_PART_BYTES,
	MAX_CACHE_BYTES,
	MAX_CACHE_KEY_BYTES,
	MAX_CACHE_PARTS,
	MAX_CACHE_PATHS,
	MAX_CACHES,
	MAX_RESTORE_KEYS,
	MAX_WARM_CACHES,
} from "./limits.ts";

/** Caches: folders of a workspace that later jobs begin with. */

/** When a job saves a cache: by how its steps ended. */
export const CACHE_WHEN = ["success", "failure", "always"] as const;
export const CACHE_COMPRESSIONS = ["none", "fast", "best"] as const;
/** Who reads a cache: the runs of its branch and those that may read it, or every trusted run of the project. */
export const CACHE_SCOPES = ["branch", "project"] as const;

/** Why a text cannot be the key of a cache; null if it can. */
export function cacheKeyError(key: string): string | null {
	if (key.trim() === "") return "is empty";
	if (/\p{Cc}/u.test(key)) return "has a line break or another control character";
	if (!key.isWellFormed()) return "is not valid Unicode";
	const bytes = new TextEncoder().encode(key).byteLength;
	return bytes > MAX_CACHE_KEY_BYTES ? `has ${bytes} bytes; at most ${MAX_CACHE_KEY_BYTES} are allowed` : null;
}

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a sha256 in hex");
const cacheKey = z.string().superRefine((key, context) => {
	const error = cacheKeyError(key);
	if (error !== null) context.addIssue({ code: "custom", message: error });
});

const wantedCache = z.strictObject({
	key: cacheKey,
	restore_keys: z.array(cacheKey).max(MAX_RESTORE_KEYS).default([]),
	scope: z.enum(CACHE_SCOPES).default("branch"),
	/** What only equal caches have in common: the digest of their paths and of their platform. */
	variant: sha256,
});

/** POST /attempts/:id/caches/find */
export const findCaches = z.strictObject({ caches: z.array(wantedCache).min(1).max(MAX_CACHES) });
export type WantedCache = z.input<typeof wantedCache>;

/** A part of a stored cache. */
const cachePart = z.object({ sha256, size: count });
export type CachePart = z.infer<typeof cachePart>;

const foundCache = z.object({
	id: z.string(),
	/** The key that it was saved with. */
	key: z.string(),
	is_exact: z.boolean(),
	/** The sha256 of its archive, before that is compressed: caches with the same content have the same one. */
	content: sha256,
	parts: z.array(cachePart),
	/** Where its parts are, each below its number, from 1 on. The address is the credential. */
	url: z.string(),
	/** Of what is packed in it. */
	files: count,
	unpacked_bytes: count,
});
export type FoundCache = z.infer<typeof foundCache>;
/** For each of the caches, in their order, what was found; and why a scope is refused. */
export const foundCaches = z.object({
	caches: z.array(z.object({ found: foundCache.nullable(), refused: z.string().nullable() })),
});

/** POST /attempts/:id/caches: before the attempt ends, the agent asks which caches it may save. */
export const saveCaches = z.strictObject({
	caches: z
		.array(wantedCache.omit({ restore_keys: true }))
		.min(1)
		.max(MAX_CACHES),
});
/** For each of the caches, in their order, the address that saves it; without one: why it is refused, or null if one with this key exists. */
export const saveAddresses = z.object({
	caches: z.array(z.object({ url: z.string().nullable(), refused: z.string().nullable() })),
});

/** What a machine must be like for a cache to be of use, such as `linux-x64`. */
const platform = z
	.string()
	.max(50)
	.regex(/^[a-z0-9]+-[a-z0-9]+$/, "expected an operating system and a processor, such as linux-x64");

/** POST /agents/self/caches: the caches that are most used by jobs of its labels. */
export const askWarmCaches = z.strictObject({ count: count.min(1).max(MAX_WARM_CACHES), platform });
export const warmCaches = z.object({
	caches: z.array(foundCache.extend({ project: z.string(), paths: z.array(z.string()) })),
});
export type WarmCache = z.infer<typeof warmCaches>["caches"][number];

/** POST to the address of a save: all parts are there. */
export const cacheManifest = z.strictObject({
	content: sha256,
	parts: z
		.array(z.strictObject({ sha256, size: count.min(1).max(CACHE_PART_BYTES) }))
		.min(1)
		.max(MAX_CACHE_PARTS),
	files: count,
	unpacked_bytes: count.max(MAX_CACHE_BYTES),
	paths: z.array(z.string().min(1).max(1000)).min(1).max(MAX_CACHE_PATHS),
	platform,
});
export type CacheManifest = z.infer<typeof cacheManifest>;
/** `is_first`: false if another job was first to save this key. */
export const savedCache = z.object({ id: z.string(), is_first: z.boolean() });
/** POST /attempts/:id/caches/:cache/check. `cannot_unpack`: its parts are whole, but what is in them is not. */
export const checkCache = z.strictObject({ cannot_unpack: z.boolean().optional() });
export const checkedCache = z.object({ is_damaged: z.boolean() });

/** How an attempt used one of its caches. */
const cacheUse = z.object({
	key: z.string().max(2000),
	/** `partial`: with one of the restore keys. `failed`: it was damaged, or could not be fetched. */
	result: z.enum(["hit", "partial", "miss", "failed"]),
	/** The key of the cache that was restored; null without one. */
	restored: z.string().max(2000).nullable(),
	/** Where it came from; null without one. */
	from: z.enum(["agent", "coordinator"]).nullable(),
	/** Unpacked. */
	bytes: count,
	ms: count,
});
export type CacheUse = z.infer<typeof cacheUse>;
export const cacheUses = z.array(cacheUse).max(MAX_CACHES);

/** A stored cache in the API. */
export const cache = z.object({
	id: z.string(),
	key: z.string(),
	/** Whose runs it belongs to, such as `branch main` or `pull request 12`. */
	scope: z.string(),
	size: count,
	unpacked_bytes: count,
	files: count,
	hits: count,
	created_at: z.string(),
	last_used_at: z.string(),
	/** The job that saved it. */
	job_id: z.string(),
});
export type Cache = z.infer<typeof cache>;

/** A cache that was removed without anybody asking for it. */
const removedCache = z.object({
	key: z.string(),
	scope: z.string(),
	size: count,
	why: z.enum(["quota", "team_quota", "installation_quota", "unused", "damaged"]),
	removed_at: z.string(),
});
export type RemovedCache = z.infer<typeof removedCache>;

/** GET /projects/:name/cache-usage */
export const cacheUsage = z.object({
	count,
	/** The results of build tools, which have no key of a pipeline. */
	tools: z.array(z.object({ tool: z.enum(BUILD_TOOLS), results: count, bytes: count })),
	/** What they take in the storage, and what they may take. */
	bytes: count,
	quota: count,
	removed: z.array(removedCache),
});
export type CacheUsage = z.infer<typeof cacheUsage>;
