import { type CST, Lexer, Parser } from "yaml";
import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_ERRORS_SHOWN, MAX_PIPELINE_NODES, MAX_YAML_ALIASES } from "../../wire/limits.ts";
import type { SlicedWork } from "./sliced_work.ts";

/**
 * From a text to its tokens. The limits of a text are checked here, before the tokens are composed.
 */

/** How deep lists and maps may be nested. */
export const MAX_DEPTH = 100;
export const TOO_DEEP = `The text is nested more than ${MAX_DEPTH} levels deep.`;
/** The stack of the parser also has the document, an unfinished key, and a value. */
const OTHER_LEVELS = 5;
/** Words, signs, spaces and line ends. A text of many nodes has about eight for each pair. */
const MAX_TOKENS = 500_000;
/** Anchors and tags together. */
const MAX_PROPERTIES = 2_000;
/** A single text, unless it is a JSON string. */
const MAX_SCALAR_CHARACTERS = 512 * 1024;
/** The lines of a single text. */
const MAX_SCALAR_LINES = 20_000;
/** The lexer gets the text in parts: it looks for the end of a token without a pause. */
const PART_CHARACTERS = 64 * 1024;
/** A token takes about this long to read. */
const UNITS_OF_TOKEN = 1.5;

const FEWER_NODES = "Generate less, or move long scripts into the repository.";

export type CollectionToken = CST.BlockMap | CST.BlockSequence | CST.FlowCollection;

/** The tokens of a text, and how large each of its maps and lists is. */
export interface SourceTokens {
	tokens: CST.Token[];
	/**
	 * How large each map and list is: its keys, values and items, those of its own values included,
	 * and the length of its texts.
	 */
	sizes: ReadonlyMap<CST.Token, number>;
}

export function isCollectionToken(token: CST.Token | null | undefined): token is CollectionToken {
	return token?.type === "block-map" || token?.type === "block-seq" || token?.type === "flow-collection";
}

/** Finds the line and column of an offset. */
export interface Positions {
	addNewLine: (offset: number) => number;
	linePos: (offset: number) => { line: number; col: number };
}

/**
 * Splits a text into tokens.
 * @throws ApiError `malformed` or `validation_failed` with the place of the passed limit
 */
export function* sourceTokens(text: string, positions: Positions): SlicedWork<SourceTokens> {
	const tokens = yield* readTokens(text, positions);
	const sizes = yield* measured(tokens, positions);
	return { tokens, sizes };
}

function* readTokens(text: string, positions: Positions): SlicedWork<CST.Token[]> {
	const lexer = new Lexer();
	const parser = new Parser(positions.addNewLine);
	positions.addNewLine(0);
	const tokens: CST.Token[] = [];
	const limits = new TokenLimits(positions);
	let errors = 0;
	let part = PART_CHARACTERS;
	for (let fed = 0; fed < text.length; ) {
		const end = endOfPart(text, fed, part);
		if (end - fed > MAX_SCALAR_CHARACTERS) yield* checkLine(text, text.lastIndexOf("\n", end - 2) + 1, end, limits);
		const before = limits.offset;
		let units = part / 100;
		for (const lexeme of lexer.lex(text.slice(fed, end), end < text.length)) {
			limits.count(lexeme);
			for (const token of parser.next(lexeme)) {
				tokens.push(token);
				if (token.type === "error") errors += 1;
			}
			// The parser is recursive, and must not overflow the stack.
			if (parser.stack.length > MAX_DEPTH + OTHER_LEVELS) limits.failDeep();
			// An answer does not list more errors.
			if (errors > MAX_ERRORS_SHOWN) return tokens;
			units += UNITS_OF_TOKEN + lexeme.length / 4_000;
			if (units >= 500) {
				yield units;
				units = 0;
			}
		}
		fed = end;
		if (fed < text.length) limits.checkPending(text, fed);
		// A token that goes on after its part is read again from its beginning: parts double until
		// it ends.
		part = limits.offset === before ? part * 2 : PART_CHARACTERS;
		yield units;
	}
	for (const token of parser.end()) tokens.push(token);
	return tokens;
}

/** The end of a part: after a line, for the lexer needs whole lines. */
function endOfPart(text: string, from: number, length: number): number {
	const line = text.indexOf("\n", from + length - 1);
	return line === -1 ? text.length : line + 1;
}

/** The value of a key that is most of a line: a pipeline in a submission in JSON. */
const LONG_VALUE = /[{,]\s*"[^"\\]{1,100}"\s*:\s*$/;

/**
 * Checks a line that is too long to be given to the lexer unchecked: the lexer looks for the end of
 * a word without a pause. The ends of quotes and comments it finds at once.
 * @throws ApiError
 */
function* checkLine(text: string, from: number, to: number, limits: TokenLimits): SlicedWork<void> {
	let at = from;
	for (let quotes = 1; at < to; quotes += 1) {
		const found = text.indexOf('"', at);
		const quote = found === -1 || found > to ? to : found;
		if (quote - at > MAX_SCALAR_CHARACTERS) {
			if (/(^|\s)#/.test(text.slice(Math.max(from, at - 1), at + MAX_SCALAR_CHARACTERS))) return;
			limits.failLong(at);
		}
		const end = endOfQuote(text, quote);
		if (end - quote > MAX_SCALAR_CHARACTERS && !LONG_VALUE.test(text.slice(Math.max(from, quote - 200), quote))) limits.failLong(quote);
		at = end;
		if (quotes % 10_000 === 0) yield 1_000;
		if (quotes > MAX_TOKENS) limits.failLong(at);
	}
	yield (to - from) / 4_000;
}

function endOfQuote(text: string, quote: number): number {
	for (let end = text.indexOf('"', quote + 1); end !== -1; end = text.indexOf('"', end + 1)) {
		let backslashes = 0;
		while (text[end - 1 - backslashes] === "\\") backslashes += 1;
		if (backslashes % 2 === 0) return end + 1;
	}
	return text.length;
}

/** Counts the lexemes of a text. */
class TokenLimits {
	readonly #positions: Positions;
	/** Where the next lexeme begins. */
	offset = 0;
	#tokens = 0;
	#nodes = 0;
	#properties = 0;
	#aliases = 0;
	#depth = 0;

	constructor(positions: Positions) {
		this.#positions = positions;
	}

	/** @throws ApiError */
	count(lexeme: string): void {
		const first = lexeme[0];
		this.#tokens += 1;
		if (this.#tokens > MAX_TOKENS) this.#fail(`The text has more than ${MAX_TOKENS} words, signs and line ends.`, FEWER_NODES);
		switch (first) {
			case CONTROL.document:
			case CONTROL.flowEnd:
				return;
			case CONTROL.scalar:
				// The next lexeme is the text itself.
				this.#addNode();
				return;
			case "[":
			case "{":
				if (lexeme.length === 1) {
					this.#depth += 1;
					if (this.#depth > MAX_DEPTH + 1) this.#fail(TOO_DEEP, null);
				}
				break;
			case "]":
			case "}":
				if (lexeme.length === 1) this.#depth = Math.max(0, this.#depth - 1);
				break;
			case "&":
			case "!":
				this.#properties += 1;
				if (this.#properties > MAX_PROPERTIES)
					this.#fail(`The text has more than ${MAX_PROPERTIES} anchors and tags.`, "Write the text without most of them.");
				break;
			case "*":
				this.#aliases += 1;
				this.#addNode();
				// One more is reported with the place where it is used.
				if (this.#aliases > MAX_YAML_ALIASES * 10) throw tooManyAliases();
				break;
			case "'":
			case '"':
				this.#addNode();
				break;
		}
		if (lexeme.length > PART_CHARACTERS / 8 && first !== '"' && first !== "#") this.checkScalar(lexeme);
		this.offset += lexeme.length;
	}

	/** @throws ApiError for a text that is too long to be read without a pause */
	checkScalar(lexeme: string): void {
		if (lexeme.length > MAX_SCALAR_CHARACTERS) this.failLong(this.offset);
		let lines = 0;
		for (let at = lexeme.indexOf("\n"); at >= 0; at = lexeme.indexOf("\n", at + 1)) {
			lines += 1;
			if (lines > MAX_SCALAR_LINES) this.#fail(`A single text has more than ${MAX_SCALAR_LINES} lines.`, LONG_TEXT);
		}
	}

	/**
	 * @throws ApiError for a token of many lines that is too long; the end of a quote is found at
	 * once
	 */
	checkPending(text: string, fed: number): void {
		if (fed - this.offset > MAX_SCALAR_CHARACTERS && text[this.offset] !== '"') this.failLong(this.offset);
	}

	/** @throws ApiError */
	failDeep(): never {
		this.#fail(TOO_DEEP, null);
	}

	/** @throws ApiError */
	failLong(offset: number): never {
		throw limitPassed(this.#positions, offset, `A single text has more than ${MAX_SCALAR_CHARACTERS} characters.`, LONG_TEXT);
	}

	#addNode(): void {
		this.#nodes += 1;
		if (this.#nodes > MAX_PIPELINE_NODES) this.#fail(TOO_MANY_NODES, FEWER_NODES);
	}

	#fail(message: string, suggestion: string | null): never {
		throw limitPassed(this.#positions, this.offset, message, suggestion);
	}
}

const LONG_TEXT = "Move long scripts into the repository and call them. Write a pipeline in JSON as a JSON string.";
export const TOO_MANY_NODES = `The text has more than ${MAX_PIPELINE_NODES} keys, values and items.`;

/** Control characters that the lexer puts between the parts of the text. */
const CONTROL = { document: "\u0002", flowEnd: "\u0018", scalar: "\u001f" };

export function tooManyAliases(): ApiError {
	return new ApiError("validation_failed", `The text uses more than ${MAX_YAML_ALIASES} YAML aliases.`, {
		suggestions: ["Write the repeated parts out, or generate the pipeline."],
	});
}

/** The error of a text that passes a limit. */
function limitPassed(positions: Positions, offset: number, message: string, suggestion: string | null): ApiError {
	const { line, col: column } = positions.linePos(offset);
	const error: FieldError = { path: "", line, column, message, suggestion };
	return new ApiError("malformed", `Line ${line}, column ${column}: ${message}`, {
		details: { errors: [error] },
		suggestions: suggestion === null ? [] : [suggestion],
	});
}

/** This many characters of a text take as much time as a node. */
export const CHARACTERS_OF_NODE = 50;

/** The characters of a text; 0 for anything else. */
export function lengthOf(token: CST.Token | null | undefined): number {
	return token && "source" in token ? token.source.length : 0;
}

/** Measures each map and list, without recursion: the text may be nested deeply. */
function* measured(tokens: readonly CST.Token[], positions: Positions): SlicedWork<Map<CST.Token, number>> {
	const sizes = new Map<CST.Token, number>();
	let nodes = 0;
	const document = tokens.find((token) => token.type === "document");
	const root = document?.value;
	if (!isCollectionToken(root)) return sizes;
	const open: { token: CollectionToken; at: number; size: number }[] = [{ token: root, at: 0, size: 0 }];
	const enter = (token: CST.Token | null | undefined) => {
		if (!isCollectionToken(token)) return;
		if (open.length >= MAX_DEPTH + 1) throw limitPassed(positions, token.offset, TOO_DEEP, null);
		open.push({ token, at: 0, size: 0 });
	};
	for (let top = open.at(-1); top; top = open.at(-1)) {
		const item = top.token.items[top.at];
		top.at += 1;
		if (item) {
			const count = item.key !== undefined || item.sep !== undefined ? 2 : 1;
			nodes += count;
			// A long text takes as much time as many short ones.
			top.size += count + (lengthOf(item.key) + lengthOf(item.value)) / CHARACTERS_OF_NODE;
			if (nodes > MAX_PIPELINE_NODES) throw limitPassed(positions, top.token.offset, TOO_MANY_NODES, FEWER_NODES);
			enter(item.value);
			enter(item.key);
			if (nodes % 1_000 < 2) yield 200;
		} else {
			sizes.set(top.token, top.size);
			open.pop();
			const outer = open.at(-1);
			if (outer) outer.size += top.size;
		}
	}
	return sizes;
}
