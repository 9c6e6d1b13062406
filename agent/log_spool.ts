import { type FileHandle, open } from "node:fs/promises";
import { MAX_LOG_BYTES } from "../schema/wire/limits.ts";
import { say } from "./voice.ts";

const NEWLINE = 10;
/** Room for the notice at the end of a log that was cut. */
const NOTICE_BYTES = 200;

/**
 * The log of an attempt on the agent's disk: every line begins with the time at which it began. Output goes here
 * first and is sent from here, so that no outage of the coordinator costs a byte or memory.
 */
export class LogSpool {
	readonly #file: FileHandle;
	#size = 0;
	#isAtLineStart = true;
	#isCut = false;
	#fault: unknown = null;
	/** Writes happen one after the other, whoever they come from. */
	#last: Promise<void> = Promise.resolve();
	#waiting: (() => void)[] = [];

	private constructor(file: FileHandle) {
		this.#file = file;
	}

	static async create(file: string): Promise<LogSpool> {
		return new LogSpool(await open(file, "wx+", 0o600));
	}

	/** Bytes that are in the file. */
	get size(): number {
		return this.#size;
	}

	/** Whether something is missing: the log was longer than it may be, or the disk did not take it. */
	get isCut(): boolean {
		return this.#isCut || this.#fault !== null;
	}

	/** Adds output as it came; the bytes of the job are not changed. */
	write(bytes: Uint8Array): Promise<void> {
		return this.#queue(() => this.#stamped(bytes));
	}

	/** Adds a line of the agent's own, on a line of its own. */
	say(text: string): Promise<void> {
		return this.#queue(() => {
			const before = this.#isAtLineStart ? "" : "\n";
			return this.#stamped(Buffer.from(`${before}${text}\n`));
		});
	}

	/** Ends a last line that the job left open. */
	endLine(): Promise<void> {
		return this.#queue(() => (this.#isAtLineStart ? Buffer.alloc(0) : this.#stamped(Buffer.from("\n"))));
	}

	/** At most `limit` bytes from `offset` on. */
	async read(offset: number, limit: number): Promise<Uint8Array> {
		const buffer = Buffer.alloc(Math.min(limit, this.#size - offset));
		const { bytesRead } = await this.#file.read(buffer, 0, buffer.byteLength, offset);
		return buffer.subarray(0, bytesRead);
	}

	/** Waits until there are bytes beyond `offset`, or the signal is aborted. */
	grown(offset: number, signal: AbortSignal): Promise<void> {
		if (this.#size > offset || signal.aborted) return Promise.resolve();
		return new Promise((resolve) => {
			const wake = () => {
				signal.removeEventListener("abort", wake);
				resolve();
			};
			this.#waiting.push(wake);
			signal.addEventListener("abort", wake, { once: true });
		});
	}

	/** Waits for all writes. */
	async settled(): Promise<void> {
		await this.#last;
	}

	async close(): Promise<void> {
		await this.settled();
		await this.#file.close();
	}

	/** Never fails: a job goes on without its log where the disk is full, and the log is known to be incomplete. */
	#queue(make: () => Uint8Array): Promise<void> {
		this.#last = this.#last.then(async () => {
			if (this.isCut) return;
			try {
				await this.#append(this.#capped(make()));
			} catch (error) {
				this.#fault = error;
				say("error", `a log cannot be written: ${(error as Error).message}`);
			}
		});
		return this.#last;
	}

	async #append(bytes: Uint8Array): Promise<void> {
		for (let at = 0; at < bytes.byteLength; ) {
			const { bytesWritten } = await this.#file.write(bytes, at, bytes.byteLength - at, this.#size);
			at += bytesWritten;
			this.#size += bytesWritten;
		}
		for (const wake of this.#waiting.splice(0)) wake();
	}

	#capped(bytes: Uint8Array): Uint8Array {
		const room = MAX_LOG_BYTES - NOTICE_BYTES - this.#size;
		if (bytes.byteLength <= room) return bytes;
		this.#isCut = true;
		const notice = `\n${stamp()}:: the log is cut here: it reached ${MAX_LOG_BYTES} bytes\n`;
		return Buffer.concat([bytes.subarray(0, Math.max(0, room)), Buffer.from(notice)]);
	}

	#stamped(bytes: Uint8Array): Uint8Array {
		const parts: Uint8Array[] = [];
		const prefix = Buffer.from(stamp());
		for (let at = 0; at < bytes.byteLength; ) {
			if (this.#isAtLineStart) parts.push(prefix);
			const newline = bytes.indexOf(NEWLINE, at);
			const end = newline === -1 ? bytes.byteLength : newline + 1;
			parts.push(bytes.subarray(at, end));
			this.#isAtLineStart = newline !== -1;
			at = end;
		}
		return Buffer.concat(parts);
	}
}

function stamp(): string {
	return `${new Date().toISOString()} `;
}
