import type { ProjectRow } from "../../schema/database/tables.ts";
import { parseDuration } from "../../schema/wire/duration.ts";

/** Retention policies: how long the data of each project is kept. */

/** A project by team and name. */
interface ProjectName {
	team: string;
	project: string;
}

/**
 * Data from before `before` is expired: of one project, or of all projects except those with their
 * own policy.
 */
export type RetentionPolicy = { before: number } & ({ of: ProjectName } | { of: null; except: readonly ProjectName[] });

/**
 * The policies of one kind of data; the default policy comes first.
 * @param usualMs the retention of the default policy
 */
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
