import { LRUCache } from "lru-cache";
import type { ResolvedPipeline } from "../../../schema/pipeline/resolve/resolved.ts";
import type { IdKind } from "../../../schema/wire/ids.ts";
import { countTransitions, openCounts, type StoredCounts } from "./counts.ts";
import { Hints, type Partition } from "./hints.ts";
import { readMeta } from "./meta.ts";
import { migrate } from "./migrations.ts";
import { RowStore } from "./row_store.ts";
import type { Sql, SqlValue } from "./sql.ts";

/** The times of the queue, in milliseconds. docs/reference/settings.md says how to set them. */
export interface Settings {
	leaseTtlMs: number;
	renewMs: number;
	renewTimeoutMs: number;
	killGraceMs: number;
	/** How long an agent may take to claim an offer. */
	claimWindowMs: number;
	/** The first pause before a retry. Each further pause is twice as long. */
	retryBackoffMs: number;
	/** The number of LogShards that store the logs. */
	logShards: number;
	/** An agent that was silent for this long is shown as offline. */
	agentSilentMs: number;
	/** How long any job may run, whatever its timeout says. */
	maxJobMs: number;
}

/** What every rule of the queue uses: its data, the time, a source of ids, and the settings. */
export interface Core {
	readonly sql: Sql;
	readonly team: string;
	readonly settings: Settings;
	/** Milliseconds since 1970. */
	now(): number;
	newId(kind: IdKind): string;
	/** An unguessable text. */
	newSecret(): string;
	/** Logs an unexpected error. */
	report(error: string, fields: Record<string, unknown>): void;
	/** The newest revision. Every changed row gets the next one. */
	rev: number;
	/**
	 * The time of the newest sweep. An earlier present time means that the clock was stepped back.
	 */
	sweptAt: number;
	/** The pipelines that were read last, by digest. */
	readonly definitions: LRUCache<string, ResolvedPipeline>;
	/** The unmet requirements that were found so far (offers.ts). */
	readonly unmet: LRUCache<string, string>;
	/** The queue partitions that were used last. */
	readonly partitions: LRUCache<number, Partition>;
	/** The rows that were used last, and the changes of the present command. */
	readonly rows: RowStore;
	/** What the queue knows of its storage without reading it. */
	readonly hints: Hints;
	/** What metrics tell of the queue. */
	readonly counts: StoredCounts;
	/** The runs that the present command has changed, from which revision to which. */
	readonly changed: Map<string, { since: number; rev: number }>;
	/** The transitions of the present command, by run. */
	readonly transitions: Map<string, SqlValue[][]>;
	/** The attempts that the present command has begun without timers, because it ends them. */
	readonly untimed: Set<string>;
	/** Who caused the present command: an agent, a person, or the queue itself. */
	actor: string;
}

/** While a job runs, the queue reads the clock this often, so that it notices its own absence. */
export const PRESENCE_MS = 5_000;

/** A statement takes a hundred parameters. */
const RUNS_AT_ONCE = 33;

/** The actor of changes that a timer causes. */
const THE_QUEUE = "the queue";

const MAX_DEFINITIONS = 20;
const MAX_UNMET = 20_000;
const MAX_PARTITIONS = 10_000;

/** What `openCore` makes itself. */
type Made =
	| "rev"
	| "actor"
	| "sweptAt"
	| "definitions"
	| "unmet"
	| "partitions"
	| "rows"
	| "hints"
	| "counts"
	| "changed"
	| "transitions"
	| "untimed";

/** Opens the queue in this database and updates its schema. */
export function openCore(parts: Omit<Core, Made>): Core {
	migrate(parts.sql);
	const rows = new RowStore(parts.sql);
	const [seen] = parts.sql.all<{ at: number | null }>("SELECT max(last_seen_at) AS at FROM agents");
	return {
		...parts,
		sql: rows.sql,
		rows,
		definitions: new LRUCache({ max: MAX_DEFINITIONS }),
		unmet: new LRUCache({ max: MAX_UNMET }),
		partitions: new LRUCache({ max: MAX_PARTITIONS }),
		hints: new Hints(),
		counts: openCounts(parts),
		changed: new Map(),
		transitions: new Map(),
		untimed: new Set(),
		rev: newestRev(parts.sql),
		actor: THE_QUEUE,
		sweptAt: seen?.at ?? 0,
	};
}

/** The newest revision of all rows, and of those that are gone. */
function newestRev(sql: Sql): number {
	const tables = ["runs", "jobs", "attempts", "agents", "transitions", "outbox", "outbox_dead"];
	const newest = tables.map((table) => sql.all<{ rev: number | null }>(`SELECT max(rev) AS rev FROM ${table}`)[0]?.rev ?? 0);
	return Math.max(...newest, ...["rev", "departed_rev"].map((key) => Number(readMeta(sql, key) ?? 0)));
}

/**
 * Runs one command: one transaction that reads, decides, writes and marks. An exception rolls all
 * of it back. Commands do not nest. A rollback leaves a gap in the revisions, never a
 * repeat.
 */
export function command<Result>(core: Core, body: () => Result, actor: string = THE_QUEUE): Result {
	core.actor = actor;
	core.changed.clear();
	core.transitions.clear();
	core.untimed.clear();
	try {
		return core.rows.during(() => {
			const result = body();
			flushChanges(core);
			return result;
		});
	} catch (error) {
		forgetUncertain(core);
		throw error;
	}
}

/**
 * Writes all that the present command has changed: the rows, its transitions, and the runs that are
 * to be copied to D1.
 */
export function flushChanges(core: Core): void {
	for (const [runId, list] of core.transitions) {
		core.rows.append("transitions", { run_id: runId, rev: list[0]?.[0] as number, team: core.team, list: JSON.stringify(list) });
	}
	countTransitions(core);
	core.transitions.clear();
	core.rows.flush();
	const changed = [...core.changed];
	core.changed.clear();
	for (let at = 0; at < changed.length; at += RUNS_AT_ONCE) {
		const some = changed.slice(at, at + RUNS_AT_ONCE);
		core.sql.all(
			`INSERT INTO outbox (run_id, since, rev) VALUES ${some.map(() => "(?, ?, ?)").join(", ")}
			ON CONFLICT (run_id) DO UPDATE SET rev = excluded.rev`,
			...some.flatMap(([runId, { since, rev }]) => [runId, since, rev]),
		);
	}
}

/**
 * Runs a part of a command in a savepoint.
 * @throws what `body` throws, after all that it wrote is rolled back
 */
export function savepoint<Result>(core: Core, body: () => Result): Result {
	flushChanges(core);
	try {
		return core.rows.savepoint(body);
	} catch (error) {
		forgetUncertain(core);
		core.changed.clear();
		core.transitions.clear();
		throw error;
	}
}

/** Forgets what the queue remembers of its storage and changes that were rolled back may have set. */
function forgetUncertain(core: Core): void {
	core.hints.startedTimers.clear();
	core.hints.queued = null;
	core.hints.heldLogs = null;
	core.hints.warmAgents.clear();
	core.partitions.clear();
}

/** Runs a part of a command for which the queue itself is the cause. */
export function asTheQueue(core: Core, body: () => void): void {
	const { actor } = core;
	core.actor = THE_QUEUE;
	body();
	core.actor = actor;
}

/** The next revision, for a row that is about to change. */
export function nextRev(core: Core): number {
	core.rev += 1;
	return core.rev;
}
