import * as z from "zod";
import type { CacheManifest, saveAddresses, saveCaches, savedCache } from "../../schema/wire/caches.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { CACHE_PART_BYTES, MAX_CACHE_PARTS } from "../../schema/wire/limits.ts";
import { storePart } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { type LeaseTokenClaims, leaseClaims } from "../identity/lease_token.ts";
import { verifyForLease } from "../identity/signed_for_lease.ts";
import { sign } from "../identity/signing.ts";
import { cachingAttempt } from "./caching_run.ts";
import { makeRoom } from "./evict_caches.ts";
import { partKey } from "./objects.ts";
import { addCache, hasEntry } from "./store.ts";

/**
 * Saves caches. While the lease holds, the agent gets an address for each; with it, it uploads the
 * parts when the job is over, and names them all at the end. Before that nobody finds the cache.
 */

/** How long an agent may take to save, after its job has ended. */
const SAVE_MS = 60 * 60_000;

const saveClaims = leaseClaims.extend({
	cacheId: z.string(),
	project: z.string(),
	scope: z.string(),
	key: z.string(),
	variant: z.string(),
	labels: z.array(z.string()),
	isTrusted: z.boolean(),
});
type SaveClaims = z.infer<typeof saveClaims>;

/** The addresses for caches whose keys nobody has saved. @throws ApiError `attempt_finished`, `attempt_superseded` */
export async function addressesFor(
	environment: Environment,
	lease: LeaseTokenClaims,
	wanted: z.infer<typeof saveCaches>["caches"],
): Promise<z.infer<typeof saveAddresses>> {
	const { team, project, isTrusted, labels, scopes, hasRoom } = await cachingAttempt(environment, lease);
	const caches = await Promise.all(
		wanted.map(async ({ key, variant, scope: asked }) => {
			const own = scopes(asked);
			if (typeof own === "string") return { url: null, refused: own };
			if (!hasRoom) return { url: null, refused: "The coordinator's disk has no room for more." };
			if (await hasEntry(environment.DB, { team, project, variant }, own.own, key)) return { url: null, refused: null };
			const cacheId = newId("cache");
			const claims: SaveClaims = {
				...lease,
				cacheId,
				project,
				scope: own.own,
				key,
				variant,
				labels: [...labels],
				isTrusted,
			};
			return {
				url: `/api/v1/caches/saves/${await sign(environment.SIGNING_KEY, "cache_save", claims, Date.now() + SAVE_MS)}`,
				refused: null,
			};
		}),
	);
	return { caches };
}

/** The cache that an address saves. @throws ApiError `authentication_required` */
async function claimsOf(environment: Environment, token: string): Promise<SaveClaims> {
	const claims = await verifyForLease(environment, "cache_save", token, (found) => saveClaims.safeParse(found).data ?? null);
	if (claims) return claims;
	throw new ApiError("authentication_required", "The address is invalid or has expired.", {
		suggestions: ["Leave the cache: a later job saves it."],
	});
}

/** Stores a part, as a stream. @throws ApiError */
export async function putCachePart(environment: Environment, token: string, numberText: string, request: Request): Promise<void> {
	const { team, cacheId } = await claimsOf(environment, token);
	const number = Number(numberText);
	if (!Number.isInteger(number) || number < 1 || number > MAX_CACHE_PARTS)
		throw new ApiError("validation_failed", `${JSON.stringify(numberText.slice(0, 20))} is not the number of a part.`, {
			suggestions: [`Number the parts from 1 to ${MAX_CACHE_PARTS}.`],
		});
	const size = Number(request.headers.get("Content-Length"));
	if (size > CACHE_PART_BYTES)
		throw new ApiError("too_large", `A part has at most ${CACHE_PART_BYTES} bytes.`, {
			details: { limit: CACHE_PART_BYTES },
			suggestions: ["Cut the archive into parts of this size."],
		});
	await storePart(
		environment,
		{ key: partKey(team, cacheId, number), size, sha256: request.headers.get("X-Content-SHA256") ?? "" },
		request,
	);
}

/**
 * Makes a cache visible once all of its parts are stored. A repeat gets the same answer.
 * @throws ApiError `validation_failed` for a missing part
 */
export async function commitCache(environment: Environment, token: string, manifest: CacheManifest): Promise<z.infer<typeof savedCache>> {
	const claims = await claimsOf(environment, token);
	const { team, project, cacheId } = claims;
	await checkParts(environment, claims, manifest);
	const { content, parts, files, unpacked_bytes, paths, platform } = manifest;
	const size = parts.reduce((sum, part) => sum + part.size, 0);
	const { entryId, objectId } = await addCache(
		environment.DB,
		{
			...{ id: cacheId, team, project, variant: claims.variant, scope: claims.scope, key: claims.key },
			...{ paths, platform, labels: claims.labels },
			...{ job_id: claims.jobId, isTrusted: claims.isTrusted, content },
			...{ size, unpacked_bytes, files, parts },
		},
		Date.now(),
	);
	// The same content is there already: retention deletes these parts, which nothing names.
	if (objectId === cacheId) await makeRoom(environment, { id: entryId, team, project, size, isTrusted: claims.isTrusted });
	return { id: entryId, is_first: entryId === cacheId };
}

const CHECKED_AT_ONCE = 50;

async function checkParts({ BUCKET }: Environment, { team, cacheId }: SaveClaims, { parts }: CacheManifest): Promise<void> {
	for (let at = 0; at < parts.length; at += CHECKED_AT_ONCE) {
		const slice = parts.slice(at, at + CHECKED_AT_ONCE);
		const found = await Promise.all(slice.map((_, index) => BUCKET.head(partKey(team, cacheId, at + index + 1))));
		const wrong = found.findIndex((object, index) => object?.size !== slice[index]?.size);
		if (wrong !== -1)
			throw new ApiError("validation_failed", `Part ${at + wrong + 1} of the cache is missing or has another size.`, {
				suggestions: ["Upload the part again."],
			});
	}
}
