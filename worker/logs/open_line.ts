import { LineBuffer } from "./line_buffer.ts";

const NEWLINE = 10;
/** How long a line may stay open before it is told, and then between one state of it and the next. */
const TOLD_EVERY_MS = 250;

/** The line at the end of a followed log that has no newline yet (a prompt, a progress bar): told while it grows, a few times a second. */
export class OpenLine {
	readonly #line = new LineBuffer();
	readonly #tell: (line: LineBuffer) => Promise<void>;
	#timer: ReturnType<typeof setTimeout> | null = null;
	#isTelling = false;

	/** @param tell what is done with a state of the line; no other is told before it is done */
	constructor(tell: (line: LineBuffer) => Promise<void>) {
		this.#tell = tell;
	}

	/** Takes more of the log. Whole lines are not told. */
	push(bytes: Uint8Array): void {
		const newline = bytes.lastIndexOf(NEWLINE);
		if (newline !== -1) this.stop();
		this.#line.push(bytes.subarray(newline + 1));
		if (!this.#line.isEmpty) this.#timer ??= setTimeout(() => this.#tellNow(), TOLD_EVERY_MS);
	}

	/** Tells nothing more of this line. */
	stop(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
		this.#line.clear();
	}

	#tellNow(): void {
		this.#timer = null;
		if (this.#isTelling) {
			this.#timer = setTimeout(() => this.#tellNow(), TOLD_EVERY_MS);
			return;
		}
		this.#isTelling = true;
		// A reader that has gone away is found by whoever writes the next line.
		void this.#tell(this.#line)
			.catch(() => undefined)
			.finally(() => {
				this.#isTelling = false;
			});
	}
}
