import { emptyHistogram, type Histogram, observe } from "../../../schema/text/exposition.ts";
import { isTerminal, type JobState } from "../../../schema/wire/states.ts";
import { readMeta, writeMeta } from "./meta.ts";
import type { RowStore } from "./row_store.ts";
import type { Sql, SqlValue } from "./sql.ts";

/** What the queue has counted, for metrics. It costs no write of its own: the counts are stored now and then. */

/** The bounds of times in seconds: from a job that starts at once to one that takes a day. */
export const SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400] as const;

/** By project, and by project and state with a blank between. */
export interface Counts {
	/** The projects that are told by name. */
	projects: string[];
	started: Record<string, number>;
	ended: Record<string, number>;
	runsEnded: Record<string, number>;
	/** From the moment when a job waits for an agent until it starts, and from there to its end. */
	queueSeconds: Record<string, Histogram>;
	runSeconds: Record<string, Histogram>;
	/** Offers, renewals and leases that have expired; bytes of logs and artifacts of ended attempts. */
	offers: number;
	renewals: number;
	lost: number;
	logBytes: number;
	artifactBytes: number;
}

const NOTHING: Counts = {
	...{ projects: [], started: {}, ended: {}, runsEnded: {}, queueSeconds: {}, runSeconds: {} },
	...{ offers: 0, renewals: 0, lost: 0, logBytes: 0, artifactBytes: 0 },
};

/** Submissions may name any project: those beyond this number are counted together. */
const MAX_PROJECTS = 200;
const OTHER_PROJECTS = "other";
const META = "counts";
/** A crash loses the counts of at most this time: Prometheus takes it for a restart. */
const STORE_MS = 30_000;

/** What counting needs of the queue. */
interface Counting {
	readonly sql: Sql;
	readonly rows: RowStore;
	readonly transitions: ReadonlyMap<string, readonly SqlValue[][]>;
	readonly counts: StoredCounts;
	now(): number;
}

interface CountedJob {
	queued_at: number | null;
	started_at: number | null;
}

export function openCounts(core: Pick<Counting, "sql" | "now">): StoredCounts {
	const stored = readMeta(core.sql, META);
	return {
		...structuredClone(NOTHING),
		...(stored === undefined ? {} : (JSON.parse(stored) as Counts)),
		storedAt: core.now(),
		isChanged: false,
	};
}

export interface StoredCounts extends Counts {
	storedAt: number;
	isChanged: boolean;
}

/** Counts the transitions of the present command. */
export function countTransitions(core: Counting): void {
	const { counts } = core;
	for (const [runId, list] of core.transitions) {
		const project = projectOf(core, String(core.rows.peek("runs", runId)?.project ?? ""));
		for (const [, jobId, from, to] of list) {
			counts.isChanged = true;
			if (jobId === null) {
				if (isTerminal(to as JobState)) add(counts.runsEnded, `${project} ${to}`);
			} else countJob(core, project, String(jobId), { from: String(from), to: to as JobState });
		}
	}
}

function countJob(core: Counting, project: string, id: string, { from, to }: { from: string; to: JobState }): void {
	const { counts } = core;
	if (to === "leased") counts.offers += 1;
	if (to === "running") {
		add(counts.started, project);
		const { queued_at } = jobOf(core, id);
		if (queued_at !== null) observe(histogramOf(counts.queueSeconds, project), SECONDS, (core.now() - queued_at) / 1_000);
		return;
	}
	if (from !== "running" && from !== "cancelling") {
		if (isTerminal(to)) add(counts.ended, `${project} ${to}`);
		return;
	}
	if (!isTerminal(to)) return;
	add(counts.ended, `${project} ${to}`);
	const { started_at } = jobOf(core, id);
	if (started_at !== null) observe(histogramOf(counts.runSeconds, project), SECONDS, (core.now() - started_at) / 1_000);
}

function jobOf(core: Counting, id: string): CountedJob {
	const { queued_at = null, started_at = null } = (core.rows.peek("jobs", id) ?? {}) as Partial<CountedJob>;
	return { queued_at, started_at };
}

function histogramOf(all: Record<string, Histogram>, project: string): Histogram {
	all[project] ??= emptyHistogram(SECONDS);
	return all[project];
}

function add(all: Record<string, number>, key: string): void {
	all[key] = (all[key] ?? 0) + 1;
}

function projectOf({ counts }: Counting, name: string): string {
	if (counts.projects.includes(name)) return name;
	if (counts.projects.length >= MAX_PROJECTS) return OTHER_PROJECTS;
	counts.projects.push(name);
	return name;
}

/** Stores the counts, if that is due. Call it outside of a command. */
export function storeCounts(core: Pick<Counting, "sql" | "now" | "counts">): void {
	const { counts } = core;
	const now = core.now();
	if (!counts.isChanged || Math.abs(now - counts.storedAt) < STORE_MS) return;
	counts.storedAt = now;
	counts.isChanged = false;
	const { storedAt: _, isChanged: __, ...stored } = counts;
	writeMeta(core.sql, META, JSON.stringify(stored));
}
