/** Indexes a log: records where every 500th line begins, while the bytes arrive. */

/** The number of lines between two marks. */
export const LINES_PER_MARK = 500;
const NEWLINE = 10;

/** The offsets of the marked lines of a log. */
export interface LineIndex {
	/** The number of complete lines. */
	lines: number;
	/** The offset of line k × LINES_PER_MARK; the offset of line 0 is 0. */
	offsets: number[];
}

/** Counts lines while bytes arrive, and returns where marked lines begin. */
export class LineCounter {
	lines: number;
	#at: number;

	constructor(lines: number, offset: number) {
		this.lines = lines;
		this.#at = offset;
	}

	/** @returns the new marks: the number of the mark, and its offset */
	push(bytes: Uint8Array): { mark: number; offset: number }[] {
		const marks: { mark: number; offset: number }[] = [];
		for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
			this.lines += 1;
			if (this.lines % LINES_PER_MARK === 0) marks.push({ mark: this.lines / LINES_PER_MARK, offset: this.#at + at + 1 });
		}
		this.#at += bytes.byteLength;
		return marks;
	}
}

/** The number of lines that end in these bytes. */
export function newlinesIn(bytes: Uint8Array): number {
	let count = 0;
	for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
	return count;
}

/** The key of the R2 object with the index of an archived log. */
export function indexKeyOf(logKey: string): string {
	return `${logKey}.lines`;
}
