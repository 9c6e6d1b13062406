import type { Step } from "../../schema/wire/resources.ts";
import { LineCounter, type LineIndex } from "./line_counter.ts";

/** The row of a log in its shard. */
export interface LogRow {
	attempt_id: string;
	team: string;
	state: "open" | "sealed" | "archived";
	bytes: number;
	/** The number of complete lines. */
	lines: number;
	declared: number | null;
	/** The key of its R2 object; null for an empty log. */
	key: string | null;
	touched_at: number;
	sealed_at: number | null;
	archived_at: number | null;
	/** The hash of the whole log, known once it is archived. */
	sha256: string | null;
	steps: string;
}

/** One row holds at most this many bytes; the limit of a row on the edge is far higher. */
const ROW_BYTES = 256 * 1024;
/** Bytes of archived logs are deleted in slices, so that no call takes long. */
const TRIM_ROWS = 200;

const SCHEMA = [
	`CREATE TABLE IF NOT EXISTS logs (
		attempt_id TEXT PRIMARY KEY, team TEXT NOT NULL, state TEXT NOT NULL, bytes INTEGER NOT NULL, declared INTEGER, key TEXT,
		touched_at INTEGER NOT NULL, sealed_at INTEGER, archived_at INTEGER, sha256 TEXT, steps TEXT NOT NULL
	) STRICT, WITHOUT ROWID`,
	"CREATE INDEX IF NOT EXISTS logs_open ON logs(touched_at) WHERE state = 'open'",
	"CREATE INDEX IF NOT EXISTS logs_sealed ON logs(sealed_at) WHERE state = 'sealed'",
	"CREATE INDEX IF NOT EXISTS logs_archived ON logs(archived_at) WHERE state = 'archived'",
	"CREATE TABLE IF NOT EXISTS pieces (attempt_id TEXT NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (attempt_id, start)) STRICT",
	// Archived logs whose bytes are still to be deleted.
	"CREATE TABLE IF NOT EXISTS marks (attempt_id TEXT NOT NULL, mark INTEGER NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (attempt_id, mark)) STRICT, WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS trimming (attempt_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
];

/** The tables of a LogShard. Every method is synchronous and leaves a consistent state. */
export class LogStore {
	readonly #storage: DurableObjectStorage;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
		for (const statement of SCHEMA) storage.sql.exec(statement);
		const hasLines = this.#rows("SELECT 1 FROM pragma_table_info('logs') WHERE name = 'lines'").length > 0;
		if (hasLines) return;
		storage.sql.exec("ALTER TABLE logs ADD COLUMN lines INTEGER NOT NULL DEFAULT 0");
		for (const log of this.#rows<LogRow>("SELECT * FROM logs WHERE bytes > 0 AND state <> 'archived'")) this.#countLines(log);
	}

	/** Counts lines that were written before the line index existed. */
	#countLines(log: LogRow): void {
		const counter = new LineCounter(0, 0);
		for (const { bytes } of this.#storage.sql.exec<{ bytes: ArrayBuffer }>(
			"SELECT bytes FROM pieces WHERE attempt_id = ? ORDER BY start",
			log.attempt_id,
		))
			this.#addMarks(log.attempt_id, counter.push(new Uint8Array(bytes)));
		this.#rows("UPDATE logs SET lines = ? WHERE attempt_id = ?", counter.lines, log.attempt_id);
	}

	#addMarks(attemptId: string, marks: readonly { mark: number; offset: number }[]): void {
		for (const { mark, offset } of marks)
			this.#rows("INSERT INTO marks (attempt_id, mark, start) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", attemptId, mark, offset);
	}

	find(attemptId: string): LogRow | undefined {
		return this.#rows<LogRow>("SELECT * FROM logs WHERE attempt_id = ?", attemptId)[0];
	}

	open(attemptId: string, team: string, now: number): LogRow {
		return this.#rows<LogRow>(
			"INSERT INTO logs (attempt_id, team, state, bytes, touched_at, steps) VALUES (?, ?, 'open', 0, ?, '[]') RETURNING *",
			attemptId,
			team,
			now,
		)[0] as LogRow;
	}

	/** Adds the row of a log that never gets bytes. */
	addEmpty(attemptId: string, team: string, now: number): LogRow {
		return this.#rows<LogRow>(
			`INSERT INTO logs (attempt_id, team, state, bytes, declared, touched_at, sealed_at, archived_at, steps)
			VALUES (?1, ?2, 'archived', 0, 0, ?3, ?3, ?3, '[]') RETURNING *`,
			attemptId,
			team,
			now,
		)[0] as LogRow;
	}

	/** Appends bytes. Small chunks are joined, so that a log does not get a row per line. */
	append(log: LogRow, bytes: Uint8Array, now: number): void {
		this.#storage.transactionSync(() => {
			let rest = bytes;
			let at = log.bytes;
			const last = this.#rows<{ start: number; size: number }>(
				"SELECT start, length(bytes) AS size FROM pieces WHERE attempt_id = ? ORDER BY start DESC LIMIT 1",
				log.attempt_id,
			)[0];
			if (last && last.size + rest.byteLength <= ROW_BYTES / 8) {
				const [row] = this.#rows<{ bytes: ArrayBuffer }>(
					"SELECT bytes FROM pieces WHERE attempt_id = ? AND start = ?",
					log.attempt_id,
					last.start,
				);
				const joined = new Uint8Array(last.size + rest.byteLength);
				joined.set(new Uint8Array((row as { bytes: ArrayBuffer }).bytes));
				joined.set(rest, last.size);
				this.#rows("UPDATE pieces SET bytes = ? WHERE attempt_id = ? AND start = ?", joined, log.attempt_id, last.start);
				at += rest.byteLength;
				rest = rest.subarray(rest.byteLength);
			}
			while (rest.byteLength > 0) {
				const chunk = rest.subarray(0, ROW_BYTES);
				this.#rows("INSERT INTO pieces (attempt_id, start, bytes) VALUES (?, ?, ?)", log.attempt_id, at, chunk);
				at += chunk.byteLength;
				rest = rest.subarray(chunk.byteLength);
			}
			const counter = new LineCounter(log.lines, log.bytes);
			this.#addMarks(log.attempt_id, counter.push(bytes));
			this.#rows("UPDATE logs SET bytes = ?, lines = ?, touched_at = ? WHERE attempt_id = ?", at, counter.lines, now, log.attempt_id);
		});
	}

	/** At most `limit` bytes from `offset`; fewer at the end of the log. */
	read(attemptId: string, offset: number, limit: number): Uint8Array<ArrayBuffer> {
		const parts: Uint8Array[] = [];
		let size = 0;
		const cursor = this.#storage.sql.exec<{ start: number; bytes: ArrayBuffer }>(
			`SELECT start, bytes FROM pieces WHERE attempt_id = ?1 AND start >= coalesce(
				(SELECT max(start) FROM pieces WHERE attempt_id = ?1 AND start <= ?2), 0) ORDER BY start`,
			attemptId,
			offset,
		);
		for (const { start, bytes } of cursor) {
			const part = new Uint8Array(bytes).subarray(Math.max(0, offset - start)).subarray(0, limit - size);
			parts.push(part);
			size += part.byteLength;
			if (size >= limit) break;
		}
		const result = new Uint8Array(size);
		let at = 0;
		for (const part of parts) {
			result.set(part, at);
			at += part.byteLength;
		}
		return result;
	}

	/** The offsets of the marked lines of a log. */
	lineIndex(log: LogRow): LineIndex {
		const marks = this.#rows<{ start: number }>("SELECT start FROM marks WHERE attempt_id = ? ORDER BY mark", log.attempt_id);
		return { lines: log.lines, offsets: [0, ...marks.map(({ start }) => start)] };
	}

	putSteps(attemptId: string, steps: Step[]): void {
		this.#rows("UPDATE logs SET steps = ? WHERE attempt_id = ?", JSON.stringify(steps), attemptId);
	}

	readSteps(attemptId: string): Step[] {
		return JSON.parse(this.find(attemptId)?.steps ?? "[]") as Step[];
	}

	close(attemptId: string, request: { key: string; declared: number | null; now: number }): void {
		this.#rows(
			"UPDATE logs SET state = 'sealed', key = ?, declared = ?, sealed_at = ? WHERE attempt_id = ? AND state = 'open'",
			request.key,
			request.declared,
			request.now,
			attemptId,
		);
	}

	closedLogs(): LogRow[] {
		return this.#rows<LogRow>("SELECT * FROM logs WHERE state = 'sealed' ORDER BY sealed_at LIMIT 100");
	}

	/** Marks a log as archived: the row stays as a tombstone, and `trim` deletes the bytes. */
	markArchived(attemptId: string, { key, sha256, now }: { key: string | null; sha256: string; now: number }): void {
		this.#storage.transactionSync(() => {
			this.#rows(
				"UPDATE logs SET state = 'archived', archived_at = ?, key = ?, sha256 = ?, steps = '[]' WHERE attempt_id = ?",
				now,
				key,
				sha256,
				attemptId,
			);
			const hasBytes = this.#rows("SELECT 1 FROM pieces WHERE attempt_id = ? LIMIT 1", attemptId).length > 0;
			this.#rows("DELETE FROM marks WHERE attempt_id = ?", attemptId);
			if (hasBytes) this.#rows("INSERT INTO trimming (attempt_id) VALUES (?) ON CONFLICT DO NOTHING", attemptId);
		});
	}

	/** Deletes a slice of bytes that are in R2. */
	trim(): void {
		this.#storage.transactionSync(() => {
			const [log] = this.#rows<{ attempt_id: string }>("SELECT attempt_id FROM trimming LIMIT 1");
			if (!log) return;
			this.#rows("DELETE FROM pieces WHERE rowid IN (SELECT rowid FROM pieces WHERE attempt_id = ? LIMIT ?)", log.attempt_id, TRIM_ROWS);
			const rest = this.#rows("SELECT 1 FROM pieces WHERE attempt_id = ? LIMIT 1", log.attempt_id);
			if (rest.length === 0) this.#rows("DELETE FROM trimming WHERE attempt_id = ?", log.attempt_id);
		});
	}

	idleLogs(untouchedSince: number): LogRow[] {
		return this.#rows<LogRow>("SELECT * FROM logs WHERE state = 'open' AND touched_at <= ? LIMIT 20", untouchedSince);
	}

	touch(attemptId: string, now: number): void {
		this.#rows("UPDATE logs SET touched_at = ? WHERE attempt_id = ?", now, attemptId);
	}

	deleteTombstones(archivedBefore: number): void {
		this.#rows("DELETE FROM logs WHERE state = 'archived' AND archived_at <= ?", archivedBefore);
	}

	/**
	 * The time of the next work: bytes to trim, a closed log, an idle log, a tombstone to delete.
	 */
	nextDue({ lateBytesMs, idleMs, tombstoneMs }: { lateBytesMs: number; idleMs: number; tombstoneMs: number }): number | null {
		if (this.#rows("SELECT 1 FROM trimming LIMIT 1").length > 0) return Date.now();
		const [due] = this.#rows<{ at: number | null }>(
			`SELECT min(at) AS at FROM (
				SELECT min(CASE WHEN declared IS NULL OR bytes >= declared THEN sealed_at ELSE sealed_at + ?1 END) AS at FROM logs WHERE state = 'sealed'
				UNION ALL SELECT min(touched_at) + ?2 FROM logs WHERE state = 'open'
				UNION ALL SELECT min(archived_at) + ?3 FROM logs WHERE state = 'archived')`,
			lateBytesMs,
			idleMs,
			tombstoneMs,
		);
		return due?.at ?? null;
	}

	#rows<Row>(text: string, ...params: (string | number | null | Uint8Array)[]): Row[] {
		return this.#storage.sql.exec(text, ...params).toArray() as Row[];
	}
}
