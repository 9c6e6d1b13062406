import type { ErrorCode, WireError } from "../../schema/wire/errors.ts";
import type { Finish, Hello, Poll, Renew } from "../../schema/wire/protocol.ts";
import { isTerminal, type JobState, type RunState } from "../../schema/wire/states.ts";
import type { Registration } from "../../worker/queue/core/agents/agents.ts";
import type { AgentChange } from "../../worker/queue/core/agents/lifecycle.ts";
import type { NewRegistrationToken } from "../../worker/queue/core/agents/registration_tokens.ts";
import type { Discovered } from "../../worker/queue/core/discovery/discovery_jobs.ts";
import type { CheckedResult } from "../../worker/queue/core/leases/attempts.ts";
import type { AgentRow, OfferRow } from "../../worker/queue/core/rows.ts";
import type { UploadedJobs } from "../../worker/queue/core/runs/add_jobs.ts";
import type { Submit } from "../../worker/queue/core/runs/submit.ts";
import { type GraphJob, GraphModel, type GraphRun, warningsOf } from "./graph_model.ts";
import { JobIds } from "./job_ids.ts";
import type { ObjectPlace, Witness } from "./platform/durable_objects.ts";
import { Uploads } from "./uploads.ts";
import { Violation, type World } from "./world.ts";

/**
 * The queue once more: plain, slow, in memory, and without a database. It is told of every call
 * that the Dispatcher takes, works out by itself what must follow, and compares. The one thing that
 * it does not decide is which of the offers that could be made is made; those it watches, and asks
 * whether each was allowed.
 */

/** A job with what its attempts are about. */
type ModelJob = GraphJob;

interface ModelAttempt {
	id: string;
	job: ModelJob;
	agentId: string;
	leaseId: string;
	number: number;
	startedAt: number;
	state: string;
	deadline: number;
	cancelAt: number | null;
	timeoutAt: number;
	digest: string | null;
}

interface ModelOffer {
	attemptId: string;
	job: ModelJob;
	agentId: string;
	leaseId: string;
	expiresAt: number;
	/** Whether its agent got all of the job with it, and may have begun. */
	isAssigned: boolean;
	madeAt: number;
}

interface ModelAgent {
	session: number;
	instance: string;
	pollSeq: number;
	renewSeq: number;
	slots: number;
	slotsFree: number;
	hasMissedOffer: boolean;
	/** What its registration token gave it; people may have changed its projects and runs since. */
	given: Pick<NewRegistrationToken, "labels" | "projects" | "runs">;
	labels: readonly string[];
	isDisabled: boolean;
	isDrained: boolean;
	/**
	 * The token that it registered with, the present one, and the next one once that was given out.
	 */
	registered: string;
	secret: string;
	next: { secret: string; issuedAt: number } | null;
	isAskedToRotate: boolean;
}

export interface Times {
	leaseTtlMs: number;
	killGraceMs: number;
}

/** Everything that falls due in the queue: the times of offers and leases are in their rows. */
const TIMERS = `SELECT kind, id, due_at FROM timers UNION ALL SELECT 'offer', attempt_id, expires_at FROM offers
	UNION ALL SELECT 'lease', id, deadline FROM attempts WHERE state IN ('running', 'cancelling')`;
const CLAIM_WINDOW_MS = 12_000;
const RETRY_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
const PARK_MS = 15_000;
const MAX_PARK_MS = 10 * 60_000;
const DECLINE_MS = 15_000;
const MAX_DECLINES = 10;
const CANCEL_SLACK_MS = 30_000;
const TIMEOUT_SLACK_MS = 30_000;
const PLANNED_STOP_MS = 10 * 60_000;
const WAIT_FOR_WARM_MS = 1_000;
/** A lateness beyond this is an absence. */
export const ABSENCE_MS = 5_000;
/** Clocks are set right by so much without anybody noticing. */
const CLOCK_SLACK_MS = 1_000;
const IDEMPOTENCY_MS = 24 * 60 * 60_000;
const LOST = new Set(["agent_lost", "agent_restarted", "agent_stopped", "agent_removed"]);
/** So long after the next token of an agent was given out the present one still opens things. */
const BOTH_VALID_MS = 10 * 60_000;

/**
 * What a call must be answered with: accepted, or rejected with this code. Null: nothing is
 * foretold.
 */
type Foretold = "taken" | ErrorCode | null;

export class Model implements Witness {
	readonly #graph: GraphModel;
	readonly jobs = new Map<string, ModelJob>();
	/** How many attempts of a job were started. */
	readonly #started = new Map<string, number>();
	/** How many of them do not count. */
	readonly #snoozes = new Map<string, number>();
	/** Job → agent → its declines. */
	readonly #declines = new Map<string, Map<string, { count: number; until: number }>>();
	readonly attempts = new Map<string, ModelAttempt>();
	/** Called when a lease has run out, when an attempt starts. */
	onExpired: (attempt: ModelAttempt) => void = () => undefined;
	readonly #offers = new Map<string, ModelOffer>();
	readonly #agents = new Map<string, ModelAgent>();
	/** Project → the agents that have run a job of it. */
	readonly #warm = new Map<string, Set<string>>();
	/** Registration tokens by their hash. */
	readonly #tokens = new Map<string, NewRegistrationToken>();
	readonly #keys = new Map<string, { digest: string; runId: string; until: number }>();
	/** The runs that a plan's result makes, as soon as the queue has made them. */
	readonly #toCome: { submit: Submit; error: unknown }[] = [];
	readonly #uploads: Uploads;
	readonly #jobIds: JobIds;
	readonly #world: World;
	readonly #place: ObjectPlace;
	readonly #times: Times;
	readonly #environment: { BOOT_ID?: string };
	#bootId = "";
	/** The time at the newest sweep. */
	#sweptAt = 0;
	#isPaused = false;
	/** How many jobs may run at once; null: as many as there is room for. */
	#mostRunning: number | null = null;
	/** How many calls there were. */
	#calls = 0;
	/** The call that is being taken. */
	#call: { method: string; args: unknown[]; foretold: Foretold } | null = null;

	constructor(world: World, place: ObjectPlace, times: Times, environment: { BOOT_ID?: string }) {
		this.#world = world;
		this.#place = place;
		this.#times = times;
		this.#environment = environment;
		this.#uploads = new Uploads(place);
		this.#jobIds = new JobIds(place);
		this.#graph = new GraphModel({
			now: () => this.#now,
			onStopLeased: (job) => {
				for (const offer of [...this.#offers.values()]) if (offer.job === job && offer.isAssigned) this.#begin(offer);
			},
			onStop: (job) => {
				const attempt = this.#liveAttemptOf(job) as ModelAttempt;
				attempt.state = "cancelling";
				attempt.cancelAt = this.#now + this.#times.killGraceMs + CANCEL_SLACK_MS + this.#cleaning(job);
			},
			onWithdraw: (job) => {
				for (const offer of [...this.#offers.values()]) if (offer.job === job) this.#offers.delete(offer.attemptId);
			},
		});
	}

	get runs(): Map<string, GraphRun> {
		return this.#graph.runs;
	}

	get #now(): number {
		return this.#world.wallClock;
	}

	before(method: string, args: unknown[]): void {
		this.#calls += 1;
		this.#call = { method, args, foretold: this.#foretell(method, args) };
		this.#graph.settle();
	}

	after(result?: Promise<unknown>): void {
		const call = this.#call;
		if (!call) return;
		this.#call = null;
		if (call.method === "submit") this.#adoptRun(call.args[0] as Submit);
		if (call.method === "compare" || call.method === "submitDelivered") this.#adoptIfTaken(call.args[0] as Submit);
		for (const one of this.#toCome.splice(0)) {
			if (one.error) this.#adoptBroken(one.submit);
			else this.#adoptRun(one.submit);
		}
		for (const job of this.#jobIds.give(this.runs.values())) this.jobs.set(job.id, job);
		this.compare(call.method);
		if (call.method === "register")
			void result?.then((answer) => this.#adoptAgent(answer as { ok: boolean; value: string }, call.args[0] as Registration));
		if (!result || call.foretold === null) return;
		const [now, calls] = [this.#world.now, this.#calls];
		void result.then((answer) => {
			// A waiting poll is answered later, or by a later call; the model does not check its
			// content.
			const isLater = now !== this.#world.now || calls !== this.#calls;
			if (isLater && call.method === "poll") return;
			this.#checkAnswer(call, answer as { ok: boolean; value?: unknown; error?: WireError });
			if (call.method === "addJobs") this.#uploads.check(call.args[1] as UploadedJobs, answer as { value?: string[] | null });
		});
	}

	#checkAnswer(
		call: { method: string; args: unknown[]; foretold: Foretold },
		answer: { ok: boolean; value?: unknown; error?: WireError },
	): void {
		const got = answer.ok ? "taken" : answer.error?.code;
		if (got !== call.foretold)
			throw new Violation(
				"an answer is not what the model foretells",
				`${call.method} ${JSON.stringify(call.args)}: ${got}, not ${call.foretold}`,
			);
	}

	/** An agent that registers, for the first time or anew, has had no session yet. */
	#adoptAgent(answer: { ok: boolean; value: string }, { tokenHash, secretHash }: Registration): void {
		const known = this.#agents.get(answer.value);
		const given = this.#tokens.get(tokenHash);
		if (!answer.ok || !given || known?.registered === secretHash) return;
		this.#agents.set(answer.value, newAgent(given, secretHash, known?.isDisabled ?? false));
	}

	/** Works out what a call does. */
	#foretell(method: string, args: unknown[]): Foretold {
		switch (method) {
			case "constructor":
				return this.#boot();
			case "alarm":
				return this.#sweep();
			case "submit":
				return this.#submit(args[0] as Submit);
			case "cancelRun":
				return this.#cancelRun(args[0] as string);
			case "cancelJob":
				return this.#cancelJob(args[0] as string);
			case "createRegistrationToken": {
				const token = args[0] as NewRegistrationToken;
				this.#tokens.set(token.hash, token);
				return "taken";
			}
			case "changeAgent":
				return this.#changeAgent(args[0] as string, args[1] as AgentChange);
			case "recordWarmed":
				for (const project of args[1] as string[]) this.#addWarm(args[0] as string, project);
				return null;
			case "removeAgent":
				return this.#removeAgent(args[0] as string);
			case "rotateToken":
				return this.#rotateToken(args[0] as string, args[1] as string, args[2] as string);
			case "hello":
				this.#sweep();
				return this.#byAgent(args[0] as string, args[1] as string, (agent) => this.#hello(args[0] as string, agent, args[2] as Hello));
			case "poll":
				this.#sweep();
				return this.#byAgent(args[0] as string, args[1] as string, (agent) =>
					this.#poll(args[0] as string, agent, args[2] as Poll, args[3] as CheckedResult[]),
				);
			case "renew":
				this.#sweep();
				return this.#byAgent(args[0] as string, args[1] as string, (agent) => this.#renew(args[0] as string, agent, args[2] as Renew));
			case "bye":
				return this.#byAgent(args[0] as string, args[1] as string, (agent) => this.#bye(args[0] as string, agent, args[2] as number));
			case "start":
				return this.#start(args[0] as Lease);
			case "release":
				return this.#release(args[0] as Lease);
			case "pinCommit":
			case "checkLease":
				return this.#liveOrRefusal(args[0] as Lease);
			case "uploadTarget":
				return this.#uploadTarget(args[0] as Lease);
			case "addJobs":
				return this.#addJobs(args[0] as Lease, args[1] as UploadedJobs);
			case "finish":
				return this.#finish(args[0] as Lease, args[1] as Finish, args[2] as string, args[4] as Discovered | null);
			case "sourceOf":
			case "downloadsFor":
			case "discoveryOf":
			case "cachingRunOf":
				this.#beginAssigned(args[0] as Lease);
				return null;
			case "snooze":
				return this.#snooze(args[0] as Lease);
			case "fail":
				return this.#fail(args[0] as Lease);
			case "prepareStop":
				for (const attempt of this.#live()) this.#extend(attempt, PLANNED_STOP_MS);
				for (const offer of this.#offers.values())
					if (offer.isAssigned) offer.expiresAt = Math.max(offer.expiresAt, this.#now + PLANNED_STOP_MS);
				return null;
			case "pause":
			case "resume":
				this.#isPaused = method === "pause";
				return null;
			case "setQuotas":
				this.#mostRunning = (args[0] as { running_jobs: number | null }).running_jobs;
				return null;
			default:
				return null;
		}
	}

	// ── submitting, cancelling ──

	#submit({ idempotency, runId }: Submit): Foretold {
		if (!idempotency || this.runs.has(runId)) return "taken";
		const id = `${idempotency.scope} ${idempotency.key}`;
		const known = this.#keys.get(id);
		if (known) return known.digest === idempotency.digest ? "taken" : "conflict";
		this.#keys.set(id, { digest: idempotency.digest, runId, until: this.#now + IDEMPOTENCY_MS });
		return "taken";
	}

	/**
	 * Whether anything is run depends on what is known of the refs, which is none of the model's
	 * business.
	 */
	#adoptIfTaken(submit: Submit): void {
		if (this.#read("SELECT id FROM runs WHERE id = ?", submit.runId).length === 0) return;
		this.#submit(submit);
		this.#adoptRun(submit);
	}

	/** The ids of jobs are given by the queue. */
	#adoptRun({ runId, pipeline, idempotency, project, rerun }: Submit): void {
		const isReplay = idempotency && this.#keys.get(`${idempotency.scope} ${idempotency.key}`)?.runId !== runId;
		if (isReplay || this.runs.has(runId)) return;
		const rows = this.#read<{ id: string }>("SELECT id FROM jobs WHERE run_id = ? ORDER BY position", runId);
		// There are more if a matrix was known at once.
		if (rows.length < pipeline.jobs.length) throw new Violation("a run was not taken whole", `${runId} has ${rows.length} jobs`);
		const [row] = this.#read<{ number: number }>("SELECT number FROM runs WHERE id = ?", runId);
		const reused = rerun?.reused.map(
			({ position, state, outputs }) => [position, { state, outputs: JSON.parse(outputs ?? "{}") }] as const,
		);
		const run = this.#graph.submit(
			{ id: runId, number: row?.number ?? 0, project, pipeline },
			rows.map(({ id }) => id),
			new Map(reused),
		);
		for (const job of run.jobs) if (job.id !== "") this.jobs.set(job.id, job);
	}

	#adoptBroken({ runId, pipeline, project }: Submit): void {
		const [row] = this.#read<{ number: number; state: string }>("SELECT number, state FROM runs WHERE id = ?", runId);
		if (row?.state !== "errored") throw new Violation("a run was not taken whole", `${runId} is ${row?.state}`);
		this.#graph.submitBroken({ id: runId, number: row.number, project, pipeline });
	}

	#cancelRun(runId: string): Foretold {
		const run = this.#heldRun(runId);
		if (!run) return "not_found";
		if (run.state === "cancelled") return "taken";
		if (isTerminal(run.state)) return "conflict";
		this.#graph.cancelRun(run, 1);
		return "taken";
	}

	#cancelJob(jobId: string): Foretold {
		const job = this.jobs.get(jobId);
		if (!job || !this.#heldRun(job.run.id)) return "not_found";
		if (job.state === "cancelled") return "taken";
		if (isTerminal(job.state)) return "conflict";
		this.#graph.cancelJob(job);
		return "taken";
	}

	// ── adding jobs to a run ──

	/** Only a job that nobody ends adds anything, and only to a run that nobody ends. */
	#uploadTarget(lease: Lease): Foretold {
		const foretold = this.#liveOrRefusal(lease);
		if (foretold !== "taken") return foretold;
		const { job } = this.#attemptOf(lease) as ModelAttempt;
		return job.state === "running" && job.run.cancelled === 0 ? "taken" : "conflict";
	}

	#addJobs(lease: Lease, upload: UploadedJobs): Foretold {
		const foretold = this.#uploadTarget(lease);
		if (foretold !== "taken") return foretold;
		const { job } = this.#attemptOf(lease) as ModelAttempt;
		this.#graph.add(job.run, this.#uploads.take(job, upload));
		return "taken";
	}

	// ── agents ──

	/**
	 * What an agent says with this token. The first use of its next token makes that the only one.
	 */
	#byAgent(agentId: string, secret: string, body: (agent: ModelAgent) => Foretold): Foretold {
		const agent = this.#agentOf(agentId);
		const isNext = agent?.next?.secret === secret;
		const isReplaced = agent?.next && this.#now - agent.next.issuedAt > BOTH_VALID_MS;
		if (!agent || (!isNext && (agent.secret !== secret || isReplaced))) return "authentication_required";
		const foretold = body(agent);
		if (isNext && foretold === "taken") Object.assign(agent, { secret, next: null, isAskedToRotate: false });
		return foretold;
	}

	#rotateToken(agentId: string, secret: string, next: string): Foretold {
		const agent = this.#agentOf(agentId);
		if (agent?.secret !== secret) return "authentication_required";
		if (!agent.isAskedToRotate) return "conflict";
		agent.next = { secret: next, issuedAt: agent.next?.issuedAt ?? this.#now };
		return "taken";
	}

	#changeAgent(agentId: string, change: AgentChange): Foretold {
		const agent = this.#agentOf(agentId);
		if (!agent) return "not_found";
		switch (change.kind) {
			case "restrict":
				agent.given = { ...agent.given, projects: change.projects ?? agent.given.projects, runs: change.runs ?? agent.given.runs };
				break;
			case "disable":
				agent.isDisabled = true;
				break;
			case "enable":
				agent.isDisabled = false;
				break;
			case "drain":
				if (agent.instance === "") return "conflict";
				agent.isDrained = true;
				break;
			case "rotate":
				agent.isAskedToRotate = true;
		}
		for (const offer of [...this.#offers.values()])
			if (offer.agentId === agentId && !offer.isAssigned && !this.#isGiven(offer.job, agent)) this.#endOffer(offer, false);
		if (change.kind === "disable" && change.cancel)
			for (const { job } of [...this.#liveAttemptsOf(agentId), ...this.#assignedTo(agentId)]) this.#graph.cancelJob(job);
		return "taken";
	}

	/**
	 * What it ran may go on for as long as it can renew in its own eyes: nobody else gets it
	 * before.
	 */
	#removeAgent(agentId: string): Foretold {
		if (!this.#agentOf(agentId)) return "not_found";
		this.#clearOffers(agentId);
		for (const attempt of this.#liveAttemptsOf(agentId)) {
			attempt.state = "expired";
			this.#afterAttempt(attempt, "errored", "agent_removed", null, attempt.deadline - this.#now);
		}
		for (const declines of this.#declines.values()) declines.delete(agentId);
		for (const warm of this.#warm.values()) warm.delete(agentId);
		this.#agents.delete(agentId);
		return "taken";
	}

	#hello(agentId: string, agent: ModelAgent, { session, instance, running, facts }: Hello): Foretold {
		const isSame = session === agent.session && instance === agent.instance;
		if (session <= agent.session && !isSame) return "session_superseded";
		agent.hasMissedOffer = false;
		agent.slots = facts.slots;
		agent.labels = agent.given.labels.length > 0 ? agent.given.labels : facts.labels;
		if (isSame) return "taken";
		Object.assign(agent, { session, instance, pollSeq: 0, renewSeq: 0, slotsFree: 0, isDrained: false });
		this.#clearOffers(agentId);
		for (const attempt of this.#liveAttemptsOf(agentId)) if (!running.includes(attempt.id)) this.#lose(attempt, "expired");
		return "taken";
	}

	#poll(agentId: string, agent: ModelAgent, { session, seq, slots_free, running }: Poll, results: readonly CheckedResult[]): Foretold {
		if (session !== agent.session || agent.instance === "") return "session_superseded";
		for (const { lease, finish, digest } of results) this.#finish(lease, finish, digest, null);
		if (seq <= agent.pollSeq) return "taken";
		Object.assign(agent, { pollSeq: seq, slotsFree: slots_free, hasMissedOffer: false });
		this.#beginNamed(agentId, running);
		for (const offer of [...this.#offers.values()])
			if (offer.agentId === agentId && !running.includes(offer.attemptId)) this.#notReceived(offer);
		for (const attempt of this.#liveAttemptsOf(agentId)) if (!running.includes(attempt.id)) this.#lose(attempt, "expired");
		return "taken";
	}

	#renew(agentId: string, agent: ModelAgent, { session, seq, running }: Renew): Foretold {
		if (session !== agent.session || agent.instance === "") return "session_superseded";
		this.#beginNamed(agentId, running);
		if (seq <= agent.renewSeq) return "taken";
		agent.renewSeq = seq;
		for (const attempt of this.#liveAttemptsOf(agentId)) if (running.includes(attempt.id)) this.#extend(attempt, this.#times.leaseTtlMs);
		return "taken";
	}

	#bye(agentId: string, agent: ModelAgent, session: number): Foretold {
		if (session !== agent.session) return "session_superseded";
		agent.instance = "";
		agent.isDrained = false;
		this.#returnOffers(agentId);
		for (const attempt of this.#liveAttemptsOf(agentId)) this.#lose(attempt, "expired");
		return "taken";
	}

	/** What an agent names of its assignments has begun. */
	#beginNamed(agentId: string, running: readonly string[]): void {
		for (const offer of this.#assignedTo(agentId)) if (running.includes(offer.attemptId)) this.#begin(offer);
	}

	#assignedTo(agentId: string): ModelOffer[] {
		return [...this.#offers.values()].filter((offer) => offer.agentId === agentId && offer.isAssigned);
	}

	/** An answer that never came: the first costs nothing. */
	#notReceived(offer: ModelOffer): void {
		const declines = this.#declinesOf(offer.job);
		const isFirst = !declines.has(offer.agentId);
		if (isFirst) declines.set(offer.agentId, { count: 0, until: 0 });
		this.#endOffer(offer, !isFirst);
	}

	/** The process is gone that had them: it may have begun what it was assigned. */
	#clearOffers(agentId: string): void {
		for (const offer of this.#assignedTo(agentId)) this.#begin(offer);
		this.#returnOffers(agentId);
	}

	/** Offers of a session that is over go back without blame. */
	#returnOffers(agentId: string): void {
		for (const offer of [...this.#offers.values()]) if (offer.agentId === agentId) this.#endOffer(offer, false);
	}

	// ── attempts ──

	#start(lease: Lease): Foretold {
		const known = this.attempts.get(lease.attemptId);
		if (known && this.#heldRun(known.job.run.id)) {
			const foretold = this.#liveOrRefusal(lease);
			// Its job has not begun yet: its time counts from now.
			if (foretold === "taken") known.timeoutAt = this.#timeoutAt(known.job);
			return foretold;
		}
		const offer = this.#offers.get(lease.attemptId);
		if (!offer || offer.leaseId !== lease.leaseId || offer.agentId !== lease.agentId) return this.#overOrSuperseded(lease);
		const agent = this.#agentOf(lease.agentId);
		if (!offer.isAssigned && (!agent || !this.#isGiven(offer.job, agent)))
			throw new Violation("a job starts on an agent that may not have it", `${offer.job.id} on ${lease.agentId}`);
		this.#begin(offer);
		return "taken";
	}

	#begin({ attemptId, job, agentId, leaseId, isAssigned, expiresAt, madeAt }: ModelOffer): void {
		for (const need of job.needs) {
			if (!isTerminal(need.state)) throw new Violation("a job starts before its needs are met", `${job.id} needs ${need.id}`);
		}
		this.#offers.delete(attemptId);
		job.state = "running";
		const number = (this.#started.get(job.id) ?? 0) + 1;
		this.#started.set(job.id, number);
		this.attempts.set(attemptId, {
			id: attemptId,
			job,
			agentId,
			leaseId,
			number,
			startedAt: isAssigned ? madeAt : this.#now,
			state: "running",
			deadline: Math.max(this.#now + this.#times.leaseTtlMs, isAssigned ? expiresAt : 0),
			cancelAt: null,
			timeoutAt: this.#timeoutAt(job),
			digest: null,
		});
		this.#graph.settle();
	}

	#timeoutAt(job: ModelJob): number {
		return this.#now + job.definition.timeout_ms + this.#times.killGraceMs + TIMEOUT_SLACK_MS + this.#cleaning(job);
	}

	/** How much longer a job may take to end because steps clean up after it. */
	#cleaning({ definition }: Pick<ModelJob, "definition">): number {
		return definition.finally === null ? 0 : definition.finally.timeout_ms + this.#times.killGraceMs;
	}

	#release(lease: Lease): Foretold {
		const offer = this.#offers.get(lease.attemptId);
		if (offer?.leaseId === lease.leaseId) this.#endOffer(offer, true);
		return "taken";
	}

	#finish(lease: Lease, finish: Finish, digest: string, planned: Discovered | null): Foretold {
		this.#beginAssigned(lease);
		const attempt = this.#attemptOf(lease);
		if (!attempt || attempt.leaseId !== lease.leaseId) return this.#overOrSuperseded(lease);
		if (attempt.digest !== null) return attempt.digest === digest ? "taken" : "conflict";
		if (isTerminal(attempt.state as JobState)) return this.#overOrSuperseded(lease);
		attempt.digest = digest;
		if (finish.state !== "errored" && usesCopies(attempt.job)) this.#addWarm(attempt.agentId, attempt.job.run.project);
		attempt.state = finish.state;
		if (planned && finish.state === "succeeded" && attempt.job.state === "running")
			this.#toCome.push(...planned.files.flatMap((one) => ("because" in one ? [] : [one])));
		const { declared, outputs } = { declared: attempt.job.definition.outputs, outputs: finish.outputs };
		attempt.job.outputs = Object.fromEntries(Object.entries(outputs).filter(([name]) => declared.includes(name)));
		this.#afterAttempt(attempt, finish.state, finish.reason?.code ?? null, finish.exit_code);
		return "taken";
	}

	/**
	 * What a job needs cannot be had at the moment: it comes again later, and the attempt does not
	 * count.
	 */
	#snooze(lease: Lease): Foretold {
		const foretold = this.#liveOrRefusal(lease);
		if (foretold !== "taken") return foretold;
		const attempt = this.#attemptOf(lease) as ModelAttempt;
		const { job } = attempt;
		attempt.state = "expired";
		if (job.state === "cancelling") this.#graph.end(job, "cancelled");
		else {
			const before = this.#snoozes.get(job.id) ?? 0;
			this.#snoozes.set(job.id, before + 1);
			job.state = "blocked";
			job.backoffAt = this.#now + Math.min(MAX_PARK_MS, PARK_MS * 2 ** before);
		}
		this.#graph.settle();
		return "taken";
	}

	/** What a job needs is not there. */
	#fail(lease: Lease): Foretold {
		const foretold = this.#liveOrRefusal(lease);
		if (foretold !== "taken") return foretold;
		const attempt = this.#attemptOf(lease) as ModelAttempt;
		attempt.state = "errored";
		this.#afterAttempt(attempt, "errored", "secret_unavailable");
		return "taken";
	}

	/** What becomes of a job whose attempt has ended in this way. */
	#afterAttempt(attempt: ModelAttempt, state: JobState, code: string | null, exitCode: number | null = null, leastPause = 0): void {
		const { job } = attempt;
		if (job.state === "cancelling") {
			this.#graph.end(job, "cancelled");
			this.#graph.settle();
			return;
		}
		const cause = code !== null && LOST.has(code) ? "lost" : state;
		const { retry } = job.definition;
		const isCode = cause !== "failed" || !retry?.exit_codes || retry.exit_codes.includes(exitCode ?? -1);
		const isCovered = isCode && (retry?.on.some((one) => one === cause) ?? false);
		const allowed = isCovered && retry ? retry.attempts : cause === "lost" ? 3 : 1;
		const isRetryable = ["failed", "errored", "timed_out", "lost"].includes(cause);
		const count = attempt.number - (this.#snoozes.get(job.id) ?? 0);
		if (!isRetryable || count >= allowed) this.#graph.end(job, state);
		else {
			const backoff = cause === "lost" && count === 1 ? 0 : Math.min(MAX_BACKOFF_MS, RETRY_BACKOFF_MS * 2 ** (count - 1));
			const pause = Math.max(backoff, leastPause);
			job.state = "blocked";
			if (pause > 0) job.backoffAt = this.#now + pause;
			else this.#graph.retryAtOnce(job);
		}
		this.#graph.settle();
	}

	#lose(attempt: ModelAttempt, state: string): void {
		attempt.state = state;
		this.#afterAttempt(attempt, "errored", "agent_lost");
	}

	/** Whatever an agent says under a lease that it was assigned shows that it has begun. */
	#beginAssigned({ attemptId, leaseId }: Lease): void {
		const offer = this.#offers.get(attemptId);
		if (offer?.isAssigned && offer.leaseId === leaseId) this.#begin(offer);
	}

	#liveOrRefusal(lease: Lease): Foretold {
		this.#beginAssigned(lease);
		const attempt = this.#attemptOf(lease);
		const isLive = attempt && attempt.leaseId === lease.leaseId && !isTerminal(attempt.state as JobState);
		return isLive ? "taken" : this.#overOrSuperseded(lease);
	}

	#overOrSuperseded({ jobId }: Lease): Foretold {
		const job = this.jobs.get(jobId);
		const isOver = !job || isTerminal(job.state) || !this.#heldRun(job.run.id);
		return isOver ? "attempt_finished" : "attempt_superseded";
	}

	#endOffer(offer: ModelOffer, isDeclined: boolean): void {
		const { job } = offer;
		this.#offers.delete(offer.attemptId);
		job.state = "queued";
		if (!isDeclined) return;
		const declines = this.#declinesOf(job);
		const count = (declines.get(offer.agentId)?.count ?? 0) + 1;
		declines.set(offer.agentId, { count, until: this.#now + DECLINE_MS * 2 ** (count - 1) });
		const all = [...declines.values()].reduce((sum, decline) => sum + decline.count, 0);
		if (all >= MAX_DECLINES) this.#graph.end(job, "errored");
	}

	#declinesOf(job: ModelJob): Map<string, { count: number; until: number }> {
		const known = this.#declines.get(job.id) ?? new Map();
		this.#declines.set(job.id, known);
		return known;
	}

	// ── time ──

	#boot(): Foretold {
		const bootId = this.#environment.BOOT_ID ?? "";
		if (bootId !== "" && bootId !== this.#bootId) this.#grantGrace();
		// What the queue knows of the time before is when it has heard an agent last.
		this.#sweptAt = this.#hasTables ? (this.#read<{ at: number | null }>("SELECT max(last_seen_at) AS at FROM agents")[0]?.at ?? 0) : 0;
		this.#bootId = bootId;
		return null;
	}

	/** All that has fallen due, in the order in which it did. */
	#sweep(): null {
		const now = this.#now;
		const back = this.#sweptAt - now > CLOCK_SLACK_MS ? this.#sweptAt - now : 0;
		this.#sweptAt = now;
		if (back > 0) this.#stepBack(back);
		const [first] = this.#read<{ at: number | null }>(`SELECT min(due_at) AS at FROM (${TIMERS})`);
		if (back > 0 || (first?.at && now - first.at > ABSENCE_MS)) this.#grantGrace();
		const due: { at: number; kind: string; id: string; run: () => void }[] = [];
		for (const offer of this.#offers.values())
			due.push({ at: offer.expiresAt, kind: "offer", id: offer.attemptId, run: () => this.#expireOffer(offer) });
		for (const attempt of this.#live()) {
			due.push({ at: attempt.deadline, kind: "lease", id: attempt.id, run: () => this.#expire(attempt) });
			if (attempt.cancelAt !== null) due.push({ at: attempt.cancelAt, kind: "cancel", id: attempt.id, run: () => this.#force(attempt) });
			due.push({ at: attempt.timeoutAt, kind: "job_timeout", id: attempt.id, run: () => this.#timeOut(attempt) });
		}
		for (const job of this.jobs.values()) {
			if (job.backoffAt !== null) due.push({ at: job.backoffAt, kind: "backoff", id: job.id, run: () => this.#graph.endBackoff(job) });
		}
		for (const run of this.runs.values()) {
			if (run.timeoutAt !== null) due.push({ at: run.timeoutAt, kind: "run_timeout", id: run.id, run: () => this.#timeOutRun(run) });
		}
		const order = (a: { at: number; kind: string; id: string }) => `${String(a.at).padStart(20, "0")} ${a.kind} ${a.id}`;
		for (const one of due.filter(({ at }) => at <= now).sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
			one.run();
			this.#graph.settle();
		}
		for (const [id, key] of this.#keys) if (key.until <= now) this.#keys.delete(id);
		return null;
	}

	#expireOffer(offer: ModelOffer): void {
		if (!this.#offers.has(offer.attemptId)) return;
		const agent = this.#agents.get(offer.agentId);
		if (agent) agent.hasMissedOffer = true;
		if (!offer.isAssigned) {
			this.#endOffer(offer, true);
			return;
		}
		this.#begin(offer);
		const attempt = this.attempts.get(offer.attemptId) as ModelAttempt;
		this.onExpired(attempt);
		this.#lose(attempt, "expired");
	}

	#expire(attempt: ModelAttempt): void {
		if (isTerminal(attempt.state as JobState) || attempt.deadline > this.#now) return;
		this.onExpired(attempt);
		this.#lose(attempt, "expired");
	}

	/** A cancel that was not heeded. */
	#force(attempt: ModelAttempt): void {
		if (!isTerminal(attempt.state as JobState)) this.#lose(attempt, "cancelled");
	}

	#timeOut(attempt: ModelAttempt): void {
		if (isTerminal(attempt.state as JobState)) return;
		attempt.state = "timed_out";
		this.#afterAttempt(attempt, "timed_out", "timed_out");
	}

	#timeOutRun(run: GraphRun): void {
		run.timeoutAt = null;
		if (!isTerminal(run.state)) this.#graph.cancelRun(run, 2);
	}

	/** The coordinator was away: whatever waits for an agent gets a full term. */
	#grantGrace(): void {
		const until = this.#now + this.#times.leaseTtlMs;
		for (const attempt of this.#live()) {
			attempt.deadline = Math.max(attempt.deadline, until);
			attempt.timeoutAt = Math.max(attempt.timeoutAt, until);
			if (attempt.cancelAt !== null) attempt.cancelAt = Math.max(attempt.cancelAt, until);
		}
		for (const run of this.runs.values()) if (run.timeoutAt !== null) run.timeoutAt = Math.max(run.timeoutAt, until);
		for (const offer of this.#offers.values())
			offer.expiresAt = Math.max(offer.expiresAt, this.#now + (offer.isAssigned ? this.#times.leaseTtlMs : CLAIM_WINDOW_MS));
	}

	/** The clock was stepped back: all that is to come is as far away as it was. */
	#stepBack(ms: number): void {
		for (const attempt of this.#live()) {
			attempt.deadline -= ms;
			attempt.timeoutAt -= ms;
			if (attempt.cancelAt !== null) attempt.cancelAt -= ms;
		}
		for (const offer of this.#offers.values()) offer.expiresAt -= ms;
		for (const job of this.jobs.values()) {
			if (job.backoffAt !== null) job.backoffAt -= ms;
			for (const decline of this.#declinesOf(job).values()) decline.until -= ms;
		}
		for (const run of this.runs.values()) {
			if (run.timeoutAt !== null) run.timeoutAt -= ms;
		}
		for (const key of this.#keys.values()) key.until -= ms;
	}

	#extend(attempt: ModelAttempt, ms: number): void {
		attempt.deadline = Math.max(attempt.deadline, this.#now + ms);
	}

	// ── comparing ──

	/** Asks whether the queue is in the state that the model is in. */
	compare(method: string): void {
		this.#adoptOffers(method);
		const jobs = this.#read<{ id: string; state: JobState; attempt: number }>("SELECT id, state, attempt FROM jobs");
		for (const { id, state, attempt } of jobs) {
			const job = this.jobs.get(id);
			const started = this.#started.get(id) ?? 0;
			if (job?.state !== state || started !== attempt)
				this.#differ(method, `job ${id}`, `${state} after ${attempt} attempts`, `${job?.state} after ${started}`);
		}
		const attempts = this.#read<{ id: string; state: string; deadline: number; number: number }>(
			"SELECT id, state, deadline, number FROM attempts",
		);
		for (const { id, state, deadline, number } of attempts) {
			const attempt = this.attempts.get(id);
			if (attempt?.state !== state || attempt.number !== number)
				this.#differ(method, `attempt ${id}`, `${state}, number ${number}`, `${attempt?.state}, number ${attempt?.number}`);
			if (!isTerminal(state as JobState) && attempt.deadline !== deadline)
				this.#differ(method, `the lease of ${id}`, `until ${deadline}`, `until ${attempt.deadline}`);
		}
		this.#compareTimers(method);
		const runs = this.#read<{ id: string; state: RunState; warnings: number; holds_group: number }>("SELECT * FROM runs");
		for (const { id, state, warnings, holds_group } of runs) {
			const run = this.runs.get(id);
			if (run?.state !== state) this.#differ(method, `run ${id}`, state, String(run?.state));
			if (warningsOf(run) !== warnings) this.#differ(method, `run ${id}`, `one with ${warnings} warnings`, String(warningsOf(run)));
			if (run.holdsGroup !== (holds_group === 1))
				this.#differ(method, `the slot of ${id} in its group`, String(holds_group), String(run.holdsGroup));
		}
	}

	/** Everything that is to fall due falls due when the model says. */
	#compareTimers(method: string): void {
		const due = new Map<string, number>();
		for (const offer of this.#offers.values()) due.set(`offer ${offer.attemptId}`, offer.expiresAt);
		for (const attempt of this.#live()) {
			due.set(`lease ${attempt.id}`, attempt.deadline);
			due.set(`job_timeout ${attempt.id}`, attempt.timeoutAt);
			if (attempt.cancelAt !== null) due.set(`cancel ${attempt.id}`, attempt.cancelAt);
		}
		for (const job of this.jobs.values()) {
			if (job.backoffAt !== null) due.set(`backoff ${job.id}`, job.backoffAt);
		}
		for (const run of this.runs.values()) {
			if (run.timeoutAt !== null) due.set(`run_timeout ${run.id}`, run.timeoutAt);
		}
		const rows = this.#read<{ kind: string; id: string; due_at: number }>(
			`SELECT kind, id, due_at FROM (${TIMERS}) WHERE kind IN ('offer', 'lease', 'job_timeout', 'cancel', 'backoff', 'run_timeout')`,
		);
		for (const { kind, id, due_at } of rows) {
			const expected = due.get(`${kind} ${id}`);
			if (expected !== due_at) this.#differ(method, `the timer ${kind} of ${id}`, `set to ${due_at}`, `${expected}`);
			due.delete(`${kind} ${id}`);
		}
		for (const timer of due.keys()) this.#differ(method, `the timer ${timer}`, "not set", "it");
	}

	#differ(method: string, what: string, is: string, shouldBe: string): never {
		throw new Violation("the queue is not where the model is", `after ${method}, ${what} is ${is}; the model has ${shouldBe}`);
	}

	/** Looks at the offers that were made: each must be one that could be made. */
	#adoptOffers(method: string): void {
		const rows = this.#read<OfferRow>("SELECT * FROM offers");
		for (const id of this.#offers.keys()) if (!rows.some((row) => row.attempt_id === id)) this.#differ(method, `offer ${id}`, "gone", "it");
		const made = rows.filter((row) => !this.#offers.has(row.attempt_id));
		if (made.length === 0) return;
		const agents = new Map(this.#read<AgentRow>("SELECT * FROM agents").map((row) => [row.id, row]));
		for (const row of made) this.#adoptOffer(row, agents.get(row.agent_id));
		for (const row of made) this.#checkPriority(row);
	}

	#adoptOffer(row: OfferRow, agentRow: AgentRow | undefined): void {
		const job = this.jobs.get(row.job_id);
		const agent = this.#agents.get(row.agent_id);
		const wrong = (why: string) => new Violation("an offer was made that may not be", `job ${row.job_id} to agent ${row.agent_id}: ${why}`);
		if (!job || !agent || !agentRow) throw wrong("they are not there");
		if (job.state !== "queued") throw wrong(`the job is ${job.state}`);
		if (this.#isPaused) throw wrong("the queue is paused");
		if (this.#mostRunning !== null && [...this.#live()].length + this.#offers.size >= this.#mostRunning)
			throw wrong("the team runs as many jobs as it may");
		if (agentRow.status !== "online" || agent.hasMissedOffer) throw wrong("the agent is not waiting");
		if (row.session !== agent.session) throw wrong("it is for another session");
		const isAssigned = row.is_assigned === 1;
		if (isAssigned === needsStart(job)) throw wrong("an answer carries it that may not, or does not carry it");
		if (row.poll_seq !== agent.pollSeq) throw wrong("it is for another poll");
		if (row.expires_at !== this.#now + (isAssigned ? this.#times.leaseTtlMs : CLAIM_WINDOW_MS)) throw wrong("its time is wrong");
		if (!this.#couldTake(job, row.agent_id)) throw wrong("the agent does not fit, or has declined it");
		if (!this.#graph.hasRoom(job)) throw wrong("its group is full");
		if (this.#waitsForWarm(job, row.agent_id)) throw wrong("an agent that ran a job of the project could have it");
		const offers = [...this.#offers.values()].filter(({ agentId }) => agentId === row.agent_id).length;
		const live = this.#liveAttemptsOf(row.agent_id).length;
		if (Math.min(agent.slotsFree - offers, agent.slots - live - offers) <= 0) throw wrong("the agent has no slot free");
		job.state = "leased";
		this.#offers.set(row.attempt_id, {
			attemptId: row.attempt_id,
			job,
			agentId: row.agent_id,
			leaseId: row.lease_id,
			expiresAt: row.expires_at,
			isAssigned,
			madeAt: row.made_at,
		});
	}

	/** What has a higher priority and would have fitted goes first. */
	#checkPriority(row: OfferRow): void {
		const offered = this.jobs.get(row.job_id) as ModelJob;
		for (const run of this.runs.values()) {
			if (run.pipeline.priority <= offered.run.pipeline.priority) continue;
			// A group that has room by now may have had none when the offer was made.
			const passed = run.jobs.find(
				(job) => job.state === "queued" && job.definition.concurrency === null && this.#couldTake(job, row.agent_id),
			);
			if (passed) throw new Violation("a lower priority went first", `${offered.id} before ${passed.id}`);
		}
	}

	#addWarm(agentId: string, project: string): void {
		if (!this.#agents.has(agentId)) return;
		this.#warm.set(project, (this.#warm.get(project) ?? new Set()).add(agentId));
	}

	/** Whether a job is still kept for the agents that ran a job of its project. */
	#waitsForWarm(job: ModelJob, agentId: string): boolean {
		const warm = usesCopies(job) ? this.#warm.get(job.run.project) : undefined;
		if (!warm || warm.has(agentId)) return false;
		const [row] = this.#read<{ queued_at: number }>("SELECT queued_at FROM jobs WHERE id = ?", job.id);
		const waited = this.#now - (row?.queued_at ?? 0);
		if (waited < 0 || waited >= WAIT_FOR_WARM_MS) return false;
		return this.#read<AgentRow>("SELECT * FROM agents WHERE status = 'online'").some(({ id }) => warm.has(id) && this.#couldTake(job, id));
	}

	#couldTake(job: ModelJob, agentId: string): boolean {
		const agent = this.#agents.get(agentId);
		const decline = this.#declinesOf(job).get(agentId);
		return agent !== undefined && this.#isGiven(job, agent) && !(decline && decline.until > this.#now);
	}

	/**
	 * Whether an agent may be given a job: its labels, its restriction, and nobody has asked that
	 * it be given nothing.
	 */
	#isGiven(job: ModelJob, { labels, given, isDisabled, isDrained }: ModelAgent): boolean {
		const isInside = given.projects.length === 0 || given.projects.includes(job.run.project);
		return (
			!isDisabled &&
			!isDrained &&
			isInside &&
			given.runs !== "untrusted" &&
			job.definition.runs_on.labels.every((label) => labels.includes(label))
		);
	}

	// ── looking up ──

	get #hasTables(): boolean {
		return this.#read("SELECT 1 FROM sqlite_master WHERE name = 'agents'").length > 0;
	}

	#read<Row>(text: string, ...params: string[]): Row[] {
		return this.#place.database.all<Row>(text, ...params);
	}

	/** A run that has left the queue is unknown to it. */
	#heldRun(runId: string): GraphRun | undefined {
		return this.#read("SELECT 1 FROM runs WHERE id = ?", runId).length > 0 ? this.runs.get(runId) : undefined;
	}

	#attemptOf({ attemptId }: Lease): ModelAttempt | undefined {
		const attempt = this.attempts.get(attemptId);
		return attempt && this.#heldRun(attempt.job.run.id) ? attempt : undefined;
	}

	/** An agent that is gone for thirty days is forgotten. */
	#agentOf(agentId: string): ModelAgent | undefined {
		if (this.#read("SELECT 1 FROM agents WHERE id = ?", agentId).length > 0) return this.#agents.get(agentId);
		this.#agents.delete(agentId);
		return undefined;
	}

	#live(): ModelAttempt[] {
		return [...this.attempts.values()].filter(({ state }) => state === "running" || state === "cancelling");
	}

	#liveAttemptsOf(agentId: string): ModelAttempt[] {
		const order = ({ startedAt, id }: ModelAttempt) => `${String(startedAt).padStart(20, "0")} ${id}`;
		return this.#live()
			.filter((attempt) => attempt.agentId === agentId)
			.sort((a, b) => (order(a) < order(b) ? -1 : 1));
	}

	#liveAttemptOf(job: ModelJob): ModelAttempt | undefined {
		return this.#live().find((attempt) => attempt.job === job);
	}
}

/** Whether an agent has to ask for a job: it has secrets, or its source may be read with one. */
function needsStart({ definition, run: { pipeline, project } }: ModelJob): boolean {
	return Object.keys(definition.secrets).length > 0 || isOfRepository(pipeline, project);
}

function isOfRepository(pipeline: GraphRun["pipeline"], project: string): boolean {
	return pipeline.source !== null && "git" in pipeline.source && project !== "adhoc";
}

/** Whether an agent that ran a job of the project has something that this one needs. */
function usesCopies({ definition, run: { pipeline, project } }: ModelJob): boolean {
	return isOfRepository(pipeline, project) || (definition.caches.length > 0 && project !== "adhoc");
}

interface Lease {
	attemptId: string;
	leaseId: string;
	jobId: string;
	agentId: string;
}

function newAgent(given: ModelAgent["given"], secret: string, isDisabled: boolean): ModelAgent {
	return {
		session: 0,
		instance: "",
		pollSeq: 0,
		renewSeq: 0,
		slots: 1,
		slotsFree: 0,
		hasMissedOffer: false,
		given,
		labels: given.labels,
		isDisabled,
		isDrained: false,
		registered: secret,
		secret,
		next: null,
		isAskedToRotate: false,
	};
}
