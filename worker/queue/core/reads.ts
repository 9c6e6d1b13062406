import type { ArtifactRow } from "../../../schema/database/tables.ts";
import { notFound } from "../../../schema/wire/errors.ts";
import { hasSession } from "./agents/agents.ts";
import type { Core } from "./core.ts";
import type { Pause } from "./hints.ts";
import { pauseOf } from "./leases/pause.ts";
import { queuedJobs } from "./quotas.ts";
import { departedRev } from "./record/outbox.ts";
import {
	type AgentRow,
	type AttemptRow,
	allAgents,
	attemptsOf,
	findAgent,
	findAttempt,
	findJob,
	findRun,
	type JobRow,
	jobsOf,
	liveAttemptsOfAgent,
	type RunRow,
} from "./rows.ts";

/** A run with its jobs and attempts, as rows of the same shape as in D1. */
export interface RunRows {
	run: RunRow;
	jobs: JobRow[];
	attempts: AttemptRow[];
}

/** A live run with all of its jobs and attempts; null if the queue does not hold it. */
export function readRun(core: Core, runId: string): RunRows | null {
	const run = findRun(core, runId);
	return run ? { run, jobs: copiesOf(jobsOf(core, runId)), attempts: copiesOf(attemptsOf(core, runId)) } : null;
}

/** Rows as they are now: those in memory change with the next command. */
function copiesOf<Row extends object>(rows: readonly Readonly<Row>[]): Row[] {
	return rows.map((row) => ({ ...row }));
}

/** The stored pipeline of a live run; null if the queue does not hold it. */
export function readDefinitionOf(core: Core, digest: string): string | null {
	return core.sql.all<{ json: string }>("SELECT json FROM definitions WHERE digest = ?", digest)[0]?.json ?? null;
}

/** The newest revision of a run and everything below it; 0 if the queue does not hold it. */
export function newestRevOf(core: Core, runId: string): number {
	const run = findRun(core, runId);
	const rows = run ? [run, ...jobsOf(core, runId), ...attemptsOf(core, runId)] : [];
	return rows.reduce((newest, { rev }) => Math.max(newest, rev), 0);
}

/** A live job with its attempts; null if the queue does not hold it. */
export function readJob(core: Core, jobId: string): { job: JobRow; attempts: AttemptRow[] } | null {
	const job = findJob(core, jobId);
	return job ? { job, attempts: copiesOf(attemptsOf(core, job.run_id)).filter(({ job_id }) => job_id === jobId) } : null;
}

/** The files of an attempt; null if the queue does not hold the attempt. */
export function readArtifacts(core: Core, attemptId: string): ArtifactRow[] | null {
	if (!findAttempt(core, attemptId)) return null;
	return core.sql.all<ArtifactRow>("SELECT * FROM artifacts WHERE attempt_id = ? ORDER BY path", attemptId);
}

/** The files of all attempts of a run; null if the queue does not hold the run. */
export function readArtifactsOfRun(core: Core, runId: string): ArtifactRow[] | null {
	if (!findRun(core, runId)) return null;
	const attempts = JSON.stringify(attemptsOf(core, runId).map(({ id }) => id));
	return core.sql.all<ArtifactRow>("SELECT * FROM artifacts WHERE attempt_id IN (SELECT value FROM json_each(?)) ORDER BY path", attempts);
}

/** A file of a live attempt, by its path; null if the queue does not hold it. */
export function readArtifact(core: Core, attemptId: string, path: string): ArtifactRow | null {
	return core.sql.all<ArtifactRow>("SELECT * FROM artifacts WHERE attempt_id = ? AND path = ?", attemptId, path)[0] ?? null;
}

/** Runs, uploaded sources and attempts, by id; packs of logs, by key. */
export interface Holdings {
	runs: string[];
	sources: string[];
	attempts: string[];
	packs: string[];
}

export const NOTHING_HELD: Holdings = { runs: [], sources: [], attempts: [], packs: [] };

/**
 * Which of these the queue still holds: its runs and attempts, the sources of its runs, and the packs
 * that have logs of its attempts.
 */
export function heldOf(core: Core, { runs, sources, attempts, packs }: Holdings): Holdings {
	const ids = (text: string, asked: string[]) =>
		asked.length === 0 ? [] : core.sql.all<{ id: string }>(text, JSON.stringify(asked)).map(({ id }) => id);
	return {
		runs: ids("SELECT r.id FROM json_each(?) AS asked CROSS JOIN runs AS r ON r.id = asked.value", runs),
		sources: ids("SELECT DISTINCT source_upload AS id FROM runs WHERE source_upload IN (SELECT value FROM json_each(?))", sources),
		attempts: ids("SELECT a.id FROM json_each(?) AS asked CROSS JOIN attempts AS a ON a.id = asked.value", attempts),
		packs: ids("SELECT DISTINCT log_key AS id FROM attempts WHERE log_key IN (SELECT value FROM json_each(?))", packs),
	};
}

/** An agent with its attempts. */
export interface AgentRows {
	agent: AgentRow;
	running: { job_id: string; job_name: string; run_id: string; attempt: number; started_at: number }[];
}

export function readAgents(core: Core): AgentRows[] {
	return copiesOf(allAgents(core)).map((agent) => withRunning(core, agent));
}

/** One agent with its attempts. @throws ApiError `not_found` */
export function readAgent(core: Core, agentId: string): AgentRows {
	const agent = findAgent(core, agentId);
	if (!agent) throw notFound("agent", agentId);
	return withRunning(core, agent);
}

function withRunning(core: Core, agent: AgentRow): AgentRows {
	const running = liveAttemptsOfAgent(core, agent.id).map(({ job_id, run_id, number, started_at }) => {
		return { job_id, job_name: findJob(core, job_id)?.name ?? "", run_id, attempt: number, started_at };
	});
	return { agent, running };
}

/** What every page says of the queue. */
export interface Overview {
	/** How many jobs wait for an agent, and how many run. */
	queued: number;
	running: number;
	/** How many agents are online, and how many fell silent without a goodbye. */
	online: number;
	lost: number;
	pause: Pause | null;
}

/** The queue in a few numbers, from memory. */
export function readOverview(core: Core): Overview {
	const agents = allAgents(core);
	const online = agents.filter(({ status }) => status !== "offline").length;
	return {
		queued: queuedJobs(core),
		running: agents.reduce((sum, { id }) => sum + liveAttemptsOfAgent(core, id).length, 0),
		online,
		lost: agents.filter((agent) => agent.status === "offline" && hasSession(agent)).length,
		pause: pauseOf(core),
	};
}

/** Changes after a revision, oldest first. */
export interface Changes {
	/** The revision that these changes lead to, for the next request. */
	rev: number;
	/** Whether there are too many changes to list: the caller has to read everything again. */
	isTooFarBehind: boolean;
	/** True if rows after the requested revision have left the queue: D1 has them. */
	hasDeparted: boolean;
	runs: RunRow[];
	jobs: { job: JobRow; attempts: AttemptRow[] }[];
	agents: AgentRows[];
}

const CHANGES_LIMIT = 100;

/**
 * The rows that changed after `since`, at most a hundred of each kind. A row that changed twice
 * appears once, in its newest form.
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
		isTooFarBehind: false,
		hasDeparted: departedRev(core) > since,
		runs: runs.filter((row) => row.rev <= rev),
		jobs: jobs.filter((row) => row.rev <= rev).map((job) => ({ job, attempts: readJob(core, job.id)?.attempts ?? [] })),
		agents: agents.filter((row) => row.rev <= rev).map((agent) => withRunning(core, agent)),
	};
}
