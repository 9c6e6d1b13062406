import type { AttemptRow as AttemptRecord, JobRow as JobRecord, RunRow as RunRecord } from "../../../schema/database/tables.ts";
import type { RunTrust } from "../../../schema/wire/agents.ts";
import type { Core } from "./core.ts";
import type { Columns } from "./row_table.ts";

/** The live rows: those of the record, with columns that only the queue needs. */
export type RunRow = RunRecord & { cancel_requested: number; group_key: string | null; holds_group: number };
export type JobRow = JobRecord & {
	partition_id: number;
	entry: number;
	group_key: string | null;
	/** How many of its attempts do not count, because the job was snoozed. */
	snoozes: number;
};
export type AttemptRow = AttemptRecord & {
	lease_id: string;
	deadline: number;
	cancel_sent: number;
};

export interface OfferRow {
	attempt_id: string;
	job_id: string;
	agent_id: string;
	session: number;
	lease_id: string;
	shard: number;
	/** When the claim window ends; for an assigned job, when its lease ends. */
	expires_at: number;
	/** The poll whose answer carries it. */
	poll_seq: number;
	/** 1: the answer carries the whole assignment, and the agent may have begun. */
	is_assigned: number;
	made_at: number;
}

export interface AgentRow {
	id: string;
	rev: number;
	name: string;
	secret_hash: string;
	registration_hash: string;
	pinned_labels: string;
	/** The labels that count; the declared ones that the agent was not given. */
	labels: string;
	ignored_labels: string;
	/** Which jobs it may take. */
	projects: string;
	runs: RunTrust;
	disabled_by: string | null;
	disabled_at: number | null;
	/** Set while a person asks its present process to end once it is idle. */
	drained_by: string | null;
	drained_at: number | null;
	/** Set until it uses the new token after a request to rotate. */
	rotation_by: string | null;
	rotation_at: number | null;
	next_secret_hash: string | null;
	next_issued_at: number | null;
	rotated_at: number | null;
	facts: string;
	capabilities: string;
	version: string;
	slots: number;
	status: "online" | "draining" | "offline";
	session: number;
	instance: string;
	poll_seq: number;
	renew_seq: number;
	slots_free: number;
	has_missed_offer: number;
	registered_at: number;
	last_seen_at: number | null;
}

/** The rows that the queue keeps in memory, by table. */
interface StoredRows {
	runs: RunRow;
	jobs: JobRow;
	attempts: AttemptRow;
	agents: AgentRow;
	offers: OfferRow;
}

/** Adds a row. Columns that are left out have the defaults of the schema. */
export function addRow<Table extends keyof StoredRows>(core: Core, table: Table, columns: Partial<StoredRows[Table]>): StoredRows[Table] {
	return core.rows.insert<StoredRows[Table]>(table, columns as Columns);
}

/** Changes columns of a row. A row that is gone stays so. */
export function changeRow<Table extends keyof StoredRows>(core: Core, table: Table, id: string, columns: Partial<StoredRows[Table]>): void {
	core.rows.update(table, id, columns as Columns);
}

export function findRun(core: Core, id: string): RunRow | undefined {
	return core.rows.find<RunRow>("runs", id);
}

export function findJob(core: Core, id: string): JobRow | undefined {
	return core.rows.find<JobRow>("jobs", id);
}

/** The job of a row. The row cannot exist without it. */
export function jobOf(core: Core, row: { job_id: string }): JobRow {
	const job = findJob(core, row.job_id);
	if (!job) throw new Error(`job ${row.job_id} is referred to and missing`);
	return job;
}

export function findAttempt(core: Core, id: string): AttemptRow | undefined {
	return core.rows.find<AttemptRow>("attempts", id);
}

/** The live attempts of an agent, in the order of their start. */
export function liveAttemptsOfAgent(core: Core, agentId: string): AttemptRow[] {
	const attempts = core.rows.live<AttemptRow>("attempts", agentId).map((attempt) => ({ ...attempt }));
	return attempts.sort((a, b) => a.started_at - b.started_at || (a.id < b.id ? -1 : 1));
}

/** The jobs of a run in their order, to look at only. */
export function jobsOf(core: Core, runId: string): readonly Readonly<JobRow>[] {
	return core.rows.ofRun<JobRow>("jobs", runId);
}

/** The attempts of a run by their numbers, to look at only. */
export function attemptsOf(core: Core, runId: string): readonly Readonly<AttemptRow>[] {
	return core.rows.ofRun<AttemptRow>("attempts", runId);
}

/** All agents by their names, to look at only. */
export function allAgents(core: Core): readonly Readonly<AgentRow>[] {
	return [...core.rows.live<AgentRow>("agents")].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function findOffer(core: Core, attemptId: string): OfferRow | undefined {
	// All offers are live, so an unknown one needs no look into the database.
	const offer = core.rows.liveRow<OfferRow>("offers", attemptId);
	return offer && { ...offer };
}

/** The offer of a leased job. */
export function findOfferOf(core: Core, jobId: string): OfferRow | undefined {
	const offer = core.rows.live<OfferRow>("offers").find((one) => one.job_id === jobId);
	return offer && { ...offer };
}

export function offersOfAgent(core: Core, agentId: string): OfferRow[] {
	const offers = core.rows.live<OfferRow>("offers", agentId).map((offer) => ({ ...offer }));
	return offers.sort((a, b) => (a.attempt_id < b.attempt_id ? -1 : 1));
}

export function findAgent(core: Core, id: string): AgentRow | undefined {
	return core.rows.find<AgentRow>("agents", id);
}
