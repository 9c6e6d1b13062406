import { formatBytes } from "../../../schema/wire/bytes.ts";

/** Stands for a byte of a time: whatever the time is, a stamp is as long. */
const TIME_BYTE = 0;
const STAMP = Buffer.alloc(25, TIME_BYTE);
const NOTHING = Buffer.alloc(0);
const NEWLINE = 10;
const NOTICE_BYTES = 1024;
const LINE_LOOK_BYTES = 1024 * 1024;

/** A stretch of the log, and the stretch of the output that it stands for: as it is, or by saying that it is left out. */
interface Piece {
	kind: "output" | "notice";
	from: number;
	to: number;
	bytes: Buffer;
}

/**
 * What a spool promises, without a disk: the log is the output with a time before each line. It is never longer than it may be: of what
 * is too much the middle is left out; and what is given up unsent is left out where it would have been. Each byte of the output is in the
 * log, or is counted by exactly one notice.
 */
export class SpoolModel {
	readonly #maxBytes: number;
	#pieces: Piece[] = [];
	/** What follows once nothing more will be written. */
	#ending: Piece[] = [];
	/** Bytes of the output so far, with their times. */
	#end = 0;
	#isAtLineStart = true;
	/** What follows a head that is full; null while it has room. */
	#tail: { from: number; bytes: Buffer[] } | null = null;
	#acknowledged = 0;
	/** How far the log was read to be sent. */
	#handedOut = 0;
	isCut = false;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	get log(): Buffer {
		return Buffer.concat([...this.#pieces, ...this.#ending].map(({ bytes }) => bytes));
	}

	get acknowledged(): number {
		return this.#acknowledged;
	}

	write(output: Buffer): void {
		const bytes = this.#stamped(output);
		const headBytes = Math.floor((this.#maxBytes * 3) / 4) - NOTICE_BYTES;
		const room = this.#tail ? 0 : Math.max(0, headBytes - this.log.byteLength);
		const head = bytes.subarray(0, room);
		const tail = bytes.subarray(room);
		if (head.byteLength > 0) this.#pieces.push({ kind: "output", from: this.#end, to: this.#end + head.byteLength, bytes: head });
		if (tail.byteLength > 0) {
			this.#tail ??= { from: this.#end + head.byteLength, bytes: [] };
			this.#tail.bytes.push(tail);
		}
		this.#end += bytes.byteLength;
	}

	say(text: string): void {
		this.write(Buffer.from(`${this.#isAtLineStart ? "" : "\n"}${text}\n`));
	}

	endLine(): void {
		if (!this.#isAtLineStart) this.write(Buffer.from("\n"));
	}

	acknowledge(bytes: number): void {
		this.#acknowledged += bytes;
	}

	handOut(bytes: number): void {
		this.#handedOut = this.#acknowledged + bytes;
	}

	/** Of a tail that is longer than a quarter the last quarter is kept, from a whole line on. */
	seal(): void {
		if (!this.#tail) return;
		const { from } = this.#tail;
		const bytes = Buffer.concat(this.#tail.bytes);
		this.#tail = null;
		const most = Math.floor(this.#maxBytes / 4);
		const tooMuch = bytes.byteLength - most;
		if (tooMuch <= 0) {
			this.#ending = [{ kind: "output", from, to: this.#end, bytes }];
			return;
		}
		const newline = bytes.subarray(tooMuch, tooMuch + Math.min(LINE_LOOK_BYTES, Math.floor(most / 4))).indexOf(NEWLINE);
		const start = tooMuch + newline + 1;
		const notice = this.#leftOut(
			from,
			from + start,
			`the log is longer than ${formatBytes(this.#maxBytes)}`,
			newline === -1 ? STAMP : NOTHING,
		);
		this.#ending = [notice, { kind: "output", from: from + start, to: this.#end, bytes: bytes.subarray(start) }];
	}

	/** What was read to be sent stays, and of a notice the whole; so does the tail. */
	drop(): void {
		const kept: Piece[] = [];
		let left = Math.max(this.#acknowledged, this.#handedOut);
		for (const piece of [...this.#pieces, ...this.#ending]) {
			if (left <= 0) break;
			const taken = piece.kind === "notice" ? piece.bytes.byteLength : Math.min(left, piece.bytes.byteLength);
			kept.push({ ...piece, to: piece.kind === "notice" ? piece.to : piece.from + taken, bytes: piece.bytes.subarray(0, taken) });
			left -= piece.bytes.byteLength;
		}
		const from = kept.at(-1)?.to ?? 0;
		const headEnd = this.#tail?.from ?? this.#ending[0]?.from ?? this.#end;
		if (from >= headEnd) return;
		this.#pieces = kept;
		this.#pieces.push(this.#leftOut(from, headEnd, "the coordinator could not be reached, and there was no more room for logs"));
		if (headEnd === this.#end) this.#isAtLineStart = true;
	}

	#leftOut(from: number, to: number, why: string, after = NOTHING): Piece {
		const log = Buffer.concat(this.#pieces.map(({ bytes }) => bytes));
		const isWhole = log.byteLength === 0 || log.at(-1) === NEWLINE;
		const text = `:: ${formatBytes(to - from)} are left out here: ${why}\n`;
		const bytes = Buffer.concat([Buffer.from(isWhole ? "" : "\n"), STAMP, Buffer.from(text), after]);
		this.isCut = true;
		return { kind: "notice", from, to, bytes };
	}

	#stamped(output: Buffer): Buffer {
		const parts: Buffer[] = [];
		for (let at = 0; at < output.byteLength; ) {
			if (this.#isAtLineStart) parts.push(STAMP);
			const newline = output.indexOf(NEWLINE, at);
			const end = newline === -1 ? output.byteLength : newline + 1;
			parts.push(output.subarray(at, end));
			this.#isAtLineStart = newline !== -1;
			at = end;
		}
		return Buffer.concat(parts);
	}
}

const TIME_CHARACTERS = new Set(Buffer.from("0123456789-:.TZ "));

/** The first place at which bytes are not what the model says; null if they are. */
export function firstDifference(bytes: Uint8Array, model: Uint8Array): number | null {
	const length = Math.max(bytes.byteLength, model.byteLength);
	for (let at = 0; at < length; at += 1) {
		const byte = bytes[at];
		const isRight = model[at] === TIME_BYTE ? byte !== undefined && TIME_CHARACTERS.has(byte) : byte === model[at];
		if (!isRight) return at;
	}
	return null;
}
