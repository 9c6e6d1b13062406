import { DurableObject } from "cloudflare:workers";
import type { ArtifactRow, EventRow } from "../../schema/database/tables.ts";
import type { Discovery } from "../../schema/pipeline/resolve/resolved.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { EffectiveLabels } from "../../schema/wire/labels.ts";
import type { Finish, Hello, PinnedCommit, Poll, Renew } from "../../schema/wire/protocol.ts";
import type { QuotaChange, Quotas } from "../../schema/wire/quotas.ts";
import type { Explanation } from "../../schema/wire/resources.ts";
import type { ScheduleRequest } from "../../schema/wire/schedules.ts";
import { type AttemptState, isTerminal, type Reason } from "../../schema/wire/states.ts";
import type { Batch, Dispatcher, Environment, JobRows, PollResult, QueueHealth, QueueMetrics, Submitted } from "../bindings.ts";
import { errorFields, log, setLogLevel } from "../platform/logger.ts";
import { type Result, resultOf } from "../platform/result.ts";
import { pollHoldMs, readSettings, SWEEPER_NAME } from "../platform/settings.ts";
import { Alarm } from "./alarm.ts";
import { AttemptLogs } from "./attempt_logs.ts";
import { closeSession, openSession, type Registration, registerAgent } from "./core/agents/agents.ts";
import { assertCredential, type Credential } from "./core/agents/credentials.ts";
import { type AgentChange, changeAgent, removeAgent } from "./core/agents/lifecycle.ts";
import {
	createRegistrationToken,
	listRegistrationTokens,
	type NewRegistrationToken,
	type RegistrationTokenRow,
	revokeRegistrationToken,
} from "./core/agents/registration_tokens.ts";
import { issueNextToken } from "./core/agents/tokens.ts";
import { type Core, openCore } from "./core/core.ts";
import { storeCounts } from "./core/counts.ts";
import {
	type ComparedProject,
	type ComparisonState,
	followProject,
	readComparisons,
	unfollowProject,
} from "./core/discovery/comparisons.ts";
import type { Discovered } from "./core/discovery/discovery_jobs.ts";
import { type DeliveredRef, recordDelivered, type Standing, submitComparison, submitDelivered } from "./core/discovery/refs.ts";
import {
	addSchedule,
	deleteSchedules,
	findSchedule,
	listSchedules,
	pauseSchedule,
	removeSchedule,
	type ScheduleRow,
} from "./core/discovery/schedules.ts";
import { deadEffects, retryStatuses, type Undelivered, undeliveredOf } from "./core/effects/effects.ts";
import { testNotifications } from "./core/effects/notifications.ts";
import { readGauges } from "./core/gauges.ts";
import type { Pause } from "./core/hints.ts";
import { scheduleHousekeeping } from "./core/housekeeping.ts";
import { type ArchivedLogNote, logArchived } from "./core/leases/archived_logs.ts";
import {
	type AskedFiles,
	type CheckedResult,
	cachingRunOf,
	type DownloadableJob,
	discoveryOfAttempt,
	downloadableJobs,
	failAttempt,
	finishAttempt,
	isLeaseKnown,
	type LeaseClaims,
	liveAttemptOf,
	pinCommit,
	type QueuedCachingRun,
	releaseOffer,
	type SavedArtifact,
	type Started,
	snoozeAttempt,
	startAttempt,
} from "./core/leases/attempts.ts";
import { readHeldLog } from "./core/leases/held_logs.ts";
import { pauseOf, pauseQueue, resumeQueue } from "./core/leases/pause.ts";
import { type Renewal, renewLeases } from "./core/leases/polls.ts";
import { recordWarmed, warmProjectsOf } from "./core/leases/warm_agents.ts";
import { readMeta, writeMeta } from "./core/meta.ts";
import { queuedJobs, quotasOf, runningJobs, setQuotas } from "./core/quotas.ts";
import {
	type AgentRows,
	type Changes,
	type Holdings,
	heldOf,
	type Overview,
	type RunRows,
	readAgent,
	readAgents,
	readArtifact,
	readArtifacts,
	readArtifactsOfRun,
	readDefinitionOf,
	readJob,
	readOverview,
	readRun,
} from "./core/reads.ts";
import { pendingEvents } from "./core/record/events.ts";
import { outboxDepth } from "./core/record/outbox.ts";
import { endFormerLeases } from "./core/restored.ts";
import { findAttempt, findOffer, findRun, type RunRow } from "./core/rows.ts";
import { addJobs, type UploadedJobs, type UploadTarget, uploadTarget } from "./core/runs/add_jobs.ts";
import { type Approver, approveJob, approveRun, declineJob, declineRun } from "./core/runs/approvals.ts";
import { cancelJobById, cancelRun } from "./core/runs/cancel.ts";
import { type Candidates, candidatesFor, explainJob, explainQueued, explainRuns, type RunWait, unmetForever } from "./core/runs/explain.ts";
import { moveToFront, type Queue, readQueue } from "./core/runs/queue_order.ts";
import { type Submit, submitRun, submitRuns } from "./core/runs/submit.ts";
import { prepareStop, recordOpening, sweep } from "./core/sweep.ts";
import { nextDue } from "./core/timers.ts";
import { durableSql } from "./durable_sql.ts";
import { type EffectHandlers, EffectRunner } from "./effects.ts";
import { LogPacker } from "./log_packer.ts";
import { LogWatchers } from "./log_watchers.ts";
import { AgentPolls } from "./offers.ts";
import { PlannedStop } from "./planned_stop.ts";
import { OutboxRelay } from "./relay.ts";
import { ChangeWaiters } from "./waiters.ts";

/** How many notices the answer to a batch has. */
const MAX_NOTICES = 10;

/**
 * The Durable Object around the queue of one team. The core decides and writes without an `await`.
 * After each command, `#settle` starts everything that may follow: offers, answers to waiting
 * requests, the copy to D1, side effects, the alarm. bindings.ts documents the methods.
 */
export class QueueObject extends DurableObject<Environment> implements Dispatcher {
	readonly #core: Core;
	readonly #relay: OutboxRelay;
	readonly #packer: LogPacker;
	readonly #effects: readonly EffectRunner<Environment>[];
	readonly #alarm: Alarm;
	readonly #changes: ChangeWaiters;
	readonly #watchers: LogWatchers;
	readonly #logs: AttemptLogs;
	readonly #stop: PlannedStop;
	readonly #polls: AgentPolls;
	/** Why new runs are rejected; null while the disk has room. */
	#diskError: string | null = null;

	/** @param handlers the handlers of the side effects */
	constructor(context: DurableObjectState, environment: Environment, handlers: EffectHandlers<Environment>) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
		const sql = durableSql(context.storage);
		const core = openCore({
			sql,
			team: teamOf(context),
			settings: readSettings(environment),
			now: () => Date.now(),
			newId,
			newSecret: () => crypto.randomUUID(),
			report: (error, fields) => log("error", error, fields),
		});
		this.#core = core;
		this.#alarm = new Alarm(context.storage);
		this.#changes = new ChangeWaiters(core);
		this.#watchers = new LogWatchers(core);
		this.#logs = new AttemptLogs(core, environment, this.#watchers);
		this.#stop = new PlannedStop(core);
		this.#polls = new AgentPolls(core, this.#watchers, this.#stop);
		this.#relay = new OutboxRelay(core, environment.DB);
		this.#packer = new LogPacker(core, environment);
		// An effect may have made a run: what follows starts as after a command.
		const runner = (kind: "internal" | "external") => new EffectRunner({ environment, core }, handlers, kind, () => this.#settle());
		this.#effects = [runner("internal"), runner("external")];
		writeMeta(sql, "team", core.team);
		recordOpening(core, environment.BOOT_ID ?? null);
		scheduleHousekeeping(core);
		// The queue wakes the sweeper, so that retention runs wherever runs are recorded.
		void environment.SWEEPER.getByName(SWEEPER_NAME)
			.schedule()
			.catch((error) => log("warn", "retention cannot be scheduled", errorFields(error)));
		this.#settle();
	}

	/**
	 * Sweeps, and starts slow work without waiting for it: an alarm that waits for D1 would delay
	 * the expiry of leases.
	 */
	override alarm(): void {
		this.#alarm.handled();
		try {
			sweep(this.#core);
		} catch (error) {
			log("error", "sweep failed", errorFields(error));
		} finally {
			this.#settle();
		}
	}

	async prepare(bootId: string): Promise<void> {
		writeMeta(this.#core.sql, "prepared_boot", bootId);
	}

	async endFormerLeases(madeAt: string): Promise<void> {
		endFormerLeases(this.#core, madeAt);
		this.#settle();
	}

	async isPrepared(bootId: string): Promise<boolean> {
		return readMeta(this.#core.sql, "prepared_boot") === bootId;
	}

	async setDiskError(error: string | null): Promise<void> {
		this.#diskError = error;
	}

	async checkRoom(): Promise<Result<void>> {
		return resultOf(() => this.#assertRoom());
	}

	async submit(submit: Submit): Promise<Result<Submitted>> {
		return this.#submit((core) => submitRun(core, submit, () => this.#assertRoom()));
	}

	async submitAll({
		pipelines,
		runs,
		shared,
	}: Batch): Promise<Result<{ accepted: { runId: string; isReplay: boolean }[]; notices: string[] }>> {
		return this.#command((core) => {
			const submits = runs.map((run) => ({ ...shared, ...run, pipeline: pipelines[run.definition] as Submit["pipeline"] }));
			const accepted = submitRuns(core, submits, () => this.#assertRoom());
			return { accepted, notices: [...new Set(accepted.flatMap(({ runId }) => unmetForever(core, runId)))].slice(0, MAX_NOTICES) };
		});
	}

	async cancelRun(runId: string, actor: string): Promise<Result<RunRows>> {
		return this.#command((core) => {
			cancelRun(core, runId, actor);
			return readRun(core, runId) as RunRows;
		});
	}

	async cancelJob(jobId: string, actor: string): Promise<Result<JobRows>> {
		return this.#command((core) => {
			cancelJobById(core, jobId, actor);
			return readJob(core, jobId) as JobRows;
		});
	}

	async approve(jobId: string, by: Approver, comment: string | null): Promise<Result<JobRows>> {
		return this.#command((core) => {
			approveJob(core, jobId, by, comment);
			return readJob(core, jobId) as JobRows;
		});
	}

	async approveRun(runId: string, by: Approver): Promise<Result<RunRows>> {
		return this.#command((core) => {
			approveRun(core, runId, by);
			return readRun(core, runId) as RunRows;
		});
	}

	async declineRun(runId: string, by: Approver, comment: string | null): Promise<Result<RunRows>> {
		return this.#command((core) => {
			declineRun(core, runId, by, comment);
			return readRun(core, runId) as RunRows;
		});
	}

	async explainRuns(runIds: string[]): Promise<Record<string, RunWait>> {
		return explainRuns(this.#core, runIds);
	}

	async readQueue(limit: number): Promise<Queue> {
		return readQueue(this.#core, limit);
	}

	async moveToFront(jobId: string): Promise<Result<void>> {
		return this.#command((core) => moveToFront(core, jobId));
	}

	async nextRev(since: number, holdMs: number): Promise<number> {
		return this.#changes.nextRev(since, holdMs);
	}

	async nextRevOfRun(runId: string, since: number, holdMs: number): Promise<number | null> {
		return this.#changes.nextRevOfRun(runId, since, holdMs);
	}

	async readOverview(): Promise<Overview> {
		return readOverview(this.#core);
	}

	async listSchedules(project: string): Promise<ScheduleRow[]> {
		return listSchedules(this.#core, project);
	}

	async findSchedule(id: string): Promise<Result<ScheduleRow>> {
		return resultOf(() => findSchedule(this.#core, id));
	}

	async addSchedule(id: string, project: string, schedule: ScheduleRequest): Promise<Result<ScheduleRow>> {
		return this.#command((core) => addSchedule(core, id, project, schedule));
	}

	async removeSchedule(id: string): Promise<Result<void>> {
		return this.#command((core) => removeSchedule(core, id));
	}

	async pauseSchedule(id: string, by: string | null): Promise<Result<ScheduleRow>> {
		return this.#command((core) => pauseSchedule(core, id, by));
	}

	async deleteProject(project: string): Promise<void> {
		this.#command((core) => {
			deleteSchedules(core, project);
			unfollowProject(core, project);
		});
	}

	async followProject(project: ComparedProject): Promise<void> {
		this.#command((core) => followProject(core, project));
	}

	async unfollowProject(project: string): Promise<void> {
		this.#command((core) => unfollowProject(core, project));
	}

	async readComparisons(project: string | null): Promise<ComparisonState[]> {
		return readComparisons(this.#core, project);
	}

	async compare(submit: Submit): Promise<Result<Submitted>> {
		return this.#submit((core) => submitComparison(core, submit, () => this.#assertRoom()));
	}

	async submitDelivered(submit: Submit, delivered: DeliveredRef): Promise<Result<{ runId: string | null; standing: Standing }>> {
		return this.#command((core) => submitDelivered(core, submit, delivered, () => this.#assertRoom()));
	}

	async recordDelivered(delivered: DeliveredRef): Promise<void> {
		this.#command((core) => recordDelivered(core, delivered));
	}

	async retryStatuses(project: string): Promise<void> {
		this.#command((core) => retryStatuses(core, project));
	}

	async readUndelivered(project: string, limit: number): Promise<Undelivered[]> {
		return undeliveredOf(this.#core, project, limit);
	}

	async testNotifications(run: { id: string; project: string }, definition: string): Promise<Result<number>> {
		return this.#command((core) => testNotifications(core, run, definition));
	}

	async decline(jobId: string, by: Approver, comment: string | null): Promise<Result<JobRows>> {
		return this.#command((core) => {
			declineJob(core, jobId, by, comment);
			return readJob(core, jobId) as JobRows;
		});
	}

	async uploadTarget(lease: LeaseClaims): Promise<Result<UploadTarget>> {
		return this.#command((core) => uploadTarget(core, lease));
	}

	async addJobs(lease: LeaseClaims, upload: UploadedJobs): Promise<Result<string[] | null>> {
		return this.#command((core) => addJobs(core, lease, upload));
	}

	async readDefinition(digest: string): Promise<string | null> {
		return readDefinitionOf(this.#core, digest);
	}

	async readRun(runId: string): Promise<RunRows | null> {
		return readRun(this.#core, runId);
	}

	async readJob(jobId: string): Promise<JobRows | null> {
		return readJob(this.#core, jobId);
	}

	async readArtifacts(attemptId: string): Promise<ArtifactRow[] | null> {
		return readArtifacts(this.#core, attemptId);
	}

	async readArtifactsOfRun(runId: string): Promise<ArtifactRow[] | null> {
		return readArtifactsOfRun(this.#core, runId);
	}

	async readArtifact(attemptId: string, path: string): Promise<ArtifactRow | null> {
		return readArtifact(this.#core, attemptId, path);
	}

	async readEvents(runId: string): Promise<EventRow[]> {
		return pendingEvents(this.#core, runId);
	}

	async held(asked: Holdings): Promise<Holdings> {
		return heldOf(this.#core, asked);
	}

	async hasDeparted(runId: string, holdMs: number): Promise<boolean> {
		return this.#changes.hasDeparted(runId, holdMs);
	}

	async pause(actor: string, reason: string | null): Promise<Pause> {
		const pause = pauseQueue(this.#core, actor, reason);
		this.#changes.wakeFeed();
		return pause;
	}

	async resume(): Promise<void> {
		resumeQueue(this.#core);
		this.#settle();
		this.#changes.wakeFeed();
	}

	async readPause(): Promise<Pause | null> {
		return pauseOf(this.#core);
	}

	async readQuotas(): Promise<{ quotas: Quotas; queued: number; running: number }> {
		return { quotas: quotasOf(this.#core), queued: queuedJobs(this.#core), running: runningJobs(this.#core) };
	}

	async setQuotas(change: QuotaChange): Promise<void> {
		setQuotas(this.#core, change);
		// More jobs may run now.
		this.#settle();
	}

	async readAgents(): Promise<AgentRows[]> {
		return readAgents(this.#core);
	}

	async explain(jobId: string): Promise<Explanation | null> {
		return explainJob(this.#core, jobId);
	}

	async candidatesFor(project: string, jobs: { name: string; runs_on: string }[]): Promise<Candidates> {
		return candidatesFor(this.#core, project, jobs);
	}

	async explainQueued(runId: string): Promise<Record<string, string>> {
		return explainQueued(this.#core, runId);
	}

	async followRun(runId: string, since: number, holdMs: number): Promise<{ rev: number; rows: RunRows } | null> {
		return this.#changes.followRun(runId, since, holdMs);
	}

	async followChanges(since: number | null, holdMs: number): Promise<Changes> {
		return this.#changes.followChanges(since, holdMs);
	}

	async watch(attemptId: string): Promise<boolean> {
		if (this.#watchers.add(attemptId)) this.#settle();
		return this.#logs.isInShard(attemptId);
	}

	async readHeldLog(attemptId: string): Promise<Uint8Array | null> {
		return readHeldLog(this.#core, attemptId);
	}

	async dropHeldLogs(attemptIds: string[]): Promise<void> {
		await this.#packer.drop(attemptIds);
	}

	async createRegistrationToken(token: NewRegistrationToken, actor: string): Promise<Result<string>> {
		return this.#command((core) => createRegistrationToken(core, token, actor));
	}

	async listRegistrationTokens(): Promise<RegistrationTokenRow[]> {
		return listRegistrationTokens(this.#core);
	}

	async revokeRegistrationToken(id: string, actor: string): Promise<Result<void>> {
		return this.#command((core) => revokeRegistrationToken(core, id, actor));
	}

	async readAgent(agentId: string): Promise<Result<AgentRows>> {
		return resultOf(() => readAgent(this.#core, agentId));
	}

	async changeAgent(agentId: string, change: AgentChange, actor: string): Promise<Result<AgentRows>> {
		return this.#command((core) => {
			changeAgent(core, agentId, change, actor);
			this.#polls.sendRequestsAgain(agentId);
			return readAgent(core, agentId);
		});
	}

	async removeAgent(agentId: string, actor: string): Promise<Result<string>> {
		return this.#command((core) => {
			const name = removeAgent(core, agentId, actor);
			this.#polls.evict(agentId);
			return name;
		});
	}

	async rotateToken(agentId: string, secretHash: string, nextHash: string): Promise<Result<void>> {
		return this.#command((core) => issueNextToken(core, agentId, secretHash, nextHash));
	}

	async register(registration: Registration): Promise<Result<string>> {
		return this.#command((core) => registerAgent(core, registration));
	}

	async checkCredential(credential: Credential): Promise<Result<void>> {
		return resultOf(() => assertCredential(this.#core, credential));
	}

	async warmProjectsOf(credential: { agentId: string; secretHash: string }): Promise<Result<string[]>> {
		return resultOf(() => warmProjectsOf(this.#core, credential));
	}

	async recordWarmed(agentId: string, projects: string[]): Promise<void> {
		this.#command((core) => recordWarmed(core, agentId, projects));
	}

	async hello(agentId: string, secretHash: string, hello: Hello): Promise<Result<EffectiveLabels>> {
		return this.#command((core) => {
			sweep(core);
			const opened = openSession(core, agentId, secretHash, hello);
			this.#polls.evict(agentId);
			return opened;
		});
	}

	async poll(agentId: string, secretHash: string, poll: Omit<Poll, "results">, results: CheckedResult[]): Promise<Result<PollResult>> {
		return this.#polls.poll(agentId, secretHash, poll, results, pollHoldMs(this.env), () => this.#settle());
	}

	async renew(agentId: string, secretHash: string, renew: Renew): Promise<Result<Renewal & { watch: string[] }>> {
		return this.#command((core) => {
			sweep(core);
			const renewal = renewLeases(core, agentId, secretHash, renew);
			return { ...renewal, watch: this.#watchers.watchedOf(agentId) };
		});
	}

	async bye(agentId: string, secretHash: string, session: number): Promise<Result<void>> {
		return this.#command((core) => {
			closeSession(core, agentId, secretHash, session);
			this.#polls.wake(agentId);
		});
	}

	async start(lease: LeaseClaims): Promise<Result<Started>> {
		return this.#command((core) => startAttempt(core, lease));
	}

	async snooze(lease: LeaseClaims, reason: Reason): Promise<Result<void>> {
		return this.#command((core) => snoozeAttempt(core, lease, reason));
	}

	async fail(lease: LeaseClaims, reason: Reason): Promise<Result<void>> {
		return this.#command((core) => failAttempt(core, lease, reason));
	}

	async release(lease: LeaseClaims): Promise<Result<void>> {
		return this.#command((core) => releaseOffer(core, lease));
	}

	async pinCommit(lease: LeaseClaims, commit: PinnedCommit): Promise<Result<string>> {
		return this.#command((core) => pinCommit(core, lease, commit));
	}

	async checkLease(lease: LeaseClaims): Promise<Result<void>> {
		return this.#command((core) => void liveAttemptOf(core, lease));
	}

	async knowsLease(lease: Pick<LeaseClaims, "attemptId" | "leaseId">): Promise<boolean> {
		return isLeaseKnown(this.#core, lease);
	}

	async sourceOf(lease: LeaseClaims): Promise<Result<string | null>> {
		return this.#command((core) => findRun(core, liveAttemptOf(core, lease).run_id)?.source_upload ?? null);
	}

	async downloadsFor(lease: LeaseClaims, asked: AskedFiles | null): Promise<Result<DownloadableJob[]>> {
		return this.#command((core) => downloadableJobs(core, lease, asked));
	}

	async finish(
		lease: LeaseClaims,
		finish: Finish,
		digest: string,
		artifacts: SavedArtifact[],
		discovered: Discovered | null,
	): Promise<Result<AttemptState>> {
		return this.#command((core) => finishAttempt(core, lease, finish, digest, artifacts, discovered));
	}

	async discoveryOf(lease: LeaseClaims): Promise<Result<{ discovery: Discovery; run: RunRow } | null>> {
		return this.#command((core) => discoveryOfAttempt(core, lease));
	}

	async cachingRunOf(lease: LeaseClaims): Promise<Result<QueuedCachingRun & { hasRoom: boolean }>> {
		return this.#command((core) => ({ ...cachingRunOf(core, lease), hasRoom: this.#diskError === null }));
	}

	async isAttemptLive(attemptId: string): Promise<boolean> {
		const attempt = findAttempt(this.#core, attemptId);
		return attempt === undefined ? findOffer(this.#core, attemptId) !== undefined : !isTerminal(attempt.state);
	}

	async beginsLog(attemptId: string): Promise<boolean> {
		return this.#logs.begins(attemptId);
	}

	async logArchived(attemptId: string, log: ArchivedLogNote): Promise<void> {
		this.#command((core) => logArchived(core, attemptId, log));
	}

	async prepareStop(): Promise<void> {
		prepareStop(this.#core);
		this.#stop.plan();
		this.#settle();
		await this.#stop.untilNotified();
	}

	async readMetrics(): Promise<QueueMetrics> {
		const { storedAt: _, isChanged: __, ...counts } = this.#core.counts;
		return { counts, gauges: readGauges(this.#core), lagMs: this.#relay.lagMs };
	}

	async health(): Promise<QueueHealth> {
		return { outbox: outboxDepth(this.#core), deadEffects: deadEffects(this.#core), schema: readMeta(this.#core.sql, "schema") ?? "0" };
	}

	#assertRoom(): void {
		if (this.#diskError === null) return;
		throw new ApiError("unavailable", this.#diskError, {
			suggestions: [
				"Free space on the coordinator's disk, give caches less room, or keep logs and artifacts for a shorter time. Accepted runs go on.",
			],
			headers: { "Retry-After": "60" },
		});
	}

	#submit(accept: (core: Core) => { runId: string; isReplay: boolean }): Result<Submitted> {
		return this.#command((core) => {
			const { runId, isReplay } = accept(core);
			return { runId, isReplay, rows: readRun(core, runId), notices: unmetForever(core, runId) };
		});
	}

	#command<Value>(body: (core: Core) => Value): Result<Value> {
		try {
			return resultOf(() => body(this.#core));
		} finally {
			this.#settle();
		}
	}

	/** Starts everything that may follow from a command. */
	#settle(): void {
		try {
			this.#polls.assignAndWake();
			this.#changes.announceChanges();
			this.#logs.sendReadersOn();
			storeCounts(this.#core);
		} catch (error) {
			// The command before is committed: its caller gets its answer even if this fails.
			log("error", "settling failed", errorFields(error));
		}
		void this.#relay.run().then((hasRun) => hasRun && this.#afterFlight());
		for (const runner of this.#effects) for (const flight of runner.run()) void flight.then(() => this.#afterFlight());
		this.#packer.run();
		this.#arm();
	}

	/** Rows were copied, or effects have happened: runs may have left the queue. */
	#afterFlight(): void {
		this.#changes.wakeDepartures();
		this.#arm();
	}

	#arm(): void {
		this.#alarm.arm([nextDue(this.#core), ...this.#effects.map((runner) => runner.nextDue), this.#relay.nextDue, this.#packer.nextDue]);
	}
}

/** The team of this object. The object's name is `team:<slug>`. */
function teamOf(context: DurableObjectState): string {
	const name = context.id.name;
	if (name?.startsWith("team:")) return name.slice("team:".length);
	const stored = context.storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'team'").toArray()[0];
	if (!stored) throw notFound("team", name ?? "");
	return stored.value;
}
