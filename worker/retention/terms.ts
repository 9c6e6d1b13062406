import type { ProjectRow } from "../../schema/database/tables.ts";
import { parseDuration } from "../../schema/wire/duration.ts";

/** When the time of what is kept is expired. */

/** A project, as its name is within a team. */
interface ProjectName {
	team: string;
	project: string;
}

/** What began before `before` is expired: of one project, or of all but those that have a policy of their own. */
export type RetentionPolicy = { before: number } & ({ of: ProjectName } | { of: null; except: readonly ProjectName[] });

/** The policies of one kind of thing: that of most projects first. @param usualMs how long it is kept where a project does not say otherwise */
export function retentionPolicies(
	projects: readonly ProjectRow[],
	key: "keep_runs" | "keep_logs" | "keep_artifacts",
	usualMs: number,
	now: number,
): RetentionPolicy[] {
	const own = projects.flatMap((row) => {
		const ms = row[key] === null ? null : parseDuration(row[key]);
		return ms === null ? [] : [{ of: { team: row.team, project: row.name }, before: now - ms }];
	});
	return [{ before: now - usualMs, of: null, except: own.map(({ of }) => of) }, ...own];
}
