import { deleteObjects } from "../platform/delete_objects.ts";
import { indexKeyOf } from "./line_counter.ts";

/** A log in R2: an object of its own, or a part of a pack. */
export interface StoredLog {
	key: string;
	/** Where it begins in its pack; null for an object of its own. */
	offset: number | null;
	bytes: number;
}

type Storage = { DB: D1Database; BUCKET: R2Bucket };

/**
 * Deletes logs from R2, before their rows no longer name them. A pack goes with its last log; until
 * then, zeros replace the logs that are deleted.
 */
export async function deleteLogs(environment: Storage, logs: readonly StoredLog[]): Promise<void> {
	const ofTheirOwn = logs.filter(({ offset }) => offset === null);
	await deleteObjects(
		environment.BUCKET,
		ofTheirOwn.flatMap(({ key }) => [key, indexKeyOf(key)]),
	);
	const packs = Map.groupBy(
		logs.filter(({ offset }) => offset !== null),
		({ key }) => key,
	);
	const named = await countNamed(environment.DB, [...packs.keys()]);
	for (const [key, deleted] of packs) {
		if (deleted.length >= (named.get(key) ?? 0)) await environment.BUCKET.delete(key);
		else await erase(environment.BUCKET, key, deleted);
	}
}

/** How many attempts name each of these packs. */
async function countNamed(db: D1Database, keys: readonly string[]): Promise<Map<string, number>> {
	if (keys.length === 0) return new Map();
	const { results } = await db
		.prepare(
			`SELECT a.log_key AS key, count(*) AS n FROM json_each(?) AS pack
			CROSS JOIN attempts AS a ON a.log_key = pack.value AND a.log_offset IS NOT NULL GROUP BY a.log_key`,
		)
		.bind(JSON.stringify(keys))
		.all<{ key: string; n: number }>();
	return new Map(results.map(({ key, n }) => [key, n]));
}

/** Writes zeros over logs in a pack. Another deletion may write the same pack meanwhile. */
async function erase(bucket: R2Bucket, key: string, logs: readonly StoredLog[]): Promise<void> {
	for (;;) {
		const object = await bucket.get(key);
		if (!object) return;
		const content = new Uint8Array(await object.arrayBuffer());
		for (const { offset, bytes } of logs) content.fill(0, offset ?? 0, (offset ?? 0) + bytes);
		const written = await bucket.put(key, content, { onlyIf: { etagMatches: object.etag }, httpMetadata: object.httpMetadata ?? {} });
		if (written) return;
	}
}
