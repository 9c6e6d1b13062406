import type { BuildTool } from "../../schema/wire/build_caches.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { Environment } from "../bindings.ts";
import { findExact, makeRoomSometimes, partKey, recordUse, removeReplaced, replaceCache, type StoredCache } from "../caches/service.ts";
import { clientDisconnected } from "../http/client_disconnect.ts";
import type { JobTokenClaims } from "../identity/job_token.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { timedCache } from "../platform/timed_cache.ts";

/**
 * The results of build tools: each is a cache of one part, whose variant is the name of its tool. A
 * result replaces the one before in its scope: tools add to some of theirs.
 */

/** The largest result. */
const MAX_RESULT_BYTES = 512 * 1024 * 1024;
const MAX_KEY_BYTES = 512;
/** How long a lease that was checked is trusted: a build asks thousands of times. */
const TRUST_MS = 5_000;
/** A use is recorded once in this time: a write for each read would be too many. */
const USE_MS = 60 * 60_000;

/** Of the leases that were checked, whether the disk had room. */
const checkedLeases = timedCache<{ hasRoom: boolean }>(1_000, TRUST_MS);

/**
 * @returns whether the coordinator's disk has room for more
 * @throws ApiError `attempt_finished`, `attempt_superseded` once the job is over
 */
async function checkLive(environment: Environment, claims: JobTokenClaims): Promise<{ hasRoom: boolean }> {
	const known = checkedLeases.get(claims.leaseId);
	if (known) return known;
	const { hasRoom } = unwrap(await dispatcherOf(environment, claims.team).cachingRunOf(claims));
	checkedLeases.set(claims.leaseId, { hasRoom });
	return { hasRoom };
}

/** The result of this key that the job may read; null without one. */
export async function findResult(
	environment: Environment,
	claims: JobTokenClaims,
	tool: BuildTool,
	key: string,
): Promise<StoredCache | null> {
	await checkLive(environment, claims);
	const { team, project, readable } = claims;
	const found = await findExact(environment.DB, { team, project, variant: tool }, checkedKey(key), readable);
	if (found && Date.now() - found.used_at > USE_MS) await recordUse(environment.DB, found.id, Date.now());
	return found;
}

/** A found result; null if it was removed in between. */
export function openResult({ BUCKET }: Environment, { team, object_id }: StoredCache): Promise<R2ObjectBody | null> {
	return BUCKET.get(partKey(team, object_id, 1));
}

/**
 * Stores a result in the job's own scope, as a stream.
 * @param about what the tool wants to get back with it
 * @throws ApiError `length_required`, `too_large`, `attempt_finished`, `unavailable` without room on the disk
 */
export async function putResult(
	environment: Environment,
	claims: JobTokenClaims,
	{ tool, key, about }: { tool: BuildTool; key: string; about: Record<string, string> },
	request: Request,
): Promise<void> {
	const size = sizeOf(request);
	const checked = checkedKey(key);
	const { hasRoom } = await checkLive(environment, claims);
	if (!hasRoom)
		throw new ApiError("unavailable", "The coordinator's disk has no room for more results.", {
			suggestions: ["Free space on the coordinator's disk, or give caches less room."],
			headers: { "Retry-After": "60" },
		});
	const { team, project, own, jobId, isTrusted } = claims;
	const id = newId("cache");
	try {
		await environment.BUCKET.put(partKey(team, id, 1), size === 0 ? new Uint8Array() : request.body, { customMetadata: about });
	} catch (error) {
		throw clientDisconnected(error) ?? error;
	}
	const added = {
		...{ id, team, project, variant: tool, scope: own, key: checked, job_id: jobId, isTrusted, content: id },
		...{ paths: [], platform: "", labels: [] },
		...{ size, unpacked_bytes: size, files: 1, parts: [{ sha256: "", size }] },
	};
	const replaced = await replaceCache(environment.DB, added, Date.now());
	await removeReplaced(environment, replaced);
	await makeRoomSometimes(environment, { id, team, project, size, isTrusted });
}

/** @throws ApiError `length_required`, `too_large` */
function sizeOf(request: Request): number {
	const length = request.headers.get("Content-Length");
	if (length === null)
		throw new ApiError("length_required", "The Content-Length header is missing.", { suggestions: ["Send the size of the result."] });
	const size = Number(length);
	if (size <= MAX_RESULT_BYTES) return size;
	throw new ApiError("too_large", `A result of a build tool has at most ${MAX_RESULT_BYTES} bytes.`, {
		details: { limit: MAX_RESULT_BYTES },
		suggestions: ["Let the tool leave out results of this size."],
	});
}

/** @throws ApiError `validation_failed` for a key that no tool has */
function checkedKey(key: string): string {
	if (key !== "" && new TextEncoder().encode(key).byteLength <= MAX_KEY_BYTES && !/\p{Cc}/u.test(key)) return key;
	throw new ApiError("validation_failed", "The key of the result is empty, too long, or has a control character.", {
		suggestions: [`A key has 1 to ${MAX_KEY_BYTES} bytes.`],
	});
}
