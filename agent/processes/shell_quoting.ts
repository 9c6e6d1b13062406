/** A text as one word of a shell's line, whatever is in it. */
export function quoted(text: string): string {
	return `'${text.replaceAll("'", `'\\''`)}'`;
}
