import { LineBuffer } from "./line_buffer.ts";

const NEWLINE = 10;
/** How long a line may stay open before it is shown, and the pause between two states of it. */
const SHOWN_EVERY_MS = 250;

/** The line at the end of a followed log that has no newline yet (a prompt, a progress bar): shown while it grows, a few times a second. */
export class OpenLine {
	readonly #line = new LineBuffer();
	readonly #show: (line: LineBuffer) => Promise<void>;
	#timer: ReturnType<typeof setTimeout> | null = null;
	#isShowing = false;

	/** @param show takes a state of the line; the next one waits until it is done */
	constructor(show: (line: LineBuffer) => Promise<void>) {
		this.#show = show;
	}

	/** Takes more of the log. Whole lines are not shown. */
	push(bytes: Uint8Array): void {
		const newline = bytes.lastIndexOf(NEWLINE);
		if (newline !== -1) this.stop();
		this.#line.push(bytes.subarray(newline + 1));
		if (!this.#line.isEmpty) this.#timer ??= setTimeout(() => this.#showNow(), SHOWN_EVERY_MS);
	}

	/** Shows nothing more of this line. */
	stop(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
		this.#line.clear();
	}

	#showNow(): void {
		this.#timer = null;
		if (this.#isShowing) {
			this.#timer = setTimeout(() => this.#showNow(), SHOWN_EVERY_MS);
			return;
		}
		this.#isShowing = true;
		// A reader that has gone away is found by whoever writes the next line.
		void this.#show(this.#line)
			.catch(() => undefined)
			.finally(() => {
				this.#isShowing = false;
			});
	}
}
