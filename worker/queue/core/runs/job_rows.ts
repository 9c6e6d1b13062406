import { definitionJson } from "../../../../schema/pipeline/resolve/definition_json.ts";
import { jobsMeant } from "../../../../schema/pipeline/resolve/references.ts";
import type { ResolvedJob, ResolvedPipeline } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { JobState, Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { recordTransition } from "../record/events.ts";
import { markDirty } from "../record/outbox.ts";
import { addRow, changeRow, type JobRow, jobsOf, type RunRow } from "../rows.ts";
import { groupKey, setGroupLimit } from "./groups.ts";

/** The rows of the jobs of a run, and its stored pipeline. */

const REUSED: Reason = { code: "reused", text: "The result of the run before was taken over." };
const NEEDS: Reason = { code: "needs", text: "Waits for the jobs that it needs." };

/** The result of a job that a rerun takes over. */
export interface ReusedResult {
	position: number;
	state: JobState;
	reason: Reason | null;
	outputs: string | null;
	resultAttempt: string | null;
	exitCode: number | null;
}

/** What the rows of a run's jobs have in common. */
export interface JobOwner {
	runId: string;
	pipeline: ResolvedPipeline;
	project: string;
	/** False for a run of a fork. */
	isTrusted: boolean;
}
/** The ids of the jobs of a pipeline. */
export type JobIds = ReadonlyMap<ResolvedJob, string>;

/**
 * Writes the row of one job, blocked or with a result that is taken over, and its needs.
 */
export function insertJob(core: Core, of: JobOwner, position: number, ids: JobIds, taken?: ReusedResult): void {
	const { runId, pipeline } = of;
	const job = pipeline.jobs[position] as ResolvedJob;
	const id = ids.get(job) as string;
	const entry = nextRev(core);
	const now = core.now();
	const state = taken?.state ?? "blocked";
	const reason = taken ? (taken.reason ?? REUSED) : NEEDS;
	addRow(core, "jobs", {
		...{ id, team: core.team, rev: nextRev(core), run_id: runId, position, attempt: 0, created_at: now, state, entry },
		...{ reason_code: reason.code, reason_text: reason.text, ...columnsOf(core, of, job) },
		...{ outputs: taken?.outputs ?? null, result_attempt: taken?.resultAttempt ?? null, exit_code: taken?.exitCode ?? null },
		finished_at: taken ? now : null,
	});
	if (taken) recordTransition(core, { runId, jobId: id, from: null, to: state, reason: REUSED });
	markDirty(core, runId);
	insertNeeds(core, pipeline, position, ids);
}

/** The columns of a job that its definition decides. */
export function columnsOf(core: Core, of: JobOwner, job: ResolvedJob): Partial<JobRow> {
	const { pipeline, project, isTrusted } = of;
	const group = job.concurrency && groupKey("job", { ...groupOf(of), group: job.concurrency.group });
	if (group && job.concurrency) setGroupLimit(core, group, job.concurrency.limit);
	const requirements = JSON.stringify(job.runs_on);
	const partition = partitionOf(core, {
		requirements,
		project,
		priority: pipeline.priority,
		group: group ?? "",
		isTrusted,
	});
	return {
		...{ key: job.key, name: job.name, needs: JSON.stringify([...new Set(job.needs.map(({ key }) => key))]) },
		...{ runs_on: requirements, partition_id: partition, matrix: job.matrix && JSON.stringify(job.matrix) },
		...{ allow_failure: job.allow_failure ? 1 : 0, group_key: group },
	};
}

export function addNeed(core: Core, jobId: string, neededId: string): void {
	core.sql.all("INSERT INTO needs (job_id, needs_id) VALUES (?, ?)", jobId, neededId);
}

/** Writes which jobs a job needs. */
function insertNeeds(core: Core, pipeline: ResolvedPipeline, position: number, ids: JobIds): void {
	const job = pipeline.jobs[position] as ResolvedJob;
	const needed = new Set(job.needs.flatMap((need) => jobsMeant(pipeline.jobs, need)));
	for (const one of needed) addNeed(core, ids.get(job) as string, ids.get(one) as string);
}

/** The owner of the groups of a run. */
export function groupOf({ project, pipeline, isTrusted }: Omit<JobOwner, "runId">) {
	return { project, isTrusted, pullRequest: pipeline.pull_request?.number ?? null };
}

/** Stores a pipeline, unless it is stored already. */
export function storeDefinition(core: Core, digest: string, pipeline: ResolvedPipeline): void {
	if (core.sql.all("SELECT 1 FROM definitions WHERE digest = ?", digest).length > 0) return;
	core.sql.all("INSERT INTO definitions (digest, json) VALUES (?, ?)", digest, definitionJson(pipeline));
}

/** The pipeline of a run grows: it is stored under a key of its own. Call it inside a command. */
export function replaceDefinition(core: Core, run: RunRow, pipeline: ResolvedPipeline): void {
	const former = run.definition;
	const [, version = "0"] = former.startsWith(`${run.id}:`) ? former.split(":") : [];
	const definition = `${run.id}:${Number(version) + 1}`;
	const grown = { ...pipeline, replaces: pipeline.replaces ?? former };
	storeDefinition(core, definition, grown);
	core.definitions.set(definition, grown);
	changeRow(core, "runs", run.id, { definition, rev: nextRev(core) });
	run.definition = definition;
	markDirty(core, run.id);
	core.sql.all("DELETE FROM definitions WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM runs WHERE definition = ?)", former, former);
}

/** The ids of the jobs of a run, by their definitions. */
export function idsOf(core: Core, runId: string, { jobs }: ResolvedPipeline): Map<ResolvedJob, string> {
	return new Map(jobsOf(core, runId).map(({ id, position }) => [jobs[position] as ResolvedJob, id]));
}

export function ownerOf({ id, project, is_trusted }: RunRow, pipeline: ResolvedPipeline): JobOwner {
	return { runId: id, pipeline, project, isTrusted: is_trusted === 1 };
}

/** The queue partition of jobs with the same requirements, project, trust, priority and group. */
function partitionOf(
	core: Core,
	of: { requirements: string; project: string; priority: number; group: string; isTrusted: boolean },
): number {
	const { requirements, project, priority, group, isTrusted } = of;
	const values = [requirements, project, priority, group, isTrusted ? 1 : 0] as const;
	const [known] = core.sql.all<{ id: number }>(
		"SELECT id FROM queue_partitions WHERE requirements = ? AND project = ? AND priority = ? AND group_key = ? AND is_trusted = ?",
		...values,
	);
	if (known) return known.id;
	const [added] = core.sql.all<{ id: number }>(
		"INSERT INTO queue_partitions (requirements, project, priority, group_key, is_trusted) VALUES (?, ?, ?, ?, ?) RETURNING id",
		...values,
	);
	return (added as { id: number }).id;
}
