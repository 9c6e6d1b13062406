import type { AttemptRow } from "../../schema/database/tables.ts";
import type { Environment, LogChunk } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { logShardOf } from "../platform/log_shard.ts";
import { sleep } from "../platform/sleep.ts";
import { requireJob } from "../record/require.ts";

const HOLD_MS = 20_000;
const RESETS = 20;
const CHUNK_BYTES = 2 * 1024 * 1024;
/** The Dispatcher drops a reader after three times this. */
const INTEREST_MS = 10_000;

/** Where the log of an attempt is. */
export type LogLocation = Pick<
	AttemptRow,
	"id" | "job_id" | "team" | "shard" | "log_archived" | "log_key" | "log_bytes" | "log_offset" | "log_held"
>;

/** Whether the log has its last byte. */
export function isLogComplete({ log_archived, log_held }: Pick<LogLocation, "log_archived" | "log_held">): boolean {
	return log_archived === 1 || log_held === 1;
}

/** The current size of the log, in bytes. */
export async function logSize(environment: Environment, attempt: LogLocation): Promise<number> {
	if (isLogComplete(attempt)) return attempt.log_bytes;
	const chunk = await shardOf(environment, attempt).read(attempt.id, 0, 0);
	return chunk.size;
}

/** The steps of a live attempt, and the size of its log. */
export async function logProgress(environment: Environment, attempt: LogLocation) {
	return shardOf(environment, attempt).progress(attempt.id);
}

/**
 * Reads a log from `offset` on, in chunks, at the pace of the reader. Offsets stay the same when
 * the log moves from its shard to R2, even during a read.
 * @param until where to stop; null for the end. With `isFollowing`, a live log is followed to its
 * end.
 * @yields chunks, and null after a while without a chunk
 */
export async function* readLog(
	environment: Environment,
	attempt: LogLocation,
	{ offset, until, isFollowing }: { offset: number; until: number | null; isFollowing: boolean },
): AsyncGenerator<Uint8Array | null> {
	let at = offset;
	const interest = isFollowing ? new Interest(environment, attempt) : null;
	if (!isLogComplete(attempt)) {
		for (;;) {
			const chunk = await nextChunk(environment, attempt, at, interest);
			if (chunk.isElsewhere) {
				attempt = await locate(environment, attempt);
				break;
			}
			if (chunk.isArchived) {
				if (chunk.archivedKey) yield* readObject(environment, chunk.archivedKey, at, until ?? chunk.size);
				return;
			}
			const bytes = until === null ? chunk.bytes : chunk.bytes.subarray(0, until - at);
			at += bytes.byteLength;
			if (bytes.byteLength > 0) yield bytes;
			else if (isFollowing && !chunk.isEnd) yield null;
			if (chunk.isEnd || at === until || (!isFollowing && bytes.byteLength === 0)) return;
		}
	}
	if (attempt.log_held === 1) {
		const held = await dispatcherOf(environment, attempt.team).readHeldLog(attempt.id);
		if (held) {
			yield held.subarray(at, until ?? held.byteLength);
			return;
		}
		// It was packed in between.
		attempt = await locate(environment, attempt);
	}
	const first = attempt.log_offset ?? 0;
	if (attempt.log_key) yield* readObject(environment, attempt.log_key, first + at, first + (until ?? attempt.log_bytes));
}

/** The present location of a log that has moved. */
async function locate(environment: Environment, { id, job_id, team }: LogLocation): Promise<LogLocation> {
	const { attempts } = await requireJob(environment, team, job_id);
	return attempts.find((attempt) => attempt.id === id) as AttemptRow;
}

/** Notifies the Dispatcher that a live log has a reader, so that the agent sends the log quickly. */
class Interest {
	readonly #environment: Environment;
	readonly #attempt: LogLocation;
	#shownAt = 0;

	constructor(environment: Environment, attempt: LogLocation) {
		this.#environment = environment;
		this.#attempt = attempt;
	}

	/** @returns whether the log is in its shard, as far as that was asked */
	async show(): Promise<boolean> {
		if (Date.now() - this.#shownAt < INTEREST_MS) return true;
		this.#shownAt = Date.now();
		return dispatcherOf(this.#environment, this.#attempt.team).watch(this.#attempt.id);
	}
}

const ELSEWHERE: LogChunk = { bytes: new Uint8Array(), size: 0, isEnd: false, isArchived: false, archivedKey: null, isElsewhere: true };

/** The next chunk from the shard. After a reset of the shard, it tries again. */
async function nextChunk(environment: Environment, attempt: LogLocation, offset: number, interest: Interest | null): Promise<LogChunk> {
	if (interest && !(await interest.show())) return ELSEWHERE;
	for (let resets = 0; ; resets += 1) {
		try {
			return await shardOf(environment, attempt).read(attempt.id, offset, interest ? HOLD_MS : 0);
		} catch (error) {
			if (resets >= RESETS) throw error;
			await sleep(100 + Math.random() * 400);
		}
	}
}

async function* readObject(environment: Environment, key: string, from: number, until: number): AsyncGenerator<Uint8Array> {
	// In ranges: as one stream, R2 sends tiny chunks, at a tenth of the speed.
	for (let at = from; at < until; at += CHUNK_BYTES) {
		const object = await environment.BUCKET.get(key, { range: { offset: at, length: Math.min(CHUNK_BYTES, until - at) } });
		if (!object) return;
		yield new Uint8Array(await object.arrayBuffer());
	}
}

/** The shard of a live log. */
export function shardOf(environment: Environment, attempt: LogLocation) {
	return logShardOf(environment, attempt.shard);
}
