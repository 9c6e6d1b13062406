import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { failedLogs, jobs } from "../../schema/database/tables.ts";
import { withoutStamp } from "../../schema/text/time_stamp.ts";
import type { Environment } from "../bindings.ts";
import { visibleText } from "../failures/service.ts";
import { readLineBlock } from "../logs/service.ts";
import { errorFields, log } from "../platform/logger.ts";
import { findJob } from "../record/runs.ts";

/**
 * The ends of failed logs, for the search. The index is bounded, and made when somebody searches, so
 * that no job pays for it. It can be deleted at any time: the next searches make it again.
 */

const JOBS_INDEXED = 1_000;
/** How many logs a search adds. */
const ADDED_AT_ONCE = 25;
const LINES = 60;
const CHARACTERS = 4_000;

/** Adds the newest failed jobs that the index does not have. @returns how many are still to add */
export async function indexFailedLogs(environment: Environment, team: string): Promise<number> {
	const d1 = drizzle(environment.DB);
	const [known, ...failed] = await d1.batch([
		d1.select({ id: failedLogs.job_id }).from(failedLogs).where(eq(failedLogs.team, team)),
		newestJobs(d1, team, "failed"),
		newestJobs(d1, team, "timed_out"),
	]);
	const isKnown = new Set(known.map(({ id }) => id));
	const newest = failed
		.flat()
		.sort((a, b) => (a.id < b.id ? 1 : -1))
		.slice(0, JOBS_INDEXED)
		.filter(({ id }) => !isKnown.has(id));
	const added = newest.slice(0, ADDED_AT_ONCE);
	// One after the other: a log may have very long lines.
	for (const { id, run_id } of added) {
		const text = await endOf(environment, team, id);
		if (text !== null) await insert(environment.DB, { job_id: id, run_id, team, text });
	}
	if (added.length > 0) await pruneOld(environment.DB, team);
	return newest.length - added.length;
}

function newestJobs(d1: ReturnType<typeof drizzle>, team: string, state: "failed" | "timed_out") {
	return d1
		.select({ id: jobs.id, run_id: jobs.run_id })
		.from(jobs)
		.where(and(eq(jobs.team, team), eq(jobs.state, state)))
		.orderBy(desc(jobs.id))
		.limit(JOBS_INDEXED);
}

/** Adds a row, unless the job has been deleted meanwhile. */
async function insert(db: D1Database, { job_id, run_id, team, text }: typeof failedLogs.$inferInsert): Promise<void> {
	await db
		.prepare("INSERT INTO failed_logs (job_id, run_id, team, text) SELECT id, ?2, ?3, ?4 FROM jobs WHERE id = ?1 ON CONFLICT DO NOTHING")
		.bind(job_id, run_id, team, text)
		.run();
}

/** Deletes all but the newest rows. */
async function pruneOld(db: D1Database, team: string): Promise<void> {
	const d1 = drizzle(db);
	const [oldest] = await d1
		.select({ id: failedLogs.job_id })
		.from(failedLogs)
		.where(eq(failedLogs.team, team))
		.orderBy(desc(failedLogs.job_id))
		.limit(1)
		.offset(JOBS_INDEXED - 1);
	if (oldest) await d1.delete(failedLogs).where(and(eq(failedLogs.team, team), lt(failedLogs.job_id, oldest.id)));
}

/** The last lines of the newest attempt; empty without a log. Null if the log cannot be read now. */
async function endOf(environment: Environment, team: string, jobId: string): Promise<string | null> {
	try {
		const attempt = (await findJob(environment, team, jobId))?.attempts.at(-1);
		if (!attempt || attempt.log_expired_at !== null) return "";
		const { lines } = await readLineBlock(environment, attempt, -LINES, LINES);
		return lines
			.map((line) => visibleText(withoutStamp(line)))
			.join("\n")
			.slice(-CHARACTERS);
	} catch (error) {
		log("warn", "the end of a log cannot be indexed", { job: jobId, ...errorFields(error) });
		return null;
	}
}

/** A failed job whose log has the text near its end, with that line. */
export interface FoundLog {
	job_id: string;
	run_id: string;
	line: string;
}

/** The newest failed jobs with a text in the end of their log. */
export async function findInFailedLogs(db: D1Database, team: string, text: string, limit: number): Promise<FoundLog[]> {
	const rows = await drizzle(db)
		.select()
		.from(failedLogs)
		.where(and(eq(failedLogs.team, team), sql`instr(lower(${failedLogs.text}), ${text.toLowerCase()}) > 0`))
		.orderBy(desc(failedLogs.job_id))
		.limit(limit);
	return rows.map(({ job_id, run_id, text: end }) => ({
		job_id,
		run_id,
		line: end.split("\n").find((line) => line.toLowerCase().includes(text.toLowerCase())) ?? "",
	}));
}

/** The names of jobs, by id. */
export async function namesOfJobs(db: D1Database, ids: readonly string[]): Promise<Map<string, string>> {
	const rows = await drizzle(db)
		.select({ id: jobs.id, name: jobs.name })
		.from(jobs)
		.where(inArray(jobs.id, [...ids]));
	return new Map(rows.map(({ id, name }) => [id, name]));
}
