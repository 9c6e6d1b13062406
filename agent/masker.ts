import { MIN_SECRET_BYTES } from "../schema/wire/secrets.ts";
import { formsOf } from "./secret_forms.ts";

/**
 * Hides secrets in what a job writes, as it comes, in every form that `formsOf` names. What could be the beginning of one is held back, and
 * nothing else.
 */

/** What stands where a secret was. */
export const MASK = "***";

/** By so many of its first bytes a needle is found. */
const WINDOW = 4;

export class Masker {
	/** The first bytes of a needle, as a number → the needles, longest first. */
	readonly #needles = new Map<number, Buffer[]>();
	/** Beginnings of needles that are shorter than the window. */
	readonly #beginnings = new Set<string>();
	/** What may be the beginning of a secret; and how much of it is known to belong to one. */
	#held: Buffer = Buffer.alloc(0);
	#covered = 0;

	constructor(secrets: Iterable<string>) {
		const needles = new Map<string, Buffer>();
		for (const secret of secrets) for (const form of formsOf(secret)) needles.set(form.toString("latin1"), form);
		for (const needle of [...needles.values()].sort((a, b) => b.byteLength - a.byteLength)) {
			const key = needle.readUInt32LE(0);
			const alike = this.#needles.get(key);
			if (alike) alike.push(needle);
			else this.#needles.set(key, [needle]);
			for (let length = 1; length < WINDOW; length += 1) this.#beginnings.add(needle.toString("latin1", 0, length));
		}
	}

	/** Takes more output. @returns what can be shown of it and of what was held back before */
	push(bytes: Uint8Array): Uint8Array {
		return this.#needles.size === 0 ? bytes : this.#take(Buffer.concat([this.#held, bytes]), false);
	}

	/** Nothing follows what was held back; of a secret that has begun no more than a few bytes are shown. */
	flush(): Uint8Array {
		return this.#held.byteLength === 0 ? this.#held : this.#take(this.#held, true);
	}

	/** A text that is whole, without the secrets. What is held back of a stream is left alone. */
	text(text: string): string {
		if (this.#needles.size === 0) return text;
		const { shown } = this.#scan(Buffer.from(text), 0, true);
		return shown.toString("utf8");
	}

	/** Whether a secret stands in a text; one that has only begun at its end does not. */
	finds(text: string): boolean {
		const line = `${text}\n`;
		return this.text(line) !== line;
	}

	#take(bytes: Buffer, isEnd: boolean): Uint8Array {
		const { shown, held, covered } = this.#scan(bytes, this.#covered, isEnd);
		this.#held = held;
		this.#covered = covered;
		return shown;
	}

	/**
	 * @param covered how many of the first bytes belong to a secret that was found, and told, before
	 * @returns what can be shown; what is held back, and how much of that is covered
	 */
	#scan(bytes: Buffer, covered: number, isEnd: boolean): { shown: Buffer; held: Buffer; covered: number } {
		const parts: Buffer[] = [];
		let shownTo = covered;
		let maskedTo = covered;
		let heldFrom = bytes.byteLength;
		for (let at = 0; at < bytes.byteLength; at += 1) {
			const match = this.#matchAt(bytes, at, isEnd);
			if (match === "open") {
				heldFrom = at;
				break;
			}
			if (match === null) continue;
			// Secrets that overlap are hidden as one.
			if (at >= maskedTo) {
				parts.push(bytes.subarray(shownTo, at), MASK_BYTES);
			}
			maskedTo = Math.max(maskedTo, at + match);
			shownTo = maskedTo;
		}
		if (heldFrom > shownTo) parts.push(bytes.subarray(shownTo, heldFrom));
		return { shown: Buffer.concat(parts), held: Buffer.from(bytes.subarray(heldFrom)), covered: Math.max(0, maskedTo - heldFrom) };
	}

	/** How long the longest needle is that stands here; `open` if one could that is longer than what there is so far; null if none. */
	#matchAt(bytes: Buffer, at: number, isEnd: boolean): number | "open" | null {
		const left = bytes.byteLength - at;
		if (left < WINDOW) return !isEnd && this.#beginnings.has(bytes.toString("latin1", at)) ? "open" : null;
		for (const needle of this.#needles.get(bytes.readUInt32LE(at)) ?? []) {
			const common = Math.min(left, needle.byteLength);
			if (bytes.compare(needle, 0, common, at, at + common) !== 0) continue;
			if (common === needle.byteLength) return common;
			if (!isEnd) return "open";
			// A beginning that nothing follows: whoever was ended, or cut short, in the middle of it.
			if (common >= MIN_SECRET_BYTES) return common;
		}
		return null;
	}
}

const MASK_BYTES = Buffer.from(MASK);
