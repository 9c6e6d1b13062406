import type { Requirements } from "../../../schema/wire/requirements.ts";
import type { Core } from "./core.ts";
import { expectedSchedules } from "./discovery/schedules.ts";
import { deadEffects } from "./effects/effects.ts";
import { pauseOf } from "./leases/pause.ts";
import { runningJobs } from "./quotas.ts";
import { outboxDepth } from "./record/outbox.ts";
import { type AgentRow, allAgents } from "./rows.ts";
import { queuedByPartition } from "./runs/queued_jobs.ts";

/** What metrics tell of the present state of the queue. */
export interface Gauges {
	/** The jobs that wait for an agent with these labels, the time of the oldest, and the agents online that have them. */
	queued: { labels: string; jobs: number; oldestMs: number; agents: number }[];
	running: number;
	liveRuns: number;
	agents: Record<AgentRow["status"], number>;
	/** Of the agents online. */
	slots: { all: number; free: number };
	/** How many agents have each version, of those that are online. */
	versions: Record<string, number>;
	isPaused: boolean;
	outbox: { waiting: number; dead: number };
	effects: { waiting: number; dead: number };
	/** Schedules from which something is expected. */
	schedules: ReturnType<typeof expectedSchedules>;
}

/** Label sets beyond this number are told together. */
const MAX_LABEL_SETS = 50;
const OTHER_LABELS = "other";

export function readGauges(core: Core): Gauges {
	const agents = allAgents(core);
	const online = agents.filter(({ status }) => status !== "offline");
	const sum = (of: (agent: AgentRow) => number) => online.reduce((total, agent) => total + of(agent), 0);
	const count = (table: string) => core.sql.all<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)[0]?.n ?? 0;
	return {
		queued: queuedByLabels(core, online),
		running: runningJobs(core),
		liveRuns: count("runs"),
		agents: { offline: 0, online: 0, draining: 0, ...countsBy(agents, ({ status }) => status) },
		slots: { all: sum(({ slots }) => slots), free: sum(({ slots_free }) => slots_free) },
		versions: countsBy(online, ({ version }) => version),
		isPaused: pauseOf(core) !== null,
		outbox: outboxDepth(core),
		schedules: expectedSchedules(core),
		effects: { waiting: count("effects WHERE is_dead = 0"), dead: deadEffects(core) },
	};
}

function countsBy(agents: readonly AgentRow[], of: (agent: AgentRow) => string): Record<string, number> {
	return Object.fromEntries([...Map.groupBy(agents, of)].map(([key, all]) => [key, all.length]));
}

function queuedByLabels(core: Core, online: readonly AgentRow[]): Gauges["queued"] {
	const waiting = [...queuedByPartition(core)].filter(([, jobs]) => jobs > 0);
	const rows = core.sql.all<{ id: number; requirements: string; oldest: number | null }>(
		`SELECT p.id, p.requirements, (SELECT queued_at FROM jobs WHERE partition_id = p.id AND state = 'queued' ORDER BY entry LIMIT 1) AS oldest
		FROM json_each(?) AS wanted CROSS JOIN queue_partitions AS p ON p.id = wanted.value`,
		JSON.stringify(waiting.map(([id]) => id)),
	);
	const jobsOf = new Map(waiting);
	const found = new Map<string, Gauges["queued"][number]>();
	for (const { id, requirements, oldest } of rows) {
		const wanted = (JSON.parse(requirements) as Pick<Requirements, "labels">).labels;
		const text = [...wanted].sort().join(",") || "any";
		const labels = found.has(text) || found.size < MAX_LABEL_SETS ? text : OTHER_LABELS;
		const known = found.get(labels) ?? { labels, jobs: 0, oldestMs: 0, agents: agentsWith(online, wanted) };
		known.jobs += jobsOf.get(id) ?? 0;
		known.oldestMs = Math.max(known.oldestMs, oldest === null ? 0 : core.now() - oldest);
		found.set(labels, known);
	}
	return [...found.values()];
}

function agentsWith(online: readonly AgentRow[], wanted: readonly string[]): number {
	return online.filter(({ labels }) => {
		const own = new Set(JSON.parse(labels) as string[]);
		return wanted.every((label) => own.has(label));
	}).length;
}
