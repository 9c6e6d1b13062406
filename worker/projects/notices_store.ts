import { and, asc, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projectNotices } from "../../schema/database/tables.ts";

/**
 * Stored notices of projects: settings to correct. The code that detects a problem adds a notice,
 * and deletes it when the problem is fixed.
 */

const MAX_CHARACTERS = 1_000;

/**
 * Stores a notice on a project, and replaces the notice of the same kind. Does nothing for an
 * unknown project.
 */
export async function putNotice(db: D1Database, team: string, project: string, kind: string, text: string): Promise<void> {
	await db
		.prepare(
			`INSERT INTO project_notices (team, project, kind, text, created_at)
			SELECT team, name, ?3, ?4, ?5 FROM projects WHERE team = ?1 AND name = ?2
			ON CONFLICT (team, project, kind) DO UPDATE SET text = excluded.text, created_at = excluded.created_at WHERE text <> excluded.text`,
		)
		.bind(team, project, kind, text.slice(0, MAX_CHARACTERS), Date.now())
		.run();
}

/** Deletes the notices of these kinds. */
export async function deleteNotices(db: D1Database, team: string, project: string, kinds: readonly string[]): Promise<void> {
	await drizzle(db)
		.delete(projectNotices)
		.where(and(eq(projectNotices.team, team), eq(projectNotices.project, project), inArray(projectNotices.kind, [...kinds])));
}

/** Updates notices: a text stores the notice of its kind, null deletes it. */
export async function updateNotices(db: D1Database, team: string, project: string, notices: Record<string, string | null>): Promise<void> {
	const fixed = Object.keys(notices).filter((kind) => notices[kind] === null);
	if (fixed.length > 0) await deleteNotices(db, team, project, fixed);
	for (const [kind, text] of Object.entries(notices)) if (text !== null) await putNotice(db, team, project, kind, text);
}

/** The stored notices of a project, oldest first. */
export async function listNotices(db: D1Database, team: string, project: string): Promise<string[]> {
	const rows = await drizzle(db)
		.select({ text: projectNotices.text })
		.from(projectNotices)
		.where(and(eq(projectNotices.team, team), eq(projectNotices.project, project)))
		.orderBy(asc(projectNotices.created_at), asc(projectNotices.kind));
	return rows.map(({ text }) => text);
}
