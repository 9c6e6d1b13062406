import { Composer, type CST, type Document, isAlias, isMap, isPair, isScalar, isSeq, type Scalar, type YAMLParseError } from "yaml";
import { MAX_ERRORS_SHOWN } from "../../wire/limits.ts";
import type { SlicedWork } from "./sliced_work.ts";
import { keyName, type SourceList, type SourceMap, type SourceNode } from "./source_nodes.ts";
import { CHARACTERS_OF_NODE, type CollectionToken, isCollectionToken, lengthOf, type SourceTokens } from "./source_tokens.ts";
import {
	BLANKS,
	closing,
	documentStart,
	endOfPart,
	type ItemToken,
	insideList,
	LONGEST_QUOTE,
	placeholder,
	tokensIn,
	withoutBlanks,
} from "./token_parts.ts";

/**
 * From tokens to maps, lists and scalars with their offsets. The library composes a whole document
 * without a pause; here it gets one chunk after the other: some items of a large map or list at a
 * time, and each of their large values alone.
 */

/** Why a text is not well-formed, and where. */
export interface DocumentError {
	offset: number;
	code: string;
	message: string;
}

export interface SourceTree {
	root: SourceNode | null;
	errors: readonly DocumentError[];
	/** How many aliases there are. */
	aliases: number;
}

/** The keys, values and items that the library composes at once. */
const CHUNK = 400;
/** A key, value or item takes about this long to compose. */
const UNITS_OF_NODE = 5;
const OPTIONS = { version: "1.2", uniqueKeys: false, prettyErrors: false, keepSourceTokens: true } as const;

/**
 * A longer text in quotes is read as JSON reads it, if possible, which is faster; above
 * LONGEST_QUOTE it must be possible.
 */
const LONG_QUOTE = 4 * 1024;

/** The tree of the tokens of a text of this length. */
export function* sourceTree(source: SourceTokens, length: number): SlicedWork<SourceTree> {
	const maker = new TreeMaker(source);
	let root: SourceNode | null = null;
	try {
		root = yield* maker.make(length);
	} catch (error) {
		if (error !== ENOUGH) throw error;
	}
	return { root, errors: maker.errors, aliases: maker.aliases };
}

/** Ends the composing of a text with more errors than an answer lists. */
const ENOUGH = new Error("there are enough errors");

/**
 * The errors of a chunk. When it is full the composing ends: a chunk of a hostile text can have as
 * many as it has characters.
 */
class ErrorList extends Array<YAMLParseError> {
	override push(...errors: YAMLParseError[]): number {
		if (this.length >= MAX_ERRORS_SHOWN) throw ENOUGH;
		return super.push(...errors);
	}
}

type Composed = Document.Parsed;

class TreeMaker {
	readonly errors: DocumentError[] = [];
	aliases = 0;
	readonly #source: SourceTokens;
	readonly #anchors = new Map<string, SourceNode>();
	/** The maps and lists that are composed alone, by their stand-ins in the outer chunk. */
	readonly #apart = new Map<unknown, CollectionToken>();
	/** Long texts in quotes, by their stand-ins. */
	readonly #long = new Map<unknown, CST.FlowScalar>();
	/** The lines `%YAML` and `%TAG`. */
	readonly #directives: CST.Token[] = [];
	#root: CST.Token | null = null;
	/** The end of the map or list that was composed last. */
	#end = 0;

	constructor(source: SourceTokens) {
		this.#source = source;
	}

	/** The tree of the only document of a text. */
	*make(length: number): SlicedWork<SourceNode | null> {
		const { tokens } = this.#source;
		const own: CST.Token[] = [];
		const errorsAfter: CST.Token[] = [];
		let second: CST.Token | null = null;
		for (const [index, token] of tokens.entries()) {
			if (index % 10_000 === 9_999) yield 500;
			if (BLANKS.has(token.type)) continue;
			if (token.type === "document" && this.#root) {
				second = token;
				break;
			}
			if (this.#root) {
				if (token.type === "error") errorsAfter.push(token);
				continue;
			}
			if (token.type === "directive") this.#directives.push(token);
			if (token.type === "document") this.#root = token.value ?? token;
			own.push(token.type === "document" ? yield* this.#documentToken(token) : token);
		}
		const root = yield* this.#node(this.#composed(own, length).contents);
		if (errorsAfter.length > 0) this.#composed(errorsAfter, length);
		if (second) {
			const message = "A second YAML document begins here; a pipeline is one document";
			this.#add({ offset: second.offset, code: "MULTIPLE_DOCS", message });
		}
		return root;
	}

	*#documentToken({ start, value, end, ...token }: CST.Document): SlicedWork<CST.Document> {
		yield (start.length + (end?.length ?? 0)) / 10;
		return {
			...token,
			start: withoutBlanks(start),
			...(value ? { value: this.#standIn(value) } : {}),
			...(end ? { end: withoutBlanks(end) } : {}),
		};
	}

	#add(error: DocumentError): void {
		const isKnown = this.errors.some(
			({ offset, code, message }) => offset === error.offset && code === error.code && message === error.message,
		);
		if (!isKnown) this.errors.push(error);
		if (this.errors.length >= MAX_ERRORS_SHOWN) throw ENOUGH;
	}

	/** Composes tokens with the library, and keeps its errors. */
	#composed(tokens: readonly CST.Token[], length: number): Composed {
		const composer = new Composer(OPTIONS);
		const errors = new ErrorList();
		// The library has no other way to be stopped.
		(composer as unknown as { errors: ErrorList }).errors = errors;
		const keep = () => {
			for (const { pos, code, message } of errors) this.#add({ offset: pos[0], code, message });
		};
		try {
			for (const token of tokens) for (const _ of composer.next(token));
			const [document] = composer.end(true, length);
			keep();
			return document as Composed;
		} catch (error) {
			if (error === ENOUGH) keep();
			throw error;
		}
	}

	/** The stand-in of a value in the outer chunk: the value itself, unless it is large. */
	#standIn(token: CST.Token): CST.Token {
		if (token.type === "double-quoted-scalar" && token.source.length > LONG_QUOTE && token.source.endsWith('"')) {
			const short = { ...token, source: '""' };
			this.#long.set(short, token);
			return short;
		}
		if (!isCollectionToken(token) || (this.#source.sizes.get(token) ?? 0) <= CHUNK) return token;
		const isFlow = token.type === "flow-collection";
		// A missing bracket is found when the last items are composed.
		const empty = { ...token, items: [], ...(isFlow ? { end: [closing(token, token.offset)] } : {}) };
		this.#apart.set(empty, token);
		return empty;
	}

	*#node(node: unknown): SlicedWork<SourceNode | null> {
		if (isAlias(node)) {
			this.aliases += 1;
			return { kind: "alias", offset: node.range?.[0] ?? 0, target: this.#anchors.get(node.source) ?? null };
		}
		if (isScalar(node)) {
			const long = this.#long.get(node.srcToken);
			if (long) yield* this.#readLong(node, long);
			return this.#anchored(node.anchor, node);
		}
		if (!isMap(node) && !isSeq(node)) return null;
		const offset = node.range?.[0] ?? 0;
		const made: SourceMap | SourceList = isMap(node) ? { kind: "map", offset, entries: [] } : { kind: "list", offset, items: [] };
		this.#anchored(node.anchor, made);
		const apart = this.#apart.get(node.srcToken);
		const keys = new Set<unknown>();
		if (apart) yield* this.#chunks(apart, made, keys);
		else yield* this.#items(node.items, made, keys);
		return made;
	}

	#anchored(anchor: string | undefined, node: SourceNode): SourceNode {
		if (anchor !== undefined) this.#anchors.set(anchor, node);
		return node;
	}

	/** @param keys the keys of the map so far */
	*#items(items: readonly unknown[], into: SourceMap | SourceList, keys: Set<unknown>): SlicedWork<void> {
		for (const item of items) {
			if (into.kind === "list") into.items.push(yield* this.#node(item));
			else if (isPair(item)) {
				const key = yield* this.#node(item.key);
				this.#checkKey(key, keys);
				into.entries.push({ key, value: yield* this.#node(item.value) });
			}
		}
	}

	/** A map has a key once, in any spelling. */
	#checkKey(key: SourceNode | null, keys: Set<unknown>): void {
		if (!isScalar(key)) return;
		const name = `name ${keyName(key)}`;
		const isKnown = keys.has(key.value) || keys.has(name);
		keys.add(key.value).add(name);
		if (isKnown) this.#add({ offset: key.range?.[0] ?? 0, code: "DUPLICATE_KEY", message: "Map keys must be unique" });
	}

	/** Composes a large map or list, some items at a time. */
	*#chunks(token: CollectionToken, into: SourceMap | SourceList, keys: Set<unknown>): SlicedWork<void> {
		const { sizes } = this.#source;
		const items = token.items as ItemToken[];
		let offset = token.offset;
		for (let from = 0; from < items.length; ) {
			const chunk: ItemToken[] = [];
			const apartBefore = this.#apart.size;
			let size = 0;
			// A chunk ends after a value that is composed alone: the offset of the next one is
			// known only then.
			while (from + chunk.length < items.length && size < CHUNK && this.#apart.size === apartBefore) {
				const item = items[from + chunk.length] as ItemToken;
				chunk.push(this.#itemStandIn(item));
				size += 2 + tokensIn(item) / 100 + sizeOf(sizes, item.key) + sizeOf(sizes, item.value);
			}
			const end = from + chunk.length;
			const composed = this.#composedChunk(token, chunk, { offset, isFirst: from === 0, isLast: end === items.length });
			yield Math.min(size, 2 * CHUNK) * UNITS_OF_NODE + 20;
			this.#end = composed.end;
			yield* this.#items(composed.items, into, keys);
			offset = this.#end;
			from = end;
		}
	}

	#itemStandIn(item: ItemToken): ItemToken {
		return {
			...item,
			start: withoutBlanks(item.start),
			...(item.sep ? { sep: withoutBlanks(item.sep) } : {}),
			...(item.key ? { key: this.#standIn(item.key) } : {}),
			...(item.value ? { value: this.#standIn(item.value) } : {}),
		} as ItemToken;
	}

	/** Composes some items of a map or list as if there were no others. */
	#composedChunk(
		token: CollectionToken,
		items: ItemToken[],
		{ offset, isFirst, isLast }: { offset: number; isFirst: boolean; isLast: boolean },
	): { items: readonly unknown[]; end: number } {
		const isFlow = token.type === "flow-collection";
		// In brackets commas stand between items: an end inside the list gets an item that is
		// dropped again.
		const before = isFlow && !isFirst ? [placeholder(token, offset, false)] : [];
		const after = isFlow && !isLast ? [placeholder(token, offset, true)] : [];
		const part = {
			...token,
			items: [...before, ...items, ...after],
			offset: isFirst ? token.offset : offset - (isFlow ? 1 : 0),
			...(isFlow && !isLast ? { end: [closing(token, offset)] } : {}),
		} as CollectionToken;
		const isRoot = token === this.#root;
		// Some messages of the library differ between a whole document and a part of it.
		const value = isRoot ? part : insideList(part);
		const start = this.#directives.length > 0 ? documentStart(part.offset) : [];
		const { contents } = this.#composed([...this.#directives, { type: "document", offset: part.offset, start, value }], 0);
		const outer = isSeq(contents) && !isRoot ? contents.items[0] : contents;
		if (!isMap(outer) && !isSeq(outer)) return { items: [], end: part.offset };
		const found = (outer.items as unknown[]).slice(before.length, outer.items.length - after.length);
		return { items: found, end: outer.range?.[2] ?? part.offset };
	}

	/** Reads a long text in quotes. Programs write such texts as JSON. */
	*#readLong(scalar: Scalar, token: CST.FlowScalar): SlicedWork<void> {
		const { source, offset } = token;
		const parts: string[] = [];
		for (let from = 1; from < source.length - 1; ) {
			const end = endOfPart(source, from);
			try {
				parts.push(JSON.parse(`"${source.slice(from, end).replaceAll("\t", "\\t")}"`));
			} catch {
				if (source.length <= LONGEST_QUOTE) {
					const { contents } = this.#composed([{ type: "document", offset, start: [], value: token }], 0);
					yield source.length / 5;
					if (isScalar(contents)) scalar.value = contents.value;
					scalar.source = String(scalar.value);
					return;
				}
				const message = `A text in quotes of more than ${LONGEST_QUOTE} characters must be valid JSON; this part is not`;
				this.#add({ offset: offset + from, code: "BAD_QUOTE", message });
				return;
			}
			yield (end - from) / 50;
			from = end;
		}
		scalar.value = parts.join("");
		scalar.source = scalar.value as string;
	}
}

function sizeOf(sizes: SourceTokens["sizes"], token: CST.Token | null | undefined): number {
	const size = (token && (sizes.get(token) ?? lengthOf(token) / CHARACTERS_OF_NODE)) ?? 0;
	// A larger map or list is composed alone.
	return isCollectionToken(token) && size > CHUNK ? 0 : size;
}
