import type { RunFacts } from "../../../../schema/pipeline/expressions/scope.ts";
import { jobsMeant } from "../../../../schema/pipeline/resolve/references.ts";
import type { Discovery } from "../../../../schema/pipeline/resolve/resolved.ts";
import { runFacts } from "../../../../schema/pipeline/resolve/run_facts.ts";
import type { SettledJob } from "../../../../schema/pipeline/runtime/settle.ts";
import type { CheckoutChoice } from "../../../../schema/wire/checkout.ts";
import { ApiError } from "../../../../schema/wire/errors.ts";
import type { Commit, Finish, PinnedCommit } from "../../../../schema/wire/protocol.ts";
import type { ArtifactKind } from "../../../../schema/wire/resources.ts";
import { type AttemptState, isTerminal, type JobState, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { type Discovered, handleDiscovered } from "../discovery/discovery_jobs.ts";
import { takeRefs } from "../discovery/refs.ts";
import { addEffect } from "../effects/effects.ts";
import { updateStatus } from "../effects/statuses.ts";
import { markDirty } from "../record/outbox.ts";
import {
	type AttemptRow,
	changeRow,
	findAttempt,
	findJob,
	findOffer,
	findRun,
	type JobRow,
	jobOf,
	type OfferRow,
	type RunRow,
} from "../rows.ts";
import { agentName, limitTime, timeLimitOf, withinLimits } from "../runs/begin.ts";
import { definitionOf, pipelineOf } from "../runs/definitions.ts";
import { endAttempt, endOrRetry, endOrSnooze } from "../runs/endings.ts";
import { ancestorsOf, settledJob } from "../runs/readiness.ts";
import { STOP_ATTEMPT } from "../runs/transitions.ts";
import { named } from "../sql.ts";
import { claim } from "./claims.ts";
import { withdrawOffer } from "./offers.ts";
import { recordWarm } from "./warm_agents.ts";

/**
 * The life of an attempt: its agent claims or declines the offer, pins a commit, and delivers a
 * result.
 */

/** The claims of a lease token with a valid signature. */
export interface LeaseClaims {
	attemptId: string;
	leaseId: string;
	jobId: string;
	agentId: string;
}

/** What the assignment of an attempt is made from. */
export interface Started {
	attempt: Pick<AttemptRow, "id" | "number" | "deadline">;
	job: JobRow;
	run: RunRow;
	definition: SettledJob;
	/** How long it may run, in milliseconds. */
	timeLimitMs: number;
	/** How much of its repository the pipeline needs. */
	checkout: CheckoutChoice;
}

/**
 * leased → running, with a full lease. A repeated call of the same lease gets the same answer while
 * the attempt runs.
 * @throws ApiError `attempt_superseded`, `attempt_finished`
 */
export function startAttempt(core: Core, lease: LeaseClaims): Started {
	const body = () => {
		const known = findAttempt(core, lease.attemptId);
		if (known) {
			assertLive(core, known, lease);
			// The agent has begun nothing without an answer, and counts the time of the job from
			// this one.
			limitTime(core, known);
			return describe(core, known, jobOf(core, known));
		}
		const offer = findOffer(core, lease.attemptId);
		if (!offer || offer.lease_id !== lease.leaseId || offer.agent_id !== lease.agentId) throw endedOrSuperseded(core, lease);
		const attempt = claim(core, offer);
		return describe(core, attempt, jobOf(core, attempt));
	};
	return command(core, body, agentName(core, lease.agentId));
}

/** What the assignment of an assigned offer is made from: the attempt that it becomes. */
export function describeOffer(core: Core, offer: OfferRow): Started {
	const job = jobOf(core, offer);
	return describe(core, { id: offer.attempt_id, number: job.attempt + 1, deadline: offer.expires_at }, job);
}

function describe(core: Core, attempt: Started["attempt"], job: JobRow): Started {
	const run = findRun(core, job.run_id) as RunRow;
	const { source } = pipelineOf(core, run);
	const definition = settledJob(core, job);
	const checkout = source && "git" in source ? source.checkout : {};
	return { attempt, job, run, definition: withinLimits(core, definition), timeLimitMs: timeLimitOf(core, definition), checkout };
}

/**
 * Ends an attempt that has not begun, because the coordinator cannot give it what it needs. It
 * counts as errored.
 * @throws ApiError `attempt_superseded`, `attempt_finished`
 */
export function failAttempt(core: Core, lease: LeaseClaims, reason: Reason): void {
	command(core, () => {
		const attempt = liveAttempt(core, lease);
		endAttempt(core, attempt, "errored", reason, null, NO_LOG);
		endOrRetry(core, jobOf(core, attempt), attempt, "errored", reason, null);
	});
}

/**
 * Snoozes a job that has not begun, because something that it needs is unavailable for now. The
 * attempt does not count.
 * @throws ApiError `attempt_superseded`, `attempt_finished`
 */
export function snoozeAttempt(core: Core, lease: LeaseClaims, reason: Reason): void {
	command(core, () => {
		const attempt = liveAttempt(core, lease);
		endAttempt(core, attempt, "expired", reason, null, NO_LOG);
		endOrSnooze(core, jobOf(core, attempt), attempt, reason);
	});
}

const NO_LOG = { bytes: 0, sha256: null, incomplete: false };

/** A job from which another one fetches files. */
export interface DownloadableJob {
	name: string;
	state: JobState;
	/** The attempt with the files: the one that ended the job; null if there was none. */
	attemptId: string | null;
	/** Patterns; an empty list means all of its files. */
	paths: string[];
	/** The folder for the files; null: the workspace. */
	into: string | null;
}

/** The files that a step asks for: of one job, by patterns. */
export interface AskedFiles {
	key: string;
	paths: string[];
	into: string | null;
}

/**
 * The jobs from which the job of this live attempt fetches files: those of the pipeline, or the one
 * that a step asks for, which the job must need.
 * @throws ApiError `conflict` if one of them has not ended, because its files are incomplete;
 * errors of `liveAttempt`
 */
export function downloadableJobs(core: Core, lease: LeaseClaims, asked: AskedFiles | null): DownloadableJob[] {
	const attempt = liveAttemptOf(core, lease);
	const job = jobOf(core, attempt);
	const pipeline = pipelineOf(core, findRun(core, attempt.run_id) as RunRow);
	const rows = core.sql.all<JobRow>("SELECT * FROM jobs WHERE run_id = ? ORDER BY position", attempt.run_id);
	const fetches = asked === null ? definitionOf(core, job).artifacts.fetch : [fetchOf(core, job, asked)];
	return fetches.flatMap((fetched) =>
		jobsMeant(pipeline.jobs, fetched).map((meant) => {
			const { name, state, result_attempt: attemptId } = rows[pipeline.jobs.indexOf(meant)] as JobRow;
			if (!isTerminal(state))
				throw new ApiError("conflict", `The files of job ${name} cannot be fetched: the job has not ended yet.`, {
					suggestions: ["Add that job to the `needs` of this one."],
				});
			return { name, state, attemptId, paths: fetched.paths, into: fetched.into };
		}),
	);
}

/** @throws ApiError `conflict` for a job that this one does not need */
function fetchOf(core: Core, job: JobRow, { key, paths, into }: AskedFiles) {
	const needed = new Set(ancestorsOf(core, job.id).map((ancestor) => ancestor.key));
	if (needed.has(key)) return { key, matrix: null, paths, into };
	throw new ApiError("conflict", `This job does not need a job ${key}: its files may be incomplete.`, {
		details: { job: key, needed: [...needed] },
		suggestions: [needed.size > 0 ? `It needs ${[...needed].join(", ")}.` : "Add it to the `needs` of this job."],
	});
}

/**
 * The task of the discovery job of this live attempt, with its run; null for other jobs. @throws
 * ApiError as `liveAttempt` does
 */
export function discoveryOfAttempt(core: Core, lease: LeaseClaims): { discovery: Discovery; run: RunRow } | null {
	const attempt = liveAttemptOf(core, lease);
	const { discovery } = definitionOf(core, jobOf(core, attempt));
	return discovery && { discovery, run: findRun(core, attempt.run_id) as RunRow };
}

/** The run of a job with caches, and the labels that the job asks for. */
export interface QueuedCachingRun {
	facts: RunFacts;
	isTrusted: boolean;
	isUpload: boolean;
	labels: readonly string[];
}

/** The run of this live attempt, as far as its caches depend on it. @throws ApiError as `liveAttempt` does */
export function cachingRunOf(core: Core, lease: LeaseClaims): QueuedCachingRun {
	const attempt = liveAttemptOf(core, lease);
	const run = findRun(core, attempt.run_id) as RunRow;
	const { labels } = definitionOf(core, jobOf(core, attempt)).runs_on;
	return {
		facts: runFacts(pipelineOf(core, run), run.project, run.trigger_kind),
		isTrusted: run.is_trusted === 1,
		isUpload: run.source_upload !== null,
		labels,
	};
}

/**
 * An agent declines an offer, and does not get this job again for a while. An offer that has ended
 * is ignored.
 */
export function releaseOffer(core: Core, lease: LeaseClaims): void {
	const body = () => {
		const offer = findOffer(core, lease.attemptId);
		if (offer?.lease_id === lease.leaseId) withdrawOffer(core, offer, true);
	};
	command(core, body, agentName(core, lease.agentId));
}

/**
 * The live attempt of this lease. To be called inside a command: the first word of an agent about
 * an assigned job is its claim.
 * @throws ApiError `attempt_superseded` if another attempt took its place, `attempt_finished` if it
 * is over
 */
export function liveAttempt(core: Core, lease: LeaseClaims): AttemptRow {
	const attempt = findAttempt(core, lease.attemptId) ?? claimAssigned(core, lease);
	if (!attempt) throw endedOrSuperseded(core, lease);
	assertLive(core, attempt, lease);
	return attempt;
}

/** The same, as a command of its own. */
export function liveAttemptOf(core: Core, lease: LeaseClaims): AttemptRow {
	return command(core, () => liveAttempt(core, lease), agentName(core, lease.agentId));
}

/** Begins the assigned attempt of a lease; null if there is none to begin. */
function claimAssigned(core: Core, lease: LeaseClaims, isEnding = false): AttemptRow | null {
	const offer = findOffer(core, lease.attemptId);
	return offer?.is_assigned === 1 && offer.lease_id === lease.leaseId ? claim(core, offer, isEnding) : null;
}

/**
 * Whether the queue has given out this lease: in an offer, or to an attempt that it still holds,
 * over or not.
 */
export function isLeaseKnown(core: Core, { attemptId, leaseId }: Pick<LeaseClaims, "attemptId" | "leaseId">): boolean {
	const holder = findAttempt(core, attemptId) ?? findOffer(core, attemptId);
	return holder?.lease_id === leaseId;
}

function assertLive(core: Core, attempt: AttemptRow, lease: LeaseClaims): void {
	if (attempt.lease_id !== lease.leaseId || isTerminal(attempt.state)) throw endedOrSuperseded(core, lease);
}

/** 410 if the job has ended, 409 if it continues without this attempt. */
function endedOrSuperseded(core: Core, lease: LeaseClaims): ApiError {
	const job = findJob(core, lease.jobId);
	const isOver = !job || isTerminal(job.state);
	return new ApiError(
		isOver ? "attempt_finished" : "attempt_superseded",
		isOver ? "The job of this attempt has ended." : "Another attempt of the job has replaced this one.",
		{
			details: { attempt_id: lease.attemptId, job_state: job?.state ?? "unknown" },
			suggestions: [STOP_ATTEMPT],
		},
	);
}

/**
 * Records the commit that the first job checked out. Every later job of the run gets the same
 * commit. If a delivery named the id of an annotated tag, the commit of the tag replaces it.
 */
export function pinCommit(core: Core, lease: LeaseClaims, { tag_object, ...commit }: PinnedCommit): string {
	return command(core, () => {
		const attempt = liveAttempt(core, lease);
		const run = findRun(core, attempt.run_id) as RunRow;
		if (run.commit_sha !== null && run.commit_sha !== tag_object) {
			if (run.commit_author === null && run.commit_sha === commit.sha) describeCommit(core, run, commit);
			return run.commit_sha;
		}
		// The branch and tag of the delivery count: the ref of a pull request has no branch, and a
		// tag may have been moved.
		const isDelivered = run.pull_request !== null || run.commit_sha !== null;
		const { branch, tag }: Pick<Commit, "branch" | "tag"> = isDelivered ? run : commit;
		const { sha, message, author } = commit;
		changeRow(core, "runs", run.id, {
			...{ commit_sha: sha, commit_message: message, commit_author: author, branch, tag, rev: nextRev(core) },
		});
		markDirty(core, run.id);
		updateStatus(core, run.id);
		return commit.sha;
	});
}

/** Adds the message and author of a commit, if they are not known yet. */
function describeCommit(core: Core, run: RunRow, { message, author }: Commit): void {
	changeRow(core, "runs", run.id, { commit_message: message, commit_author: author, rev: nextRev(core) });
	markDirty(core, run.id);
}

/**
 * Accepts the result of an attempt. The same result again gets the same answer.
 * @returns the state for the agent, from `answeredState`
 * @param digest sha256 of the submitted result
 * @param artifacts the files that the result makes visible, with the object of each
 * @param discovered the runs that a discovery job has found
 * @throws ApiError `conflict` for another result after the first, `attempt_finished`,
 * `attempt_superseded`
 */
export function finishAttempt(
	core: Core,
	lease: LeaseClaims,
	finish: Finish,
	digest: string,
	artifacts: readonly SavedArtifact[],
	discovered: Discovered | null = null,
): AttemptState {
	return command(
		core,
		() => acceptResult(core, { lease, finish, digest, log: null }, artifacts, discovered),
		agentName(core, lease.agentId),
	);
}

/** A result whose lease token and content were checked. */
export interface CheckedResult {
	lease: LeaseClaims;
	finish: Finish;
	/** sha256 of the submitted result. */
	digest: string;
	/** The whole log, if it came with the result. */
	log: Uint8Array | null;
}

/** The same, to be called inside a command. */
export function acceptResult(
	core: Core,
	{ lease, finish, digest, log }: CheckedResult,
	artifacts: readonly SavedArtifact[] = [],
	discovered: Discovered | null = null,
): AttemptState {
	// Most results are of jobs that are only assigned: that look is the cheaper one.
	const attempt = claimAssigned(core, lease, true) ?? findAttempt(core, lease.attemptId);
	if (!attempt || attempt.lease_id !== lease.leaseId) throw endedOrSuperseded(core, lease);
	const job = jobOf(core, attempt);
	if (attempt.finish_digest === digest) return answeredState(attempt, job);
	if (attempt.finish_digest !== null) throw otherResult(attempt);
	if (isTerminal(attempt.state)) throw endedOrSuperseded(core, lease);
	if (artifacts.length > 0) insertArtifacts(core, job, attempt, artifacts);
	core.counts.artifactBytes += artifacts.reduce((sum, { size }) => sum + size, 0);
	if (finish.state !== "errored") recordWarm(core, attempt.agent_id, job);
	endAttempt(
		core,
		attempt,
		finish.state,
		finish.reason,
		finish.exit_code,
		{ ...finish.log, content: log },
		{
			finish_digest: digest,
			steps: JSON.stringify(finish.steps),
			tests: finish.tests && JSON.stringify(finish.tests),
			coverage: finish.coverage && JSON.stringify(finish.coverage),
			usage: finish.usage && JSON.stringify(finish.usage),
			annotations: finish.annotations.length === 0 ? null : JSON.stringify(finish.annotations),
			caches: finish.caches.length === 0 ? null : JSON.stringify(finish.caches),
		},
	);
	indexTests(core, attempt, artifacts);
	const counts = finish.state === "succeeded" && job.state === "running";
	if (discovered && counts) handleDiscovered(core, job, discovered);
	if (finish.refs && counts) takeRefs(core, job, attempt, finish.refs);
	// What a discovery job or a comparison has found is its outputs.
	const changes = (discovered || finish.refs) && counts ? {} : { outputs: JSON.stringify(declaredOutputs(core, job, finish.outputs)) };
	endOrRetry(core, job, attempt, finish.state, finish.reason, finish.exit_code, changes);
	return answeredState({ id: attempt.id, state: finish.state }, findJob(core, job.id) as JobRow);
}

/**
 * The state for the agent of a finished attempt: `cancelled` if a cancel came before its result and
 * ended the job.
 */
export function answeredState(
	attempt: { id: string; state: AttemptState },
	job: { state: JobState; result_attempt: string | null },
): AttemptState {
	return job.state === "cancelled" && job.result_attempt === attempt.id ? "cancelled" : attempt.state;
}

/** Requests the indexing of an attempt's test results. */
function indexTests(core: Core, attempt: AttemptRow, artifacts: readonly SavedArtifact[]): void {
	const cases = artifacts.find(({ kind }) => kind === "tests");
	if (!cases) return;
	const run = findRun(core, attempt.run_id) as RunRow;
	addEffect(core, attempt.id, {
		kind: "index_tests",
		attemptId: attempt.id,
		runId: run.id,
		jobId: attempt.job_id,
		project: run.project,
		pipeline: run.pipeline,
		branch: run.branch,
		commit: run.commit_sha,
		at: core.now(),
		key: cases.key,
		size: cases.size,
	});
}

/** The declared outputs of a job. Nothing can read the others. */
function declaredOutputs(core: Core, job: JobRow, given: Finish["outputs"]): Record<string, string> {
	return Object.fromEntries(
		definitionOf(core, job).outputs.flatMap((name) => (Object.hasOwn(given, name) ? [[name, given[name] as string]] : [])),
	);
}

/** A file that a result makes visible, and its R2 object. */
export interface SavedArtifact {
	path: string;
	size: number;
	sha256: string;
	key: string;
	/** The length of each part except the last; null for a file in one object. */
	partBytes: number | null;
	executable: boolean;
	kind: ArtifactKind;
	/** The entry of the job's `artifacts.save` that names the file; null for a plain pattern. */
	entry: number | null;
}

function insertArtifacts(core: Core, job: JobRow, attempt: AttemptRow, artifacts: readonly SavedArtifact[]): void {
	const now = core.now();
	const { entries } = definitionOf(core, job).artifacts;
	// The settings of an entry come from the job, not from the agent.
	const rows = artifacts.map(({ entry, ...file }) => {
		const { name = null, expire_in_ms = null } = (entry === null ? undefined : entries[entry]) ?? {};
		return { ...file, name, expiresAt: expire_in_ms === null ? null : now + expire_in_ms };
	});
	core.sql.all(
		...named(
			`INSERT INTO artifacts (attempt_id, path, team, job_id, run_id, size, sha256, key, part_bytes, is_executable, kind, created_at, name, expires_at)
			SELECT :attempt, value ->> 'path', :team, :job, :run, value ->> 'size', value ->> 'sha256', value ->> 'key', value ->> 'partBytes',
			value ->> 'executable', value ->> 'kind', :now, value ->> 'name', value ->> 'expiresAt' FROM json_each(:rows)`,
			{ attempt: attempt.id, team: core.team, job: attempt.job_id, run: attempt.run_id, now, rows: JSON.stringify(rows) },
		),
	);
}

/** An attempt has one result: the first. */
export function otherResult(attempt: { id: string; state: AttemptState }): ApiError {
	return new ApiError("conflict", "This attempt has already finished with another result.", {
		details: { attempt_id: attempt.id, attempt_state: attempt.state },
		suggestions: ["Keep the first result, and end the attempt."],
	});
}
