import { and, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type SourceRow, sources } from "../../schema/database/tables.ts";

/** Uploaded source bundles, by id and by content. */

export async function findSource(db: D1Database, team: string, id: string): Promise<SourceRow | null> {
	const rows = await drizzle(db)
		.select()
		.from(sources)
		.where(and(eq(sources.id, id), eq(sources.team, team)));
	return rows[0] ?? null;
}

/** Finds a source with this content, and keeps it for another day. */
export async function reuseSource(db: D1Database, team: string, sha256: string): Promise<SourceRow | null> {
	const rows = await drizzle(db)
		.update(sources)
		.set({ used_at: Date.now() })
		.where(and(eq(sources.team, team), eq(sources.sha256, sha256)))
		.returning();
	return rows[0] ?? null;
}

/** Records that a submission uses this source. @returns false if it has been deleted */
export async function touchSource(db: D1Database, team: string, id: string): Promise<boolean> {
	const rows = await drizzle(db)
		.update(sources)
		.set({ used_at: Date.now() })
		.where(and(eq(sources.id, id), eq(sources.team, team)))
		.returning({ id: sources.id });
	return rows.length > 0;
}

export async function addSource(db: D1Database, source: SourceRow): Promise<void> {
	await drizzle(db).insert(sources).values(source);
}
