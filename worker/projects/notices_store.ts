import { and, asc, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projectNotices } from "../../schema/database/tables.ts";

/** Stored notices: what somebody should know of a project, or correct. Whoever finds the cause adds one, and removes it once the cause is gone. */

const MAX_CHARACTERS = 1_000;

/** Shows a notice on a project, in place of the one of the same kind. Does nothing for a project that does not exist. */
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

/** Removes the notices of these kinds, as far as the project has them. */
export async function removeNotices(db: D1Database, team: string, project: string, kinds: readonly string[]): Promise<void> {
	await drizzle(db)
		.delete(projectNotices)
		.where(and(eq(projectNotices.team, team), eq(projectNotices.project, project), inArray(projectNotices.kind, [...kinds])));
}

/** Brings notices up to date: a text shows the notice of its kind, null removes it. */
export async function updateNotices(db: D1Database, team: string, project: string, notices: Record<string, string | null>): Promise<void> {
	const gone = Object.keys(notices).filter((kind) => notices[kind] === null);
	if (gone.length > 0) await removeNotices(db, team, project, gone);
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
