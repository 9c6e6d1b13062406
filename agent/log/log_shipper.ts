import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_LOG_CHUNK_BYTES } from "../../schema/wire/limits.ts";
import { newSha256 } from "../files/hashing.ts";
import { sleep } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { Unreachable, untilAnswered } from "../transport/retry.ts";
import type { LogSpool } from "./log_spool.ts";

/** A log as far as sending it needs to know it. */
export type SendableLog = Pick<LogSpool, "size" | "isTruncated" | "grown" | "settled" | "read" | "acknowledge">;

interface Pace {
	/** How long bytes may wait while somebody reads along. */
	watchedMs: number;
	/** How long they may wait otherwise. */
	unwatchedMs: number;
}

/**
 * Sends a log from the spool to the coordinator, each chunk at exactly the offset where the coordinator's copy ends. The
 * pause before a chunk begins with the first unsent byte and is not begun anew by later ones; it is short while somebody watches.
 */
export class LogShipper {
	readonly #client: Coordinator;
	readonly #address: { path: string; token: string };
	readonly #spool: SendableLog;
	readonly #pace: Pace;
	readonly #stop = new AbortController();
	readonly #running: Promise<void>;
	#acknowledged = 0;
	/** Of what the coordinator has. */
	readonly #digest = newSha256();
	#isWatched = false;
	#isEnding = false;
	/** Ends the present pause early. */
	#hurry = new AbortController();
	/** Ends the waiting for more output. */
	readonly #ending = new AbortController();
	/** Why the coordinator takes no more; null while it does. */
	refusal: ApiError | null = null;
	/** Why the log on the disk cannot be read; null while it can. */
	fault: string | null = null;

	constructor(client: Coordinator, attempt: { id: string; token: string }, spool: SendableLog, pace: Pace) {
		this.#client = client;
		this.#address = { path: `/api/v1/attempts/${attempt.id}/log`, token: attempt.token };
		this.#spool = spool;
		this.#pace = pace;
		this.#running = this.#ship();
	}

	/** Whether somebody reads the log right now. */
	watch(isWatched: boolean): void {
		if (isWatched && !this.#isWatched) this.#hurry.abort();
		this.#isWatched = isWatched;
	}

	/** Sends what is left and waits until all of it is acknowledged, or the coordinator takes no more. */
	async finish(): Promise<{ bytes: number; sha256: string; incomplete: boolean }> {
		await this.#spool.settled();
		this.#isEnding = true;
		this.#ending.abort();
		this.#hurry.abort();
		await this.#running;
		return {
			bytes: this.#acknowledged,
			sha256: this.#digest.digest("hex"),
			incomplete: this.#spool.isTruncated || this.#acknowledged < this.#spool.size,
		};
	}

	/** Gives up on what is unsent. */
	async drop(): Promise<void> {
		this.#stop.abort();
		this.#ending.abort();
		this.#hurry.abort();
		await this.#running;
	}

	async #ship(): Promise<void> {
		while (!this.#stop.signal.aborted && this.refusal === null && this.fault === null) {
			await this.#spool.grown(this.#acknowledged, this.#ending.signal);
			if (this.#spool.size <= this.#acknowledged) {
				if (this.#isEnding || this.#stop.signal.aborted) return;
				continue;
			}
			if (!this.#isEnding && this.#spool.size - this.#acknowledged < MAX_LOG_CHUNK_BYTES) await this.#wait();
			await this.#sendChunk();
		}
	}

	async #wait(): Promise<void> {
		this.#hurry = new AbortController();
		await sleep(this.#isWatched ? this.#pace.watchedMs : this.#pace.unwatchedMs, this.#hurry.signal).catch(() => undefined);
	}

	async #sendChunk(): Promise<void> {
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
					throw new Unreachable("the answer to a part of the log is not the coordinator's");
				await this.#advance(bytes);
			}, this.#stop.signal);
		} catch (error) {
			if (this.#stop.signal.aborted) return;
			if (error instanceof ApiError && error.code === "log_offset_mismatch") {
				// An answer was lost, or a chunk came twice: the coordinator says where it stands.
				if (await this.#catchUp(Number(error.details.offset))) return;
			}
			if (error instanceof ApiError) this.refusal = error;
			else this.fault = (error as Error).message;
		}
	}

	async #advance(bytes: Uint8Array): Promise<void> {
		this.#acknowledged += bytes.byteLength;
		this.#digest.update(bytes);
		await this.#spool.acknowledge(bytes);
	}

	/** Takes note of what the coordinator has had before. @returns false if it has less than it has acknowledged, or more than there is */
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
