import * as z from "zod";
import type { FoundCache, findCaches, foundCaches } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import { type LeaseTokenClaims, leaseClaims } from "../identity/lease_token.ts";
import { sign } from "../identity/signing.ts";
import { type CachingAttempt, cachingAttempt } from "./caching_run.ts";
import { findByPrefix, findExact, recordUse, type StoredCache } from "./store.ts";

/** Finds the caches of a job that begins: by their keys, in the scopes that its run reads. */

type Wanted = z.infer<typeof findCaches>["caches"][number];

/** The right to read the parts of one content. */
export const contentClaims = leaseClaims.extend({ objectId: z.string() });

/** @throws ApiError `attempt_finished`, `attempt_superseded` */
export async function findCachesOf(
	environment: Environment,
	lease: LeaseTokenClaims,
	wanted: readonly Wanted[],
): Promise<z.infer<typeof foundCaches>> {
	const attempt = await cachingAttempt(environment, lease);
	const caches = await Promise.all(
		wanted.map(async (one) => {
			const scopes = attempt.scopes(one.scope);
			if (typeof scopes === "string") return { found: null, refused: scopes };
			const stored = await find(environment.DB, attempt, one, scopes.readable);
			return { found: stored && (await presentFound(environment, lease, stored, one.key)), refused: null };
		}),
	);
	return { caches };
}

async function find(
	db: D1Database,
	{ team, project }: CachingAttempt,
	{ key, restore_keys, variant }: Wanted,
	scopes: readonly string[],
): Promise<StoredCache | null> {
	const place = { team, project, variant };
	let found = await findExact(db, place, key, scopes);
	for (const prefix of found ? [] : restore_keys) {
		found = await findByPrefix(db, place, prefix, scopes);
		if (found) break;
	}
	if (found) await recordUse(db, found.id, Date.now());
	return found;
}

/** A restore begins at once, and the address is a credential. */
const CONTENT_MS = 2 * 60 * 60_000;

/** A found cache, with an address that its reader alone gets. */
export async function presentFound(
	environment: Environment,
	lease: LeaseTokenClaims,
	stored: StoredCache,
	key: string,
): Promise<FoundCache> {
	const claims = { ...lease, objectId: stored.object_id };
	return {
		id: stored.id,
		key: stored.key,
		is_exact: stored.key === key,
		content: stored.content,
		parts: [...stored.parts],
		files: stored.files,
		unpacked_bytes: stored.unpacked_bytes,
		url: `/api/v1/caches/contents/${await sign(environment.SIGNING_KEY, "cache", claims, Date.now() + CONTENT_MS)}`,
	};
}
