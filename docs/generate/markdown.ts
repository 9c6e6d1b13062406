/** Markdown as the pages of this folder are written: no line is longer than 100 columns. */

const COLUMNS = 100;

/**
 * Breaks a paragraph into lines. A code span is never broken.
 * @param first what the first line begins with, such as `- `; the other lines are indented by as much
 */
export function paragraph(text: string, first = ""): string {
	const indent = " ".repeat(first.length);
	const lines: string[] = [];
	let line = first;
	let isEmpty = true;
	for (const word of wordsOf(text)) {
		if (!isEmpty && line.length + 1 + word.length > COLUMNS) {
			lines.push(line);
			line = indent;
			isEmpty = true;
		}
		line += isEmpty ? word : ` ${word}`;
		isEmpty = false;
	}
	return [...lines, line].join("\n");
}

/** Words, with each code span and each link as a part of one word. */
function wordsOf(text: string): string[] {
	return text.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+/g) ?? [];
}

/** The anchor that GitHub gives to a heading. */
export function anchorOf(heading: string): string {
	return heading
		.toLowerCase()
		.replace(/[^\w\- ]/g, "")
		.replaceAll(" ", "-");
}

/** A text from the code as a sentence: with a capital and a full stop. */
export function sentence(text: string): string {
	const whole = text.charAt(0).toUpperCase() + text.slice(1);
	return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** Angle brackets that a reader would take for HTML, as code. */
export function escaped(text: string): string {
	return text.replace(/`[^`]*`|<[^>\s]*>/g, (part) => (part.startsWith("<") ? `\`${part}\`` : part));
}
