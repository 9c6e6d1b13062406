import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_LOG_CHUNK_BYTES, MAX_RESULT_LOG_BYTES } from "../../schema/wire/limits.ts";
import { newSha256 } from "../files/hashing.ts";
import { sleep, WAIT_ENDED } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { Unreachable, untilAnswered } from "../transport/retry.ts";
import type { LogSpool } from "./log_spool.ts";

/** The part of a log that is needed to send it. */
export type SendableLog = Pick<LogSpool, "size" | "isTruncated" | "grown" | "settled" | "read" | "acknowledge">;

interface Pace {
	/** How long bytes may wait while somebody watches the log. */
	watchedMs: number;
	/** How long they may wait otherwise. */
	unwatchedMs: number;
}

/**
 * Sends a log from the spool to the coordinator, each chunk at the offset where the coordinator's
 * copy ends. The pause before a chunk begins with its first byte, and later bytes do not extend it.
 * It is short while somebody watches.
 */
export class LogShipper {
	readonly #client: Coordinator;
	readonly #address: { path: string; token: string };
	readonly #spool: SendableLog;
	readonly #pace: Pace;
	readonly #stop = new AbortController();
	readonly #running: Promise<void>;
	#acknowledged = 0;
	/** The sha256 of the acknowledged bytes. */
	readonly #digest = newSha256();
	#isWatched = false;
	#isEnding = false;
	/** Whether a request with bytes was begun: they may have arrived. */
	#hasBegun = false;
	/** Keeps bytes from being sent while a result carries them; null before. */
	#hold: PromiseWithResolvers<void> | null = null;
	/** Ends the current pause early. */
	#pause = new AbortController();
	/** Ends the wait for more output. */
	readonly #ending = new AbortController();
	/** Why the coordinator rejects more bytes; null while it accepts them. */
	rejection: ApiError | null = null;
	/** Why the log on the disk cannot be read; null while it can. */
	readError: string | null = null;

	constructor(client: Coordinator, attempt: { id: string; token: string }, spool: SendableLog, pace: Pace) {
		this.#client = client;
		this.#address = { path: `/api/v1/attempts/${attempt.id}/log`, token: attempt.token };
		this.#spool = spool;
		this.#pace = pace;
		this.#running = this.#ship();
	}

	/** Sets whether somebody watches the log. */
	watch(isWatched: boolean): void {
		if (isWatched && !this.#isWatched) this.#pause.abort(WAIT_ENDED);
		this.#isWatched = isWatched;
	}

	/**
	 * The whole log of an ended job, if it is small and no byte of it was sent: the result carries
	 * it. Nothing is sent then, unless `finish` is called after all. Null otherwise.
	 */
	async takeWhole(): Promise<Uint8Array | null> {
		await this.#spool.settled();
		const { size, isTruncated } = this.#spool;
		if (this.#hasBegun || size === 0 || size > MAX_RESULT_LOG_BYTES || isTruncated) return null;
		this.#hold = Promise.withResolvers();
		const bytes = await this.#spool.read(0, size).catch(() => null);
		return bytes?.byteLength === size ? bytes : null;
	}

	/** Sends the rest of the log. @returns what the coordinator has acknowledged */
	async finish(): Promise<{ bytes: number; sha256: string; incomplete: boolean }> {
		await this.#spool.settled();
		this.#hold?.resolve();
		this.#isEnding = true;
		this.#ending.abort(WAIT_ENDED);
		this.#pause.abort(WAIT_ENDED);
		await this.#running;
		return {
			bytes: this.#acknowledged,
			sha256: this.#digest.digest("hex"),
			incomplete: this.#spool.isTruncated || this.#acknowledged < this.#spool.size,
		};
	}

	/** Drops the unsent bytes. */
	async drop(): Promise<void> {
		this.#stop.abort(WAIT_ENDED);
		this.#hold?.resolve();
		this.#ending.abort(WAIT_ENDED);
		this.#pause.abort(WAIT_ENDED);
		await this.#running;
	}

	async #ship(): Promise<void> {
		while (!this.#stop.signal.aborted && this.rejection === null && this.readError === null) {
			await this.#spool.grown(this.#acknowledged, this.#ending.signal);
			if (this.#spool.size <= this.#acknowledged) {
				if (this.#isEnding || this.#stop.signal.aborted) return;
				continue;
			}
			if (!this.#isEnding && this.#spool.size - this.#acknowledged < MAX_LOG_CHUNK_BYTES) await this.#wait();
			await this.#hold?.promise;
			await this.#sendChunk();
		}
	}

	async #wait(): Promise<void> {
		this.#pause = new AbortController();
		await sleep(this.#isWatched ? this.#pace.watchedMs : this.#pace.unwatchedMs, this.#pause.signal).catch(() => undefined);
	}

	async #sendChunk(): Promise<void> {
		this.#hasBegun = true;
		try {
			await untilAnswered(async () => {
				const bytes = await this.#spool.read(this.#acknowledged, MAX_LOG_CHUNK_BYTES);
				if (bytes.byteLength === 0) return;
				const { headers } = await this.#client.call({
					method: "PATCH",
					...this.#address,
					bytes,
					headers: { "Upload-Offset": String(this.#acknowledged), "Content-Type": "application/octet-stream" },
					signal: this.#stop.signal,
				});
				if (Number(headers["upload-offset"] ?? Number.NaN) !== this.#acknowledged + bytes.byteLength)
					throw new Unreachable("The answer to a log chunk is not the coordinator's");
				await this.#advance(bytes);
			}, this.#stop.signal);
		} catch (error) {
			if (this.#stop.signal.aborted) return;
			if (error instanceof ApiError && error.code === "log_offset_mismatch") {
				// An answer was lost, or a chunk arrived twice: the coordinator sends its offset.
				if (await this.#catchUp(Number(error.details.offset))) return;
			}
			if (error instanceof ApiError) this.rejection = error;
			else this.readError = (error as Error).message;
		}
	}

	async #advance(bytes: Uint8Array): Promise<void> {
		this.#acknowledged += bytes.byteLength;
		this.#digest.update(bytes);
		await this.#spool.acknowledge(bytes);
	}

	/**
	 * Skips to the coordinator's offset.
	 * @returns false for an offset before the acknowledged bytes, or beyond the log
	 */
	async #catchUp(offset: number): Promise<boolean> {
		if (!(offset >= this.#acknowledged && offset <= this.#spool.size)) return false;
		while (this.#acknowledged < offset) {
			const bytes = await this.#spool.read(this.#acknowledged, Math.min(MAX_LOG_CHUNK_BYTES, offset - this.#acknowledged));
			if (bytes.byteLength === 0) return false;
			await this.#advance(bytes);
		}
		return true;
	}
}
