/** `$${{` writes a literal `${{`, as GitLab's `$$` writes a dollar sign. */
const ESCAPE = "$${{";
const OPENING = "${{";

/** Whether an expression begins in a text. */
export function hasExpression(text: string): boolean {
	return text.replaceAll(ESCAPE, "").includes(OPENING);
}

/** A text without expressions, with its escapes replaced. */
export function unescaped(text: string): string {
	return text.replaceAll(ESCAPE, OPENING);
}

/** The offset of the next expression; -1 if there is none. */
export function nextExpression(text: string, from: number): number {
	let index = text.indexOf(OPENING, from);
	while (index > from && text[index - 1] === "$") index = text.indexOf(OPENING, index + OPENING.length);
	return index;
}
