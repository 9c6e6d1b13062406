import { LineBuffer } from "./line_buffer.ts";

const NEWLINE = 10;
/**
 * How long a line may stay incomplete before it is shown, and the pause between two updates of it.
 */
const SHOWN_EVERY_MS = 250;

/**
 * The incomplete last line of a followed log (a prompt, a progress bar): shown a few times a second
 * while it grows.
 */
export class OpenLine {
	readonly #line = new LineBuffer();
	readonly #show: (line: LineBuffer) => Promise<void>;
	#timer: ReturnType<typeof setTimeout> | null = null;
	#isShowing = false;

	/** @param show sends an update of the line; the next update waits until it is done */
	constructor(show: (line: LineBuffer) => Promise<void>) {
		this.#show = show;
	}

	/** Adds bytes of the log. Complete lines are not shown here. */
	push(bytes: Uint8Array): void {
		const newline = bytes.lastIndexOf(NEWLINE);
		if (newline !== -1) this.stop();
		this.#line.push(bytes.subarray(newline + 1));
		if (!this.#line.isEmpty) this.#timer ??= setTimeout(() => this.#showNow(), SHOWN_EVERY_MS);
	}

	/** Stops the updates of this line. */
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
		// A disconnected client fails the write of the next line.
		void this.#show(this.#line)
			.catch(() => undefined)
			.finally(() => {
				this.#isShowing = false;
			});
	}
}
