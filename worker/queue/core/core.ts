import { LRUCache } from "lru-cache";
import type { ResolvedPipeline } from "../../../schema/pipeline/resolve/resolved.ts";
import type { IdKind } from "../../../schema/wire/ids.ts";
import { migrate } from "./migrations.ts";
import type { Sql } from "./sql.ts";

/** The times that the queue lives by, in milliseconds; docs/reference/settings.md tells how to set them. */
export interface Settings {
	leaseTtlMs: number;
	renewMs: number;
	renewTimeoutMs: number;
	killGraceMs: number;
	/** How long an agent may take to claim an offer. */
	claimWindowMs: number;
	/** The first pause before a retry; doubled for each further one. */
	retryBackoffMs: number;
	/** How many LogShards the logs are spread over. */
	logShards: number;
	/** An agent that was silent for this long is shown as offline. */
	agentSilentMs: number;
}

/** What every rule of the queue is given: its data, the time, a source of ids, and the settings. */
export interface Core {
	readonly sql: Sql;
	readonly team: string;
	readonly settings: Settings;
	/** Milliseconds since 1970. */
	now(): number;
	newId(kind: IdKind): string;
	/** An unguessable text. */
	newSecret(): string;
	/** Logs something that should not have happened. */
	report(error: string, fields: Record<string, unknown>): void;
	/** The newest revision given out; every changed row gets the next one. */
	rev: number;
	/** The time at the newest sweep: before it, and the clock was stepped back. */
	sweptAt: number;
	/** The newest pipelines that were read, by digest. */
	readonly definitions: LRUCache<string, ResolvedPipeline>;
	/** What keeps an agent from what is asked for, as far as it was found out (offers.ts). */
	readonly unmet: LRUCache<string, string>;
	/** On whose behalf the present command is run: an agent, a person, or the queue itself. */
	actor: string;
}

/** While anything runs, the queue looks at the clock this often, so that it knows when it was not there. */
export const PRESENCE_MS = 5_000;

/** Who acts when time alone does. */
const THE_QUEUE = "the queue";

const MAX_DEFINITIONS = 20;
const MAX_UNMET = 20_000;

/** Opens the queue in this database, bringing its schema up to date. */
export function openCore(parts: Omit<Core, "rev" | "actor" | "sweptAt" | "definitions" | "unmet">): Core {
	migrate(parts.sql);
	const [seen] = parts.sql.all<{ at: number | null }>("SELECT max(last_seen_at) AS at FROM agents");
	return {
		...parts,
		definitions: new LRUCache({ max: MAX_DEFINITIONS }),
		unmet: new LRUCache({ max: MAX_UNMET }),
		rev: Number(readMeta(parts.sql, "rev") ?? 0),
		actor: THE_QUEUE,
		sweptAt: seen?.at ?? 0,
	};
}

/**
 * Runs one command: one transaction that reads, decides, writes and marks. Whatever it throws leaves no trace.
 * Commands do not nest. The revision counter is stored with the rows that used it; after a rollback it may leave a gap, never a repeat.
 */
export function command<Result>(core: Core, body: () => Result, actor: string = THE_QUEUE): Result {
	core.actor = actor;
	return core.sql.tx(() => {
		const before = core.rev;
		const result = body();
		if (core.rev !== before) writeMeta(core.sql, "rev", String(core.rev));
		return result;
	});
}

/** The next revision, for a row that is about to change. */
export function nextRev(core: Core): number {
	core.rev += 1;
	return core.rev;
}

export function readMeta(sql: Sql, key: string): string | undefined {
	return sql.all<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)[0]?.value;
}

export function writeMeta(sql: Sql, key: string, value: string): void {
	sql.all("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
}
