import { STAMP_BYTES } from "../../schema/text/time_stamp.ts";
import { joined } from "../../schema/wire/bytes.ts";

const RETURN = 13;
/** Of a longer line only the beginning is shown; where it was overwritten, the beginning of what it says now. */
const MAX_SHOWN_BYTES = 16 * 1024;

/** The beginning of a text that comes in pieces, and how long all of it is. */
class Beginning {
	readonly #parts: Uint8Array[] = [];
	readonly #limit: number;
	#kept = 0;
	size = 0;

	constructor(limit: number) {
		this.#limit = limit;
	}

	push(bytes: Uint8Array): void {
		const kept = bytes.subarray(0, this.#limit - this.#kept);
		if (kept.byteLength > 0) this.#parts.push(kept.slice());
		this.#kept += kept.byteLength;
		this.size += bytes.byteLength;
	}

	get bytes(): Uint8Array {
		return joined(this.#parts);
	}

	/** What is to be said of the rest. */
	get more(): string {
		return this.size > this.#kept ? ` … (${this.size - this.#kept} more bytes in this line)` : "";
	}
}

/**
 * One line of a log as it is shown, with bounded memory: a line that is overwritten again and again (a progress bar) may be very
 * long, and only what follows its last carriage return counts.
 */
export class LineBuffer {
	#all = new Beginning(MAX_SHOWN_BYTES);
	/** What follows the last carriage return that anything follows; null if nothing was overwritten. */
	#latest: Beginning | null = null;
	#endsWithReturn = false;
	readonly #decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

	get isEmpty(): boolean {
		return this.#all.size === 0;
	}

	/** Adds bytes of the line. */
	push(bytes: Uint8Array): void {
		if (bytes.byteLength === 0) return;
		this.#all.push(bytes);
		let end = bytes.byteLength;
		while (end > 0 && bytes[end - 1] === RETURN) end -= 1;
		if (end > 0) {
			const text = bytes.subarray(0, end);
			const lastReturn = text.lastIndexOf(RETURN);
			if (lastReturn !== -1 || this.#endsWithReturn) this.#latest = new Beginning(MAX_SHOWN_BYTES - STAMP_BYTES);
			this.#latest?.push(text.subarray(lastReturn + 1));
		}
		this.#endsWithReturn = end < bytes.byteLength;
	}

	/** The line with all that was overwritten in it, unless it is too long for that. */
	get text(): string {
		if (this.#latest && this.#all.size > MAX_SHOWN_BYTES) return this.latest;
		return this.#decoder.decode(this.#all.bytes) + this.#all.more;
	}

	/** The line as it is now: its time, and what follows its last carriage return. */
	get latest(): string {
		if (!this.#latest) return this.text.replace(/\r+$/, "");
		const stamp = this.#all.bytes.subarray(0, STAMP_BYTES);
		return this.#decoder.decode(joined([stamp, this.#latest.bytes])) + this.#latest.more;
	}

	clear(): void {
		this.#all = new Beginning(MAX_SHOWN_BYTES);
		this.#latest = null;
		this.#endsWithReturn = false;
	}
}
