import type { LogFormat } from "../../schema/wire/log_formats.ts";

/** Every line begins with a time stamp and a blank: `2026-01-02T03:04:05.678Z `. */
export const STAMP_BYTES = 25;

const NEWLINE = 10;
const ESCAPE = 0x1b;
const BELL = 7;

/**
 * Cuts the time stamps, and for `clean` the ANSI sequences, from a log that comes in pieces. A byte machine: what a piece
 * breaks apart (a stamp, an escape sequence) goes on in the next.
 */
export class LogFormatter {
	readonly #isClean: boolean;
	#stampLeft = STAMP_BYTES;
	#escape: "none" | "start" | "csi" | "osc" | "osc_end" = "none";

	constructor(format: Exclude<LogFormat, "text">) {
		this.#isClean = format === "clean";
	}

	push(bytes: Uint8Array): Uint8Array {
		return this.#isClean ? this.#pushClean(bytes) : this.#pushRaw(bytes);
	}

	/** Line by line: nothing but the stamps goes. */
	#pushRaw(bytes: Uint8Array): Uint8Array {
		const out = new Uint8Array(bytes.byteLength);
		let size = 0;
		for (let at = 0; at < bytes.byteLength; ) {
			const skipped = Math.min(this.#stampLeft, bytes.byteLength - at);
			this.#stampLeft -= skipped;
			at += skipped;
			const newline = bytes.indexOf(NEWLINE, at);
			const end = newline === -1 ? bytes.byteLength : newline + 1;
			out.set(bytes.subarray(at, end), size);
			size += end - at;
			if (newline !== -1) this.#stampLeft = STAMP_BYTES;
			at = end;
		}
		return out.subarray(0, size);
	}

	#pushClean(bytes: Uint8Array): Uint8Array {
		const out = new Uint8Array(bytes.byteLength);
		let size = 0;
		for (const byte of bytes) {
			if (this.#stampLeft > 0) {
				this.#stampLeft -= 1;
				continue;
			}
			if (byte === NEWLINE) {
				this.#stampLeft = STAMP_BYTES;
				this.#escape = "none";
			} else if (this.#isEscaped(byte)) continue;
			out[size] = byte;
			size += 1;
		}
		return out.subarray(0, size);
	}

	/** Whether the byte belongs to an escape sequence (ECMA-48: CSI, OSC, and the two-byte ones). */
	#isEscaped(byte: number): boolean {
		switch (this.#escape) {
			case "none":
				if (byte !== ESCAPE) return false;
				this.#escape = "start";
				return true;
			case "start":
				this.#escape = byte === 0x5b ? "csi" : byte === 0x5d ? "osc" : "none";
				return true;
			case "csi":
				if (byte >= 0x40 && byte <= 0x7e) this.#escape = "none";
				return true;
			case "osc":
				if (byte === BELL) this.#escape = "none";
				else if (byte === ESCAPE) this.#escape = "osc_end";
				return true;
			case "osc_end":
				this.#escape = "none";
				return true;
		}
	}
}
