import type { LogFormat } from "../wire/log_formats.ts";
import { AnsiStripper } from "./ansi.ts";
import { NEWLINE } from "./lines.ts";
import { STAMP_BYTES } from "./time_stamp.ts";

/**
 * Removes the time stamps, and for `clean` the terminal sequences, from a log that arrives in
 * chunks. A stamp or sequence may continue in the next chunk; nothing else is held back.
 */
export class LogFormatter {
	readonly #stripper: AnsiStripper | null;
	#stampLeft = STAMP_BYTES;

	constructor(format: Exclude<LogFormat, "text">) {
		this.#stripper = format === "clean" ? new AnsiStripper() : null;
	}

	push(bytes: Uint8Array): Uint8Array {
		// A byte that was held back may be added to these.
		const out = new Uint8Array(bytes.byteLength + 1);
		let size = 0;
		const put = (part: Uint8Array) => {
			out.set(part, size);
			size += part.byteLength;
		};
		for (let at = 0; at < bytes.byteLength; ) {
			const skipped = Math.min(this.#stampLeft, bytes.byteLength - at);
			this.#stampLeft -= skipped;
			at += skipped;
			const newline = bytes.indexOf(NEWLINE, at);
			const end = newline === -1 ? bytes.byteLength : newline;
			const text = bytes.subarray(at, end);
			put(this.#stripper?.push(text) ?? text);
			at = end;
			if (newline === -1) continue;
			put(this.flush());
			put(bytes.subarray(newline, newline + 1));
			at = newline + 1;
			this.#stampLeft = STAMP_BYTES;
		}
		return out.subarray(0, size);
	}

	/** The bytes that were held back, at the end of a line or of the log. */
	flush(): Uint8Array {
		return this.#stripper?.end() ?? new Uint8Array();
	}
}
