import type { ArtifactRow, EventRow } from "../schema/database/tables.ts";
import type { Discovery } from "../schema/pipeline/resolve/resolved.ts";
import type { AuditEntry, AuditRecord, ChainPlace } from "../schema/wire/audit.ts";
import type { WireError } from "../schema/wire/errors.ts";
import type { EffectiveLabels } from "../schema/wire/labels.ts";
import type { Finish, Hello, PinnedCommit, Poll, Renew } from "../schema/wire/protocol.ts";
import type { QuotaChange, Quotas } from "../schema/wire/quotas.ts";
import type { Explanation, Step, Swept } from "../schema/wire/resources.ts";
import type { ScheduleRequest } from "../schema/wire/schedules.ts";
import type { AttemptState, Reason } from "../schema/wire/states.ts";
import type { LineIndex } from "./logs/line_counter.ts";
import type { RequestCounts } from "./metrics/answered_requests.ts";
import type { Result } from "./platform/result.ts";
import type { Registration } from "./queue/core/agents/agents.ts";
import type { Credential } from "./queue/core/agents/credentials.ts";
import type { AgentChange } from "./queue/core/agents/lifecycle.ts";
import type { NewRegistrationToken, RegistrationTokenRow } from "./queue/core/agents/registration_tokens.ts";
import type { Counts } from "./queue/core/counts.ts";
import type { ComparedProject, ComparisonState } from "./queue/core/discovery/comparisons.ts";
import type { Discovered } from "./queue/core/discovery/discovery_jobs.ts";
import type { DeliveredRef, Standing } from "./queue/core/discovery/refs.ts";
import type { ScheduleRow } from "./queue/core/discovery/schedules.ts";
import type { Undelivered } from "./queue/core/effects/effects.ts";
import type { Gauges } from "./queue/core/gauges.ts";
import type { Pause } from "./queue/core/hints.ts";
import type { ArchivedLogNote } from "./queue/core/leases/archived_logs.ts";
import type {
	AskedFiles,
	CheckedResult,
	DownloadableJob,
	LeaseClaims,
	QueuedCachingRun,
	SavedArtifact,
	Started,
} from "./queue/core/leases/attempts.ts";
import type { LeaseLeft, Renewal } from "./queue/core/leases/polls.ts";
import type { AgentRows, Changes, Holdings, Overview, RunRows } from "./queue/core/reads.ts";
import type { AttemptRow, JobRow, OfferRow, RunRow } from "./queue/core/rows.ts";
import type { UploadedJobs, UploadTarget } from "./queue/core/runs/add_jobs.ts";
import type { Approver } from "./queue/core/runs/approvals.ts";
import type { Candidates, RunWait } from "./queue/core/runs/explain.ts";
import type { Queue } from "./queue/core/runs/queue_order.ts";
import type { Submit } from "./queue/core/runs/submit.ts";

/**
 * The environment of the Worker: stores, secrets and settings. On the edge the secrets are Worker
 * secrets.
 */
export interface Environment {
	DISPATCHER: DurableObjectNamespace<Dispatcher>;
	LOG_SHARD: DurableObjectNamespace<LogShard>;
	SWEEPER: DurableObjectNamespace<Sweeper>;
	AUDIT_LOG: DurableObjectNamespace<AuditLog>;
	METRICS: DurableObjectNamespace<Metrics>;
	DB: D1Database;
	BUCKET: R2Bucket;

	/** Signs leases, and the addresses of uploads and downloads. */
	SIGNING_KEY: string;
	/** `open`: everybody reads the metrics; empty: operators, and who has METRICS_TOKEN. */
	METRICS_ACCESS?: string;
	METRICS_TOKEN?: string;
	/** The admin token of a coordinator without a host of its own. */
	ADMIN_TOKEN?: string;
	/** The former key, and until when (milliseconds since 1970) its leases are honored. */
	SIGNING_KEY_BEFORE?: string;
	SIGNING_KEY_BEFORE_UNTIL?: string;
	/** Wraps the keys of secrets: 32 bytes in base64. Without it there are no secrets. */
	MASTER_KEY?: string;
	/** The former key, until everything is re-encrypted. */
	MASTER_KEY_BEFORE?: string;
	/** Known to the local host alone, new at each start; absent on the edge. */
	HOST_SECRET?: string;
	/** Random, new at each start of the local host; absent on the edge. */
	BOOT_ID?: string;
	/** The address that links use; the address of the request where it is not set. */
	PUBLIC_URL?: string;
	/** Where the machine of the local host reaches it; absent on the edge. */
	LOCAL_URL?: string;
	/**
	 * Addresses and networks of trusted proxies, separated by commas: their X-Forwarded-For and
	 * X-Forwarded-Proto count.
	 */
	TRUSTED_PROXIES?: string;

	LEASE_TTL_MS: string;
	RENEW_MS: string;
	RENEW_TIMEOUT_MS: string;
	KILL_GRACE_MS: string;
	POLL_HOLD_MS: string;
	LOG_SHARDS: string;
	MAX_LOG_BYTES: string;
	/** How long any job may run, whatever its timeout says; no limit where it is not set. */
	MAX_JOB_MS?: string;

	/** How many requests a caller may send, as `parseRateLimits` reads it; the defaults where it is not set. */
	RATE_LIMITS?: string;
	/** Origins whose pages may call the API, separated by commas; none where it is not set. */
	CORS_ORIGINS?: string;

	/** Which servers the coordinator may connect to, as the host enforces it; without a host, Cloudflare does. */
	OUTBOUND_RULES?: string;

	/** How long runs with their records, their logs, and their artifacts are kept. */
	KEEP_RUNS_MS: string;
	KEEP_LOGS_MS: string;
	KEEP_ARTIFACTS_MS: string;

	/** How many bytes the caches of a project and of all projects may take, and how long an unused one is kept. */
	CACHE_PROJECT_BYTES: string;
	CACHE_TOTAL_BYTES: string;
	KEEP_CACHES_MS: string;
	KEEP_AUDIT_MS: string;

	/** The least important messages that are logged: error, warn, info, debug or trace. */
	LOG_LEVEL: string;
}

/** The answer to a poll or renewal, before its conversion to the wire format. */
export interface PollResult {
	/** Each offer, and what its assignment is made from, if the answer carries it. */
	offers: { offer: OfferRow; started: Started | null }[];
	cancel: string[];
	watch: string[];
	/** Leases that were extended outside of a renewal, with their remaining time. */
	renewed: LeaseLeft[];
	/** Whether the agent must end its process, and whether it must get a new token. */
	drain: boolean;
	rotate: boolean;
	/** What became of each result that the poll brought. */
	results: { attemptId: string; state: AttemptState | null; error: Omit<WireError, "details"> | null }[];
	/** How long the poll has waited, in milliseconds. */
	heldMs: number;
	/** The largest log of a job that the team allows, in bytes; null: as large as the coordinator does. */
	logQuota: number | null;
}

/** The answer to a submission. */
export interface Submitted {
	/** Null if the queue does not hold the run: then it was submitted before. */
	rows: RunRows | null;
	runId: string;
	isReplay: boolean;
	/** Requirements that no agent meets, as sentences. */
	notices: string[];
}

/** Many submissions. Those with the same pipeline share it. */
export interface Batch {
	/** The pipelines by their digests. */
	pipelines: Record<string, Submit["pipeline"]>;
	runs: Pick<Submit, "runId" | "definition" | "project" | "idempotency">[];
	shared: Pick<Submit, "trigger" | "commit" | "origin" | "rerun">;
}

export interface JobRows {
	job: JobRow;
	attempts: AttemptRow[];
}

/** Whether the queue's storage has caught up with the record, and what needs a person. */
export interface QueueHealth {
	outbox: { waiting: number; dead: number };
	deadEffects: number;
	schema: string;
}

/** The queue of one team, by the name `team:<slug>`. A `Result` holds the error for the API. */
export interface Dispatcher extends Rpc.DurableObjectBranded {
	/**
	 * Answers once the schema is updated. The host calls it after it has stored the tokens, before
	 * it lets requests in.
	 */
	prepare(bootId: string): Promise<void>;
	/** Ends all leases after the data was restored from a backup that was made then. */
	endFormerLeases(madeAt: string): Promise<void>;
	/** Whether the host has finished this start. A restart of workerd is no start of the host. */
	isPrepared(bootId: string): Promise<boolean>;
	/** Records why the disk has no room for new work; null while it has. */
	setDiskError(error: string | null): Promise<void>;
	/** Rejects while the disk has no room for new work. */
	checkRoom(): Promise<Result<void>>;
	/** What metrics tell of the queue. */
	readMetrics(): Promise<QueueMetrics>;
	/**
	 * Extends every lease and notifies the agents before a planned stop. Returns once all agents
	 * that hold leases are notified.
	 */
	prepareStop(): Promise<void>;
	health(): Promise<QueueHealth>;
	/** Stops offering jobs. Running jobs continue. */
	pause(actor: string, reason: string | null): Promise<Pause>;
	resume(): Promise<void>;
	readPause(): Promise<Pause | null>;
	readOverview(): Promise<Overview>;
	readQuotas(): Promise<{ quotas: Quotas; queued: number; running: number }>;
	/** What is left out stays as it is. */
	setQuotas(change: QuotaChange): Promise<void>;
	/** @see readQueue */
	readQueue(limit: number): Promise<Queue>;
	/** @see moveToFront */
	moveToFront(jobId: string): Promise<Result<void>>;
	/** The present revision, once it is above `since`, or after `holdMs`. */
	nextRev(since: number, holdMs: number): Promise<number>;
	/** The same for one run; null if the queue does not hold it. */
	nextRevOfRun(runId: string, since: number, holdMs: number): Promise<number | null>;

	/** @see submitRun */
	submit(submit: Submit): Promise<Result<Submitted>>;
	/** @see submitRuns */
	submitAll(batch: Batch): Promise<Result<{ accepted: { runId: string; isReplay: boolean }[]; notices: string[] }>>;
	cancelRun(runId: string, actor: string): Promise<Result<RunRows>>;
	cancelJob(jobId: string, actor: string): Promise<Result<JobRows>>;
	/** Approves a job. @see approveJob */
	approve(jobId: string, by: Approver, comment: string | null): Promise<Result<JobRows>>;
	/** Declines a job. @see declineJob */
	decline(jobId: string, by: Approver, comment: string | null): Promise<Result<JobRows>>;
	/** @see approveRun */
	approveRun(runId: string, by: Approver): Promise<Result<RunRows>>;
	/** @see declineRun */
	declineRun(runId: string, by: Approver, comment: string | null): Promise<Result<RunRows>>;

	/** @see uploadTarget */
	uploadTarget(lease: LeaseClaims): Promise<Result<UploadTarget>>;
	/** @see addJobs */
	addJobs(lease: LeaseClaims, upload: UploadedJobs): Promise<Result<string[] | null>>;
	/** The resolved pipeline of a live run, as JSON; null if the queue does not hold it. */
	readDefinition(digest: string): Promise<string | null>;
	readRun(runId: string): Promise<RunRows | null>;
	readJob(jobId: string): Promise<JobRows | null>;
	/** The artifacts of a live attempt; null if the queue does not hold it. */
	readArtifacts(attemptId: string): Promise<ArtifactRow[] | null>;
	/** The artifacts of a live run; null if the queue does not hold it. */
	readArtifactsOfRun(runId: string): Promise<ArtifactRow[] | null>;
	/** One artifact, by its path. */
	readArtifact(attemptId: string, path: string): Promise<ArtifactRow | null>;
	/** The transitions of a run that the record may not have yet. */
	readEvents(runId: string): Promise<EventRow[]>;
	/** Which of these the queue holds: retention must not delete them. */
	held(asked: Holdings): Promise<Holdings>;
	/** Whether a run has left the queue; waits for it up to `holdMs`. */
	hasDeparted(runId: string, holdMs: number): Promise<boolean>;
	/** Why a job is in its state. */
	explain(jobId: string): Promise<Explanation | null>;
	/** @see explainRuns */
	explainRuns(runIds: string[]): Promise<Record<string, RunWait>>;
	/** @see candidatesFor */
	candidatesFor(project: string, jobs: { name: string; runs_on: string }[]): Promise<Candidates>;
	/** What the queued jobs of a run wait for, by job. */
	explainQueued(runId: string): Promise<Record<string, string>>;
	/**
	 * The run, once a row of it has a revision above `since`, or after `holdMs`; null once it has
	 * left.
	 */
	followRun(runId: string, since: number, holdMs: number): Promise<{ rev: number; rows: RunRows } | null>;
	/**
	 * The changes after revision `since`, or an empty answer after `holdMs`. With `since` null: the
	 * present revision.
	 */
	followChanges(since: number | null, holdMs: number): Promise<Changes>;
	/**
	 * A person reads the log of this attempt now: its agent sends it faster.
	 * @returns whether the log is in its shard
	 */
	watch(attemptId: string): Promise<boolean>;
	/** A log that the queue holds; null if it does not. */
	readHeldLog(attemptId: string): Promise<Uint8Array | null>;
	/** Deletes logs that the queue holds, for runs that are deleted. */
	dropHeldLogs(attemptIds: string[]): Promise<void>;

	/** Deletes the schedules of a deleted project, and stops its comparisons. */
	deleteProject(project: string): Promise<void>;
	/** @see followProject */
	followProject(project: ComparedProject): Promise<void>;
	/** @see unfollowProject */
	unfollowProject(project: string): Promise<void>;
	/** @see readComparisons */
	readComparisons(project: string | null): Promise<ComparisonState[]>;
	/** @see submitComparison */
	compare(submit: Submit): Promise<Result<Submitted>>;
	/** @see submitDelivered */
	submitDelivered(submit: Submit, delivered: DeliveredRef): Promise<Result<{ runId: string | null; standing: Standing }>>;
	/** @see recordDelivered */
	recordDelivered(delivered: DeliveredRef): Promise<void>;
	/** @see retryStatuses */
	retryStatuses(project: string): Promise<void>;
	/** The undelivered commit statuses and notifications of a project. */
	readUndelivered(project: string, limit: number): Promise<Undelivered[]>;
	/** @see testNotifications */
	testNotifications(run: { id: string; project: string }, definition: string): Promise<Result<number>>;

	listSchedules(project: string): Promise<ScheduleRow[]>;
	findSchedule(id: string): Promise<Result<ScheduleRow>>;
	/** @see addSchedule */
	addSchedule(id: string, project: string, schedule: ScheduleRequest): Promise<Result<ScheduleRow>>;
	removeSchedule(id: string): Promise<Result<void>>;
	/** @param by who pauses it; null resumes it */
	pauseSchedule(id: string, by: string | null): Promise<Result<ScheduleRow>>;

	readAgents(): Promise<AgentRows[]>;
	readAgent(agentId: string): Promise<Result<AgentRows>>;
	/** @see changeAgent */
	changeAgent(agentId: string, change: AgentChange, actor: string): Promise<Result<AgentRows>>;
	/** @returns the agent's name */
	removeAgent(agentId: string, actor: string): Promise<Result<string>>;
	/** @see createRegistrationToken */
	createRegistrationToken(token: NewRegistrationToken, actor: string): Promise<Result<string>>;
	listRegistrationTokens(): Promise<RegistrationTokenRow[]>;
	revokeRegistrationToken(id: string, actor: string): Promise<Result<void>>;
	/** @see assertCredential */
	checkCredential(credential: Credential): Promise<Result<void>>;
	/** @see warmProjectsOf */
	warmProjectsOf(credential: { agentId: string; secretHash: string }): Promise<Result<string[]>>;
	/** @see recordWarmed */
	recordWarmed(agentId: string, projects: string[]): Promise<void>;
	/** @see issueNextToken */
	rotateToken(agentId: string, secretHash: string, nextHash: string): Promise<Result<void>>;

	/** @see registerAgent */
	register(registration: Registration): Promise<Result<string>>;
	/** @see openSession */
	hello(agentId: string, secretHash: string, hello: Hello): Promise<Result<EffectiveLabels>>;
	/**
	 * Accepts the results, and answers as soon as there is news for the agent; with nothing when
	 * the hold is over.
	 */
	poll(agentId: string, secretHash: string, poll: Omit<Poll, "results">, results: CheckedResult[]): Promise<Result<PollResult>>;
	/** @see renewLeases */
	renew(agentId: string, secretHash: string, renew: Renew): Promise<Result<Renewal & { watch: string[] }>>;
	/** @see closeSession */
	bye(agentId: string, secretHash: string, session: number): Promise<Result<void>>;

	/** @see startAttempt */
	start(lease: LeaseClaims): Promise<Result<Started>>;
	/** Snoozes a job that cannot start yet. */
	snooze(lease: LeaseClaims, reason: Reason): Promise<Result<void>>;
	/** Ends an attempt that the coordinator cannot start. */
	fail(lease: LeaseClaims, reason: Reason): Promise<Result<void>>;
	/** The agent declines an offer. */
	release(lease: LeaseClaims): Promise<Result<void>>;
	/** @see pinCommit */
	pinCommit(lease: LeaseClaims, commit: PinnedCommit): Promise<Result<string>>;
	/** Rejects a lease that is not live. */
	checkLease(lease: LeaseClaims): Promise<Result<void>>;
	/** @see isLeaseKnown */
	knowsLease(lease: Pick<LeaseClaims, "attemptId" | "leaseId">): Promise<boolean>;
	/** The uploaded source of the run of this live attempt; null if there is none. */
	sourceOf(lease: LeaseClaims): Promise<Result<string | null>>;
	/** The jobs whose files the job of this live attempt downloads. */
	downloadsFor(lease: LeaseClaims, asked: AskedFiles | null): Promise<Result<DownloadableJob[]>>;
	/** @see finishAttempt */
	finish(
		lease: LeaseClaims,
		finish: Finish,
		digest: string,
		artifacts: SavedArtifact[],
		discovered: Discovered | null,
	): Promise<Result<AttemptState>>;
	/** The task of the discovery job of this live attempt, with its run; null for other jobs. */
	discoveryOf(lease: LeaseClaims): Promise<Result<{ discovery: Discovery; run: RunRow } | null>>;
	/** The run of this live attempt, as far as its caches depend on it; and whether the disk has room for more. */
	cachingRunOf(lease: LeaseClaims): Promise<Result<QueuedCachingRun & { hasRoom: boolean }>>;
	/** Whether an attempt is live. A LogShard asks about an open log without news. */
	isAttemptLive(attemptId: string): Promise<boolean>;
	/** Whether a LogShard may begin the log of this attempt: the log is not elsewhere. */
	beginsLog(attemptId: string): Promise<boolean>;
	/** Records the location of an attempt's log. */
	logArchived(attemptId: string, log: ArchivedLogNote): Promise<void>;
}

/** The Dispatcher's request to close a log. A repeat changes nothing. */
export interface LogClose {
	team: string;
	attemptId: string;
	leaseId: string;
	runId: string;
	jobId: string;
	/** How many bytes the agent says that it sent; null if it has said nothing. */
	declaredBytes: number | null;
}

export type AppendResult =
	| { outcome: "appended"; offset: number }
	| { outcome: "wrong_offset"; offset: number }
	| { outcome: "closed" }
	| { outcome: "full" };

/**
 * A chunk of a log. `isEnd`: no bytes follow. `archivedKey`: the bytes are in R2. `isElsewhere`: the
 * log came with the result of its attempt, and is not in this shard.
 */
export interface LogChunk {
	bytes: Uint8Array;
	size: number;
	isEnd: boolean;
	isArchived: boolean;
	archivedKey: string | null;
	isElsewhere: boolean;
}

/** Whose log it is, and the most that it may have. */
export interface LogOwner {
	team: string;
	maxBytes: number;
}

/** Holds the logs of live attempts; one of a fixed number, by the name `log:<number>`. */
export interface LogShard extends Rpc.DurableObjectBranded {
	/** Appends bytes at exactly the end of the log. */
	append(attemptId: string, owner: LogOwner, offset: number, bytes: Uint8Array): Promise<AppendResult>;
	/** Records the progress of the steps. */
	putSteps(attemptId: string, owner: { team: string }, steps: Step[]): Promise<{ isClosed: boolean }>;
	/** The steps and the size of the log of a live attempt; a log without a byte is empty. */
	progress(attemptId: string): Promise<{ steps: Step[]; bytes: number }>;
	/** The offsets of indexed lines of a live log; null once it is archived. */
	lineIndex(attemptId: string): Promise<LineIndex | null>;
	/** Bytes from `offset` on. At the end of a live log, waits up to `holdMs` for more. */
	read(attemptId: string, offset: number, holdMs: number): Promise<LogChunk>;
	/**
	 * The log of this attempt came with its result: readers who wait for it are answered, and nothing
	 * more is accepted.
	 */
	sendReadersOn(attemptId: string): Promise<void>;
	/**
	 * Closes a log: it accepts only declared bytes that are still to come.
	 * @returns its location in R2; null if bytes are missing: the Dispatcher gets the location
	 * later
	 */
	close(order: LogClose): Promise<ArchivedLogNote | null>;
}

/** Applies retention; one object for all teams. */
export interface Sweeper extends Rpc.DurableObjectBranded {
	/** Sets its alarm, unless it is set. */
	schedule(): Promise<void>;
	/** Deletes what has outlived its retention policy. Calls during a pass share its answer. */
	sweep(): Promise<Swept>;
}

/** Which entries of the audit log are wanted; null: any. */
export interface AuditFilter {
	actor: string | null;
	event: string | null;
	/** From when, and until before when, in milliseconds since 1970. */
	since: number | null;
	until: number | null;
}

/** What the host says of its machine. */
export interface HostFacts {
	/** Of the data folder, in bytes. */
	disk: { free: number; total: number } | null;
	/** When the certificate of the public address expires, in milliseconds since 1970; null if it has none. */
	certificate_expires_at: number | null;
	/** How often the host makes backups, and when it made the newest; null if it makes none. */
	backups: { every_ms: number; last_at: number | null } | null;
}

/** What metrics tell of the queue of a team. */
export interface QueueMetrics {
	counts: Counts;
	gauges: Gauges;
	/** For how long D1 has been behind. */
	lagMs: number;
}

/** The Durable Object that counts for all isolates. @see worker/metrics/metrics_object.ts */
export interface Metrics extends Rpc.DurableObjectBranded {
	add(counts: RequestCounts): Promise<void>;
	setFacts(facts: HostFacts): Promise<void>;
	read(): Promise<{ requests: RequestCounts; facts: HostFacts | null }>;
}

/** The Durable Object that writes the audit log of a team. @see worker/audit/audit_log.ts */
export interface AuditLog extends Rpc.DurableObjectBranded {
	append(record: AuditRecord): Promise<void>;
	list(filter: AuditFilter, before: number | null, limit: number): Promise<AuditEntry[]>;
	following(after: number | null, limit: number): Promise<{ after: ChainPlace; entries: AuditEntry[] }>;
	expire(before: number): Promise<number>;
}
