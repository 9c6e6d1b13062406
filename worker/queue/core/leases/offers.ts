import { firstUnmetRequirement, knownUnmetRequirement, type Offering } from "../../../../schema/pipeline/validate/requirements.ts";
import { ADHOC_PROJECT } from "../../../../schema/wire/projects.ts";
import { capabilities, type Requirements } from "../../../../schema/wire/requirements.ts";
import type { Reason } from "../../../../schema/wire/states.ts";
import { isTaking, takesNothingNew } from "../agents/availability.ts";
import { outsideRestriction } from "../agents/restrictions.ts";
import { asTheQueue, type Core, command, nextRev, PRESENCE_MS } from "../core.ts";
import type { Partition } from "../hints.ts";
import { mayRunMore, quotasOf } from "../quotas.ts";
import {
	type AgentRow,
	type AttemptRow,
	addRow,
	changeRow,
	findAgent,
	findJob,
	findRun,
	type JobRow,
	type OfferRow,
	offersOfAgent,
	type RunRow,
} from "../rows.ts";
import { deleteOffer } from "../runs/begin.ts";
import { definitionOf } from "../runs/definitions.ts";
import { expireLease } from "../runs/endings.ts";
import { isGroupFull } from "../runs/groups.ts";
import { afterJobEnded } from "../runs/progress.ts";
import { queuedByPartition } from "../runs/queued_jobs.ts";
import { moveJob } from "../runs/transitions.ts";
import { setTimer, startTimer } from "../timers.ts";
import { claim } from "./claims.ts";
import { pauseOf } from "./pause.ts";
import { isWarm, WAIT_FOR_WARM_MS, warmAgentsFor } from "./warm_agents.ts";

/**
 * Offers: which waiting job goes to which waiting agent.
 *
 * Queued jobs wait in partitions, one for each set of requirements, project, trust, priority and
 * concurrency group. For an agent, the first jobs of all partitions that it fits compete. The
 * highest priority wins, then the project with the fewest running jobs, then the oldest job. An agent
 * that has run a job of the project goes before the others (warm_agents.ts).
 *
 * A job without secrets is assigned: the answer has the whole job, and the agent begins at once.
 * The offer is then a lease, and the agent claims it with its next request. Every other job is
 * reserved for a short claim window. An agent that declines an offer or lets it expire gets that
 * job again after a pause. The pause doubles each time, so that a broken agent cannot hold a job
 * forever.
 */

const DECLINE_MS = 15_000;
const MAX_DECLINES = 10;

/** Offers waiting jobs to waiting agents, as a command of its own. @see assignOffers */
export function assignWaiting(core: Core, agentIds: readonly string[]): void {
	if (agentIds.length === 0 || waitingPartitions(core).length === 0 || pauseOf(core) || !mayRunMore(core)) return;
	command(core, () => assignOffers(core, agentIds));
}

/**
 * Offers waiting jobs to waiting agents. Call it inside a command.
 * @param agentIds waiting agents, in the order in which they get jobs
 */
export function assignOffers(core: Core, agentIds: readonly string[]): void {
	const partitions = waitingPartitions(core);
	if (partitions.length === 0 || pauseOf(core)) return;
	const running = runningByProject(core);
	const waiting = agentIds.flatMap((id) => findAgent(core, id) ?? []);
	const fittingOf = (agent: AgentRow) => partitions.filter((partition) => unmetBy(core, agent, partition) === null);
	if (quotasOf(core).running_jobs !== null) {
		assignWithinQuota(core, waiting, fittingOf, running);
		return;
	}
	for (const agent of waiting) {
		const fitting = fittingOf(agent);
		if (fitting.length === 0) continue;
		while (capacityOf(core, agent) > 0 && mayRunMore(core)) {
			const pick = bestJob(core, agent, fitting, running);
			if (!pick) break;
			// A warm agent takes the job in its place, unless another job is better for that one.
			const isBetter = (other: AgentRow) => bestJob(core, other, fittingOf(other), running)?.jobId === pick.jobId;
			const warm = warmAmong(core, waiting, agent, pick.jobId).find(isBetter);
			asTheQueue(core, () => offerJob(core, warm ?? agent, pick.jobId));
			running.set(pick.project, (running.get(pick.project) ?? 0) + 1);
		}
	}
}

/** With a quota of running jobs: the best job of all waiting agents comes first, whoever waits longest. */
function assignWithinQuota(
	core: Core,
	waiting: readonly AgentRow[],
	fittingOf: (agent: AgentRow) => Partition[],
	running: Map<string, number>,
): void {
	while (mayRunMore(core)) {
		const picks = waiting
			.filter((agent) => capacityOf(core, agent) > 0)
			.flatMap((agent) => {
				const pick = bestJob(core, agent, fittingOf(agent), running);
				return pick ? [{ agent, pick }] : [];
			});
		const [first, ...others] = picks;
		if (!first) return;
		const { agent, pick } = others.reduce((best, one) => (isBefore(one.pick.rank, best.pick.rank) ? one : best), first);
		asTheQueue(core, () => offerJob(core, agent, pick.jobId));
		running.set(pick.project, (running.get(pick.project) ?? 0) + 1);
	}
}

/** The warm agents for a job with room for it among those that wait, if `agent` is not one itself. */
function warmAmong(core: Core, waiting: readonly AgentRow[], agent: AgentRow, jobId: string): readonly AgentRow[] {
	const job = findJob(core, jobId) as JobRow;
	if (waiting.length < 2 || isWarm(core, agent.id, job)) return [];
	return waiting.filter((other) => isWarm(core, other.id, job) && capacityOf(core, other) > 0);
}

/** The partitions with waiting jobs. */
function waitingPartitions(core: Core): Partition[] {
	const queued = queuedByPartition(core);
	return [...queued.keys()].map((id) => partitionWith(core, id));
}

function partitionWith(core: Core, id: number): Partition {
	const known = core.partitions.get(id);
	if (known) return known;
	const [partition] = core.sql.all<Partition>("SELECT * FROM queue_partitions WHERE id = ?", id);
	if (!partition) throw new Error(`partition ${id} has jobs and is missing`);
	core.partitions.set(id, partition);
	return partition;
}

function runningByProject(core: Core): Map<string, number> {
	const running = new Map<string, number>();
	const count = (runId: string) => {
		const project = String(core.rows.peek("runs", runId)?.project);
		running.set(project, (running.get(project) ?? 0) + 1);
	};
	for (const { run_id } of core.rows.live<AttemptRow>("attempts")) count(run_id);
	for (const { job_id } of core.rows.live<OfferRow>("offers")) count(String(core.rows.peek("jobs", job_id)?.run_id));
	return running;
}

/** The properties of a job that decide which agents may take it. */
export interface Wanted {
	/** As JSON. */
	requirements: string;
	project: string;
	is_trusted: number;
}

/**
 * The first unmet requirement of a job, as the end of a sentence that begins with the agent's name;
 * null if the agent may take it.
 */
export function unmetBy(core: Core, agent: AgentRow, wanted: Wanted): string | null {
	return outsideRestriction(agent, wanted) ?? unmetRequirement(core, agent, wanted.requirements);
}

/** The cached answer of an agent that fits. */
const FITS = "";

/**
 * The first requirement that the agent does not meet; null if it fits. The answer is cached until
 * an agent sends new agent info.
 */
function unmetRequirement(core: Core, agent: AgentRow, requirements: string): string | null {
	const key = `${agent.id} ${requirements}`;
	const known = core.unmet.get(key);
	if (known !== undefined) return known === FITS ? null : known;
	const unmet = firstUnmetRequirement(JSON.parse(requirements) as Requirements, offeringOf(agent));
	core.unmet.set(key, unmet ?? FITS);
	return unmet;
}

function offeringOf({ labels, capabilities: text }: AgentRow): Offering {
	return { labels: JSON.parse(labels) as string[], capabilities: capabilities.parse(JSON.parse(text)) };
}

/** Whether an agent that does not fit yet may fit soon: it still examines its machine. */
export function mayYetFit(agent: AgentRow, wanted: Wanted): boolean {
	if (agent.status !== "online" || outsideRestriction(agent, wanted) !== null) return false;
	const offering = offeringOf(agent);
	return (
		offering.capabilities.looking_for.length > 0 &&
		knownUnmetRequirement(JSON.parse(wanted.requirements) as Requirements, offering) === null
	);
}

/**
 * How many jobs the agent can take now: as many as it says, and never more than the queue counts.
 */
export function capacityOf(core: Core, agent: AgentRow): number {
	if (agent.status !== "online" || agent.has_missed_offer === 1 || takesNothingNew(agent)) return 0;
	const offers = core.rows.live("offers", agent.id).length;
	return Math.min(agent.slots_free - offers, agent.slots - core.rows.live("attempts", agent.id).length - offers);
}

/**
 * Withdraws the offers that an agent may no longer have. Call it in the transaction that changes
 * the agent, so that no such offer remains. An assigned job may have begun, so it continues.
 */
export function withdrawUnfit(core: Core, agentId: string): void {
	const agent = findAgent(core, agentId);
	if (!agent) return;
	for (const offer of core.sql.all<OfferRow & Wanted>(
		`SELECT offers.*, l.requirements, l.project, l.is_trusted FROM offers JOIN jobs AS j ON j.id = offers.job_id
		JOIN queue_partitions AS l ON l.id = j.partition_id WHERE offers.agent_id = ?`,
		agentId,
	)) {
		const isBegun = offer.is_assigned === 1;
		if (!isBegun && (takesNothingNew(agent) || unmetBy(core, agent, offer) !== null)) withdrawOffer(core, offer, false);
	}
}

function bestJob(
	core: Core,
	agent: AgentRow,
	partitions: readonly Partition[],
	running: ReadonlyMap<string, number>,
): { jobId: string; project: string; rank: [number, number, number] } | null {
	let best: { jobId: string; project: string; rank: [number, number, number] } | null = null;
	/** The highest priority of a job that waits for a warm agent. */
	let kept = Number.NEGATIVE_INFINITY;
	for (const partition of partitions) {
		if (best && -partition.priority > best.rank[0]) continue;
		if (partition.group_key !== "" && isGroupFull(core, partition.group_key)) continue;
		const head = headOf(core, partition, agent);
		if (!head) continue;
		if (waitsForWarm(core, head.id, agent)) {
			kept = Math.max(kept, partition.priority);
			continue;
		}
		const rank: [number, number, number] = [-partition.priority, running.get(partition.project) ?? 0, head.entry];
		if (!best || isBefore(rank, best.rank)) best = { jobId: head.id, project: partition.project, rank };
	}
	return best && -best.rank[0] >= kept ? best : null;
}

/**
 * Whether a job is kept from a cold agent for now, because a warm one may be free soon. A timer then
 * ends the wait.
 */
function waitsForWarm(core: Core, jobId: string, agent: AgentRow): boolean {
	const job = findJob(core, jobId) as JobRow;
	const until = isWarm(core, agent.id, job) ? null : warmWaitOf(core, job);
	if (until === null) return false;
	startTimer(core, "warm_wait", until);
	return true;
}

/** Until when a queued job waits for a warm agent; null: it does not. */
export function warmWaitOf(core: Core, job: JobRow): number | null {
	const waitedMs = core.now() - (job.queued_at ?? 0);
	// A clock that was stepped back must not make the wait longer.
	if (waitedMs < 0 || waitedMs >= WAIT_FOR_WARM_MS) return null;
	const [taker] = warmFitting(core, job);
	return taker ? core.now() + WAIT_FOR_WARM_MS - waitedMs : null;
}

/** The warm agents that fit a job and take jobs, busy or not. */
export function* warmFitting(core: Core, job: JobRow): Generator<AgentRow> {
	const { project, is_trusted } = findRun(core, job.run_id) as RunRow;
	for (const agent of warmAgentsFor(core, job)) {
		const isFitting = isTaking(agent) && unmetBy(core, agent, { requirements: job.runs_on, project, is_trusted }) === null;
		if (isFitting && !isDeclined(core, job.id, agent.id)) yield agent;
	}
}

function isDeclined(core: Core, jobId: string, agentId: string): boolean {
	return core.sql.all("SELECT 1 FROM declines WHERE job_id = ? AND agent_id = ? AND until > ?", jobId, agentId, core.now()).length > 0;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
	const index = a.findIndex((value, at) => value !== b[at]);
	return index !== -1 && (a[index] as number) < (b[index] as number);
}

/** The oldest job of the partition that this agent has not declined recently. */
function headOf(core: Core, partition: Partition, agent: AgentRow): { id: string; entry: number } | undefined {
	return core.sql.all<{ id: string; entry: number }>(
		`SELECT id, entry FROM jobs WHERE partition_id = ? AND state = 'queued'
		AND NOT EXISTS (SELECT 1 FROM declines WHERE job_id = jobs.id AND agent_id = ? AND until > ?) ORDER BY entry LIMIT 1`,
		partition.id,
		agent.id,
		core.now(),
	)[0];
}

function offerJob(core: Core, agent: AgentRow, jobId: string): void {
	const job = findJob(core, jobId);
	if (!job) throw new Error(`job ${jobId} is gone`);
	const why = isWarm(core, agent.id, job) ? ", which ran a job of this project before" : "";
	moveJob(core, job, "offer", { code: "offered", text: `Offered to agent ${agent.name}${why}.` });
	const attemptId = core.newId("attempt");
	const isAssigned = !needsStart(core, job);
	const { leaseTtlMs, claimWindowMs, logShards } = core.settings;
	const expiresAt = core.now() + (isAssigned ? leaseTtlMs : claimWindowMs);
	const { id: agent_id, session, poll_seq } = agent;
	addRow(core, "offers", {
		...{ attempt_id: attemptId, job_id: jobId, agent_id, session, poll_seq, lease_id: core.newSecret() },
		...{ shard: shardOf(attemptId, logShards), expires_at: expiresAt, is_assigned: isAssigned ? 1 : 0, made_at: core.now() },
	});
	core.hints.timerSet(expiresAt);
	core.hints.agentsWithNews.add(agent_id);
	if (isAssigned) startTimer(core, "presence", core.now() + PRESENCE_MS);
}

/**
 * Whether an agent must claim the job before it begins. An answer that may wait has no secrets, and
 * the settings of a project's repository are read at the claim.
 */
function needsStart(core: Core, job: JobRow): boolean {
	const run = findRun(core, job.run_id) as RunRow;
	const { secrets, build_caches } = definitionOf(core, job);
	const hasSecrets = run.is_trusted === 1 && Object.keys(secrets).length > 0;
	return hasSecrets || build_caches.length > 0 || (run.source_git !== null && run.project !== ADHOC_PROJECT);
}

/**
 * Spreads attempts evenly over the shards. The choice is stored, so that the number of shards may
 * change.
 */
function shardOf(attemptId: string, shards: number): number {
	let hash = 0;
	for (const char of attemptId) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
	return hash % shards;
}

/**
 * Ends an unclaimed offer. The job waits again, or ends after ten declines.
 * @param isDeclined whether the agent gets the job only after a pause: it declined the offer or let
 * it expire
 */
export function withdrawOffer(core: Core, offer: OfferRow, isDeclined: boolean): void {
	deleteOffer(core, offer);
	const job = findJob(core, offer.job_id);
	if (!job) return;
	if (!isDeclined) {
		moveJob(core, job, "requeue", null);
		return;
	}
	const declines = recordDecline(core, offer);
	if (declines < MAX_DECLINES) moveJob(core, job, "requeue", null);
	else if (moveJob(core, job, "abandon", neverStarted(declines)) !== null) afterJobEnded(core, job);
}

function recordDecline(core: Core, offer: OfferRow): number {
	const now = core.now();
	const [row] = core.sql.all<{ count: number }>(
		"INSERT INTO declines (job_id, agent_id, count, until) VALUES (?, ?, 1, ?) ON CONFLICT (job_id, agent_id) DO UPDATE SET count = count + 1 RETURNING count",
		offer.job_id,
		offer.agent_id,
		now,
	);
	const until = now + DECLINE_MS * 2 ** ((row?.count ?? 1) - 1);
	core.sql.all("UPDATE declines SET until = ? WHERE job_id = ? AND agent_id = ?", until, offer.job_id, offer.agent_id);
	setTimer(core, "decline", JSON.stringify([offer.job_id, offer.agent_id]), until);
	return core.sql.all<{ n: number }>("SELECT sum(count) AS n FROM declines WHERE job_id = ?", offer.job_id)[0]?.n ?? 0;
}

function neverStarted(declines: number): Reason {
	return {
		code: "never_started",
		text: `Offered ${declines} times and never started: the agents declined the offers or let them expire.`,
	};
}

/**
 * Withdraws an offer that the agent does not name in its next poll: the answer did not reach it.
 * The first time nothing counts. After that it counts as declined, so that an answer that cannot be
 * read is not sent forever.
 */
export function withdrawUnreceived(core: Core, offer: OfferRow): void {
	const isFirst =
		core.sql.all(
			"INSERT INTO declines (job_id, agent_id, count, until) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING RETURNING 1",
			offer.job_id,
			offer.agent_id,
		).length > 0;
	withdrawOffer(core, offer, !isFirst);
}

/**
 * Ends an offer whose time is over: the session gets no offer until it polls again. An assigned job
 * may have run, so its attempt is lost.
 */
export function expireOffer(core: Core, offer: OfferRow): void {
	const agent = findAgent(core, offer.agent_id);
	if (agent?.session === offer.session) changeRow(core, "agents", agent.id, { has_missed_offer: 1, rev: nextRev(core) });
	if (offer.is_assigned === 1) expireLease(core, claim(core, offer, true));
	else withdrawOffer(core, offer, true);
}

/**
 * Ends the offers of an agent whose process has ended. An assigned job may have run, so its attempt
 * begins, and the caller ends it. Every other job waits again.
 */
export function clearOffers(core: Core, agentId: string): void {
	for (const offer of offersOfAgent(core, agentId)) {
		if (offer.is_assigned === 1) claim(core, offer, true);
		else withdrawOffer(core, offer, false);
	}
}
