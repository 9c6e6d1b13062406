import { and, desc, eq, getTableColumns, inArray, lt, ne, or, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type RunRow, runs } from "../../schema/database/tables.ts";
import { firstId } from "../../schema/wire/ids.ts";
import type { RunKind } from "../../schema/wire/resources.ts";
import { RUN_STATES, type RunState } from "../../schema/wire/states.ts";
import type { ListFilter } from "./runs.ts";

/** Lists of runs, newest first, by an index. */

/** Which runs are listed. A filter that is null or missing excludes no run. */
export interface RunFilter {
	states?: readonly RunState[] | null;
	project?: string | null;
	branch?: string | null;
	/** By default, runs without comparisons and without successful discovery runs. */
	kind?: RunKind | null;
	/** The kind of the trigger, such as `push`. */
	event?: string | null;
	/** Who submitted the run, or wrote its commit. */
	author?: string | null;
	number?: number | null;
	/** A part of the pipeline, branch, tag or commit message, or the beginning of the commit. */
	text?: string | null;
}

export interface RunList {
	rows: RunRow[];
	/** Where the next page begins; null at the end. */
	next: string | null;
}

/**
 * How many runs of an index one page looks at. A filter without an index finds older runs on the
 * next page.
 */
const MOST_SEEN = 5_000;

/** Runs, newest first. A page may be short, or empty, although more runs follow. */
export async function listRuns(db: D1Database, team: string, filter: ListFilter & RunFilter): Promise<RunList> {
	const { limit, project, branch, states } = filter;
	const isOfIndex = [eq(runs.team, team), filter.after ? lt(runs.id, filter.after) : undefined];
	const isWanted = [ofKind(filter.kind ?? null), ...conditionsOf(filter)];
	if (project) {
		isOfIndex.push(eq(runs.project, project), branch ? eq(runs.branch, branch) : undefined);
		if (states) isWanted.push(inArray(runs.state, [...states]));
		return scan(db, isOfIndex, isWanted, limit);
	}
	if (branch) isWanted.push(eq(runs.branch, branch));
	if (!states) return scan(db, isOfIndex, isWanted, limit);
	const found = await Promise.all(states.map((state) => scan(db, [...isOfIndex, eq(runs.state, state)], isWanted, limit)));
	return merged(found, limit);
}

/** Looks at the rows of an index from its end, and takes those that meet all conditions. */
async function scan(db: D1Database, isOfIndex: (SQL | undefined)[], isWanted: (SQL | undefined)[], limit: number): Promise<RunList> {
	const d1 = drizzle(db);
	const seen = d1
		.select(getTableColumns(runs))
		.from(runs)
		.where(and(...isOfIndex))
		.orderBy(desc(runs.id))
		.limit(MOST_SEEN)
		.as("runs");
	const rows = await d1
		.select()
		.from(seen)
		.where(and(...isWanted))
		.limit(limit + 1);
	const shown = rows.slice(0, limit);
	if (rows.length > limit) return { rows: shown, next: shown.at(-1)?.id ?? null };
	const [last] = await d1
		.select({ id: runs.id })
		.from(runs)
		.where(and(...isOfIndex))
		.orderBy(desc(runs.id))
		.limit(1)
		.offset(MOST_SEEN - 1);
	return { rows: shown, next: last?.id ?? null };
}

/** The newest of several lists. Behind a list that ends early, nothing is certain. */
function merged(lists: readonly RunList[], limit: number): RunList {
	const bound =
		lists
			.map(({ next }) => next ?? "")
			.sort()
			.at(-1) ?? "";
	const all = lists.flatMap(({ rows }) => rows).sort((a, b) => (a.id < b.id ? 1 : -1));
	const certain = all.filter(({ id }) => id >= bound);
	const rows = certain.slice(0, limit);
	const next = certain.length > limit ? (rows.at(-1)?.id ?? null) : bound || null;
	return { rows, next };
}

/** A successful discovery run only repeats what its runs show. */
function ofKind(kind: RunKind | null): SQL | undefined {
	if (kind) return eq(runs.kind, kind);
	return or(eq(runs.kind, "pipeline"), and(eq(runs.kind, "discovery"), ne(runs.state, "succeeded")));
}

function conditionsOf({ event, author, text, number }: RunFilter): (SQL | undefined)[] {
	return [
		event ? eq(runs.trigger_kind, event) : undefined,
		number ? eq(runs.number, number) : undefined,
		// A forge may write an author as `Ada <ada@example.org>`.
		author
			? or(
					eq(runs.trigger_actor, author),
					eq(runs.commit_author, author),
					sql`${runs.commit_author} LIKE ${`${liked(author)} <%`} ESCAPE '\\'`,
				)
			: undefined,
		text ? containing(text) : undefined,
	];
}

function containing(text: string): SQL | undefined {
	const part = `%${liked(text)}%`;
	const columns = [runs.pipeline, runs.branch, runs.tag, runs.commit_message];
	const number = /^#?(\d{1,9})$/.exec(text)?.[1];
	return or(
		...columns.map((column) => sql`${column} LIKE ${part} ESCAPE '\\'`),
		/^[0-9a-f]{4,40}$/i.test(text) ? sql`${runs.commit_sha} LIKE ${`${text}%`}` : undefined,
		number ? eq(runs.number, Number(number)) : undefined,
	);
}

function liked(text: string): string {
	return text.replace(/[\\%_]/g, (mark) => `\\${mark}`);
}

/** A count beyond this is shown as "more than". */
export const MOST_COUNTED = 1_000;

/** How many runs are in each of these states since a time, at most `MOST_COUNTED` of each. */
export async function countRuns(db: D1Database, team: string, since: Partial<Record<RunState, number>>): Promise<Record<RunState, number>> {
	const states = Object.entries(since) as [RunState, number][];
	// One statement: each costs a round trip of its own.
	const columns = states.map(
		([state], index) =>
			`(SELECT count(*) FROM (SELECT 1 FROM runs WHERE team = ?1 AND state = '${state}' AND id >= ?${index + 2} AND kind <> 'comparison' LIMIT ${MOST_COUNTED})) AS ${state}`,
	);
	const found = await db
		.prepare(`SELECT ${columns.join(", ")}`)
		.bind(team, ...states.map(([, from]) => firstId("run", from)))
		.first<Record<RunState, number>>();
	return { ...(Object.fromEntries(RUN_STATES.map((state) => [state, 0])) as Record<RunState, number>), ...found };
}
