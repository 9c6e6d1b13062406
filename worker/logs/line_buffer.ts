import { STAMP_BYTES } from "../../schema/text/log_formatter.ts";
import { joined } from "../../schema/wire/bytes.ts";

const RETURN = 13;
/**
 * Longer lines are truncated. Of an overwritten line, the beginning of its current text is shown.
 */
const MAX_SHOWN_BYTES = 16 * 1024;

/** The beginning of a text that arrives in chunks, and the size of the whole text. */
class Beginning {
	readonly #parts: Uint8Array[] = [];
	readonly #limit: number;
	#storedBytes = 0;
	size = 0;

	constructor(limit: number) {
		this.#limit = limit;
	}

	push(bytes: Uint8Array): void {
		const stored = bytes.subarray(0, this.#limit - this.#storedBytes);
		if (stored.byteLength > 0) this.#parts.push(stored.slice());
		this.#storedBytes += stored.byteLength;
		this.size += bytes.byteLength;
	}

	get bytes(): Uint8Array {
		return joined(this.#parts);
	}

	/** The notice about the rest of the text. */
	get more(): string {
		return this.size > this.#storedBytes ? ` … (${this.size - this.#storedBytes} more bytes in this line)` : "";
	}
}

/**
 * One line of a log as a page shows it, in bounded memory. A progress bar overwrites its line many
 * times; only the text after the last carriage return is shown.
 */
export class LineBuffer {
	#all = new Beginning(MAX_SHOWN_BYTES);
	/** The text after the last carriage return within the line; null if nothing was overwritten. */
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

	/** The line with its overwritten text, unless that is too long. */
	get text(): string {
		if (this.#latest && this.#all.size > MAX_SHOWN_BYTES) return this.latest;
		return this.#decoder.decode(this.#all.bytes) + this.#all.more;
	}

	/** The current line: its time, and the text after its last carriage return. */
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
