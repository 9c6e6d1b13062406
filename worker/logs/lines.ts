import { LineBuffer } from "./line_buffer.ts";

const NEWLINE = 10;
/** Longer lines are split, which bounds memory. */
const MAX_LINE_BYTES = 256 * 1024;

/** Complete lines of a log, and the offset of the next line. */
export interface LineBatch {
	lines: string[];
	nextOffset: number;
}

/**
 * Splits the chunks of a log into complete lines. Bytes that are not UTF-8 appear as U+FFFD; the
 * stored log keeps them.
 */
export class LineSplitter {
	#rest = new Uint8Array();
	#offset: number;
	readonly #decoder = new TextDecoder();

	constructor(offset: number) {
		this.#offset = offset;
	}

	/** The lines that this chunk completes; null if it completes none. */
	push(bytes: Uint8Array): LineBatch | null {
		const all = new Uint8Array(this.#rest.byteLength + bytes.byteLength);
		all.set(this.#rest);
		all.set(bytes, this.#rest.byteLength);
		const end = all.lastIndexOf(NEWLINE) + 1 || (all.byteLength >= MAX_LINE_BYTES ? all.byteLength : 0);
		this.#rest = all.slice(end);
		return end === 0 ? null : this.#batch(all.subarray(0, end));
	}

	/** The last line, when the log ends without a newline. */
	flush(): LineBatch | null {
		const rest = this.#rest;
		this.#rest = new Uint8Array();
		return rest.byteLength === 0 ? null : this.#batch(rest);
	}

	#batch(bytes: Uint8Array): LineBatch {
		this.#offset += bytes.byteLength;
		const lines = this.#decoder.decode(bytes).split("\n");
		if (lines.at(-1) === "") lines.pop();
		return { lines, nextOffset: this.#offset };
	}
}

/** The same for pages: a line that is too long is truncated, with the number of missing bytes. */
export class ShownLineSplitter {
	readonly #line = new LineBuffer();
	/** The offset of the incomplete line. */
	#lineStart: number;
	#at: number;

	constructor(offset: number) {
		this.#lineStart = offset;
		this.#at = offset;
	}

	/** The lines that this chunk completes; null if it completes none. */
	push(bytes: Uint8Array): LineBatch | null {
		const lines: string[] = [];
		for (let at = 0; at < bytes.byteLength; ) {
			const newline = bytes.indexOf(NEWLINE, at);
			const end = newline === -1 ? bytes.byteLength : newline;
			this.#line.push(bytes.subarray(at, end));
			this.#at += (newline === -1 ? end : end + 1) - at;
			if (newline === -1) break;
			lines.push(this.#take());
			at = newline + 1;
		}
		return lines.length === 0 ? null : { lines, nextOffset: this.#lineStart };
	}

	/** The last line, when the log ends without a newline. */
	flush(): LineBatch | null {
		if (this.#line.isEmpty) return null;
		return { lines: [this.#take()], nextOffset: this.#lineStart };
	}

	#take(): string {
		const { text } = this.#line;
		this.#line.clear();
		this.#lineStart = this.#at;
		return text;
	}
}
