import type { Masker } from "../log/masker.ts";
import type { Output } from "../processes/start_process.ts";

/** A longer line is written in parts: the step may never end it. */
const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * The output of a step that runs beside others: whole lines, each with the name of its step before
 * it. Secrets are hidden first, because a prefix in the middle of one would show its parts.
 */
export class PrefixedOutput implements Output {
	readonly #prefix: Buffer;
	readonly #masker: Masker;
	readonly #destination: Output;
	#open: Buffer = Buffer.alloc(0);

	/** @param masker a stream of its own (Masker.branch) */
	constructor(prefix: string, masker: Masker, destination: Output) {
		this.#prefix = Buffer.from(prefix);
		this.#masker = masker;
		this.#destination = destination;
	}

	async write(bytes: Uint8Array): Promise<void> {
		await this.#add(this.#masker.push(bytes));
	}

	/** The step has ended: writes the line that it left open. */
	async end(): Promise<void> {
		await this.#add(this.#masker.flush());
		if (this.#open.byteLength > 0) await this.#add(Buffer.of(NEWLINE));
	}

	async #add(bytes: Uint8Array): Promise<void> {
		const all = Buffer.concat([this.#open, bytes]);
		const parts: Buffer[] = [];
		let from = 0;
		while (from < all.byteLength) {
			const newline = all.indexOf(NEWLINE, from);
			const end = newline === -1 ? null : newline + 1;
			if (end === null && all.byteLength - from < MAX_LINE_BYTES) break;
			const line = all.subarray(from, Math.min(end ?? all.byteLength, from + MAX_LINE_BYTES));
			parts.push(this.#prefix, line, ...(line.at(-1) === NEWLINE ? [] : [Buffer.of(NEWLINE)]));
			from += line.byteLength;
		}
		this.#open = Buffer.from(all.subarray(from));
		if (parts.length > 0) await this.#destination.write(Buffer.concat(parts));
	}
}
