import { DurableObject } from "cloudflare:workers";
import { LRUCache } from "lru-cache";
import { MIB } from "../../schema/wire/limits.ts";
import type { Step } from "../../schema/wire/resources.ts";
import type { AppendResult, Environment, LogChunk, LogClose, LogOwner, LogShard as LogShardRpc } from "../bindings.ts";
import { errorFields, setLogLevel, log as writeLog } from "../platform/logger.ts";
import { SHORT_HOLD_MS } from "../platform/settings.ts";
import { Waiters } from "../platform/waiters.ts";
import { type ArchivedObject, archive, findArchivedLog } from "./archive.ts";
import type { LineIndex } from "./line_counter.ts";
import { type LogRow, LogStore } from "./log_store.ts";

/** Where an archived log is; an empty log has no object. */
interface ArchivedLog extends ArchivedObject {
	bytes: number;
	/** Whether bytes are missing, or the agent never declared a size. */
	isIncomplete: boolean;
}

/** The hash of an empty log (FIPS 180-4: SHA-256 of nothing). */
const EMPTY_OBJECT: ArchivedObject = { key: null, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
/** Declared bytes may still arrive for this long after the log is closed. */
const LATE_BYTES_MS = 10_000;
/** For a log without a write for this long, the shard asks whether its attempt is live. */
const IDLE_MS = 60 * 60_000;
/** The tombstone of a log outlives every lease token. */
const TOMBSTONE_MS = 48 * 60 * 60_000;
const RETRY_MS = 2_000;
const MAX_ELSEWHERE = 1_000;
/** Many readers may read at once, and each holds a few times this. */
const READ_BYTES = 64 * 1024;
/** Room for the agent's truncation notice, beyond the limit of a log. */
const CAP_SLACK_BYTES = MIB;

/**
 * Holds the logs of live attempts: open → closed → archived. Bytes are appended at exactly
 * the end of the log, and readers wait for new bytes.
 * A closed log is written to R2 as one plain object, the Dispatcher is notified, and the bytes are
 * deleted. A tombstone stays: late readers are sent to R2, and late writes are rejected.
 */
export class LogShard extends DurableObject<Environment> implements LogShardRpc {
	readonly #store: LogStore;
	readonly #readers = new Waiters();
	/** Attempts whose log came with the result. A reader may arrive just after that. */
	readonly #elsewhere = new LRUCache<string, true>({ max: MAX_ELSEWHERE });
	#readerCount = 0;
	#isArchiving = false;
	#isClosingIdle = false;
	#armedAt: number | null = null;

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
		this.#store = new LogStore(context.storage);
		this.#arm();
	}

	/** Appends bytes at exactly the end of the log. */
	async append(attemptId: string, owner: LogOwner, offset: number, bytes: Uint8Array): Promise<AppendResult> {
		const log = await this.#openLog(attemptId, owner.team);
		if (!log) return { outcome: "closed" };
		const isLateButDeclared =
			log.state === "closed" && !isComplete(log) && log.declared !== null && offset + bytes.byteLength <= log.declared;
		if (log.state !== "open" && !isLateButDeclared) return { outcome: "closed" };
		if (offset !== log.bytes) return { outcome: "wrong_offset", offset: log.bytes };
		if (offset + bytes.byteLength > owner.maxBytes + CAP_SLACK_BYTES) return { outcome: "full" };
		this.#store.append(log, bytes, Date.now());
		this.#wakeReaders(attemptId);
		this.#arm();
		return { outcome: "appended", offset: offset + bytes.byteLength };
	}

	/** The log of an attempt; opened, if the attempt is live and has none yet. */
	async #openLog(attemptId: string, team: string): Promise<LogRow | null> {
		const known = this.#store.find(attemptId);
		if (known) return known;
		if (!(await this.env.DISPATCHER.getByName(`team:${team}`).beginsLog(attemptId))) return null;
		// Another request may have opened it meanwhile.
		return this.#store.find(attemptId) ?? this.#store.open(attemptId, team, Date.now());
	}

	async sendReadersOn(attemptId: string): Promise<void> {
		this.#elsewhere.set(attemptId, true);
		if (this.#store.find(attemptId)?.state === "open") this.#store.markArchived(attemptId, { ...EMPTY_OBJECT, now: Date.now() });
		this.#wakeReaders(attemptId);
		this.#arm();
	}

	/** Records the progress of the steps. The result of the attempt repeats them, for D1. */
	async putSteps(attemptId: string, owner: { team: string }, steps: Step[]): Promise<{ isClosed: boolean }> {
		const log = await this.#openLog(attemptId, owner.team);
		if (log?.state !== "open") return { isClosed: true };
		this.#store.putSteps(attemptId, steps);
		this.#wakeReaders(attemptId);
		return { isClosed: false };
	}

	/** The progress of a live attempt. Before its first byte the log is empty. */
	async progress(attemptId: string): Promise<{ steps: Step[]; bytes: number }> {
		return { steps: this.#store.readSteps(attemptId), bytes: this.#store.find(attemptId)?.bytes ?? 0 };
	}

	/** The line index of a live log; null once it is archived. */
	async lineIndex(attemptId: string): Promise<LineIndex | null> {
		const log = this.#store.find(attemptId);
		if (!log) return { lines: 0, offsets: [0] };
		return log.state === "archived" ? null : this.#store.lineIndex(log);
	}

	/** Bytes from `offset` on; at the end of a live log it waits up to `holdMs`. */
	async read(attemptId: string, offset: number, holdMs: number): Promise<LogChunk> {
		let log = this.#store.find(attemptId);
		if (holdMs > 0 && !this.#elsewhere.has(attemptId) && offset >= (log?.bytes ?? 0) && !(log && isComplete(log))) {
			this.#readerCount += 1;
			await this.#readers.wait(`${attemptId} ${this.#readerCount}`, Math.min(holdMs, SHORT_HOLD_MS));
			log = this.#store.find(attemptId);
		}
		const isElsewhere = this.#elsewhere.has(attemptId);
		if (!log) return { bytes: new Uint8Array(), size: 0, isEnd: false, isArchived: false, archivedKey: null, isElsewhere };
		const isArchived = log.state === "archived";
		const bytes = isArchived ? new Uint8Array() : this.#store.read(attemptId, offset, READ_BYTES);
		const isEnd = isComplete(log) && offset + bytes.byteLength >= log.bytes;
		return { bytes, size: log.bytes, isEnd, isArchived, archivedKey: log.key, isElsewhere };
	}

	/**
	 * Closes a log: only declared bytes that are still missing are accepted from now on.
	 * @returns where the log is; null if bytes are missing: then the Dispatcher is notified later
	 */
	async close({ attemptId, team, leaseId, runId, jobId, declaredBytes }: LogClose): Promise<ArchivedLog | null> {
		const key = `logs/${runId}/${jobId}/${attemptId}-${leaseId}.log`;
		if (!this.#store.find(attemptId)) {
			if (declaredBytes === 0) return archivedLog(this.#store.addEmpty(attemptId, team, Date.now()), EMPTY_OBJECT);
			// The Dispatcher may repeat this request after the tombstone is deleted.
			const found = await findArchivedLog(this.env.BUCKET, key);
			if (found) return archivedLog({ bytes: found.bytes, declared: declaredBytes }, found);
		}
		const log = this.#store.find(attemptId) ?? this.#store.open(attemptId, team, Date.now());
		if (log.state === "open") {
			this.#store.close(attemptId, { key, declared: declaredBytes, now: Date.now() });
			this.#wakeReaders(attemptId);
		}
		const closed = this.#store.find(attemptId) as LogRow;
		this.#arm();
		if (!isComplete(closed)) return null;
		if (closed.state === "archived") return archivedLog(closed, { key: closed.key, sha256: closed.sha256 ?? "" });
		const object = await archive(this.env.BUCKET, this.#store, closed);
		this.#markArchived(closed, object);
		return archivedLog(closed, object);
	}

	override alarm(): void {
		this.#armedAt = null;
		this.#startArchiving();
		void this.#closeIdleLogs();
		this.#store.deleteTombstones(Date.now() - TOMBSTONE_MS);
		this.#store.trim();
		this.#arm(RETRY_MS);
	}

	#startArchiving(): void {
		if (this.#isArchiving) return;
		this.#isArchiving = true;
		void this.#archiveAll()
			.catch((error) => writeLog("warn", "cannot archive logs; the shard tries again", errorFields(error)))
			.finally(() => {
				this.#isArchiving = false;
				this.#arm(RETRY_MS);
			});
	}

	async #archiveAll(): Promise<void> {
		const failed = new Set<string>();
		let firstError: unknown = null;
		for (let log = this.#nextToArchive(failed); log; log = this.#nextToArchive(failed)) {
			try {
				await this.#archiveLate(log);
			} catch (error) {
				// One log that cannot be archived must not delay the others.
				failed.add(log.attempt_id);
				firstError ??= error;
			}
		}
		if (firstError) throw firstError;
	}

	/**
	 * Archives a log after its late bytes arrived, or their time expired. Notifies the Dispatcher.
	 */
	async #archiveLate(log: LogRow): Promise<void> {
		const object = await archive(this.env.BUCKET, this.#store, log);
		await this.env.DISPATCHER.getByName(`team:${log.team}`).logArchived(log.attempt_id, archivedLog(log, object));
		this.#markArchived(log, object);
	}

	#markArchived(log: LogRow, object: ArchivedObject): void {
		this.#store.markArchived(log.attempt_id, { ...object, now: Date.now() });
		this.#store.trim();
		this.#wakeReaders(log.attempt_id);
		this.#arm();
	}

	#nextToArchive(failed: ReadonlySet<string>): LogRow | undefined {
		return this.#store.closedLogs().find((log) => isComplete(log) && !failed.has(log.attempt_id));
	}

	/** Closes idle logs whose attempts are no longer live. */
	async #closeIdleLogs(): Promise<void> {
		if (this.#isClosingIdle) return;
		this.#isClosingIdle = true;
		try {
			await this.#closeEachIdleLog();
		} catch (error) {
			writeLog("warn", "cannot check idle logs", errorFields(error));
		} finally {
			this.#isClosingIdle = false;
		}
	}

	async #closeEachIdleLog(): Promise<void> {
		for (const log of this.#store.idleLogs(Date.now() - IDLE_MS)) {
			const dispatcher = this.env.DISPATCHER.getByName(`team:${log.team}`);
			if (await dispatcher.isAttemptLive(log.attempt_id)) this.#store.touch(log.attempt_id, Date.now());
			else
				await this.close({
					attemptId: log.attempt_id,
					team: log.team,
					leaseId: "unknown",
					runId: "unknown",
					jobId: "unknown",
					declaredBytes: null,
				});
		}
	}

	#wakeReaders(attemptId: string): void {
		for (const key of this.#readers.newestFirst()) if (key.startsWith(`${attemptId} `)) this.#readers.wake(key);
	}

	/** Sets the alarm for the next work. Work that just failed waits for `pause` milliseconds. */
	#arm(pause = 0): void {
		const now = Date.now();
		const next = this.#store.nextDue({ lateBytesMs: LATE_BYTES_MS, idleMs: IDLE_MS, tombstoneMs: TOMBSTONE_MS });
		if (next === null) return;
		const at = Math.max(next, now + pause);
		if (this.#armedAt !== null && this.#armedAt > now && this.#armedAt <= at) return;
		this.#armedAt = at;
		void this.ctx.storage.setAlarm(at);
	}
}

function archivedLog({ bytes, declared }: Pick<LogRow, "bytes" | "declared">, { key, sha256 }: ArchivedObject): ArchivedLog {
	return { key, bytes, sha256, isIncomplete: declared === null || bytes < declared };
}

/**
 * Whether no more bytes will arrive: the log is closed, and its declared bytes are complete or
 * late.
 */
function isComplete(log: LogRow): boolean {
	if (log.state === "open") return false;
	if (log.state === "archived" || log.declared === null || log.bytes >= log.declared) return true;
	return Date.now() >= (log.closed_at ?? 0) + LATE_BYTES_MS;
}
