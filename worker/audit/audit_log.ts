import { DurableObject } from "cloudflare:workers";
import { type AuditEntry, type AuditRecord, BEGINNING, type ChainPlace, chainedText } from "../../schema/wire/audit.ts";
import type { AuditFilter, AuditLog as AuditLogRpc, Environment } from "../bindings.ts";
import { sha256 } from "../identity/digest.ts";
import { setLogLevel } from "../platform/logger.ts";

/** Each step is one transaction. A released step is never edited. */
const TABLES = [
	`CREATE TABLE IF NOT EXISTS entries (
		seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, actor TEXT NOT NULL, via TEXT, what TEXT NOT NULL,
		details TEXT NOT NULL, outcome TEXT NOT NULL, address TEXT, request_id TEXT, hash TEXT NOT NULL
	) STRICT`,
	"CREATE INDEX IF NOT EXISTS entries_of_actor ON entries(actor, seq)",
	"CREATE INDEX IF NOT EXISTS entries_of_event ON entries(event, seq)",
	"CREATE INDEX IF NOT EXISTS entries_by_age ON entries(at)",
	// The place before the first entry that is kept.
	"CREATE TABLE IF NOT EXISTS anchor (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT",
];
const EXPIRED_AT_ONCE = 1_000;
/** Longer texts are cut off. */
const MOST_CHARACTERS = 500;

type Row = Omit<AuditEntry, "details"> & { details: string };

/**
 * The audit log of a team. This object alone writes it, one entry after the other, because each has
 * a hash over the one before. No method changes an entry.
 */
export class AuditLog extends DurableObject<Environment> implements AuditLogRpc {
	/** Resolves when all entries so far are written. */
	#written: Promise<unknown> = Promise.resolve();

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
		for (const statement of TABLES) this.#all(statement);
	}

	/** Appends an entry. */
	async append(record: AuditRecord): Promise<void> {
		// Digests are made without holding up other requests: the next entry waits for this one.
		const written = this.#written.then(() => this.#write(record));
		this.#written = written.catch(() => undefined);
		await written;
	}

	async #write(record: AuditRecord): Promise<void> {
		const before = this.#head();
		const entry = { ...storable(record), seq: before.seq + 1 };
		const hash = await sha256(chainedText(before.hash, entry));
		const { seq, at, event, actor, via, what, details, outcome, address, request_id } = entry;
		this.#all(
			"INSERT INTO entries (seq, at, event, actor, via, what, details, outcome, address, request_id, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			...[seq, at, event, actor, via, what, JSON.stringify(details), outcome, address, request_id, hash],
		);
	}

	#head(): ChainPlace {
		return this.#all<ChainPlace>("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")[0] ?? this.#anchor();
	}

	#anchor(): ChainPlace {
		return this.#all<ChainPlace>("SELECT seq, hash FROM anchor")[0] ?? BEGINNING;
	}

	/** The entries before one, newest first. */
	async list({ actor, event, since, until }: AuditFilter, before: number | null, limit: number): Promise<AuditEntry[]> {
		const wanted: [string, string | number | null][] = [
			["actor = ?", actor],
			["event = ?", event],
			["at >= ?", since],
			["at < ?", until],
			["seq < ?", before],
		];
		const used = wanted.filter(([, value]) => value !== null);
		const where = used.length === 0 ? "" : ` WHERE ${used.map(([text]) => text).join(" AND ")}`;
		const rows = this.#all<Row>(`SELECT * FROM entries${where} ORDER BY seq DESC LIMIT ?`, ...used.map(([, value]) => value), limit);
		return rows.map(entryOf);
	}

	/** The entries after one, oldest first; with null from the first that is kept, and the place before it. */
	async following(after: number | null, limit: number): Promise<{ after: ChainPlace; entries: AuditEntry[] }> {
		const anchor = this.#anchor();
		const rows = this.#all<Row>("SELECT * FROM entries WHERE seq > ? ORDER BY seq LIMIT ?", after ?? anchor.seq, limit);
		return { after: anchor, entries: rows.map(entryOf) };
	}

	/** Deletes the entries from before a time. The chain then begins after the last of them. */
	async expire(before: number): Promise<number> {
		let deleted = 0;
		for (;;) {
			const count = this.ctx.storage.transactionSync(() => this.#expireSome(before));
			deleted += count;
			if (count < EXPIRED_AT_ONCE) return deleted;
		}
	}

	#expireSome(before: number): number {
		// By their order: an entry after a younger one stays until that one expires.
		const [young] = this.#all<{ seq: number | null }>("SELECT min(seq) AS seq FROM entries WHERE at >= ?", before);
		const expired = this.#all<ChainPlace>(
			"SELECT seq, hash FROM entries WHERE seq < ? ORDER BY seq LIMIT ?",
			young?.seq ?? Number.MAX_SAFE_INTEGER,
			EXPIRED_AT_ONCE,
		);
		const last = expired.at(-1);
		if (!last) return 0;
		this.#all(
			"INSERT INTO anchor (id, seq, hash) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
			last.seq,
			last.hash,
		);
		this.#all("DELETE FROM entries WHERE seq <= ?", last.seq);
		return expired.length;
	}

	#all<Found extends object>(text: string, ...values: (string | number | null)[]): Found[] {
		return this.ctx.storage.sql.exec(text, ...values).toArray() as Found[];
	}
}

/**
 * An entry as SQLite gives it back: its hash is made of what is stored. Names of jobs and paths of
 * requests may hold anything.
 */
function storable({ actor, what, details, ...record }: AuditRecord): AuditRecord {
	const kept = Object.entries(details).map(([name, value]) => [name, value === null ? null : storableText(value)] as const);
	return { ...record, actor: storableText(actor), what: storableText(what), details: Object.fromEntries(kept) };
}

function storableText(text: string): string {
	const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
	return short.toWellFormed();
}

function entryOf({ details, ...row }: Row): AuditEntry {
	return { ...row, details: JSON.parse(details) as AuditEntry["details"] };
}
