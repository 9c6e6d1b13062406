import { diskError, type FreeSpace } from "./disk_space.ts";
import type { JsonLog } from "./json_log.ts";

const INTERVAL_MS = 10_000;

/**
 * Notifies the Worker when the disk becomes too full to accept anything new, and when there is room
 * again.
 */
export class DiskWatch {
	readonly #folder: string;
	readonly #least: FreeSpace;
	readonly #log: JsonLog;
	/**
	 * The last reported error; null: enough space; undefined: nothing was reported to this workerd.
	 */
	#reported: string | null | undefined;
	#timer: NodeJS.Timeout | undefined;

	constructor(folder: string, least: FreeSpace, log: JsonLog) {
		this.#folder = folder;
		this.#least = least;
		this.#log = log;
	}

	/** workerd was restarted and has lost the last report. */
	reset(): void {
		this.#reported = undefined;
	}

	/**
	 * Checks the disk now and then at intervals.
	 * @param report sends the error, or null, to the Worker
	 */
	async start(report: (error: string | null) => Promise<unknown>): Promise<void> {
		await this.#check(report);
		this.#timer = setInterval(() => {
			this.#check(report).catch((error) => this.#log.write("warn", "the free disk space cannot be read", { error: String(error) }));
		}, INTERVAL_MS);
	}

	stop(): void {
		clearInterval(this.#timer);
	}

	async #check(report: (error: string | null) => Promise<unknown>): Promise<void> {
		const error = await diskError(this.#folder, this.#least);
		if (error === null && this.#reported === null) return;
		await report(error);
		const wasFull = (this.#reported ?? null) !== null;
		if ((error !== null) !== wasFull) this.#log.write("warn", error ?? "there is room on the disk again");
		this.#reported = error;
	}
}
