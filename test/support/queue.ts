import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import type { FinishBody } from "../../schema/wire/protocol.ts";
import { type Capabilities, NO_CAPABILITIES } from "../../schema/wire/requirements.ts";
import { openSession, registerAgent } from "../../worker/queue/core/agents/agents.ts";
import { createRegistrationToken, type NewRegistrationToken } from "../../worker/queue/core/agents/registration_tokens.ts";
import { type Core, openCore, type Settings } from "../../worker/queue/core/core.ts";
import { finishAttempt, type LeaseClaims, startAttempt } from "../../worker/queue/core/leases/attempts.ts";
import { assignWaiting } from "../../worker/queue/core/leases/offers.ts";
import { newsFor, recordPoll, renewLeases } from "../../worker/queue/core/leases/polls.ts";
import { type AttemptRow, type JobRow, liveAttemptsOfAgent, type OfferRow, type RunRow } from "../../worker/queue/core/rows.ts";
import { SUBMITTED, type Submit, submitRun } from "../../worker/queue/core/runs/submit.ts";
import type { Sql } from "../../worker/queue/core/sql.ts";
import { sweep } from "../../worker/queue/core/sweep.ts";
import { nodeSql } from "./node_sql.ts";
import { result } from "./protocol_agent.ts";

export const SETTINGS = {
	leaseTtlMs: 60_000,
	renewMs: 10_000,
	renewTimeoutMs: 5_000,
	killGraceMs: 10_000,
	claimWindowMs: 12_000,
	retryBackoffMs: 1_000,
	logShards: 4,
	agentSilentMs: 75_000,
	maxJobMs: Number.POSITIVE_INFINITY,
};

/** A pipeline whose job an agent has to claim before it begins: it asks for a secret. */
export const CLAIMED = "secrets: { TOKEN: token }\nsteps: [a]";

/** A queue with a clock that is moved by hand, and agents that are moved by hand, too. */
export class Queue {
	now = 1_000_000;
	readonly core: Core;
	#ids = 0;
	#seq = 0;
	readonly sql: Sql;

	constructor(sql: Sql = nodeSql(), settings: Settings = SETTINGS) {
		this.core = openCore({
			sql,
			team: "default",
			settings,
			now: () => this.now,
			newId: (kind) => `${ID_PREFIXES[kind]}_${this.#next()}`,
			newSecret: () => `secret-${this.#next()}`,
			report: (error, fields) => {
				throw new Error(`${error} ${JSON.stringify(fields)}`);
			},
		});
		this.sql = this.core.sql;
	}

	#next(): string {
		this.#ids += 1;
		return String(this.#ids).padStart(26, "0");
	}

	/** Lets time pass, in steps as short as a coordinator that is there would sweep in. */
	pass(ms: number): void {
		for (const end = this.now + ms; this.now < end; ) {
			this.now = Math.min(end, this.now + 1_000);
			sweep(this.core);
		}
	}

	/** Lets time pass while the coordinator is not there. */
	absence(ms: number): void {
		this.now += ms;
		sweep(this.core);
	}

	/** Submits a pipeline in YAML, or the one that is given. @returns the run's id */
	submit(
		text: string,
		project = "adhoc",
		{
			rerun = null,
			commit = null,
			origin = SUBMITTED,
			trigger = { kind: "api", actor: "test", delivery: null },
			...given
		}: Partial<Submit> = {},
	): string {
		const pipeline = given.pipeline ?? parseSubmission(text).pipeline;
		const runId = `run_${this.#next()}`;
		submitRun(this.core, {
			runId,
			pipeline,
			definition: `digest-${runId}`,
			project,
			trigger,
			commit,
			origin,
			rerun,
			idempotency: null,
		});
		return runId;
	}

	/**
	 * An agent with these labels, online.
	 * @param given what its registration token gives
	 * @returns its id
	 */
	agent(
		name: string,
		{ slots = 1, labels = [] as string[], capabilities = {} as Partial<Capabilities>, given = {} as Partial<NewRegistrationToken> } = {},
	): string {
		const token = { hash: `token-${name}`, uses: 1, expiresAt: this.now + 1_000, labels: [], projects: [], runs: "any" as const };
		createRegistrationToken(this.core, { ...token, ...given }, "test");
		const id = registerAgent(this.core, { tokenHash: `token-${name}`, registrationHash: `key-${name}`, name, secretHash: name });
		openSession(this.core, id, name, {
			protocol: 2,
			session: 1,
			instance: "instance",
			running: [],
			facts: { version: "1", slots, labels, facts: {}, capabilities: { ...NO_CAPABILITIES, ...capabilities } },
		});
		return id;
	}

	/**
	 * One poll, answered at once.
	 * @param own what the agent names beside the attempts that the queue knows of
	 */
	poll(agentId: string, slotsFree = 1, own: readonly string[] = []): OfferRow[] {
		this.#seq += 1;
		recordPoll(this.core, agentId, this.nameOf(agentId), {
			protocol: 2,
			session: 1,
			seq: this.#seq,
			slots_free: slotsFree,
			running: [...liveAttemptsOfAgent(this.core, agentId).map(({ id }) => id), ...own],
			draining: false,
		});
		assignWaiting(this.core, [agentId]);
		return newsFor(this.core, agentId, this.#seq).offers;
	}

	/** Polls, claims what is offered, and gives its lease. */
	take(agentId: string): LeaseClaims {
		const [offer] = this.poll(agentId);
		if (!offer) throw new Error("nothing was offered");
		return this.start(offer);
	}

	start(offer: OfferRow): LeaseClaims {
		const lease = { attemptId: offer.attempt_id, leaseId: offer.lease_id, jobId: offer.job_id, agentId: offer.agent_id };
		startAttempt(this.core, lease);
		return lease;
	}

	renew(agentId: string, running: string[]) {
		this.#seq += 1;
		return renewLeases(this.core, agentId, this.nameOf(agentId), { session: 1, seq: this.#seq, running });
	}

	finish(lease: LeaseClaims, overrides: Partial<FinishBody> = {}, digest = "digest") {
		return finishAttempt(this.core, lease, result(overrides), digest, []);
	}

	nameOf(agentId: string): string {
		return this.sql.all<{ name: string }>("SELECT name FROM agents WHERE id = ?", agentId)[0]?.name ?? "";
	}

	run(runId: string): RunRow {
		return this.sql.all<RunRow>("SELECT * FROM runs WHERE id = ?", runId)[0] as RunRow;
	}

	jobs(runId: string): JobRow[] {
		return this.sql.all<JobRow>("SELECT * FROM jobs WHERE run_id = ? ORDER BY position", runId);
	}

	job(runId: string, key = "main"): JobRow {
		return this.jobs(runId).find((job) => job.key === key) as JobRow;
	}

	attempts(jobId: string): AttemptRow[] {
		return this.sql.all<AttemptRow>("SELECT * FROM attempts WHERE job_id = ? ORDER BY number", jobId);
	}
}

/** The code of the refusal that `body` ends in. */
export function refusalOf(body: () => unknown): string {
	try {
		body();
	} catch (error) {
		return (error as { code?: string }).code ?? String(error);
	}
	return "none";
}
