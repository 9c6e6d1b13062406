import { LinePrefixer, NEWLINE, newlinesIn } from "../../schema/text/lines.ts";
import { timeStamp } from "../../schema/text/time_stamp.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { log } from "../logger.ts";
import { type LogPart, NOTHING_SENT, type Notice, type Position, partsSent, placeIn, readParts, sentWith, sizeOf } from "./log_parts.ts";
import { LogSegments } from "./log_segments.ts";
import { LogTail } from "./log_tail.ts";
import type { Masker } from "./masker.ts";
import type { SpoolBudget } from "./spool_budget.ts";
import { TaskQueue } from "./task_queue.ts";

/** The room for notices in a log that has a maximum size. */
const NOTICE_BYTES = 1024;

/**
 * The log of an attempt on the agent's disk, with a time stamp before every line. Output goes here
 * first and is sent from here, so an outage of the coordinator costs no memory, and only a long
 * outage costs output. A small log stays in memory: the disk has it only when it grows.
 *
 * A log has `maxBytes`. The first three quarters (the head) can be sent at once. Of the following
 * output (the tail) only the last quarter is kept, and sent at the end, after a notice. The agent
 * removes what the coordinator has from the disk.
 */
export class LogSpool {
	readonly #head: LogSegments;
	readonly #tail: LogTail;
	readonly #budget: SpoolBudget;
	readonly #maxBytes: number;
	/** Every byte of the log has passed it. */
	readonly #masker: Masker;
	readonly #now: () => number;
	readonly #lines = new LinePrefixer();
	readonly #tasks = new TaskQueue();
	/** The parts of the head. */
	#headParts: LogPart[] = [];
	/** The parts of the tail, once the log is closed. */
	#tailParts: LogPart[] = [];
	/** The end of the output. */
	#end: Position = { at: 0, line: 0 };
	/** Where the disk stopped storing the head; null while it stores it. */
	#gapFrom: Position | null = null;
	/** Whether the log that can be sent ends with a whole line. */
	#isWhole = true;
	#acknowledged = NOTHING_SENT;
	/** Bytes that were read for sending may have arrived. */
	#handedOut = NOTHING_SENT;
	#waiting: (() => void)[] = [];
	/** Whether output is missing from the log. */
	isTruncated = false;
	/**
	 * The first error of the disk, and whether notices in the log say all that is missing; null if
	 * there was none.
	 */
	error: { text: string; isInLog: boolean } | null = null;

	private constructor(
		segments: { head: LogSegments; tail: LogSegments },
		budget: SpoolBudget,
		maxBytes: number,
		masker: Masker,
		now: () => number,
	) {
		this.#now = now;
		this.#masker = masker;
		this.#head = segments.head;
		this.#tail = new LogTail(segments.tail, Math.floor(maxBytes / 4));
		this.#budget = budget;
		this.#maxBytes = maxBytes;
		budget.join(this);
	}

	/** @param folder it is made when the log needs a file */
	static create(folder: string, budget: SpoolBudget, maxBytes: number, masker: Masker, now: () => number): LogSpool {
		// The maximum size bounds the tail. Only the head grows with an outage.
		const head = new LogSegments(`${folder}/head`, (change) => budget.change(change));
		const tail = new LogSegments(`${folder}/tail`, () => undefined);
		return new LogSpool({ head, tail }, budget, maxBytes, masker, now);
	}

	/** The bytes of the log that can be sent now. */
	get size(): number {
		return this.#parts.reduce((sum, part) => sum + sizeOf(part), 0);
	}

	get #parts(): LogPart[] {
		return this.#tailParts.length === 0 ? this.#headParts : [...this.#headParts, ...this.#tailParts];
	}

	/** The position of the next byte in the output. */
	get position(): Position {
		return { ...this.#end };
	}

	/** The place of a position in the log that is sent. */
	placeOf(position: Position): { offset: number; line: number } {
		return placeIn(this.#parts, position);
	}

	/** Adds output of the job. Only secrets in it are changed. */
	async write(bytes: Uint8Array): Promise<void> {
		await this.#run(() => this.#take(this.#masker.push(bytes)));
		await this.#budget.keep();
	}

	/** Adds a line of the agent, which begins on a line of its own. */
	writeLine(text: string): Promise<void> {
		// The masker still holds back the beginning of a secret: its rest may follow.
		return this.#run(() => this.#take(Buffer.from(`${this.#lines.isAtLineStart ? "" : "\n"}${this.#masker.text(text)}\n`)));
	}

	/** Ends a last line that the job left open. */
	endLine(): Promise<void> {
		return this.#run(async () => {
			await this.#take(this.#masker.flush());
			if (!this.#lines.isAtLineStart) await this.#take(Uint8Array.of(NEWLINE));
		});
	}

	/** Nothing more will be written: now the tail can be sent, too. */
	close(): Promise<void> {
		return this.#run(async () => {
			await this.#take(this.#masker.flush());
			this.#endGap();
			await this.#releaseTail();
			this.#wake();
		});
	}

	/** At most `limit` bytes of the log, from `offset` on, which must not be acknowledged. */
	read(offset: number, limit: number): Promise<Uint8Array> {
		return this.#tasks.run(async () => {
			const bytes = await readParts(this.#parts, offset, limit);
			if (offset === this.#acknowledged.offset) this.#handedOut = sentWith(this.#acknowledged, bytes);
			return bytes;
		});
	}

	/** The coordinator has these bytes, the next in order: the disk need not keep them. */
	acknowledge(bytes: Uint8Array): Promise<void> {
		return this.#run(async () => {
			this.#acknowledged = sentWith(this.#acknowledged, bytes);
			const { to } = partsSent(this.#parts, this.#acknowledged);
			await this.#head.removeBefore(to.at);
			await this.#tail.segments.removeBefore(to.at);
		});
	}

	/**
	 * Drops the unsent part of the head, but not bytes that were read for sending. The tail is kept.
	 */
	dropUnsent(): Promise<void> {
		return this.#run(async () => {
			const sent = this.#handedOut.offset > this.#acknowledged.offset ? this.#handedOut : this.#acknowledged;
			const { parts, to } = partsSent(this.#parts, sent);
			const headEnd = this.#headEnd;
			const lost = headEnd.at - to.at;
			if (lost <= 0) return;
			await this.#head.removeFrom(to.at);
			this.#headParts = parts.slice(0, this.#headParts.length);
			this.#gapFrom = null;
			const last = this.#headParts.at(-1);
			this.#isWhole = sent.isWhole || (last !== undefined && "text" in last);
			const why = "the coordinator could not be reached, and there was no more room for logs";
			this.#headParts.push(this.#notice(to, headEnd, `${formatBytes(lost)} are left out here: ${why}`));
			// The next output begins a line, so that every line has its time stamp.
			if (headEnd.at === this.#end.at) this.#lines.isAtLineStart = true;
		});
	}

	/** The end of the head: the beginning of the tail, or for now the end of the output. */
	get #headEnd(): Position {
		return this.#tail.from ?? this.#tailParts[0]?.from ?? this.position;
	}

	/** Waits until there are bytes beyond `offset`, or the signal is aborted. */
	grown(offset: number, signal: AbortSignal): Promise<void> {
		if (this.size > offset || signal.aborted) return Promise.resolve();
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
	settled(): Promise<void> {
		return this.#tasks.settled();
	}

	/** Deletes the log from the disk. */
	async delete(): Promise<void> {
		this.#budget.leave(this);
		await this.#run(async () => {
			await this.#head.removeAll();
			await this.#tail.segments.removeAll();
		});
	}

	/** Never fails: a job continues when the disk fails, and its log counts as truncated. */
	async #run(task: () => Promise<void>): Promise<void> {
		try {
			await this.#tasks.run(task);
		} catch (error) {
			this.isTruncated = true;
			this.error = { text: (error as Error).message, isInLog: false };
			log("error", `The agent cannot store a log: ${(error as Error).message}`);
		}
	}

	async #take(output: Uint8Array): Promise<void> {
		if (output.byteLength === 0) return;
		const startsLine = this.#lines.isAtLineStart;
		const bytes = this.#lines.push(Buffer.from(timeStamp(this.#now())), output);
		const room = this.#tail.from ? 0 : Math.max(0, this.#headBytes - this.size);
		const head = bytes.subarray(0, room);
		const tail = bytes.subarray(room);
		if (head.byteLength > 0) await this.#appendHead(head, startsLine);
		if (tail.byteLength > 0) await this.#appendTail(tail, head.byteLength > 0 ? false : startsLine);
		this.#wake();
	}

	get #headBytes(): number {
		return Math.floor((this.#maxBytes * 3) / 4) - NOTICE_BYTES;
	}

	async #appendHead(bytes: Uint8Array, startsLine: boolean): Promise<void> {
		// After a gap the log continues with a whole line.
		const skipped = this.#gapFrom && !startsLine ? bytes.indexOf(NEWLINE) + 1 || bytes.byteLength : 0;
		this.#advance(bytes.subarray(0, skipped));
		const kept = bytes.subarray(skipped);
		if (kept.byteLength === 0) return;
		const start = this.position;
		try {
			await this.#head.append(start.at, kept);
		} catch (error) {
			this.#recordError(error);
			this.#gapFrom ??= start;
			this.#advance(kept);
			return;
		}
		this.#endGap();
		this.#advance(kept);
		const last = this.#headParts.at(-1);
		if (last && "segments" in last && last.to.at === start.at) last.to = this.position;
		else this.#headParts.push({ from: start, to: this.position, segments: this.#head });
		this.#isWhole = kept.at(-1) === NEWLINE;
	}

	async #appendTail(bytes: Uint8Array, startsLine: boolean): Promise<void> {
		this.#endGap();
		const error = await this.#tail.append(bytes, this.position, startsLine);
		if (error) this.#recordError(error);
		this.#advance(bytes);
	}

	#recordError(error: unknown): void {
		const text = (error as Error).message;
		if (!this.isTruncated) log("error", `The agent cannot write a log to its disk: ${text}`);
		this.isTruncated = true;
		this.error ??= { text, isInLog: true };
	}

	#advance(bytes: Uint8Array): void {
		this.#end = { at: this.#end.at + bytes.byteLength, line: this.#end.line + newlinesIn(bytes) };
	}

	/** Adds a notice about the output that the disk could not store. */
	#endGap(): void {
		const from = this.#gapFrom;
		this.#gapFrom = null;
		if (!from) return;
		const lost = formatBytes(this.#end.at - from.at);
		this.#headParts.push(this.#notice(from, this.position, `${lost} are left out here: the agent could not write them to its disk`));
	}

	async #releaseTail(): Promise<void> {
		const { from, segments } = this.#tail;
		if (!from) return;
		this.#tail.from = null;
		const kept = await this.#tail.keptFrom(from, this.#end);
		const keptFrom = kept?.position ?? this.position;
		const lost = keptFrom.at - from.at;
		const sentence = `${formatBytes(lost)} are left out here: the log is longer than ${formatBytes(this.#maxBytes)}`;
		const stamp = kept && !kept.isLineStart ? timeStamp(this.#now()) : "";
		this.#tailParts = [
			...(lost > 0 ? [this.#notice(from, keptFrom, sentence, stamp)] : []),
			...(kept ? [{ from: keptFrom, to: this.position, segments }] : []),
		];
	}

	/** @param after the beginning of the line that follows the notice */
	#notice(from: Position, to: Position, sentence: string, after = ""): Notice {
		this.isTruncated = true;
		const text = Buffer.from(`${this.#isWhole ? "" : "\n"}${timeStamp(this.#now())}:: ${sentence}\n${after}`);
		this.#isWhole = true;
		return { from, to, text };
	}

	#wake(): void {
		for (const wake of this.#waiting.splice(0)) wake();
	}
}
