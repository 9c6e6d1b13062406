import { createHash } from "node:crypto";
import type { PrintedLines } from "./printed_lines.ts";

/** What a reading needs to know of its log. */
export interface LogOptions {
	/** Whether a whole log ends with the line `::exit N`, which is not printed. */
	endsWithExit: boolean;
	/**
	 * Whether only whole lines are printed: the rest of a line may come between the lines of other
	 * jobs in another reading.
	 */
	isByLine: boolean;
	/**
	 * Called with the text to print, as it comes; without `isByLine` it may end in the middle of a
	 * line.
	 */
	onText(text: Buffer): void;
}

const NEWLINE = 10;
const NEWLINE_BYTES = Buffer.from("\n");
const EXIT_LINE = /^::exit \d+$/;
/** The beginning of a line that may become `::exit N`. */
const EXIT_BEGUN = /^:(:(e(x(i(t( \d*)?)?)?)?)?)?$/;
/** The first line of each attempt of a job after the first one. */
const ATTEMPT = /^:: attempt \d+$/;
/** The coordinator writes such a line while a job is silent: another reading does not repeat it. */
const STILL = /^:: still /;
/** The coordinator's own lines are not longer than this. */
const OWN_LINE_BYTES = 1_000;

/**
 * One reading of a log from its beginning. It prints only the lines that earlier readings did not
 * print.
 */
export class LogReading {
	readonly #printed: PrintedLines;
	readonly #options: LogOptions;
	readonly #times: Map<number, number>;
	readonly #repeated: Map<string, number>;
	#attempt = "";
	/** The chunks of the line that is being read. */
	#line: Buffer[] = [];
	#size = 0;
	/**
	 * Whether the beginning of that line is printed, and further chunks of it are printed at once.
	 */
	#isPrinting = false;
	/** A line that may be the last. */
	#held: Buffer | null = null;

	constructor(printed: PrintedLines, options: LogOptions) {
		this.#printed = printed;
		this.#options = options;
		this.#times = new Map(printed.times);
		this.#repeated = new Map(printed.repeated);
	}

	push(chunk: Uint8Array): void {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		for (let at = 0; at < bytes.byteLength; ) {
			const newline = bytes.indexOf(NEWLINE, at);
			this.#add(bytes.subarray(at, newline === -1 ? bytes.byteLength : newline));
			if (newline === -1) break;
			this.#endLine(NEWLINE_BYTES);
			at = newline + 1;
		}
		if (this.#size > 0 && !this.#isPrinting) this.#printBegun();
	}

	/** The body has ended. @returns whether the log is whole */
	end(): boolean {
		if (this.#options.endsWithExit) return this.#held !== null && this.#size === 0;
		if (this.#size > 0) this.#endLine(Buffer.alloc(0));
		return true;
	}

	#add(bytes: Buffer): void {
		if (bytes.byteLength === 0) return;
		this.#line.push(bytes);
		this.#size += bytes.byteLength;
		if (!this.#isPrinting) return;
		this.#printed.begun.push(bytes);
		this.#options.onText(bytes);
	}

	#endLine(newline: Buffer): void {
		const line = this.#line;
		const isPrinting = this.#isPrinting;
		const own = this.#size <= OWN_LINE_BYTES ? Buffer.concat(line).toString() : "";
		this.#line = [];
		this.#size = 0;
		this.#isPrinting = false;
		this.#printHeld();
		if (this.#options.endsWithExit && !isPrinting && EXIT_LINE.test(own)) {
			this.#held = line[0] ? Buffer.concat(line) : null;
			return;
		}
		if (ATTEMPT.test(own)) this.#attempt = own;
		if (!this.#isNew(line, own)) return;
		if (isPrinting) this.#options.onText(newline);
		else this.#options.onText(Buffer.concat([this.#afterBegun(Buffer.concat(line)), newline]));
		this.#printed.begun = [];
	}

	/** Another line follows, so the held line is the job's own. */
	#printHeld(): void {
		const held = this.#held;
		this.#held = null;
		if (held && this.#isNew([held], held.toString())) this.#options.onText(Buffer.concat([held, NEWLINE_BYTES]));
	}

	/** Prints the beginning of a line whose end may take long to come. */
	#printBegun(): void {
		if (this.#options.isByLine) return;
		// Only a whole line can be recognized as a printed one.
		if ((this.#repeated.get(this.#attempt) ?? 0) > 0) return;
		if (this.#size < this.#printed.begun.reduce((sum, { byteLength }) => sum + byteLength, 0)) return;
		const begun = Buffer.concat(this.#line);
		if (this.#options.endsWithExit && this.#size < OWN_LINE_BYTES && EXIT_BEGUN.test(begun.toString())) return;
		this.#printHeld();
		const text = this.#afterBegun(begun);
		this.#line = [begun];
		this.#printed.begun = [begun];
		this.#isPrinting = true;
		if (text.byteLength > 0) this.#options.onText(text);
	}

	/** The rest of a line whose beginning an earlier reading may have printed. */
	#afterBegun(line: Buffer): Buffer {
		const begun = Buffer.concat(this.#printed.begun);
		if (line.subarray(0, begun.byteLength).equals(begun)) return line.subarray(begun.byteLength);
		return Buffer.concat([NEWLINE_BYTES, line]);
	}

	/** Whether a line is not printed yet; a new line is recorded as printed. */
	#isNew(line: readonly Buffer[], own: string): boolean {
		const hash = createHash("sha1").update(`${this.#attempt}\n`);
		for (const part of line) hash.update(part);
		const digest = hash.digest().readUIntBE(0, 6);
		const times = this.#times.get(digest) ?? 0;
		const isStill = STILL.test(own);
		if (times === 0) this.#printed.add(digest, isStill ? null : this.#attempt);
		else {
			this.#times.set(digest, times - 1);
			if (!isStill) this.#repeated.set(this.#attempt, (this.#repeated.get(this.#attempt) ?? 0) - 1);
		}
		return times === 0;
	}
}
