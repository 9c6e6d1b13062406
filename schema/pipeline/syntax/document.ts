import { isScalar, LineCounter, type Scalar } from "yaml";
import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_PIPELINE_NODES, MAX_YAML_ALIASES } from "../../wire/limits.ts";
import { doneAtOnce, type SlicedWork } from "./sliced_work.ts";
import { keyName, type SourceMap, type SourceNode } from "./source_nodes.ts";
import { MAX_DEPTH, sourceTokens, TOO_DEEP, TOO_MANY_NODES, tooManyAliases } from "./source_tokens.ts";
import { type DocumentError, sourceTree } from "./source_tree.ts";

/**
 * A scalar whose text would change when printed (`1.10`, `0x1f`, `on`). In the place of a number or
 * a truth value its value counts; in the place of text it is rejected, for the text that was meant
 * is not known.
 */
export class AmbiguousScalar {
	readonly source: string;
	readonly value: unknown;

	constructor(source: string, value: unknown) {
		this.source = source;
		this.value = value;
	}
}

/** A parsed text, and the line and column of each path in it. */
export interface SourceDocument {
	value: unknown;
	/**
	 * @param key whether to locate the key rather than its value
	 * @param at the character of a text to locate, if the text is on one line
	 */
	locate(path: PropertyKey[], key?: boolean, at?: number | null): SourcePlace | null;
}

/** A place in a text. */
export interface SourcePlace {
	line: number;
	column: number;
	/** The included file that the text is of; without it the text itself. */
	file?: string;
	/** Where the value comes from, if it is not written where it counts: "template `base`". */
	via?: string;
}

/** For `run: echo a: b`: YAML takes the second colon for another key. */
export const COLON_HINT = 'A text with ": " in it needs quotes, or a block: run: |';

const SYNTAX_HINTS: Readonly<Record<string, string>> = {
	BLOCK_AS_IMPLICIT_KEY: COLON_HINT,
	MULTIPLE_DOCS: "Remove this line and the text after it, or give each pipeline a file of its own in .windlass/.",
};

/** A message of the parser may quote the whole text. */
const MAX_MESSAGE = 500;
const FEWER_ALIASES = "Each alias counts as a copy of its anchor. Use fewer aliases.";

/** Words that YAML 1.1 reads as true or false; as text they must be quoted. */
const YAML_1_1_BOOLEANS = /^(y|n|yes|no|on|off)$/i;

/** Parses as `parsingSource` does, without a pause. @throws ApiError as that does */
export function parseSource(text: string): SourceDocument {
	return doneAtOnce(parsingSource(text));
}

/**
 * Parses YAML 1.2 (and so JSON) and keeps the positions.
 * @throws ApiError `malformed` with the line and column of every syntax error, or of the passed
 * limit
 */
export function* parsingSource(text: string): SlicedWork<SourceDocument> {
	const lines = new LineCounter();
	const { root, errors, aliases } = yield* sourceTree(yield* sourceTokens(text, lines), text.length);
	if (errors.length > 0) throw malformed(errors, lines);
	if (aliases > MAX_YAML_ALIASES) throw tooManyAliases();
	const value = yield* plainValue(root, lines);
	return {
		value,
		locate(path, key = false, at = null) {
			const node = nodeAt(root, path, key);
			if (!node) return null;
			if (isScalar(node) && node.type === "BLOCK_LITERAL" && at !== null) return placeInBlock(text, lines, node, at);
			const { line, col } = lines.linePos(offsetOf(node));
			return { line, column: col + (isScalar(node) && at !== null ? columnsTo(node, at) : 0) };
		},
	};
}

function malformed(found: readonly DocumentError[], lines: LineCounter): ApiError {
	const errors = found.map(({ offset, code, message }): FieldError => {
		const { line, col } = lines.linePos(offset);
		const suggestion = SYNTAX_HINTS[code] ?? null;
		return { path: "", line, column: col, message: sentence(message), suggestion };
	});
	const first = errors[0] as FieldError;
	return new ApiError("malformed", `Line ${first.line}, column ${first.column}: ${first.message}`, {
		details: { errors },
		suggestions: [first.suggestion ?? "Check indentation, brackets and quotes there."],
	});
}

function sentence(message: string): string {
	const text = message.slice(0, MAX_MESSAGE).trim().replace(/\s+/g, " ");
	return /[.!?]$/.test(text) ? text : `${text}.`;
}

function offsetOf(node: SourceNode): number {
	return "kind" in node ? node.offset : (node.range?.[0] ?? 0);
}

/** The value of a tree. An alias counts as a copy of its anchor. */
function* plainValue(root: SourceNode | null, lines: LineCounter): SlicedWork<unknown> {
	let nodes = 0;
	/** The path of the node. */
	const way: PropertyKey[] = [];
	const convert = function* (node: SourceNode | null, depth: number): SlicedWork<unknown> {
		if (depth > MAX_DEPTH) throw new ApiError("malformed", TOO_DEEP, { suggestions: ["Use fewer levels of lists and maps."] });
		nodes += 1;
		if (nodes > 2 * MAX_PIPELINE_NODES) throw new ApiError("malformed", TOO_MANY_NODES, { suggestions: [FEWER_ALIASES] });
		if (nodes % 1_000 === 0) yield 500;
		if (node === null) return null;
		if (!("kind" in node)) return scalarValue(node.value, node.source, node.type === "PLAIN");
		if (node.kind === "alias") return yield* convert(node.target, depth + 1);
		if (node.kind === "list") {
			const list: unknown[] = [];
			for (const [index, item] of node.items.entries()) {
				way.push(index);
				list.push(yield* convert(item, depth + 1));
				way.pop();
			}
			return list;
		}
		// With a null prototype the map has only the keys of the text.
		const result: Record<string, unknown> = Object.create(null);
		const own = Object.fromEntries(node.entries.filter(({ key }) => !isMergeKey(key)).map(({ key }) => [nameOf(key), true]));
		for (const { key, value } of node.entries) {
			const name = nameOf(key);
			if (isMergeKey(key)) {
				for (const merged of mapsIn(value, lines.linePos(key ? offsetOf(key) : 0))) {
					const others = (yield* convert(merged, depth + 1)) as Record<string, unknown>;
					for (const [other, inner] of Object.entries(others))
						if (!Object.hasOwn(own, other) && !Object.hasOwn(result, other)) result[other] = inner;
				}
				continue;
			}
			way.push(name);
			if (name === "__proto__") throw reservedKey(way, lines.linePos(key ? offsetOf(key) : 0));
			result[name] = yield* convert(value, depth + 1);
			way.pop();
		}
		return result;
	};
	return yield* convert(root, 0);
}

/** @throws ApiError `malformed` for a key that is a list or a map */
function nameOf(key: SourceNode | null): string {
	if (key === null) return "";
	if ("kind" in key && key.kind === "alias") return nameOf(key.target);
	if (!("kind" in key)) return keyName(key);
	throw new ApiError("malformed", "A key of a map is a list or a map. Keys must be plain words.", {
		suggestions: ["Write key: value, without ? before the key."],
	});
}

/** Whether a key takes over the keys of other maps: `<<`, without quotes. */
function isMergeKey(key: SourceNode | null): boolean {
	return key !== null && !("kind" in key) && key.type === "PLAIN" && keyName(key) === "<<";
}

/** The maps that a merge key takes over; an earlier one wins over a later one. @throws ApiError `malformed` for other values */
function mapsIn(value: SourceNode | null, place: { line: number; col: number }): SourceMap[] {
	const node = targetOf(value);
	const maps = node && "kind" in node && node.kind === "list" ? node.items.map(targetOf) : [node];
	if (maps.every((one): one is SourceMap => one !== null && "kind" in one && one.kind === "map")) return maps;
	throw notMerged(place);
}

function targetOf(node: SourceNode | null): SourceNode | null {
	let target = node;
	while (target && "kind" in target && target.kind === "alias") target = target.target;
	return target;
}

function notMerged({ line, col: column }: { line: number; col: number }): ApiError {
	const message = "A merge key (<<) takes a map, or a list of maps.";
	const suggestion = "Name an anchor that stands at a map: <<: *base.";
	return new ApiError("malformed", `Line ${line}, column ${column}: ${message}`, {
		details: { errors: [{ path: "", line, column, message, suggestion } satisfies FieldError] },
		suggestions: [suggestion],
	});
}

/** JavaScript treats this key specially, so that any library could lose it silently. */
function reservedKey(way: readonly PropertyKey[], { line, col: column }: { line: number; col: number }): ApiError {
	const path = way.map(String).join(".");
	const message = "Unknown key `__proto__`.";
	const suggestion = "No map may have this key: choose another name.";
	return new ApiError("malformed", `Line ${line}, column ${column}: ${path}: ${message}`, {
		details: { errors: [{ path, line, column, message, suggestion } satisfies FieldError] },
		suggestions: [suggestion],
	});
}

function scalarValue(value: unknown, source: string | undefined, isPlain: boolean): unknown {
	if (!isPlain || source === undefined) return value;
	if (typeof value === "string") return YAML_1_1_BOOLEANS.test(value) ? new AmbiguousScalar(source, value) : value;
	if (value === null) return null;
	return String(value) === source ? value : new AmbiguousScalar(source, value);
}

/**
 * The place of a character of a block. Blank lines before the first line of the block do not count.
 */
function placeInBlock(text: string, lines: LineCounter, { range, value }: Scalar, at: number): { line: number; column: number } {
	const begin = text.indexOf("\n", range?.[0] ?? 0) + 1;
	const first = begin + (/^\s*\n/.exec(text.slice(begin, range?.[1]))?.[0].length ?? 0);
	const indent = /^ */.exec(text.slice(first, range?.[1]))?.[0].length ?? 0;
	const before = String(value).trimStart().slice(0, at).split("\n");
	return { line: lines.linePos(first).line + before.length - 1, column: indent + (before.at(-1) ?? "").length + 1 };
}

/**
 * The columns from the beginning of a scalar to a character of its text; 0 for a text of several
 * lines.
 */
function columnsTo({ type, source, value }: Scalar, at: number): number {
	const isQuoted = type === "QUOTE_SINGLE" || type === "QUOTE_DOUBLE";
	const isOneLine = (type === "PLAIN" || isQuoted) && !String(source ?? value).includes("\n");
	return isOneLine ? at + (isQuoted ? 1 : 0) : 0;
}

/** The entries of a map by their names: each error looks some up. */
const entriesByName = new WeakMap<SourceMap, ReadonlyMap<string, SourceMap["entries"][number]>>();

function entriesOf(map: SourceMap): ReadonlyMap<string, SourceMap["entries"][number]> {
	entryOf(map, "");
	return entriesByName.get(map) as ReadonlyMap<string, SourceMap["entries"][number]>;
}

function entryOf(map: SourceMap, name: string): SourceMap["entries"][number] | undefined {
	const known = entriesByName.get(map);
	if (known) return known.get(name);
	const merged = map.entries.filter(({ key }) => isMergeKey(key)).flatMap(({ value }) => mapsIn(value, { line: 0, col: 0 }));
	const own = map.entries.filter(({ key }) => isScalar(key)).map((entry) => [keyName(entry.key as Scalar), entry] as const);
	const entries = new Map([...merged.reverse().flatMap((one) => [...entriesOf(one)]), ...own]);
	entriesByName.set(map, entries);
	return entries.get(name);
}

/** Whether a part of a path is the place of an item in a list. */
export function isIndex(part: PropertyKey): boolean {
	return typeof part === "number" || /^\d+$/.test(String(part));
}

function nodeAt(root: SourceNode | null, path: PropertyKey[], wantKey: boolean): SourceNode | null {
	let node = root;
	for (const [index, part] of path.entries()) {
		while (node && "kind" in node && node.kind === "alias") node = node.target;
		if (node === null || !("kind" in node)) break;
		if (node.kind === "map") {
			const entry = entryOf(node, String(part));
			// A map may stand for a list of one.
			if (!entry && isIndex(part)) continue;
			if (!entry) break;
			// The key itself is the better place if the value is empty or the key is wrong.
			const isLast = index === path.length - 1;
			node = (isLast && wantKey) || entry.value === null ? entry.key : entry.value;
		} else if (node.kind === "list" && isIndex(part)) node = node.items[Number(part)] ?? null;
		// A list may stand for a map with the list in it.
	}
	return node ?? root;
}
