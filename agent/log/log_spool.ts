import path from "node:path";
import { NEWLINE, newlinesIn } from "../../schema/text/lines.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { say } from "../logger.ts";
import { LogSegments } from "./log_segments.ts";
import type { Masker } from "./masker.ts";
import type { SpoolBudget } from "./spool_budget.ts";

/** Room for the notices. */
const NOTICE_BYTES = 1024;
/** In this much of the kept end a line begins, or it is one long line. */
const LINE_LOOK_BYTES = 1024 * 1024;

/** A place in the output: how many bytes and how many lines were written before it. */
export interface Position {
	at: number;
	line: number;
}

/** The log as it is sent is made of stretches of the output, and of notices where something is left out between them. */
interface Stretch {
	from: Position;
	to: Position;
	segments: LogSegments;
}
interface Notice {
	from: Position;
	to: Position;
	text: Uint8Array;
}
type Piece = Stretch | Notice;

/**
 * The log of an attempt on the agent's disk: every line begins with the time at which it began. Output goes here first and is sent
 * from here, so that no outage of the coordinator costs memory, and none but a long one costs a byte.
 *
 * A log may have `maxBytes`. The first three quarters (the head) can be sent as they come; of what follows (the tail) only the last
 * quarter is kept, to be sent at the end behind a notice. What the coordinator has is removed from the disk.
 */
export class LogSpool {
	readonly #head: LogSegments;
	readonly #tail: LogSegments;
	readonly #budget: SpoolBudget;
	readonly #maxBytes: number;
	/** Nothing comes into the log but through this. */
	readonly #masker: Masker;
	/** What of the head can be sent, in order. */
	#pieces: Piece[] = [];
	/** What follows it once nothing more will be written: the tail. */
	#ending: Piece[] = [];
	#end: Position = { at: 0, line: 0 };
	#isAtLineStart = true;
	/** Where the tail begins; null while the head has room. */
	#tailFrom: Position | null = null;
	/** Where the disk has stopped taking the head; null while it takes it. */
	#gapFrom: Position | null = null;
	/** Whether what can be sent ends with a whole line. */
	#isWhole = true;
	/** How much of the log, as it is sent, the coordinator has; and how much it may have: what was read to be sent. */
	#acknowledged = { offset: 0, lines: 0, isWhole: true };
	#handedOut = { offset: 0, lines: 0, isWhole: true };
	/** Writes happen one after the other, whoever they come from. */
	#last: Promise<void> = Promise.resolve();
	#waiting: (() => void)[] = [];
	/** Whether something of the output is left out. */
	isCut = false;
	/** What went wrong with the disk first, and whether the log says all that is missing for it; null if nothing went wrong. */
	fault: { text: string; isSaid: boolean } | null = null;

	/** By which lines are stamped. */
	readonly #now: () => number;

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
		this.#tail = segments.tail;
		this.#budget = budget;
		this.#maxBytes = maxBytes;
		budget.join(this);
	}

	static async create(folder: string, budget: SpoolBudget, maxBytes: number, masker: Masker, now: () => number): Promise<LogSpool> {
		// The tail is bounded by the length of a log; the head alone grows with an outage.
		const head = await LogSegments.create(path.join(folder, "head"), (change) => budget.change(change));
		return new LogSpool(
			{ head, tail: await LogSegments.create(path.join(folder, "tail"), () => undefined) },
			budget,
			maxBytes,
			masker,
			now,
		);
	}

	/** Bytes of the log as it can be sent now. */
	get size(): number {
		return this.#all.reduce((sum, piece) => sum + sizeOf(piece), 0);
	}

	get #all(): Piece[] {
		return this.#ending.length === 0 ? this.#pieces : [...this.#pieces, ...this.#ending];
	}

	/** Where the next byte will be written. */
	get position(): Position {
		return { ...this.#end };
	}

	/** Where a place of the output is in the log as it is sent; what is left out is where its notice is. */
	placeOf({ at, line }: Position): { offset: number; line: number } {
		let offset = 0;
		let lines = 0;
		for (const piece of this.#all) {
			if (at < piece.from.at) break;
			// A notice may have to end an open line first.
			const ended = "text" in piece && piece.text[0] === NEWLINE ? 1 : 0;
			if ("text" in piece && at < piece.to.at) return { offset: offset + ended, line: lines + ended };
			if ("segments" in piece && at <= piece.to.at) return { offset: offset + at - piece.from.at, line: lines + line - piece.from.line };
			offset += sizeOf(piece);
			lines += "segments" in piece ? piece.to.line - piece.from.line : newlinesIn(piece.text);
		}
		return { offset, line: lines };
	}

	/** Adds output as it came; of the bytes of the job only secrets are changed. */
	async write(bytes: Uint8Array): Promise<void> {
		await this.#queue(() => this.#take(this.#masker.push(bytes)));
		await this.#budget.keep();
	}

	/** Adds a line of the agent's own, on a line of its own. */
	say(text: string): Promise<void> {
		// What may be the beginning of a secret stays held back: its rest may follow.
		return this.#queue(() => this.#take(Buffer.from(`${this.#isAtLineStart ? "" : "\n"}${this.#masker.text(text)}\n`)));
	}

	/** Ends a last line that the job left open. */
	endLine(): Promise<void> {
		return this.#queue(async () => {
			await this.#take(this.#masker.flush());
			if (!this.#isAtLineStart) await this.#take(Buffer.from("\n"));
		});
	}

	/** Nothing more will be written: what was kept of the end can be sent, too. */
	seal(): Promise<void> {
		return this.#queue(async () => {
			await this.#take(this.#masker.flush());
			this.#endGap();
			if (this.#tailFrom) await this.#releaseTail(this.#tailFrom);
			this.#wake();
		});
	}

	/** At most `limit` bytes of the log as it is sent, from `offset` on; they must not have been acknowledged. */
	read(offset: number, limit: number): Promise<Uint8Array> {
		return this.#withTurn(async () => {
			const parts: Uint8Array[] = [];
			let pieceAt = 0;
			for (const piece of this.#all) {
				const from = Math.max(0, offset - pieceAt);
				const end = Math.min(sizeOf(piece), offset + limit - pieceAt);
				pieceAt += sizeOf(piece);
				if (from >= end) continue;
				parts.push("text" in piece ? piece.text.subarray(from, end) : await piece.segments.read(piece.from.at + from, end - from));
			}
			const bytes = Buffer.concat(parts);
			if (offset === this.#acknowledged.offset) this.#handedOut = further(this.#acknowledged, bytes);
			return bytes;
		});
	}

	/** The coordinator has these bytes, the next in order: they need not be kept any longer. */
	acknowledge(bytes: Uint8Array): Promise<void> {
		return this.#queue(async () => {
			this.#acknowledged = further(this.#acknowledged, bytes);
			const { to } = this.#upTo(this.#acknowledged);
			await this.#head.removeBefore(to.at);
			await this.#tail.removeBefore(to.at);
		});
	}

	/** Gives up what is unsent: there is no room for it. */
	dropUnsent(): Promise<void> {
		return this.#queue(() => this.#drop());
	}

	/** Everything of the head that was not read to be sent; what was may have arrived. The tail is kept. */
	async #drop(): Promise<void> {
		const sent = this.#handedOut.offset > this.#acknowledged.offset ? this.#handedOut : this.#acknowledged;
		const { pieces, to } = this.#upTo(sent);
		const headEnd = this.#headEnd;
		const lost = headEnd.at - to.at;
		if (lost <= 0) return;
		await this.#head.removeFrom(to.at);
		this.#pieces = pieces;
		this.#gapFrom = null;
		const last = pieces.at(-1);
		this.#isWhole = sent.isWhole || (last !== undefined && "text" in last);
		const why = "the coordinator could not be reached, and there was no more room for logs";
		this.#pieces.push(this.#notice(to, headEnd, `${formatBytes(lost)} are left out here: ${why}`));
		// Whatever comes next begins a line, so that every line has its time.
		if (headEnd.at === this.#end.at) this.#isAtLineStart = true;
	}

	/** Where the head ends: where the tail begins, or for now where the output does. */
	get #headEnd(): Position {
		return this.#tailFrom ?? this.#ending[0]?.from ?? this.position;
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
	async settled(): Promise<void> {
		await this.#last;
	}

	async close(): Promise<void> {
		this.#budget.leave(this);
		await this.#queue(async () => {
			await this.#head.removeAll();
			await this.#tail.removeAll();
		});
	}

	/** Never fails: a job goes on without its log where the disk fails, and the log is known to be incomplete. */
	async #queue(task: () => Promise<void>): Promise<void> {
		try {
			await this.#withTurn(task);
		} catch (error) {
			this.isCut = true;
			this.fault = { text: (error as Error).message, isSaid: false };
			say("error", `a log cannot be kept: ${(error as Error).message}`);
		}
	}

	#withTurn<Value>(task: () => Promise<Value>): Promise<Value> {
		const result = this.#last.then(task);
		this.#last = result.then(
			() => undefined,
			() => undefined,
		);
		return result;
	}

	async #take(output: Uint8Array): Promise<void> {
		if (output.byteLength === 0) return;
		const startsLine = this.#isAtLineStart;
		const bytes = this.#stamped(output);
		const room = this.#tailFrom ? 0 : Math.max(0, this.#headBytes - this.size);
		const head = bytes.subarray(0, room);
		if (head.byteLength > 0) await this.#keepHead(head, startsLine);
		if (bytes.byteLength > room) await this.#keepTail(bytes.subarray(room), head.byteLength > 0 ? false : startsLine);
		this.#wake();
	}

	get #headBytes(): number {
		return Math.floor((this.#maxBytes * 3) / 4) - NOTICE_BYTES;
	}

	get #tailBytes(): number {
		return Math.floor(this.#maxBytes / 4);
	}

	async #keepHead(bytes: Uint8Array, startsLine: boolean): Promise<void> {
		// After a gap the log goes on with a whole line.
		const from = this.#gapFrom && !startsLine ? bytes.indexOf(NEWLINE) + 1 || bytes.byteLength : 0;
		if (from > 0) this.#advance(bytes.subarray(0, from));
		const kept = bytes.subarray(from);
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
		const last = this.#pieces.at(-1);
		if (last && "segments" in last && last.to.at === start.at) last.to = this.position;
		else this.#pieces.push({ from: start, to: this.position, segments: this.#head });
		this.#isWhole = kept.at(-1) === NEWLINE;
	}

	async #keepTail(bytes: Uint8Array, startsLine: boolean): Promise<void> {
		this.#endGap();
		this.#tailFrom ??= this.position;
		// The tail has no gaps: where the disk fails it begins anew, with a whole line.
		const isMissing = this.#tail.start === null && this.#end.at > this.#tailFrom.at;
		const from = isMissing && !startsLine ? bytes.indexOf(NEWLINE) + 1 || bytes.byteLength : 0;
		this.#advance(bytes.subarray(0, from));
		const kept = bytes.subarray(from);
		if (kept.byteLength === 0) return;
		try {
			await this.#tail.append(this.#end.at, kept);
		} catch (error) {
			this.#recordError(error);
			await this.#tail.removeAll();
		}
		this.#advance(kept);
		await this.#tail.removeBefore(this.#end.at - this.#tailBytes);
	}

	#recordError(error: unknown): void {
		if (!this.isCut) say("error", `a log cannot be written: ${(error as Error).message}`);
		this.isCut = true;
		this.fault ??= { text: (error as Error).message, isSaid: true };
	}

	#advance(bytes: Uint8Array): void {
		this.#end = { at: this.#end.at + bytes.byteLength, line: this.#end.line + newlinesIn(bytes) };
	}

	/** Says what the disk has not taken, now that it takes something again or nothing more will come. */
	#endGap(): void {
		const from = this.#gapFrom;
		this.#gapFrom = null;
		if (!from) return;
		const lost = formatBytes(this.#end.at - from.at);
		this.#pieces.push(this.#notice(from, this.position, `${lost} are left out here: the agent's disk did not take them`));
	}

	async #releaseTail(from: Position): Promise<void> {
		this.#tailFrom = null;
		const start = this.#tail.start;
		if (start === from.at && this.#end.at - from.at <= this.#tailBytes) {
			this.#ending = [{ from, to: this.position, segments: this.#tail }];
			return;
		}
		const sentence = (lost: number) => `${formatBytes(lost)} are left out here: the log is longer than ${formatBytes(this.#maxBytes)}`;
		if (start === null) {
			this.#ending = [this.#notice(from, this.position, sentence(this.#end.at - from.at))];
			return;
		}
		// What is on the disk is a little more: it goes in whole segments.
		const most = Math.max(start, this.#end.at - this.#tailBytes);
		const before = newlinesIn(await this.#tail.read(start, most - start));
		// The first line that is kept whole; of one that is very long the rest is kept as it is, with a time of its own.
		const newline = (await this.#tail.read(most, Math.min(LINE_LOOK_BYTES, Math.floor(this.#tailBytes / 4)))).indexOf(NEWLINE);
		const kept = { at: most + newline + 1, line: this.#end.line - this.#tail.lines + before + (newline === -1 ? 0 : 1) };
		const notice = this.#notice(from, kept, sentence(kept.at - from.at), newline === -1 ? this.#stamp() : "");
		this.#ending = [notice, { from: kept, to: this.position, segments: this.#tail }];
	}

	/** A notice, on a line of its own, where something is left out. */
	#notice(from: Position, to: Position, sentence: string, after = ""): Notice {
		this.isCut = true;
		const text = Buffer.from(`${this.#isWhole ? "" : "\n"}${this.#stamp()}:: ${sentence}\n${after}`);
		this.#isWhole = true;
		return { from, to, text };
	}

	/** What of the head lies before a place of the log as it is sent, and which place of the output that is. */
	#upTo(sent: { offset: number; lines: number }): { pieces: Piece[]; to: Position } {
		const pieces: Piece[] = [];
		let { offset: left, lines } = sent;
		let to: Position = { at: 0, line: 0 };
		for (const piece of this.#all) {
			if (left <= 0) break;
			// A notice of which a part was sent is kept whole.
			const isAll = "text" in piece || left >= sizeOf(piece);
			to = isAll ? piece.to : { at: piece.from.at + left, line: piece.from.line + lines };
			if (this.#pieces.includes(piece)) pieces.push({ ...piece, to });
			lines -= "text" in piece ? newlinesIn(piece.text) : to.line - piece.from.line;
			left -= sizeOf(piece);
		}
		return { pieces, to };
	}

	#stamp(): string {
		return `${new Date(this.#now()).toISOString()} `;
	}

	#wake(): void {
		for (const wake of this.#waiting.splice(0)) wake();
	}

	#stamped(bytes: Uint8Array): Uint8Array {
		const parts: Uint8Array[] = [];
		const prefix = Buffer.from(this.#stamp());
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

/** How far the log goes with these bytes after it. */
function further(known: { offset: number; lines: number }, bytes: Uint8Array): { offset: number; lines: number; isWhole: boolean } {
	return {
		offset: known.offset + bytes.byteLength,
		lines: known.lines + newlinesIn(bytes),
		isWhole: bytes.byteLength === 0 || bytes.at(-1) === NEWLINE,
	};
}

function sizeOf(piece: Piece): number {
	return "text" in piece ? piece.text.byteLength : piece.to.at - piece.from.at;
}
