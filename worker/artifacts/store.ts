import { and, inArray, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { uploads } from "../../schema/database/tables.ts";
import { notAmong } from "../record/not_among.ts";

/** Objects that attempts may upload to R2. Retention deletes objects that no result names. */

export type Upload = typeof uploads.$inferSelect;

/** Adds any number of uploads in one statement. */
export async function addUploads(
	db: D1Database,
	attempt: { id: string; team: string },
	added: readonly { key: string; artifact_key: string }[],
): Promise<void> {
	await db
		.prepare(
			`INSERT INTO uploads (key, artifact_key, team, attempt_id, created_at)
			SELECT value ->> 'key', value ->> 'artifact_key', ?, ?, ? FROM json_each(?) WHERE true
			ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at`,
		)
		.bind(attempt.team, attempt.id, Date.now(), JSON.stringify(added))
		.run();
}

/** The oldest uploads that were requested before this time. */
export async function uploadsBefore(db: D1Database, before: number, limit: number, held: readonly string[]): Promise<Upload[]> {
	return drizzle(db)
		.select()
		.from(uploads)
		.where(and(lt(uploads.created_at, before), notAmong(uploads.attempt_id, held)))
		.orderBy(uploads.created_at)
		.limit(limit);
}

export async function deleteUploads(db: D1Database, keys: readonly string[]): Promise<void> {
	if (keys.length > 0)
		await drizzle(db)
			.delete(uploads)
			.where(inArray(uploads.key, [...keys]));
}
