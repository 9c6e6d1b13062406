import { ADHOC_PROJECT } from "../../../../schema/wire/projects.ts";
import { takesNothingNew } from "../agents/availability.ts";
import { assertCredential } from "../agents/credentials.ts";
import { outsideRestriction } from "../agents/restrictions.ts";
import { type Core, command } from "../core.ts";
import { type AgentRow, findAgent, type JobRow } from "../rows.ts";
import { definitionOf } from "../runs/definitions.ts";

/**
 * Warm agents: those that have run a job of a project lately. Their mirror of its repository and
 * their copies of its caches spare the next job a download.
 *
 * A warm agent goes first. While all warm agents that fit a job are busy, the job waits for them,
 * for a second at most. No job waits for it behind one of a lower priority.
 */

/** How long a queued job waits for a warm agent. */
export const WAIT_FOR_WARM_MS = 1_000;
/** An agent that has run no job of the project for this long is no longer warm. An agent removes unused mirrors after the same time. */
const WARM_MS = 30 * 24 * 60 * 60_000;
/** A row is not written again for each job. */
const REFRESH_MS = 24 * 60 * 60_000;

/** The project of a job that a mirror or the copy of a cache spares a download. Ad hoc runs have a repository each. */
function projectWithCopies(core: Core, job: JobRow): string | null {
	const run = core.rows.peek("runs", job.run_id);
	if (!run || run.project === ADHOC_PROJECT) return null;
	return run.source_git !== null || definitionOf(core, job).caches.length > 0 ? String(run.project) : null;
}

/** An agent has run the steps of a job. Call it inside a command. */
export function recordWarm(core: Core, agentId: string, job: JobRow): void {
	const project = projectWithCopies(core, job);
	if (project !== null) recordWarmProject(core, agentId, project);
}

/** An agent is about to fetch caches of these projects, before its first job. An unknown agent is ignored. */
export function recordWarmed(core: Core, agentId: string, projects: readonly string[]): void {
	command(core, () => {
		if (findAgent(core, agentId)) for (const project of new Set(projects)) recordWarmProject(core, agentId, project);
	});
}

function recordWarmProject(core: Core, agentId: string, project: string): void {
	const agents = warmAgents(core, project);
	const now = core.now();
	const known = agents.get(agentId);
	if (known !== undefined && Math.abs(now - known) < REFRESH_MS) return;
	agents.set(agentId, now);
	core.sql.all(
		"INSERT INTO warm_agents (project, agent_id, at) VALUES (?, ?, ?) ON CONFLICT (project, agent_id) DO UPDATE SET at = excluded.at",
		project,
		agentId,
		now,
	);
}

/** The warm agents of a project, with the time of their row. */
function warmAgents(core: Core, project: string): Map<string, number> {
	const known = core.hints.warmAgents.get(project);
	if (known) return known;
	const rows = core.sql.all<{ agent_id: string; at: number }>("SELECT agent_id, at FROM warm_agents WHERE project = ?", project);
	const agents = new Map(rows.map(({ agent_id, at }) => [agent_id, at]));
	core.hints.warmAgents.set(project, agents);
	return agents;
}

/**
 * The projects for which an agent is warm and whose trusted runs it may take: it gets what opens
 * their repositories, as it would with the next job. None for an agent that gets no job.
 * @throws ApiError `authentication_required` for an agent that was removed
 */
export function warmProjectsOf(core: Core, credential: { agentId: string; secretHash: string }): string[] {
	assertCredential(core, credential);
	const agent = findAgent(core, credential.agentId) as AgentRow;
	if (takesNothingNew(agent)) return [];
	const rows = core.sql.all<{ project: string }>(
		"SELECT project FROM warm_agents WHERE agent_id = ? AND at > ?",
		credential.agentId,
		core.now() - WARM_MS,
	);
	return rows.flatMap(({ project }) => (outsideRestriction(agent, { project, is_trusted: 1 }) === null ? [project] : []));
}

/** Whether the agent is warm for this job. */
export function isWarm(core: Core, agentId: string, job: JobRow): boolean {
	const project = projectWithCopies(core, job);
	const at = project === null ? undefined : warmAgents(core, project).get(agentId);
	return at !== undefined && core.now() - at < WARM_MS;
}

/** The warm agents of a job, whether they can take it or not. */
export function* warmAgentsFor(core: Core, job: JobRow): Generator<AgentRow> {
	const project = projectWithCopies(core, job);
	if (project === null) return;
	for (const [id, at] of warmAgents(core, project)) {
		const agent = core.now() - at < WARM_MS ? findAgent(core, id) : undefined;
		if (agent) yield agent;
	}
}

/** Deletes what is known of an agent that is gone. */
export function deleteWarm(core: Core, agentId: string): void {
	core.sql.all("DELETE FROM warm_agents WHERE agent_id = ?", agentId);
	core.hints.warmAgents.clear();
}

/** Deletes what is too old to count. */
export function deleteCold(core: Core): void {
	core.sql.all("DELETE FROM warm_agents WHERE at < ?", core.now() - WARM_MS);
	core.hints.warmAgents.clear();
}
