import { definitionJson } from "../../../../schema/pipeline/resolve/definition_json.ts";
import { jobsMeant } from "../../../../schema/pipeline/resolve/references.ts";
import type { ResolvedPipeline } from "../../../../schema/pipeline/resolve/resolved.ts";
import { ApiError } from "../../../../schema/wire/errors.ts";
import type { RunKind } from "../../../../schema/wire/resources.ts";
import { isTerminal, type JobState, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { updateStatus } from "../effects/statuses.ts";
import { recordTransition } from "../record/events.ts";
import { markDirty } from "../record/outbox.ts";
import { addRow, changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { setTimer } from "../timers.ts";
import { supersedeRuns } from "./cancel.ts";
import { pipelineOf } from "./definitions.ts";
import { GROUP_SLOT, groupKey, setGroupLimit } from "./groups.ts";
import { admitRuns, advance, afterJobEnded, endRun, needsRunApproval, RUN_APPROVAL_MS, updateRun } from "./progress.ts";

export interface Submit {
	/** Given by the caller, so that a call repeated after a lost answer is recognized. */
	runId: string;
	pipeline: ResolvedPipeline;
	/** sha256 of the resolved pipeline. */
	definition: string;
	project: string;
	trigger: { kind: string; actor: string; delivery: string | null };
	/** The commit of the run, if it is known beforehand. */
	commit: RunCommit | null;
	origin: Origin;
	/** The results that a rerun takes over. */
	rerun: Rerun | null;
	/** The caller's Idempotency-Key, with its scope and the digest of the body. */
	idempotency: { scope: string; key: string; digest: string } | null;
}

export interface RunCommit {
	sha: string;
	/** Null if it is not known yet. */
	message: string | null;
	author: string | null;
	branch: string | null;
	tag: string | null;
}

/** Where a run comes from: a repository or a person. */
export interface Origin {
	/** The run whose discovery job has made it, and its file in the repository. */
	discoveredBy: string | null;
	file: string | null;
	/** False for a run of a fork: it gets no secrets, and waits for an approval. */
	isTrusted: boolean;
	approvedBy: string | null;
}
/** The origin of a run that an authorized person has submitted. */
export const SUBMITTED: Origin = { discoveredBy: null, file: null, isTrusted: true, approvedBy: null };

/** A rerun of another run. */
export interface Rerun {
	of: string;
	/** Jobs, by position, whose result is taken over. They do not run again. */
	reused: {
		position: number;
		state: JobState;
		reason: Reason | null;
		outputs: string | null;
		resultAttempt: string | null;
		exitCode: number | null;
	}[];
}

const IDEMPOTENCY_MS = 24 * 60 * 60_000;
const REUSED: Reason = { code: "reused", text: "The result of the run before was taken over." };
const NEEDS: Reason = { code: "needs", text: "Waits for the jobs that it needs." };

/**
 * Accepts a run. Once answered, it is never lost.
 * @param checkRoom throws if nothing new can be accepted; repeated submissions are still answered
 * @throws ApiError `conflict` if the Idempotency-Key was used for another content
 */
export function submitRun(core: Core, submit: Submit, checkRoom: () => void = () => undefined): { runId: string; isReplay: boolean } {
	return command(core, () => acceptOnce(core, submit, checkRoom), submit.trigger.actor);
}

/** Accepts many runs, or none of them. @see submitRun */
export function submitRuns(core: Core, submits: readonly Submit[], checkRoom: () => void): { runId: string; isReplay: boolean }[] {
	return command(core, () => submits.map((submit) => acceptOnce(core, submit, checkRoom)), submits[0]?.trigger.actor);
}

/** Like `submitRun`. Call it inside a command. */
export function acceptOnce(core: Core, submit: Submit, checkRoom: () => void): { runId: string; isReplay: boolean } {
	const known = knownRun(core, submit);
	if (known) return { runId: known, isReplay: true };
	checkRoom();
	acceptRun(core, submit);
	if (submit.idempotency) {
		const { scope, key, digest } = submit.idempotency;
		core.sql.all("INSERT INTO idempotency (scope, key, digest, run_id) VALUES (?, ?, ?, ?)", scope, key, digest, submit.runId);
		setTimer(core, "idempotency", JSON.stringify([scope, key]), core.now() + IDEMPOTENCY_MS);
	}
	return { runId: submit.runId, isReplay: false };
}

/** Adds a run and moves its jobs as far as they can go. Call it inside a command. */
export function acceptRun(core: Core, submit: Submit): void {
	insertRun(core, submit);
	for (const id of insertJobs(core, submit)) {
		// Read again: the jobs before may have ended it.
		const job = findJob(core, id) as JobRow;
		if (advance(core, job)) afterJobEnded(core, job);
	}
	updateRun(core, submit.runId);
	const run = findRun(core, submit.runId) as RunRow;
	// Every other state was reported already. A skipped run needs no report that it was queued.
	if (run.state === "queued") updateStatus(core, run.id);
	if (needsRunApproval(run) && !isTerminal(run.state)) setTimer(core, "run_approval", run.id, core.now() + RUN_APPROVAL_MS);
	enterGroup(core, submit.runId);
}

/** Adds a run that cannot run: it ends at once with this reason. Call it inside a command. */
export function acceptBrokenRun(core: Core, submit: Submit, state: "errored" | "failed", reason: Reason): void {
	insertRun(core, submit);
	endRun(core, findRun(core, submit.runId) as RunRow, state, reason);
}

function knownRun(core: Core, submit: Submit): string | null {
	if (findRun(core, submit.runId)) return submit.runId;
	if (!submit.idempotency) return null;
	const { scope, key, digest } = submit.idempotency;
	const used = core.sql.all<{ digest: string; run_id: string }>(
		"SELECT digest, run_id FROM idempotency WHERE scope = ? AND key = ?",
		scope,
		key,
	)[0];
	if (!used) return null;
	if (used.digest !== digest) {
		throw new ApiError("conflict", "This Idempotency-Key was used for another submission.", {
			details: { idempotency_key: key, run_id: used.run_id },
			suggestions: ["Use a new key for a new submission, or send the first content again."],
		});
	}
	return used.run_id;
}

function insertRun(core: Core, { runId, pipeline, definition, project, trigger, commit, origin, rerun }: Submit): void {
	storeDefinition(core, definition, pipeline);
	const discovery = pipeline.jobs[0]?.discovery ?? null;
	const kind: RunKind = discovery ? "discovery" : pipeline.jobs[0]?.lists_refs ? "comparison" : "pipeline";
	const [counter] = core.sql.all<{ runs: number }>(
		"INSERT INTO counters (project, runs) VALUES (?, 1) ON CONFLICT (project) DO UPDATE SET runs = runs + 1 RETURNING runs",
		kind === "pipeline" ? project : ` runs of `,
	);
	const git = pipeline.source && "git" in pipeline.source ? pipeline.source : null;
	const group = pipeline.concurrency && groupKey("run", { ...groupOf({ project, pipeline, origin }), group: pipeline.concurrency.group });
	addRow(core, "runs", {
		...{
			id: runId,
			team: core.team,
			kind,
			rev: nextRev(core),
			project,
			number: counter?.runs ?? 1,
			pipeline: pipeline.name,
			state: "queued",
		},
		...{ trigger_kind: trigger.kind, trigger_actor: trigger.actor, trigger_delivery: trigger.delivery },
		...{ discovered_by: origin.discoveredBy, file: origin.file, is_trusted: origin.isTrusted ? 1 : 0, approved_by: origin.approvedBy },
		pull_request: (discovery?.trigger.pull_request ?? pipeline.pull_request)?.number ?? null,
		...{ source_git: git?.git ?? null, source_ref: git?.ref ?? null },
		source_upload: pipeline.source && "upload" in pipeline.source ? pipeline.source.upload : null,
		...{ priority: pipeline.priority, warnings: 0, definition, created_at: core.now(), params: JSON.stringify(pipeline.params) },
		...{ branch: commit?.branch ?? pipeline.branch, tag: commit?.tag ?? null, commit_sha: commit?.sha ?? null },
		...{ commit_message: commit?.message ?? null, commit_author: commit?.author ?? null },
		...{ rerun_of: rerun?.of ?? null, group_key: group, holds_group: GROUP_SLOT.entering },
	});
	recordTransition(core, { runId, jobId: null, from: null, to: "queued", reason: null });
	markDirty(core, runId);
}

function storeDefinition(core: Core, digest: string, pipeline: ResolvedPipeline): void {
	if (core.sql.all("SELECT 1 FROM definitions WHERE digest = ?", digest).length > 0) return;
	core.sql.all("INSERT INTO definitions (digest, json) VALUES (?, ?)", digest, definitionJson(pipeline));
}

/** The owner of the groups of a run. */
function groupOf({ project, pipeline, origin }: Pick<Submit, "project" | "pipeline" | "origin">) {
	return { project, isTrusted: origin.isTrusted, pullRequest: pipeline.pull_request?.number ?? null };
}

/** Writes the jobs of a run. @returns the ids of the jobs that may start at once */
function insertJobs(core: Core, { runId, pipeline, project, origin, rerun }: Submit): string[] {
	const ids = new Map(pipeline.jobs.map((job) => [job, core.newId("job")]));
	const reused = new Map(rerun?.reused.map((one) => [one.position, one]));
	const now = core.now();
	const candidates: string[] = [];
	for (const [position, job] of pipeline.jobs.entries()) {
		const id = ids.get(job) as string;
		const entry = nextRev(core);
		const group = job.concurrency && groupKey("job", { ...groupOf({ project, pipeline, origin }), group: job.concurrency.group });
		if (group && job.concurrency) setGroupLimit(core, group, job.concurrency.limit);
		const requirements = JSON.stringify(job.runs_on);
		const partition = partitionOf(core, {
			requirements,
			project,
			priority: pipeline.priority,
			group: group ?? "",
			isTrusted: origin.isTrusted,
		});
		const taken = reused.get(position);
		const state = taken?.state ?? "blocked";
		const reason = taken ? (taken.reason ?? REUSED) : NEEDS;
		addRow(core, "jobs", {
			...{ id, team: core.team, rev: nextRev(core), run_id: runId, position, key: job.key, name: job.name, attempt: 0, created_at: now },
			...{
				state,
				reason_code: reason.code,
				reason_text: reason.text,
				needs: JSON.stringify([...new Set(job.needs.map(({ key }) => key))]),
			},
			...{ runs_on: requirements, partition_id: partition, entry, matrix: job.matrix && JSON.stringify(job.matrix) },
			...{ allow_failure: job.allow_failure ? 1 : 0, group_key: group, outputs: taken?.outputs ?? null },
			...{ result_attempt: taken?.resultAttempt ?? null, exit_code: taken?.exitCode ?? null, finished_at: taken ? now : null },
		});
		if (taken) recordTransition(core, { runId, jobId: id, from: null, to: state, reason: REUSED });
		markDirty(core, runId);
		const needed = new Set(job.needs.flatMap((need) => jobsMeant(pipeline.jobs, need)));
		for (const one of needed) core.sql.all("INSERT INTO needs (job_id, needs_id) VALUES (?, ?)", id, ids.get(one) as string);
		const isCandidate = needed.size === 0 || job.condition !== null || rerun !== null;
		if (!taken && isCandidate) candidates.push(id);
	}
	return candidates;
}

/**
 * Enters a run into its group: it takes a slot or waits for one. With `cancel_in_progress` it
 * cancels the others.
 */
function enterGroup(core: Core, runId: string): void {
	const run = findRun(core, runId) as RunRow;
	const concurrency = pipelineOf(core, run).concurrency;
	if (run.group_key === null || concurrency === null) return;
	setGroupLimit(core, run.group_key, concurrency.limit);
	changeRow(core, "runs", runId, { holds_group: GROUP_SLOT.wanted });
	if (concurrency.cancel_in_progress) supersedeRuns(core, run);
	// The limit of this submission may admit other runs, too.
	admitRuns(core, run.group_key);
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
