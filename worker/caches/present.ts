import type { Cache, RemovedCache } from "../../schema/wire/caches.ts";
import type { listRemovals } from "./removals.ts";
import { scopeWords } from "./scopes.ts";
import type { StoredCache } from "./store.ts";

/** A cache as the API shows it. */
export function presentCache({ id, key, scope, size, unpacked_bytes, files, hits, created_at, used_at, job_id }: StoredCache): Cache {
	return {
		...{ id, key, scope: scopeWords(scope), size, unpacked_bytes, files, hits },
		created_at: new Date(created_at).toISOString(),
		last_used_at: new Date(used_at).toISOString(),
		job_id,
	};
}

export function presentRemoval({ key, scope, size, why, removed_at }: Awaited<ReturnType<typeof listRemovals>>[number]): RemovedCache {
	return { key, scope: scopeWords(scope), size, why, removed_at: new Date(removed_at).toISOString() };
}
