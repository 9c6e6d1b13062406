import { MIN_SECRET_BYTES } from "../../schema/wire/secrets.ts";
import { formsOf } from "./secret_forms.ts";

/**
 * Hides secrets in the output of a job, in every form of `formsOf`. It holds back only bytes that
 * could be the beginning of a secret.
 */

/** The text in place of a secret. */
export const MASK = "***";

/** The first bytes of a needle, by which it is found. */
const WINDOW = 4;

export class Masker {
	/** The first bytes of a needle, as a number → the needles that begin so. */
	#needles = new Map<number, Alike>();
	/** Beginnings of needles that are shorter than the window. */
	#beginnings = new Set<string>();
	/**
	 * Bytes that may be the beginning of a secret, and how many of them belong to a secret that was
	 * found.
	 */
	#held: Buffer = Buffer.alloc(0);
	#covered = 0;

	/** Finds whole secrets, not the strings in a secret that is JSON. */
	readonly #wholes: Masker | null;

	/** @param extent whether the strings of a secret that is JSON are secrets, too */
	constructor(secrets: Iterable<string>, extent: "parts" | "wholes" = "parts") {
		const all = [...secrets];
		this.#wholes = extent === "wholes" ? null : new Masker(all, "wholes");
		this.#addForms(all, extent);
	}

	/** Hides another secret from now on, in this stream and in its branches. */
	add(secret: string): void {
		this.#addForms([secret], this.#wholes === null ? "wholes" : "parts");
		this.#wholes?.add(secret);
	}

	#addForms(secrets: readonly string[], extent: "parts" | "wholes"): void {
		const needles = new Map<string, Buffer>();
		for (const secret of secrets) for (const form of formsOf(secret, extent)) needles.set(form.toString("latin1"), form);
		for (const needle of needles.values()) {
			const key = needle.readUInt32LE(0);
			const alike = this.#needles.get(key) ?? { sorted: [], longest: 0 };
			if (!alike.sorted.some((one) => one.equals(needle))) alike.sorted.push(needle);
			alike.sorted.sort(Buffer.compare);
			alike.longest = Math.max(alike.longest, needle.byteLength);
			this.#needles.set(key, alike);
			for (let length = 1; length < WINDOW; length += 1) this.#beginnings.add(needle.toString("latin1", 0, length));
		}
	}

	/** A stream of its own that hides the same secrets. */
	branch(): Masker {
		const branch = new Masker([], "wholes");
		branch.#needles = this.#needles;
		branch.#beginnings = this.#beginnings;
		return branch;
	}

	/** @returns the masked bytes that can be shown, of these and of earlier ones */
	push(bytes: Uint8Array): Uint8Array {
		return this.#needles.size === 0 ? bytes : this.#take(Buffer.concat([this.#held, bytes]), false);
	}

	/**
	 * The output is over.
	 * @returns the bytes that were held back; of the beginning of a secret at most a few
	 */
	flush(): Uint8Array {
		return this.#held.byteLength === 0 ? this.#held : this.#take(this.#held, true);
	}

	/** Masks a whole text. The state of the stream does not change. */
	text(text: string): string {
		if (this.#needles.size === 0) return text;
		const { shown } = this.#scan(Buffer.from(text), 0, true);
		return shown.toString("utf8");
	}

	/**
	 * Whether a text contains a whole secret. Strings in a secret that is JSON do not count: a file
	 * may well have the name of a project.
	 */
	finds(text: string): boolean {
		const line = `${text}\n`;
		return (this.#wholes ?? this).text(line) !== line;
	}

	#take(bytes: Buffer, isEnd: boolean): Uint8Array {
		const { shown, held, covered } = this.#scan(bytes, this.#covered, isEnd);
		this.#held = held;
		this.#covered = covered;
		return shown;
	}

	/**
	 * @param covered the first bytes that belong to a secret that was found before
	 * @returns the bytes to show; the bytes to hold back, and how many of these are covered
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

	/**
	 * The length of the longest needle here; `open` if a longer one may follow with more bytes; null
	 * if there is none.
	 */
	#matchAt(bytes: Buffer, at: number, isEnd: boolean): number | "open" | null {
		const left = bytes.byteLength - at;
		if (left < WINDOW) return !isEnd && this.#beginnings.has(bytes.toString("latin1", at)) ? "open" : null;
		const alike = this.#needles.get(bytes.readUInt32LE(at));
		if (!alike) return null;
		const rest = bytes.subarray(at, at + alike.longest);
		const index = firstNotBefore(alike.sorted, rest);
		const next = alike.sorted[index]?.equals(rest) ? alike.sorted[index + 1] : alike.sorted[index];
		// The beginning of a longer needle must match up to the last byte.
		if (next && left < next.byteLength && next.subarray(0, left).equals(rest)) {
			if (!isEnd) return "open";
			// The output ended in the middle of a secret.
			if (left >= MIN_SECRET_BYTES) return left;
		}
		return longestAtStart(alike.sorted, rest);
	}
}

/** Needles that begin alike. */
interface Alike {
	sorted: Buffer[];
	longest: number;
}

/** The index of the first needle that is not before a text, by bytes. */
function firstNotBefore(sorted: readonly Buffer[], text: Buffer): number {
	let [low, high] = [0, sorted.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (Buffer.compare(sorted[middle] as Buffer, text) < 0) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** The length of the longest needle at the beginning of a text; null if there is none. */
function longestAtStart(sorted: readonly Buffer[], text: Buffer): number | null {
	for (let beginning = text; beginning.byteLength >= WINDOW; ) {
		const at = firstNotBefore(sorted, beginning);
		const exact = sorted[at];
		if (exact?.equals(beginning)) return exact.byteLength;
		// A needle at the beginning of the text sorts before it, and the nearest one shares most with it.
		const nearest = sorted[at - 1];
		if (!nearest) return null;
		const common = commonLength(nearest, beginning);
		if (common === nearest.byteLength) return common;
		beginning = beginning.subarray(0, common);
	}
	return null;
}

function commonLength(a: Buffer, b: Buffer): number {
	const most = Math.min(a.byteLength, b.byteLength);
	let length = 0;
	while (length < most && a[length] === b[length]) length += 1;
	return length;
}

const MASK_BYTES = Buffer.from(MASK);
