import type { CST } from "yaml";
import type { CollectionToken } from "./source_tokens.ts";

/** Changes to tokens, so that the library composes a part of a document as if it were whole. */

/** A longer text in quotes is read in parts, as JSON reads it. */
export const LONGEST_QUOTE = 64 * 1024;

/** An entry of a map, or an item of a list. */
export type ItemToken = CollectionToken["items"][number];

/** Tokens without meaning between two documents. */
export const BLANKS: ReadonlySet<string> = new Set(["space", "comment", "newline"]);
/** More line ends and comments in one place are removed before the library reads them. */
const MANY_BLANKS = 100;

/**
 * Removes most of many empty lines and comments in one place: the first and the last are enough.
 */
export function withoutBlanks(tokens: CST.SourceToken[]): CST.SourceToken[] {
	if (tokens.length <= MANY_BLANKS) return tokens;
	const isLineEnd = (token: CST.SourceToken | undefined) => token?.type === "newline";
	return tokens.filter((token, index) => {
		if (!BLANKS.has(token.type) || index === 0) return true;
		// The last line end and the spaces after it stay, for the indentation counts.
		return !tokens.slice(index + 1, index + 4).some(isLineEnd);
	});
}

/** Signs, spaces and line ends beside the key and the value of an item. */
export function tokensIn({ start, sep }: ItemToken): number {
	return start.length + (sep?.length ?? 0);
}

/** The end of a part of a text in quotes: not within an escape. */
export function endOfPart(source: string, from: number): number {
	const last = source.length - 1;
	const wanted = Math.min(from + LONGEST_QUOTE, last);
	let at = from;
	while (at < wanted) {
		const backslash = source.indexOf("\\", at);
		if (backslash === -1 || backslash >= wanted) return wanted;
		at = backslash + (source[backslash + 1] === "u" ? 6 : 2);
	}
	return Math.min(at, last);
}

/** An item that the library composes and that is dropped again. */
export function placeholder(
	{ start, indent }: CollectionToken & { start?: CST.SourceToken },
	offset: number,
	hasComma: boolean,
): ItemToken {
	const scalar = { type: "scalar", offset, indent, source: "x" } as const;
	const comma = hasComma ? [{ type: "comma", offset, indent, source: "," } as const] : [];
	return (start?.source === "{" ? { start: comma, key: scalar, sep: [] } : { start: comma, value: scalar }) as ItemToken;
}

/** The closing bracket of a map or list. */
export function closing({ start, indent }: CollectionToken & { start?: CST.SourceToken }, offset: number): CST.SourceToken {
	const isMapToken = start?.source === "{";
	return { type: isMapToken ? "flow-map-end" : "flow-seq-end", offset, indent, source: isMapToken ? "}" : "]" };
}

/** A list of one item. */
export function insideList(value: CollectionToken): CST.BlockSequence {
	const { offset } = value;
	return { type: "block-seq", offset, indent: 0, items: [{ start: [{ type: "seq-item-ind", offset, indent: 0, source: "-" }], value }] };
}

/** The tokens of `---`. */
export function documentStart(offset: number): CST.SourceToken[] {
	return [
		{ type: "doc-start", offset, indent: 0, source: "---" },
		{ type: "newline", offset, indent: 0, source: "\n" },
	];
}
