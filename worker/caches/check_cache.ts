import { CACHE_SCOPES } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { hex } from "../platform/bytes.ts";
import { log } from "../platform/logger.ts";
import { cachingAttempt } from "./caching_run.ts";
import { partKey, removeCaches } from "./objects.ts";
import { findCache, type StoredCache } from "./store.ts";

/**
 * Checks a cache that an agent could not use, and removes it if it is damaged. The coordinator looks
 * for itself, so that no agent can remove the caches of others. It does not unpack: whether it can be
 * unpacked is up to a run that writes to the scope of the cache.
 * @returns whether it is damaged, or gone
 */
export async function checkCache(environment: Environment, lease: LeaseTokenClaims, id: string, cannotUnpack: boolean): Promise<boolean> {
	const { team, project, scopes } = await cachingAttempt(environment, lease);
	const cache = await findCache(environment.DB, team, project, id);
	if (!cache) return true;
	const isOwn = CACHE_SCOPES.map(scopes).some((found) => typeof found !== "string" && found.own === cache.scope);
	if (!(cannotUnpack && isOwn) && (await isWhole(environment, cache))) return false;
	log("warn", "a damaged cache is removed", { cache: id, project, key: cache.key });
	await removeCaches(environment, [cache], "damaged");
	return true;
}

async function isWhole({ BUCKET }: Environment, { team, object_id, parts }: StoredCache): Promise<boolean> {
	for (const [index, { sha256, size }] of parts.entries()) {
		const object = await BUCKET.get(partKey(team, object_id, index + 1));
		if (object?.size !== size) return false;
		const digest = new crypto.DigestStream("SHA-256");
		await object.body.pipeTo(digest);
		if (hex(await digest.digest) !== sha256) return false;
	}
	return true;
}
