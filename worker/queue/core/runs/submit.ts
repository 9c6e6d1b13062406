import type { ResolvedPipeline } from "../../../../schema/pipeline/resolve/resolved.ts";
import { ApiError } from "../../../../schema/wire/errors.ts";
import type { RunKind } from "../../../../schema/wire/resources.ts";
import { isTerminal, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { updateStatus } from "../effects/statuses.ts";
import { assertMayQueue } from "../quotas.ts";
import { recordTransition } from "../record/events.ts";
import { markDirty } from "../record/outbox.ts";
import { addRow, changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { setTimer } from "../timers.ts";
import { supersedeRuns } from "./cancel.ts";
import { pipelineOf } from "./definitions.ts";
import { GROUP_SLOT, groupKey, setGroupLimit } from "./groups.ts";
import { groupOf, insertJob, type JobIds, type ReusedResult, storeDefinition } from "./job_rows.ts";
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
	reused: ReusedResult[];
}

const IDEMPOTENCY_MS = 24 * 60 * 60_000;

/**
 * Accepts a run. Once answered, it is never lost.
 * @param checkRoom throws if nothing new can be accepted; repeated submissions are still answered
 * @throws ApiError `conflict` if the Idempotency-Key was used for another content; `quota_exceeded`
 */
export function submitRun(core: Core, submit: Submit, checkRoom: () => void = () => undefined): { runId: string; isReplay: boolean } {
	return command(core, () => acceptWithinQuota(core, submit, checkRoom), submit.trigger.actor);
}

/** Accepts many runs, or none of them. @see submitRun */
export function submitRuns(core: Core, submits: readonly Submit[], checkRoom: () => void): { runId: string; isReplay: boolean }[] {
	return command(core, () => submits.map((submit) => acceptWithinQuota(core, submit, checkRoom)), submits[0]?.trigger.actor);
}

/** The quota refuses what people and programs ask for, and neither deliveries nor schedules: nobody would send those again. */
function acceptWithinQuota(core: Core, submit: Submit, checkRoom: () => void): { runId: string; isReplay: boolean } {
	const { pipeline, trigger, rerun } = submit;
	const isByPerson = rerun !== null || trigger.kind === "api" || trigger.kind === "manual";
	return acceptOnce(core, submit, () => {
		checkRoom();
		// A rerun runs only the jobs whose results it does not take over.
		if (isByPerson) assertMayQueue(core, pipeline.jobs.length - (rerun?.reused.length ?? 0));
	});
}

/** Accepts a run, whatever the quotas are. Call it inside a command. @see submitRun */
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
	const group =
		pipeline.concurrency &&
		groupKey("run", { ...groupOf({ project, pipeline, isTrusted: origin.isTrusted }), group: pipeline.concurrency.group });
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

/** Writes the jobs of a run. @returns the ids of the jobs that may start at once */
function insertJobs(core: Core, { runId, pipeline, project, origin, rerun }: Submit): string[] {
	const reused = new Map(rerun?.reused.map((one) => [one.position, one]));
	const ids: JobIds = new Map(pipeline.jobs.map((job) => [job, core.newId("job")]));
	const of = { runId, pipeline, project, isTrusted: origin.isTrusted };
	return pipeline.jobs.flatMap((job, position) => {
		const taken = reused.get(position);
		insertJob(core, of, position, ids, taken);
		const isCandidate = job.needs.length === 0 || job.condition !== null || rerun !== null;
		return !taken && isCandidate ? (ids.get(job) as string) : [];
	});
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
