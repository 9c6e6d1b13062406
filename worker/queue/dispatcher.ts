import { DurableObject } from "cloudflare:workers";
import { ulid } from "ulid";
import type { ArtifactRow, EventRow } from "../../schema/database/tables.ts";
import type { Discovery } from "../../schema/pipeline/resolve/resolved.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import type { EffectiveLabels } from "../../schema/wire/labels.ts";
import type { Finish, Hello, PinnedCommit, Poll, Renew } from "../../schema/wire/protocol.ts";
import type { Explanation } from "../../schema/wire/resources.ts";
import type { ScheduleRequest } from "../../schema/wire/schedules.ts";
import { type AttemptState, isTerminal, type Reason } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { EffectRunner } from "../effects/effect_runner.ts";
import { errorFields, log, setLogLevel } from "../platform/logger.ts";
import { type Result, resultOf } from "../platform/result.ts";
import { pollHoldMs, readSettings, SHORT_HOLD_MS, SWEEPER_NAME } from "../platform/settings.ts";
import { Waiters } from "../platform/waiters.ts";
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
import { type Core, openCore, readMeta, writeMeta } from "./core/core.ts";
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
	findSchedule,
	forgetSchedules,
	listSchedules,
	pauseSchedule,
	removeSchedule,
	type ScheduleRow,
} from "./core/discovery/schedules.ts";
import { deadEffects, retryStatuses, type Undelivered, undeliveredOf } from "./core/effects/effects.ts";
import { testNotifications } from "./core/effects/notifications.ts";
import { scheduleTidying } from "./core/housekeeping.ts";
import { type ArchivedLogNote, logArchived } from "./core/leases/archived_logs.ts";
import {
	type DownloadableJob,
	discoveryOfAttempt,
	downloadableJobs,
	failAttempt,
	finishAttempt,
	isLeaseKnown,
	type LeaseClaims,
	liveAttempt,
	pinCommit,
	releaseOffer,
	type SavedArtifact,
	type Started,
	snoozeAttempt,
	startAttempt,
} from "./core/leases/attempts.ts";
import { assignOffers } from "./core/leases/offers.ts";
import { type Pause, pauseOf, pauseQueue, resumeQueue } from "./core/leases/pause.ts";
import {
	agentsHoldingLeases,
	agentsWithNews,
	hasNews,
	type LeaseLeft,
	leasesLeft,
	newsFor,
	notePoll,
	type Renewal,
	renewLeases,
	requestsTo,
} from "./core/leases/polls.ts";
import {
	type AgentRows,
	type Changes,
	type Holdings,
	heldOf,
	newestRevOf,
	type RunRows,
	readAgent,
	readAgents,
	readArtifact,
	readArtifacts,
	readChanges,
	readDefinitionOf,
	readJob,
	readRun,
} from "./core/reads.ts";
import { pendingEvents } from "./core/record/events.ts";
import { outboxDepth } from "./core/record/outbox.ts";
import { type AttemptRow, findAttempt, findRun, type JobRow, liveAttemptsOfAgent, type OfferRow, type RunRow } from "./core/rows.ts";
import { type Approver, approveJob, approveRun, declineJob, declineRun } from "./core/runs/approvals.ts";
import { cancelJobById, cancelRun } from "./core/runs/cancel.ts";
import { explainJob, explainQueued, unmetForever } from "./core/runs/explain.ts";
import { type Submit, submitRun } from "./core/runs/submit.ts";
import { noteOpening, prepareStop, sweep } from "./core/sweep.ts";
import { nextDue } from "./core/timers.ts";
import { durableSql } from "./durable_sql.ts";
import { OutboxRelay } from "./relay.ts";

/** The answer to a poll or renewal, before it is put into the words of the wire. */
export interface PollResult {
	offers: OfferRow[];
	cancel: string[];
	watch: string[];
	/** Leases that were moved outside of a renewal, with what is left of each. */
	renewed: LeaseLeft[];
	/** Whether the agent is asked to end its process, to get another token. */
	drain: boolean;
	rotate: boolean;
}

/** What became of a submission. */
export interface Submitted {
	/** Null if the queue does not hold the run (any more): then it was submitted before. */
	rows: RunRows | null;
	runId: string;
	isReplay: boolean;
	/** What keeps its jobs from ever starting, as things stand. */
	notices: string[];
}

interface JobRows {
	job: JobRow;
	attempts: AttemptRow[];
}

/** A reader of a live log vouches for its interest this long; it must be repeated. */
const WATCH_MS = 30_000;
/** How long a discovered stop waits for agents that hold leases to ask. */
const STOP_TELLING_MS = 2_000;

/**
 * The shell around the queue of one team: it parks the calls that wait, runs the core's commands, arms the alarm and
 * carries what has changed to the world. Every decision is the core's, made and written without an `await`; after each
 * command `#settle` looks once at all that may follow from it.
 */
export class Dispatcher extends DurableObject<Environment> {
	readonly #core: Core;
	readonly #drain: OutboxRelay;
	/** The coordinator's own effects, and those that somebody elsewhere must answer to. */
	readonly #effects: readonly EffectRunner[];
	/** Parked polls by agent, calls that follow one run, calls that follow everything. */
	readonly #polls = new Waiters();
	readonly #runFollowers = new Waiters();
	readonly #feedFollowers = new Waiters();
	/** Calls that wait for a run to leave. */
	readonly #departures = new Waiters();
	#followers = 0;
	/** Attempt → until when somebody reads its log. */
	readonly #watched = new Map<string, number>();
	readonly #toldWatch = new Map<string, string>();
	/** Agent → the requests that its newest answer carried. An agent that ignores one gets it again when a poll ends, not at once. */
	readonly #sentRequests = new Map<string, string>();
	/** Agent → the attempts that its newest poll lists: an offer among them has arrived and is being claimed. */
	readonly #known = new Map<string, Set<string>>();
	/** Agents that know of the discovered stop; null while none is discovered. */
	#toldStop: Set<string> | null = null;
	readonly #stopTelling = new Waiters();
	/** Why nothing new is accepted; null while the disk has room. */
	#diskError: string | null = null;
	#settledRev: number;
	#armedAt: number | null = null;

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
		const sql = durableSql(context.storage);
		this.#core = openCore({
			sql,
			team: teamOf(context),
			settings: readSettings(environment),
			now: () => Date.now(),
			newId: (kind) => `${ID_PREFIXES[kind]}_${ulid()}`,
			newSecret: () => crypto.randomUUID(),
			report: (fault, fields) => log("error", fault, fields),
		});
		this.#settledRev = this.#core.rev;
		this.#drain = new OutboxRelay(this.#core, environment.DB);
		// What an effect has changed is looked after like any other change: it may have made a run.
		this.#effects = (["internal", "external"] as const).map(
			(effectClass) => new EffectRunner(this.#core, environment, effectClass, () => this.#settle()),
		);
		writeMeta(sql, "team", this.#core.team);
		noteOpening(this.#core, environment.BOOT_ID ?? null);
		scheduleTidying(this.#core);
		// Whoever keeps the record sees to it that what is over does not stay in it for ever.
		void environment.SWEEPER.getByName(SWEEPER_NAME)
			.schedule()
			.catch((error) => log("warn", "retention cannot be scheduled", errorFields(error)));
		this.#settle();
	}

	/** Sweeps, and starts what is slow without waiting for it: an alarm that waits for D1 stops lease expiry. */
	override alarm(): void {
		this.#armedAt = null;
		try {
			sweep(this.#core);
		} catch (error) {
			log("error", "sweep failed", errorFields(error));
		} finally {
			this.#settle();
		}
	}

	/** Answers once the schema is up to date; called by the host when the tokens are in place, before anybody else is served. */
	async prepare(bootId: string): Promise<void> {
		writeMeta(this.#core.sql, "prepared_boot", bootId);
	}

	/** Whether the host has finished this start; a restart of workerd is none. */
	async isPrepared(bootId: string): Promise<boolean> {
		return readMeta(this.#core.sql, "prepared_boot") === bootId;
	}

	/** The host says whether the disk is too full for new work; null when it is not. */
	async noteDisk(fault: string | null): Promise<void> {
		this.#diskError = fault;
	}

	/** Refuses while the disk is too full for new work. */
	async checkRoom(): Promise<Result<void>> {
		return resultOf(() => this.#assertRoom());
	}

	/** @see submitRun */
	async submit(submit: Submit): Promise<Result<Submitted>> {
		return this.#command((core) => {
			const { runId, isReplay } = submitRun(core, submit, () => this.#assertRoom());
			return { runId, isReplay, rows: readRun(core, runId), notices: unmetForever(core, runId) };
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

	/** @see approveJob */
	async approve(jobId: string, by: Approver): Promise<Result<JobRows>> {
		return this.#command((core) => {
			approveJob(core, jobId, by);
			return readJob(core, jobId) as JobRows;
		});
	}

	/** @see approveRun */
	async approveRun(runId: string, by: Approver): Promise<Result<RunRows>> {
		return this.#command((core) => {
			approveRun(core, runId, by);
			return readRun(core, runId) as RunRows;
		});
	}

	/** @see declineRun */
	async declineRun(runId: string, by: Approver, comment: string | null): Promise<Result<RunRows>> {
		return this.#command((core) => {
			declineRun(core, runId, by, comment);
			return readRun(core, runId) as RunRows;
		});
	}

	async listSchedules(project: string): Promise<ScheduleRow[]> {
		return listSchedules(this.#core, project);
	}

	async findSchedule(id: string): Promise<Result<ScheduleRow>> {
		return resultOf(() => findSchedule(this.#core, id));
	}

	/** @see addSchedule */
	async addSchedule(id: string, project: string, schedule: ScheduleRequest): Promise<Result<ScheduleRow>> {
		return this.#command((core) => addSchedule(core, id, project, schedule));
	}

	async removeSchedule(id: string): Promise<Result<void>> {
		return this.#command((core) => removeSchedule(core, id));
	}

	/** @param by who pauses it; null: it goes on */
	async pauseSchedule(id: string, by: string | null): Promise<Result<ScheduleRow>> {
		return this.#command((core) => pauseSchedule(core, id, by));
	}

	/** A project is gone: nothing of it is to be run any more by itself. */
	async forgetProject(project: string): Promise<void> {
		this.#command((core) => {
			forgetSchedules(core, project);
			unfollowProject(core, project);
		});
	}

	/** @see followProject */
	async followProject(project: ComparedProject): Promise<void> {
		this.#command((core) => followProject(core, project));
	}

	/** @see unfollowProject */
	async unfollowProject(project: string): Promise<void> {
		this.#command((core) => unfollowProject(core, project));
	}

	/** @see readComparisons */
	async readComparisons(project: string | null): Promise<ComparisonState[]> {
		return readComparisons(this.#core, project);
	}

	/** @see submitComparison */
	async compare(submit: Submit): Promise<Result<Submitted>> {
		return this.#command((core) => {
			const { runId, isReplay } = submitComparison(core, submit, () => this.#assertRoom());
			return { runId, isReplay, rows: readRun(core, runId), notices: unmetForever(core, runId) };
		});
	}

	/** @see submitDelivered */
	async submitDelivered(submit: Submit, heard: DeliveredRef): Promise<Result<{ runId: string | null; standing: Standing }>> {
		return this.#command((core) => submitDelivered(core, submit, heard, () => this.#assertRoom()));
	}

	/** @see recordDelivered */
	async recordDelivered(heard: DeliveredRef): Promise<void> {
		this.#command((core) => recordDelivered(core, heard));
	}

	/** @see retryStatuses */
	async retryStatuses(project: string): Promise<void> {
		this.#command((core) => retryStatuses(core, project));
	}

	/** What a forge, or somebody else, has not been told of the runs of a project. */
	async readUndelivered(project: string, limit: number): Promise<Undelivered[]> {
		return undeliveredOf(this.#core, project, limit);
	}

	/** @see testNotifications */
	async testNotifications(run: { id: string; project: string }, definition: string): Promise<Result<number>> {
		return this.#command((core) => testNotifications(core, run, definition));
	}

	/** @see declineJob */
	async decline(jobId: string, by: Approver, comment: string | null): Promise<Result<JobRows>> {
		return this.#command((core) => {
			declineJob(core, jobId, by, comment);
			return readJob(core, jobId) as JobRows;
		});
	}

	/** What a live run is made of; null if the queue does not hold it (any more). */
	async readDefinition(digest: string): Promise<string | null> {
		return readDefinitionOf(this.#core, digest);
	}

	async readRun(runId: string): Promise<RunRows | null> {
		return readRun(this.#core, runId);
	}

	async readJob(jobId: string): Promise<JobRows | null> {
		return readJob(this.#core, jobId);
	}

	/** The files of a live attempt; null if the queue does not hold it (any more). */
	async readArtifacts(attemptId: string): Promise<ArtifactRow[] | null> {
		return readArtifacts(this.#core, attemptId);
	}

	/** One of them, by its path. */
	async readArtifact(attemptId: string, path: string): Promise<ArtifactRow | null> {
		return readArtifact(this.#core, attemptId, path);
	}

	/** The transitions of a run that the record may not have yet. */
	async readEvents(runId: string): Promise<EventRow[]> {
		return pendingEvents(this.#core, runId);
	}

	/** Which of these the queue holds: they are not to be removed. */
	async held(asked: Holdings): Promise<Holdings> {
		return heldOf(this.#core, asked);
	}

	/** Whether a run has left the queue; waits for it up to `holdMs`. */
	async hasDeparted(runId: string, holdMs: number): Promise<boolean> {
		const isHeld = () => heldOf(this.#core, { runs: [runId], sources: [], attempts: [] }).runs.length > 0;
		for (const until = Date.now() + holdMs; isHeld() && Date.now() < until; )
			await this.#departures.park(`${runId} ${this.#nextFollower()}`, until - Date.now());
		return !isHeld();
	}

	async pause(actor: string, reason: string | null): Promise<Pause> {
		const pause = pauseQueue(this.#core, actor, reason);
		this.#feedFollowers.wakeAll();
		return pause;
	}

	async resume(): Promise<void> {
		resumeQueue(this.#core);
		this.#settle();
		this.#feedFollowers.wakeAll();
	}

	async readPause(): Promise<Pause | null> {
		return pauseOf(this.#core);
	}

	async readAgents(): Promise<AgentRows[]> {
		return readAgents(this.#core);
	}

	async explain(jobId: string): Promise<Explanation | null> {
		return explainJob(this.#core, jobId);
	}

	/** What the queued jobs of a run wait for, by job. */
	async explainQueued(runId: string): Promise<Record<string, string>> {
		return explainQueued(this.#core, runId);
	}

	/** The state of the run, once anything under it has a revision above `since`, or after `holdMs`; null when it has left. */
	async followRun(runId: string, since: number, holdMs: number): Promise<{ rev: number; rows: RunRows } | null> {
		const rev = newestRevOf(this.#core, runId);
		if (rev > 0 && rev <= since) {
			await this.#runFollowers.park(`${runId} ${since} ${this.#nextFollower()}`, Math.min(holdMs, SHORT_HOLD_MS));
		}
		const rows = readRun(this.#core, runId);
		return rows && { rev: newestRevOf(this.#core, runId), rows };
	}

	/** What changed after `since`, or after `holdMs` that nothing did. `since` null asks for where the feed stands. */
	async followChanges(since: number | null, holdMs: number): Promise<Changes> {
		if (since === null) return { rev: this.#core.rev, hasDeparted: false, runs: [], jobs: [], agents: [] };
		if (this.#core.rev <= since) await this.#feedFollowers.park(this.#nextFollower(), Math.min(holdMs, SHORT_HOLD_MS));
		return readChanges(this.#core, since);
	}

	/** Somebody reads this attempt's log right now: its agent is asked to send it quickly. */
	async watch(attemptId: string): Promise<void> {
		const isNew = !this.#watched.has(attemptId);
		this.#watched.set(attemptId, Date.now() + WATCH_MS);
		if (isNew) this.#settle();
	}

	/** @see createRegistrationToken */
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

	/** @see changeAgent */
	async changeAgent(agentId: string, change: AgentChange, actor: string): Promise<Result<AgentRows>> {
		return this.#command((core) => {
			changeAgent(core, agentId, change, actor);
			this.#sentRequests.delete(agentId);
			if (this.#isAskedAnew(agentId)) this.#polls.wake(agentId);
			return readAgent(core, agentId);
		});
	}

	/** @see removeAgent */
	async removeAgent(agentId: string, actor: string): Promise<Result<string>> {
		return this.#command((core) => {
			const name = removeAgent(core, agentId, actor);
			this.#polls.wake(agentId);
			for (const known of [this.#sentRequests, this.#toldWatch, this.#known]) known.delete(agentId);
			return name;
		});
	}

	/** @see issueNextToken */
	async rotateToken(agentId: string, secretHash: string, nextHash: string): Promise<Result<void>> {
		return this.#command((core) => issueNextToken(core, agentId, secretHash, nextHash));
	}

	async register(registration: Registration): Promise<Result<string>> {
		return this.#command((core) => registerAgent(core, registration));
	}

	/** @see assertCredential */
	async checkCredential(credential: Credential): Promise<Result<void>> {
		return resultOf(() => assertCredential(this.#core, credential));
	}

	async hello(agentId: string, secretHash: string, hello: Hello): Promise<Result<EffectiveLabels>> {
		return this.#command((core) => {
			sweep(core);
			const opened = openSession(core, agentId, secretHash, hello);
			this.#polls.wake(agentId);
			this.#toldWatch.delete(agentId);
			this.#sentRequests.delete(agentId);
			this.#known.delete(agentId);
			return opened;
		});
	}

	/** Answers as soon as there is something for the agent, and otherwise with nothing when the hold is over. */
	async poll(agentId: string, secretHash: string, poll: Poll): Promise<Result<PollResult>> {
		const noted = resultOf(() => {
			sweep(this.#core);
			return notePoll(this.#core, agentId, secretHash, poll);
		});
		if (!noted.ok) return noted;
		if (!noted.value) {
			return { ok: true, value: { offers: [], cancel: [], watch: this.#watchedBy(agentId), renewed: [], drain: false, rotate: false } };
		}
		this.#polls.wake(agentId);
		this.#known.set(agentId, new Set(poll.running));
		assignOffers(this.#core, [agentId]);
		this.#settle();
		if (!this.#hasNews(agentId) && !this.#isAskedAnew(agentId)) {
			const holdsLeases = liveAttemptsOfAgent(this.#core, agentId).length > 0;
			const hold = pollHoldMs(this.env);
			await this.#polls.park(agentId, holdsLeases ? Math.min(hold, SHORT_HOLD_MS) : hold);
		}
		return resultOf(() => this.#pollResult(agentId));
	}

	async renew(agentId: string, secretHash: string, renew: Renew): Promise<Result<Renewal & { watch: string[] }>> {
		return this.#command((core) => {
			sweep(core);
			const renewal = renewLeases(core, agentId, secretHash, renew);
			return { ...renewal, watch: this.#watchedBy(agentId) };
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

	/** Takes a job back that cannot start yet, for no fault of its own. */
	async park(lease: LeaseClaims, reason: Reason): Promise<Result<void>> {
		return this.#command((core) => snoozeAttempt(core, lease, reason));
	}

	/** Ends an attempt that the coordinator itself cannot let start. */
	async refuse(lease: LeaseClaims, reason: Reason): Promise<Result<void>> {
		return this.#command((core) => failAttempt(core, lease, reason));
	}

	async release(lease: LeaseClaims): Promise<Result<void>> {
		return this.#command((core) => releaseOffer(core, lease));
	}

	async pinCommit(lease: LeaseClaims, commit: PinnedCommit): Promise<Result<string>> {
		return this.#command((core) => pinCommit(core, lease, commit));
	}

	/** Whether this lease is live: what a plan of artifacts is checked against. */
	async checkLease(lease: LeaseClaims): Promise<Result<void>> {
		return resultOf(() => void liveAttempt(this.#core, lease));
	}

	/** @see isLeaseKnown */
	async knowsLease(lease: Pick<LeaseClaims, "attemptId" | "leaseId">): Promise<boolean> {
		return isLeaseKnown(this.#core, lease);
	}

	/** The uploaded source that the workspace of this live attempt is made of; null if there is none. */
	async sourceOf(lease: LeaseClaims): Promise<Result<string | null>> {
		return resultOf(() => findRun(this.#core, liveAttempt(this.#core, lease).run_id)?.source_upload ?? null);
	}

	/** The jobs from which the job of this live attempt fetches files. */
	async downloadsFor(lease: LeaseClaims): Promise<Result<DownloadableJob[]>> {
		return resultOf(() => downloadableJobs(this.#core, lease));
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

	/** The task of the discovery job of this live attempt, with its run; null if the job is no discovery job. */
	async discoveryOf(lease: LeaseClaims): Promise<Result<{ discovery: Discovery; run: RunRow } | null>> {
		return resultOf(() => discoveryOfAttempt(this.#core, lease));
	}

	/** For a LogShard that finds a log open and untouched for long: whether its attempt still lives. */
	async isAttemptLive(attemptId: string): Promise<boolean> {
		const attempt = findAttempt(this.#core, attemptId);
		return attempt !== undefined && !isTerminal(attempt.state);
	}

	async logArchived(attemptId: string, log: ArchivedLogNote): Promise<void> {
		this.#command((core) => logArchived(core, attemptId, log));
	}

	/**
	 * Moves every lease far ahead and tells every agent: the host is about to stop on purpose. Returns once all that hold leases were told;
	 * for one that does not ask, or is between two polls, it waits a little.
	 */
	async prepareStop(): Promise<void> {
		prepareStop(this.#core);
		this.#toldStop = new Set();
		this.#settle();
		if (!this.#isStopTold()) await this.#stopTelling.park("the host", STOP_TELLING_MS);
	}

	#isStopTold(): boolean {
		return agentsHoldingLeases(this.#core).every((id) => this.#toldStop?.has(id));
	}

	/** How far the record is behind, and what needs a person. */
	async health(): Promise<{ outbox: { waiting: number; dead: number }; deadEffects: number; schema: string }> {
		return { outbox: outboxDepth(this.#core), deadEffects: deadEffects(this.#core), schema: readMeta(this.#core.sql, "schema") ?? "0" };
	}

	#assertRoom(): void {
		if (this.#diskError === null) return;
		throw new ApiError("unavailable", this.#diskError, {
			suggestions: ["Free some space on the coordinator's disk, or keep logs and artifacts for a shorter time; what was accepted goes on."],
			headers: { "Retry-After": "60" },
		});
	}

	#command<Value>(body: (core: Core) => Value): Result<Value> {
		try {
			return resultOf(() => body(this.#core));
		} finally {
			this.#settle();
		}
	}

	/** All that may follow from a command: offers, answers to parked calls, the record, effects, the alarm. */
	#settle(): void {
		try {
			this.#lookAfterAll();
		} catch (error) {
			// The command that came before is committed; its caller must hear so.
			log("error", "settling failed", errorFields(error));
		}
		void this.#drain.run().then((hasFlown) => hasFlown && this.#afterFlight());
		for (const runner of this.#effects) for (const flight of runner.run()) void flight.then(() => this.#afterFlight());
		this.#arm();
	}

	/** Something of what was pending has reached the world: runs may have left. */
	#afterFlight(): void {
		this.#departures.wakeAll();
		this.#arm();
	}

	/** Offers to whoever waits, and answers for whom there is news. */
	#lookAfterAll(): void {
		assignOffers(this.#core, this.#polls.newestFirst());
		for (const agentId of this.#agentsToLookAt()) if (this.#polls.has(agentId) && this.#hasNews(agentId)) this.#polls.wake(agentId);
		if (this.#core.rev !== this.#settledRev) {
			this.#settledRev = this.#core.rev;
			this.#wakeRunFollowers();
			this.#feedFollowers.wakeAll();
		}
	}

	/** Those for whom there may be news: of a thousand parked agents few have any, and to ask for each would take long. */
	#agentsToLookAt(): Iterable<string> {
		if (this.#toldStop) return this.#polls.newestFirst();
		const agents = new Set(agentsWithNews(this.#core));
		for (const [agentId, told] of this.#toldWatch) if (told !== "") agents.add(agentId);
		for (const attemptId of this.#watched.keys()) agents.add(findAttempt(this.#core, attemptId)?.agent_id ?? "");
		return agents;
	}

	/** Wakes those whose run has changed since they looked. */
	#wakeRunFollowers(): void {
		const revs = new Map<string, number>();
		for (const key of this.#runFollowers.newestFirst()) {
			const [runId = "", since] = key.split(" ");
			const rev = revs.get(runId) ?? newestRevOf(this.#core, runId);
			revs.set(runId, rev);
			if (rev > Number(since)) this.#runFollowers.wake(key);
		}
	}

	/** Arms the alarm for the next thing that falls due, unless it is armed for earlier already. */
	#arm(): void {
		const due = [nextDue(this.#core), ...this.#effects.map((runner) => runner.nextDue), this.#drain.nextDue].filter((at) => at !== null);
		if (due.length === 0) return;
		const at = Math.max(Math.min(...due), Date.now());
		// One that should have rung by now never will.
		if (this.#armedAt !== null && this.#armedAt > Date.now() && this.#armedAt <= at) return;
		this.#armedAt = at;
		void this.ctx.storage.setAlarm(at);
	}

	#hasNews(agentId: string): boolean {
		if (this.#toldStop && !this.#toldStop.has(agentId)) return true;
		return (
			hasNews(this.#core, agentId, this.#known.get(agentId)) || this.#watchedBy(agentId).join() !== (this.#toldWatch.get(agentId) ?? "")
		);
	}

	/** Whether there is something that the agent's process was not asked for yet. */
	#isAskedAnew(agentId: string): boolean {
		const requests = requestsTo(this.#core, agentId);
		return (requests.drain || requests.rotate) && this.#sentRequests.get(agentId) !== JSON.stringify(requests);
	}

	#pollResult(agentId: string): PollResult {
		const { session, drain, rotate } = requestsTo(this.#core, agentId);
		if (drain || rotate) this.#sentRequests.set(agentId, JSON.stringify({ session, drain, rotate }));
		const watch = this.#watchedBy(agentId);
		this.#toldWatch.set(agentId, watch.join());
		const renewed = this.#toldStop ? leasesLeft(this.#core, agentId) : [];
		this.#toldStop?.add(agentId);
		if (this.#toldStop && this.#isStopTold()) this.#stopTelling.wakeAll();
		return { ...newsFor(this.#core, agentId, this.#known.get(agentId)), watch, renewed, drain, rotate };
	}

	#watchedBy(agentId: string): string[] {
		if (this.#watched.size === 0) return [];
		const now = Date.now();
		for (const [attemptId, until] of this.#watched) if (until < now) this.#watched.delete(attemptId);
		return liveAttemptsOfAgent(this.#core, agentId)
			.map(({ id }) => id)
			.filter((id) => this.#watched.has(id));
	}

	#nextFollower(): string {
		this.#followers += 1;
		return String(this.#followers);
	}
}

/** The team that this object serves: its name is `team:<slug>`. */
function teamOf(context: DurableObjectState): string {
	const name = context.id.name;
	if (name?.startsWith("team:")) return name.slice("team:".length);
	const stored = context.storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'team'").toArray()[0];
	if (!stored) throw notFound("team", name ?? "");
	return stored.value;
}
