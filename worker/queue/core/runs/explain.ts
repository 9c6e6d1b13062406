import { cleanupLimit } from "../../../../schema/pipeline/runtime/cleanup.ts";
import { describeRequirements } from "../../../../schema/pipeline/validate/requirements.ts";
import { formatDuration } from "../../../../schema/wire/duration.ts";
import type { Requirements } from "../../../../schema/wire/requirements.ts";
import type { Explanation } from "../../../../schema/wire/resources.ts";
import { isTerminal } from "../../../../schema/wire/states.ts";
import { isTaking } from "../agents/availability.ts";
import { outsideRestriction } from "../agents/restrictions.ts";
import type { Core } from "../core.ts";
import { capacityOf, mayYetFit, unmetBy, type Wanted, warmFitting, warmWaitOf } from "../leases/offers.ts";
import { pauseOf } from "../leases/pause.ts";
import { isWarm } from "../leases/warm_agents.ts";
import { mayRunMore, quotasOf } from "../quotas.ts";
import { type AgentRow, allAgents, findJob, findRun, type JobRow, jobsOf, type RunRow } from "../rows.ts";
import { definitionOf } from "./definitions.ts";
import { groupName, isGroupFull, jobsHolding, runsHolding } from "./groups.ts";
import { ancestorsOf } from "./readiness.ts";

/** Why a job is in its state, in words; null if the queue does not hold it. */
export function explainJob(core: Core, jobId: string): Explanation | null {
	const job = findJob(core, jobId);
	if (!job) return null;
	const isWaiting = job.state === "queued" || job.state === "leased";
	const known = isWaiting ? allAgents(core) : [];
	const wanted = wantedBy(job, findRun(core, job.run_id) as RunRow);
	const agents = known.map((agent) => explainAgent(core, agent, job, wanted));
	const retryAt = timerOf(core, job);
	return {
		job_id: job.id,
		state: job.state,
		summary: summarise(core, job, wanted, known),
		position: job.state === "queued" ? positionOf(core, job) : null,
		starts_in_ms: null,
		waiting_for: openNeeds(core, job),
		retry_at: retryAt === null ? null : new Date(retryAt).toISOString(),
		agents,
	};
}

function wantedBy(job: Pick<JobRow, "runs_on">, { project, is_trusted }: Pick<RunRow, "project" | "is_trusted">): Wanted {
	return { requirements: job.runs_on, project, is_trusted };
}

function explainAgent(core: Core, agent: AgentRow, job: JobRow, wanted: Wanted): Explanation["agents"][number] {
	const unmet = unmetBy(core, agent, wanted);
	return { id: agent.id, name: agent.name, fits: unmet === null, reason: unmet ?? availability(core, agent, job) };
}

function availability(core: Core, agent: AgentRow, job: JobRow): string {
	const absence = absenceOf(agent);
	if (absence !== null) return absence;
	const [decline] = core.sql.all<{ until: number }>(
		"SELECT until FROM declines WHERE job_id = ? AND agent_id = ? AND until > ?",
		job.id,
		agent.id,
		core.now(),
	);
	if (decline) return `declined the job or let its offer expire; gets it again after ${new Date(decline.until).toISOString()}`;
	const [offer] = core.sql.all<{ agent_id: string }>("SELECT agent_id FROM offers WHERE job_id = ?", job.id);
	if (offer?.agent_id === agent.id) return "has been offered the job";
	return `${freedomOf(core, agent)}${isWarm(core, agent.id, job) ? "; ran a job of this project before, so it goes first" : ""}`;
}

/** Why an agent takes no job at all; null if it takes some. */
function absenceOf(agent: AgentRow): string | null {
	if (agent.disabled_at !== null) return `is disabled by ${agent.disabled_by}`;
	if (agent.drained_at !== null) return `is drained by ${agent.drained_by}`;
	return agent.status === "online" ? null : `is ${agent.status}`;
}

function freedomOf(core: Core, agent: AgentRow): string {
	return capacityOf(core, agent) > 0 ? "is free" : `is busy: all of its ${agent.slots} slots are taken`;
}

function summarise(core: Core, job: JobRow, wanted: Wanted, agents: readonly AgentRow[]): string {
	switch (job.state) {
		case "blocked":
			return blockedSummary(core, job);
		case "queued":
			return waitingSummary(core, job, wanted, agents);
		case "leased":
			return job.reason_text ?? "Offered to an agent.";
		case "cancelling":
			return `${job.reason_text ?? "The job is being cancelled."}${cleaningUp(core, job)}`;
		default:
			return job.reason_text ?? `The job is ${job.state}.`;
	}
}

/** What may still run of a job that is being cancelled. */
function cleaningUp(core: Core, job: JobRow): string {
	const limit = cleanupLimit(definitionOf(core, job));
	return limit === 0 ? "" : ` Until it has ended, its steps that clean up may run for ${formatDuration(limit)}.`;
}

function blockedSummary(core: Core, job: JobRow): string {
	switch (job.reason_code) {
		case "needs":
			return `Waits for ${openNeeds(core, job).join(", ")}.`;
		case "concurrency": {
			const group = findRun(core, job.run_id)?.group_key ?? "";
			const holders = runsHolding(core, group).map((run) => `${run.pipeline} #${run.number}`);
			return `Waits for the group ${groupName(group)}: ${holders.join(", ") || "runs before this one"} ${holders.length > 1 ? "hold" : "holds"} it.`;
		}
		default:
			return job.reason_text ?? "Waits.";
	}
}

function waitingSummary(core: Core, job: JobRow, wanted: Wanted, agents: readonly AgentRow[]): string {
	const pause = pauseOf(core);
	if (pause) return `The queue is paused by ${pause.actor}${pause.reason ? `: ${pause.reason}` : ""}.`;
	if (!mayRunMore(core)) return `Waits for a job of the team to end: it may run ${quotasOf(core).running_jobs} at once.`;
	if (job.group_key !== null && isGroupFull(core, job.group_key)) {
		const holders = jobsHolding(core, job.group_key).map((holder) => `${holder.name} of run #${findRun(core, holder.run_id)?.number}`);
		return `Waits for the group ${groupName(job.group_key)}, held by ${holders.join(", ")}.`;
	}
	if (agents.length === 0) return "Waits for an agent: none is registered.";
	const fitting = agents.filter((agent) => unmetBy(core, agent, wanted) === null);
	if (fitting.length === 0) {
		const looking = agents.filter((agent) => mayYetFit(agent, wanted));
		if (looking.length > 0) return `Waits for an agent that is still looking at its machine: ${reasonsOf(core, wanted, looking)}.`;
		if (isOutsideAny(wanted, agents)) return `Waits for an agent that may take it: ${reasonsOf(core, wanted, agents)}.`;
		return `Waits for an agent with ${wishesIn(wanted)}: none of ${agents.length} has all of this.`;
	}
	const ahead = core.sql.all(
		"SELECT 1 FROM jobs AS j JOIN queue_partitions AS l ON l.id = j.partition_id WHERE j.state = 'queued' AND l.priority > (SELECT priority FROM queue_partitions WHERE id = ?) LIMIT 1",
		job.partition_id,
	);
	const priority = ahead.length > 0 ? " Jobs of a higher priority go first." : "";
	const names = fitting.map(({ name, disabled_at }) => (disabled_at === null ? name : `${name} (disabled)`));
	return `Waits for one of ${names.join(", ")}.${warmSummary(core, job)}${priority}`;
}

/** Which of the agents a job waits for first, while it does. */
function warmSummary(core: Core, job: JobRow): string {
	if (warmWaitOf(core, job) === null) return "";
	const names = [...warmFitting(core, job)].map(({ name }) => name);
	return ` For a second only ${names.join(", ")}, which ran a job of this project before.`;
}

/**
 * What the queued jobs of a run wait for, by job id, in the words of `explainJob`. The jobs of one
 * queue partition share one text.
 */
export function explainQueued(core: Core, runId: string): Record<string, string> {
	const agents = allAgents(core);
	const run = findRun(core, runId);
	if (!run) return {};
	const queued = core.sql.all<JobRow>("SELECT * FROM jobs WHERE run_id = ? AND state = 'queued'", runId);
	const byPartition = new Map<number | null, string>();
	for (const job of queued) {
		if (byPartition.has(job.partition_id)) continue;
		byPartition.set(job.partition_id, waitingSummary(core, job, wantedBy(job, run), agents));
	}
	return Object.fromEntries(queued.map((job) => [job.id, byPartition.get(job.partition_id) ?? ""]));
}

/** Why a run or a job does not go on. */
export interface RunWait {
	/** One sentence. */
	text: string;
	/** Whether no agent that is known can ever take the job that it waits for. */
	isStuck: boolean;
}

/** What each of these runs waits for, by id. Left out are runs that go on, or that the queue does not hold. */
export function explainRuns(core: Core, runIds: readonly string[]): Record<string, RunWait> {
	const agents = allAgents(core);
	const waits: Record<string, RunWait> = {};
	for (const id of runIds) {
		const wait = waitOfRun(core, id, agents);
		if (wait) waits[id] = wait;
	}
	return waits;
}

/** What each of these queued jobs waits for, and how many agents can take it. Those of one queue partition share one answer. */
export function explainQueuedJobs(core: Core, jobIds: readonly string[]): Map<string, { wait: RunWait; fitting: number }> {
	const agents = allAgents(core);
	const byPartition = new Map<number, { wait: RunWait; fitting: number }>();
	const waits = new Map<string, { wait: RunWait; fitting: number }>();
	for (const id of jobIds) {
		const job = findJob(core, id);
		const run = job && findRun(core, job.run_id);
		if (!job || !run) continue;
		const wanted = wantedBy(job, run);
		const wait = byPartition.get(job.partition_id) ?? {
			wait: { text: waitingSummary(core, job, wanted, agents), isStuck: !canFit(core, wanted, agents) },
			fitting: agents.filter((agent) => isTaking(agent) && unmetBy(core, agent, wanted) === null).length,
		};
		byPartition.set(job.partition_id, wait);
		waits.set(id, wait);
	}
	return waits;
}

/** Whether one of the agents may ever take such a job. */
function canFit(core: Core, wanted: Wanted, agents: readonly AgentRow[]): boolean {
	return agents.some((agent) => unmetBy(core, agent, wanted) === null || mayYetFit(agent, wanted));
}

/** The open jobs of a run that are looked at: a list has many runs. */
const OPEN_JOBS_SEEN = 200;

function waitOfRun(core: Core, runId: string, agents: readonly AgentRow[]): RunWait | null {
	const run = findRun(core, runId);
	if (!run) return null;
	const open = core.sql.all<JobRow>(
		`SELECT * FROM jobs WHERE run_id = ? AND finished_at IS NULL ORDER BY position LIMIT ${OPEN_JOBS_SEEN}`,
		runId,
	);
	const isMoving = open.some(({ state }) => state === "running" || state === "cancelling" || state === "leased");
	const queued = open.filter(({ state }) => state === "queued");
	const stuck = [...Map.groupBy(queued, ({ runs_on }) => runs_on).values()].find(
		([first]) => first && !canFit(core, wantedBy(first, run), agents),
	)?.[0];
	if (stuck) return { text: waitingSummary(core, stuck, wantedBy(stuck, run), agents), isStuck: !isMoving && pauseOf(core) === null };
	if (isMoving) return null;
	const [next] = queued;
	if (next) return { text: waitingSummary(core, next, wantedBy(next, run), agents), isStuck: false };
	const blocked = open.find(({ state, reason_code }) => state === "blocked" && reason_code !== "needs");
	return blocked ? { text: blockedSummary(core, blocked), isStuck: false } : null;
}

/** The position of a job in its partition: 1 is next. */
/** Its position among all queued jobs: by priority, then by their time in the queue. */
function positionOf(core: Core, job: JobRow): number {
	return (
		core.sql.all<{ n: number }>(
			`SELECT count(*) AS n FROM jobs AS j JOIN queue_partitions AS p ON p.id = j.partition_id, queue_partitions AS own
			WHERE own.id = ? AND j.state = 'queued' AND (p.priority > own.priority OR (p.priority = own.priority AND j.entry <= ?))`,
			job.partition_id,
			job.entry,
		)[0]?.n ?? 0
	);
}

function wishesIn({ requirements }: Wanted): string {
	return describeRequirements(JSON.parse(requirements) as Requirements).join(", ");
}

/** Whether the restriction of an agent keeps a job waiting. */
function isOutsideAny(wanted: Wanted, agents: readonly AgentRow[]): boolean {
	return agents.some((agent) => outsideRestriction(agent, wanted) !== null);
}

const REASONS_SHOWN = 5;
/** More sets of requirements than this are not looked at for one answer. */
const MAX_REQUIREMENTS = 50;
const MAX_SHOWN_AGENTS = 50;

/** The agents for jobs that are not submitted yet, and the notices that a submission would get. */
export interface Candidates {
	/** The requirements as given → the agents, those that fit first, and how many of all fit. */
	byRequirements: { runs_on: string; agents: Explanation["agents"]; fitting: number }[];
	notices: string[];
}

/**
 * Which agents could take jobs of a project.
 * @param jobs with their requirements as JSON
 */
export function candidatesFor(core: Core, project: string, jobs: readonly { name: string; runs_on: string }[]): Candidates {
	const run = { project, is_trusted: 1 };
	const agents = allAgents(core);
	const sets = [...new Set(jobs.map(({ runs_on }) => runs_on))].slice(0, MAX_REQUIREMENTS);
	const byRequirements = sets.map((runs_on) => {
		const found = agents.map((agent) => {
			const unmet = unmetBy(core, agent, wantedBy({ runs_on }, run));
			return { id: agent.id, name: agent.name, fits: unmet === null, reason: unmet ?? absenceOf(agent) ?? freedomOf(core, agent) };
		});
		const fitting = found.filter(({ fits }) => fits);
		return { runs_on, agents: [...fitting, ...found.filter(({ fits }) => !fits)].slice(0, MAX_SHOWN_AGENTS), fitting: fitting.length };
	});
	return { byRequirements, notices: unmetAmong(core, jobs, run) };
}

/** The unmet requirement of each of these agents. */
function reasonsOf(core: Core, wanted: Wanted, agents: readonly AgentRow[]): string {
	const reasons = agents.slice(0, REASONS_SHOWN).map((agent) => `${agent.name} ${unmetBy(core, agent, wanted)}`);
	const more = agents.length > REASONS_SHOWN ? `; and ${agents.length - REASONS_SHOWN} more` : "";
	return `${reasons.join("; ")}${more}`;
}

/**
 * Why jobs can never start with the present agents: one sentence for each set of requirements, at
 * most ten.
 */
export function unmetForever(core: Core, runId: string): string[] {
	const run = findRun(core, runId);
	if (!run) return [];
	const open = jobsOf(core, runId).filter(({ finished_at }) => finished_at === null);
	return unmetAmong(core, open, run);
}

function unmetAmong(core: Core, jobs: readonly Pick<JobRow, "name" | "runs_on">[], run: Pick<RunRow, "project" | "is_trusted">): string[] {
	const agents = allAgents(core);
	return [...Map.groupBy(jobs, ({ runs_on }) => runs_on)]
		.slice(0, MAX_REQUIREMENTS)
		.map(([runs_on, group]) => ({ names: group[0]?.name, n: group.length, wanted: wantedBy({ runs_on }, run) }))
		.filter(({ wanted }) => agents.every((agent) => unmetBy(core, agent, wanted) !== null && !mayYetFit(agent, wanted)))
		.slice(0, 10)
		.map(({ wanted, names, n }) => {
			const who = n === 1 ? `The job ${names}` : `The job ${names} and ${n - 1} more`;
			if (agents.length === 0) return `${who} cannot start yet: no agent is registered.`;
			const what = isOutsideAny(wanted, agents) ? "may take it" : `has ${wishesIn(wanted)}`;
			return `${who} cannot start: no agent ${what} (${reasonsOf(core, wanted, agents)}).`;
		});
}

/**
 * The names of the jobs that a job waits for: its own open needs, or else the open needs of those.
 */
function openNeeds(core: Core, job: JobRow): string[] {
	const open = core.sql.all<{ name: string }>(
		"SELECT j.name FROM needs AS n JOIN jobs AS j ON j.id = n.needs_id WHERE n.job_id = ? AND j.finished_at IS NULL ORDER BY j.position",
		job.id,
	);
	const meant = open.length > 0 ? open : ancestorsOf(core, job.id).filter(({ state }) => !isTerminal(state));
	return meant.map(({ name }) => name);
}

function timerOf(core: Core, job: JobRow): number | null {
	return core.sql.all<{ due_at: number }>("SELECT due_at FROM timers WHERE kind = 'backoff' AND id = ?", job.id)[0]?.due_at ?? null;
}
