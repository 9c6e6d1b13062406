import type { ArtifactRow } from "../../../schema/database/tables.ts";
import { notFound } from "../../../schema/wire/errors.ts";
import type { Core } from "./core.ts";
import { departedRev } from "./record/outbox.ts";
import { type AgentRow, type AttemptRow, findAgent, findAttempt, type JobRow, type RunRow } from "./rows.ts";

/** A run with everything under it, as rows; the same shape that D1 gives. */
export interface RunRows {
	run: RunRow;
	jobs: JobRow[];
	attempts: AttemptRow[];
}

/** A live run and all of its jobs and attempts; null if the queue does not hold it (any more). */
export function readRun(core: Core, runId: string): RunRows | null {
	const run = core.sql.all<RunRow>("SELECT * FROM runs WHERE id = ?", runId)[0];
	if (!run) return null;
	return {
		run,
		jobs: core.sql.all<JobRow>("SELECT * FROM jobs WHERE run_id = ? ORDER BY position", runId),
		attempts: core.sql.all<AttemptRow>("SELECT * FROM attempts WHERE run_id = ? ORDER BY number", runId),
	};
}

/** What a live run is made of, as it is stored; null if the queue does not hold it (any more). */
export function readDefinitionOf(core: Core, digest: string): string | null {
	return core.sql.all<{ json: string }>("SELECT json FROM definitions WHERE digest = ?", digest)[0]?.json ?? null;
}

/** The newest revision of a run and all that is under it; 0 if the queue does not hold it (any more). */
export function newestRevOf(core: Core, runId: string): number {
	const [newest] = core.sql.all<{ rev: number | null }>(
		`SELECT max(rev) AS rev FROM (SELECT rev FROM runs WHERE id = ?1
		UNION ALL SELECT max(rev) FROM jobs WHERE run_id = ?1 UNION ALL SELECT max(rev) FROM attempts WHERE run_id = ?1)`,
		runId,
	);
	return newest?.rev ?? 0;
}

/** A live job with its attempts; null if the queue does not hold it (any more). */
export function readJob(core: Core, jobId: string): { job: JobRow; attempts: AttemptRow[] } | null {
	const job = core.sql.all<JobRow>("SELECT * FROM jobs WHERE id = ?", jobId)[0];
	if (!job) return null;
	return { job, attempts: core.sql.all<AttemptRow>("SELECT * FROM attempts WHERE job_id = ? ORDER BY number", jobId) };
}

/** The files of an attempt; null if the queue does not hold the attempt (any more). */
export function readArtifacts(core: Core, attemptId: string): ArtifactRow[] | null {
	if (!findAttempt(core, attemptId)) return null;
	return core.sql.all<ArtifactRow>("SELECT * FROM artifacts WHERE attempt_id = ? ORDER BY path", attemptId);
}

/** A file of a live attempt, by its path; null if the queue does not hold it (any more). */
export function readArtifact(core: Core, attemptId: string, path: string): ArtifactRow | null {
	return core.sql.all<ArtifactRow>("SELECT * FROM artifacts WHERE attempt_id = ? AND path = ?", attemptId, path)[0] ?? null;
}

/** Runs, uploaded sources and attempts, by their ids. */
export interface Holdings {
	runs: string[];
	sources: string[];
	attempts: string[];
}

/** Which of these the queue still holds: the runs and attempts in it, the sources that a run in it is made from. */
export function heldOf(core: Core, { runs, sources, attempts }: Holdings): Holdings {
	const ids = (text: string, asked: string[]) =>
		asked.length === 0 ? [] : core.sql.all<{ id: string }>(text, JSON.stringify(asked)).map(({ id }) => id);
	return {
		runs: ids("SELECT r.id FROM json_each(?) AS asked CROSS JOIN runs AS r ON r.id = asked.value", runs),
		sources: ids("SELECT DISTINCT source_upload AS id FROM runs WHERE source_upload IN (SELECT value FROM json_each(?))", sources),
		attempts: ids("SELECT a.id FROM json_each(?) AS asked CROSS JOIN attempts AS a ON a.id = asked.value", attempts),
	};
}

/** An agent and what it runs. */
export interface AgentRows {
	agent: AgentRow;
	running: { job_id: string; job_name: string; run_id: string; attempt: number }[];
}

export function readAgents(core: Core): AgentRows[] {
	return core.sql.all<AgentRow>("SELECT * FROM agents ORDER BY name").map((agent) => withRunning(core, agent));
}

/** One agent and what it runs. @throws ApiError `not_found` */
export function readAgent(core: Core, agentId: string): AgentRows {
	const agent = findAgent(core, agentId);
	if (!agent) throw notFound("agent", agentId);
	return withRunning(core, agent);
}

function withRunning(core: Core, agent: AgentRow): AgentRows {
	return {
		agent,
		running: core.sql.all(
			`SELECT a.job_id, j.name AS job_name, a.run_id, a.number AS attempt FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id
			WHERE a.agent_id = ? AND a.state IN ('running', 'cancelling') ORDER BY a.started_at`,
			agent.id,
		),
	};
}

/** What changed after a revision, oldest first. */
export interface Changes {
	/** The revision that the reader has seen with these; to be asked with next time. */
	rev: number;
	/** True if rows after the asked revision have left the queue: the record in D1 has them. */
	hasDeparted: boolean;
	runs: RunRow[];
	jobs: { job: JobRow; attempts: AttemptRow[] }[];
	agents: AgentRows[];
}

const CHANGES_LIMIT = 100;

/**
 * The rows that changed after `since`, at most a hundred of each kind. A row that changed twice is given once, in its newest
 * form.
 */
export function readChanges(core: Core, since: number): Changes {
	const changed = <Row extends { rev: number }>(table: string) =>
		core.sql.all<Row>(`SELECT * FROM ${table} WHERE rev > ? ORDER BY rev LIMIT ?`, since, CHANGES_LIMIT);
	const runs = changed<RunRow>("runs");
	const jobs = changed<JobRow>("jobs");
	const agents = changed<AgentRow>("agents");
	// A truncated kind has more rows: the answer must not name a revision beyond its last row.
	const rev = Math.min(
		core.rev,
		...[runs, jobs, agents].filter((rows) => rows.length === CHANGES_LIMIT).map((rows) => rows.at(-1)?.rev ?? core.rev),
	);
	return {
		rev,
		hasDeparted: departedRev(core) > since,
		runs: runs.filter((row) => row.rev <= rev),
		jobs: jobs.filter((row) => row.rev <= rev).map((job) => ({ job, attempts: readJob(core, job.id)?.attempts ?? [] })),
		agents: agents.filter((row) => row.rev <= rev).map((agent) => withRunning(core, agent)),
	};
}
