import { type Document, isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from "yaml";
import { ApiError, type FieldError } from "../wire/errors.ts";
import { MAX_TOLD_FAULTS, MAX_YAML_ALIASES } from "../wire/limits.ts";

/**
 * A scalar whose text would change when printed (`1.10`, `0x1f`, `on`). Where a number or a truth value is
 * meant its value counts; where text is meant it is refused, because nobody can say which text was meant.
 */
export class AmbiguousScalar {
	readonly source: string;
	readonly value: unknown;

	constructor(source: string, value: unknown) {
		this.source = source;
		this.value = value;
	}
}

/** A parsed text and the way from a path in it back to line and column. */
export interface SourceDocument {
	value: unknown;
	/**
	 * @param key whether the key is meant, rather than its value
	 * @param at which character of a text is meant, where it stands on one line
	 */
	locate(path: PropertyKey[], key?: boolean, at?: number | null): { line: number; column: number } | null;
}

/** What to do when `run: echo a: b` was written: YAML takes the second colon for another key. */
export const COLON_HINT = 'a text that holds ": " needs quotes, or a block: run: |';

const MAX_DEPTH = 100;
const TOO_DEEP = `The text is nested more than ${MAX_DEPTH} levels deep.`;
/** What the reader of YAML says of a text that is nested too deep for it. */
const STACK_FAULT = "Maximum call stack size exceeded";

/** Words that YAML 1.1 readers take for true or false; as text they must be quoted. */
const YAML_1_1_BOOLEANS = /^(y|n|yes|no|on|off)$/i;

/**
 * Parses YAML 1.2 (and so JSON) and keeps the positions.
 * @throws ApiError `malformed` with every syntax error's line and column.
 */
export function parseSource(text: string): SourceDocument {
	const lines = new LineCounter();
	const document = parseDocument(text, { lineCounter: lines, version: "1.2", uniqueKeys: true, prettyErrors: false });
	if (document.errors.length > 0) {
		const errors = document.errors.slice(0, MAX_TOLD_FAULTS).map((error): FieldError => {
			const { line, col } = lines.linePos(error.pos[0]);
			if (error.message.includes(STACK_FAULT)) return { path: "", line, column: col, message: TOO_DEEP, suggestion: null };
			const suggestion = error.code === "BLOCK_AS_IMPLICIT_KEY" ? COLON_HINT : null;
			return { path: "", line, column: col, message: sentence(error.message), suggestion };
		});
		const first = errors[0] as FieldError;
		throw new ApiError("malformed", `Line ${first.line}, column ${first.column}: ${first.message}`, {
			details: { errors },
			suggestions: [first.suggestion ?? "Check indentation, brackets and quotes at that place."],
		});
	}
	const value = plainValue(document, lines);
	return {
		value,
		locate(path, key = false, at = null) {
			const node = nodeAt(document, path, key);
			if (!node?.range) return null;
			if (isScalar(node) && node.type === "BLOCK_LITERAL" && at !== null) return placeInBlock(text, lines, node, at);
			const { line, col } = lines.linePos(node.range[0]);
			return { line, column: col + (isScalar(node) && at !== null ? columnsTo(node, at) : 0) };
		},
	};
}

function sentence(message: string): string {
	const text = message.trim().replace(/\s+/g, " ");
	return /[.!?]$/.test(text) ? text : `${text}.`;
}

function plainValue(document: Document, lines: LineCounter): unknown {
	let aliases = 0;
	const convert = (node: unknown, depth: number): unknown => {
		if (depth > MAX_DEPTH) throw new ApiError("malformed", TOO_DEEP);
		if (isAlias(node)) {
			aliases += 1;
			if (aliases > MAX_YAML_ALIASES) {
				throw new ApiError("validation_failed", `The text uses more than ${MAX_YAML_ALIASES} YAML aliases.`, {
					suggestions: ["Write the repeated parts out, or generate the pipeline."],
				});
			}
			return convert(node.resolve(document), depth + 1);
		}
		if (isMap(node)) {
			// A null prototype: a key such as `__proto__` is then a key like any other, and is refused by name.
			const result: Record<string, unknown> = Object.create(null);
			for (const { key, value } of node.items) {
				const name = nameOf(isAlias(key) ? key.resolve(document) : key);
				if (name === "<<") throw mergeKey(lines.linePos((key as Node).range?.[0] ?? 0));
				result[name] = convert(value, depth + 1);
			}
			return result;
		}
		if (isSeq(node)) return node.items.map((item) => convert(item, depth + 1));
		if (isScalar(node)) return scalarValue(node.value, node.source, node.type === "PLAIN");
		return null;
	};
	return convert(document.contents, 0);
}

/** @throws ApiError `malformed` for a key that is a list or a map */
function nameOf(key: unknown): string {
	if (isScalar(key)) return typeof key.source === "string" ? key.source : String(key.value);
	if (key === null || key === undefined) return "";
	throw new ApiError("malformed", "A key of a map is itself a list or a map; keys are plain words.", {
		suggestions: ["Write key: value, without ? before the key."],
	});
}

function mergeKey({ line, col: column }: { line: number; col: number }): ApiError {
	const message = "Merge keys (<<) are not supported.";
	const suggestion = "Write the keys out, or put what all jobs have into defaults and env.";
	return new ApiError("malformed", `Line ${line}, column ${column}: ${message}`, {
		details: { errors: [{ path: "", line, column, message, suggestion } satisfies FieldError] },
		suggestions: [suggestion],
	});
}

function scalarValue(value: unknown, source: string | undefined, isPlain: boolean): unknown {
	if (!isPlain || source === undefined) return value;
	if (typeof value === "string") return YAML_1_1_BOOLEANS.test(value) ? new AmbiguousScalar(source, value) : value;
	if (value === null) return null;
	return String(value) === source ? value : new AmbiguousScalar(source, value);
}

/** Where a character of a block stands: its lines are those of the text, each further to the right. Blank lines before its first one do not count. */
function placeInBlock(text: string, lines: LineCounter, { range, value }: Scalar, at: number): { line: number; column: number } {
	const begin = text.indexOf("\n", range?.[0] ?? 0) + 1;
	const first = begin + (/^\s*\n/.exec(text.slice(begin, range?.[1]))?.[0].length ?? 0);
	const indent = /^ */.exec(text.slice(first, range?.[1]))?.[0].length ?? 0;
	const before = String(value).trimStart().slice(0, at).split("\n");
	return { line: lines.linePos(first).line + before.length - 1, column: indent + (before.at(-1) ?? "").length + 1 };
}

/** How far to the right of its node a character of a text is; 0 for a text of several lines. */
function columnsTo({ type, source, value }: Scalar, at: number): number {
	const isQuoted = type === "QUOTE_SINGLE" || type === "QUOTE_DOUBLE";
	const isOneLine = (type === "PLAIN" || isQuoted) && !String(source ?? value).includes("\n");
	return isOneLine ? at + (isQuoted ? 1 : 0) : 0;
}

function nodeAt(document: Document, path: PropertyKey[], wantKey: boolean): Node | null {
	let node: unknown = document.contents;
	for (const [index, part] of path.entries()) {
		if (isAlias(node)) node = node.resolve(document);
		if (isMap(node)) {
			const pair = node.items.find(
				(item) => isPair(item) && isScalar(item.key) && String(item.key.source ?? item.key.value) === String(part),
			);
			if (!pair) break;
			// The key's own place is the better pointer where the value is empty or the key is at fault.
			const isLast = index === path.length - 1;
			node = (isLast && wantKey) || pair.value === null ? pair.key : pair.value;
		} else if (isSeq(node)) {
			node = node.items[Number(part)];
		} else break;
	}
	return (node ?? document.contents) as Node | null;
}
