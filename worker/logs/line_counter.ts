/** A log knows where every five hundredth line begins: counted as the bytes come in, kept beside the log. */

/** How many lines lie between two marks. */
export const LINES_PER_MARK = 500;
const NEWLINE = 10;

/** Where the marked lines of a log begin. */
export interface LineIndex {
	/** Whole lines. */
	lines: number;
	/** The offset of line k × LINES_PER_MARK; that of line 0 is 0. */
	offsets: number[];
}

/** Counts lines as bytes come by, and notes where the marked ones begin. */
export class LineCounter {
	lines: number;
	#at: number;

	constructor(lines: number, offset: number) {
		this.lines = lines;
		this.#at = offset;
	}

	/** @returns the marks that these bytes bring: number of the mark and offset */
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

/** The object beside a finished log that holds its index. */
export function indexKeyOf(logKey: string): string {
	return `${logKey}.lines`;
}
