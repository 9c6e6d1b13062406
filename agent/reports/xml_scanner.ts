import { ReportError } from "./report_error.ts";

/**
 * XML as the tools of a job write it, element by element: a report of many million elements must not fill the memory. No report needs
 * entities of its own. A document that declares some may want this machine's files or memory, so the scanner rejects it.
 */

/** Receives the parts of a document, in their order. */
export interface XmlHandler {
	open(name: string, attributes: ReadonlyMap<string, string>): void;
	text(text: string): void;
	close(): void;
}

const MAX_DEPTH = 200;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const REFERENCE = /&(?:#0*(\d{1,7})|#x0*([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));/g;
const NAME = /[^\s=<>"'/&!?]+/y;
const ATTRIBUTE = /\s+([^\s=<>"'/]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
const TAG_END = /\s*(\/?)>/y;
/** Parts of a document type: a comment, an instruction, a quoted text, a declaration of entities, the end of a part, anything else. */
const DOCTYPE_PART = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|"[^"]*"|'[^']*'|<!ENTITY|[[\]>]|[^"'<[\]>]+|<(?!!--|\?)/y;

/** Reads a document. @throws ReportError for what is no XML, or declares entities */
export function scanXml(text: string, handler: XmlHandler): void {
	new Scanner(text, handler).scan();
}

class Scanner {
	readonly #text: string;
	readonly #handler: XmlHandler;
	/** The elements that are open, with their places. */
	readonly #open: { name: string; at: number }[] = [];
	#at = 0;
	#hasRoot = false;

	constructor(text: string, handler: XmlHandler) {
		this.#text = text;
		this.#handler = handler;
	}

	scan(): void {
		const text = this.#text;
		while (this.#at < text.length) {
			const next = text.indexOf("<", this.#at);
			const end = next === -1 ? text.length : next;
			if (end > this.#at) this.#characters(text.slice(this.#at, end));
			this.#at = end;
			if (next === -1) break;
			if (text.startsWith("<!--", next)) this.#until("<!--", "-->", "comment");
			else if (text.startsWith("<![CDATA[", next)) this.#cdata();
			else if (text.startsWith("<?", next)) this.#until("<?", "?>", "instruction");
			else if (text.startsWith("<!DOCTYPE", next)) this.#doctype();
			else if (text.startsWith("</", next)) this.#closeTag();
			else this.#openTag();
		}
		const unclosed = this.#open.at(-1);
		if (unclosed) {
			throw this.#error(
				`the element ${unclosed.name} is never closed. The tool that wrote the report may have been ended early.`,
				unclosed.at,
			);
		}
		if (!this.#hasRoot) throw new ReportError("it holds no XML. Check that the tool writes XML to this file.");
	}

	#characters(raw: string): void {
		if (this.#open.length > 0) this.#handler.text(withoutReferences(raw.replaceAll("\r\n", "\n")));
		else if (raw.trim() !== "") {
			const at = this.#at + raw.search(/\S/);
			if (this.#hasRoot) throw this.#error("there is text after the document. Write one document to a file.", at);
			throw this.#error("there is text before the first element. Check that the tool writes nothing but XML to this file.", at);
		}
	}

	/** Passes over a part. @returns what is between its ends */
	#until(start: string, stop: string, part: string): string {
		const from = this.#at + start.length;
		const end = this.#text.indexOf(stop, from);
		if (end === -1) throw this.#error(`the ${part} never ends. The tool that wrote the report may have been ended early.`, this.#at);
		this.#at = end + stop.length;
		return this.#text.slice(from, end);
	}

	#cdata(): void {
		const begin = this.#at;
		const content = this.#until("<![CDATA[", "]]>", "CDATA section");
		if (this.#open.length === 0) throw this.#error("there is text outside of the document. Write one document to a file.", begin);
		this.#handler.text(content.replaceAll("\r\n", "\n"));
	}

	#doctype(): void {
		const begin = this.#at;
		this.#at += "<!DOCTYPE".length;
		for (let isInside = false; ; ) {
			const [part] = this.#match(DOCTYPE_PART) ?? [];
			if (part === undefined) throw this.#error("the document type never ends.", begin);
			if (part === "<!ENTITY") throw this.#error("it declares entities, which no report may. Leave the declarations out.", this.#at);
			if (part === "[") isInside = true;
			else if (part === "]") isInside = false;
			else if (part === ">" && !isInside) return;
		}
	}

	#openTag(): void {
		const begin = this.#at;
		this.#at += 1;
		const [name] = this.#match(NAME) ?? [];
		if (name === undefined) throw this.#error('"<" does not begin an element. Write "&lt;" where it is text.', begin);
		if (this.#open.length === 0 && this.#hasRoot) throw this.#error("a second document begins. Write one document to a file.", begin);
		if (this.#open.length >= MAX_DEPTH) throw this.#error(`its elements are nested more than ${MAX_DEPTH} deep.`, begin);
		this.#hasRoot = true;
		const attributes = new Map<string, string>();
		for (let found = this.#match(ATTRIBUTE); found; found = this.#match(ATTRIBUTE)) {
			attributes.set(localName(found[1] as string), withoutReferences(found[2] ?? (found[3] as string)));
		}
		const end = this.#match(TAG_END);
		if (!end) throw this.#error(`the tag of the element ${name} is malformed.`, begin);
		this.#handler.open(localName(name), attributes);
		if (end[1] === "/") this.#handler.close();
		else this.#open.push({ name, at: begin });
	}

	#closeTag(): void {
		const begin = this.#at;
		this.#at += 2;
		const [name] = this.#match(NAME) ?? [];
		const opened = this.#open.pop();
		if (!this.#match(TAG_END) || name !== opened?.name) {
			const expected = opened ? `The element ${opened.name} is open.` : "No element is open.";
			throw this.#error(`the end tag ${JSON.stringify(name ?? "")} does not match. ${expected}`, begin);
		}
		this.#handler.close();
	}

	#match(expression: RegExp): RegExpExecArray | null {
		expression.lastIndex = this.#at;
		const found = expression.exec(this.#text);
		if (found) this.#at = expression.lastIndex;
		return found;
	}

	#error(problem: string, at: number): ReportError {
		let line = 1;
		for (let next = this.#text.indexOf("\n"); next !== -1 && next < at; next = this.#text.indexOf("\n", next + 1)) line += 1;
		return new ReportError(problem, line);
	}
}

/** A name without the prefix of its namespace: those of reports mean the same in any. */
function localName(name: string): string {
	return name.slice(name.indexOf(":") + 1);
}

/** The characters that references stand for: those that XML itself names, and those that are given by number. */
function withoutReferences(text: string): string {
	if (!text.includes("&")) return text;
	return text.replace(REFERENCE, (reference, decimal?: string, hexadecimal?: string, name?: string) => {
		if (name !== undefined) return NAMED[name] as string;
		const code = decimal === undefined ? Number.parseInt(hexadecimal as string, 16) : Number(decimal);
		return isCharacter(code) ? String.fromCodePoint(code) : reference;
	});
}

/** What a document may hold: https://www.w3.org/TR/xml/#charsets */
function isCharacter(code: number): boolean {
	const isControl = code < 0x20 && code !== 0x9 && code !== 0xa && code !== 0xd;
	const isSurrogate = code >= 0xd800 && code <= 0xdfff;
	return !isControl && !isSurrogate && code !== 0xfffe && code !== 0xffff && code <= 0x10ffff;
}
