import sax from "sax";
import { ReportError } from "./report_error.ts";

/**
 * XML as the tools of a job write it, element by element: a report of many million elements must
 * not fill the memory. No report needs entities of its own. A document that declares some may want
 * this machine's files or memory, so the scanner rejects it.
 */

/** Receives the parts of a document, in their order. A long text comes in chunks. */
export interface XmlHandler {
	open(name: string, attributes: ReadonlyMap<string, string>): void;
	text(text: string): void;
	close(): void;
}

const MAX_DEPTH = 200;
const MAX_ATTRIBUTES = 1_000;
/** The parser holds at most this much of one value, and passes longer texts on in chunks. */
Object.assign(sax, { MAX_BUFFER_LENGTH: 4 * 1024 * 1024 });
const BLOCK = 64 * 1024;
const ENDED_EARLY = "The tool that wrote the report may have been ended early.";

/**
 * Errors of tools after which the parser reads on without a loss: a bare "&", "--" in a comment.
 */
const TOLERATED = /^(Invalid character (in entity name|entity)|Malformed comment)/;
/** Each costs the parser an Error. */
const MAX_TOLERATED = 20_000;

/** The messages of the parser, and our own in their place. The first match counts. */
const PROBLEMS: readonly [RegExp, string][] = [
	[/^Text data outside/, "there is text after the document. Write one document to a file."],
	[/^Non-whitespace before first tag/, "there is text before the first element. Check that the tool writes nothing but XML to this file."],
	[/^Unencoded </, '"<" does not begin an element. Write "&lt;" where "<" is text.'],
	[/^Max buffer length exceeded/, "a value has more than 4 MiB. Write long output to a file of its own."],
	[/^Inappropriately located doctype/, "a document type stands in the middle of the document. Write one document to a file."],
];

/** Reads a document. @throws ReportError if it is not XML, or declares entities */
export function scanXml(text: string, handler: XmlHandler): void {
	new Scanner(handler).scan(text);
}

class Scanner {
	readonly #parser = sax.parser(true, { position: true });
	readonly #handler: XmlHandler;
	/** The elements that are open, with the lines in which they begin. */
	readonly #open: { name: string; line: number }[] = [];
	#attributes = new Map<string, string>();
	/** The element whose tag is being read. */
	#tag = { name: "", line: 0 };
	#hasRoot = false;
	#tolerated = 0;

	constructor(handler: XmlHandler) {
		const parser = this.#parser;
		this.#handler = handler;
		parser.onerror = (error) => this.#onError(error.message.split("\n", 1)[0] as string);
		parser.ondoctype = (declarations) => {
			if (/<!ENTITY/i.test(declarations)) throw this.#error("it declares entities, which no report may. Leave the declarations out.");
		};
		parser.onopentagstart = ({ name }) => {
			this.#tag = { name, line: parser.line + 1 };
			if (this.#open.length === 0 && this.#hasRoot) throw this.#error("a second document begins. Write one document to a file.");
			if (this.#open.length >= MAX_DEPTH) throw this.#error(`its elements are nested more than ${MAX_DEPTH} deep.`);
			this.#attributes = new Map();
		};
		parser.onattribute = ({ name, value }) => {
			this.#attributes.set(localName(name), value);
			if (this.#attributes.size > MAX_ATTRIBUTES) throw this.#error(`an element has more than ${MAX_ATTRIBUTES} attributes.`);
		};
		parser.onopentag = ({ name }) => {
			this.#hasRoot = true;
			handler.open(localName(name), this.#attributes);
			this.#open.push(this.#tag);
		};
		parser.onclosetag = () => {
			this.#open.pop();
			handler.close();
		};
		parser.ontext = (text) => this.#text(text);
		parser.oncdata = (text) => {
			if (this.#open.length === 0) throw this.#error("there is text outside of the document. Write one document to a file.");
			this.#text(text);
		};
	}

	scan(text: string): void {
		for (let at = 0; at < text.length; at += BLOCK) this.#parser.write(text.slice(at, at + BLOCK));
		if (!this.#hasRoot && !text.includes("<")) throw new ReportError("it holds no XML. Check that the tool writes XML to this file.");
		this.#parser.close();
		if (!this.#hasRoot) throw new ReportError("it holds no element. Check that the tool writes XML to this file.");
	}

	#text(text: string): void {
		if (this.#open.length > 0) this.#handler.text(text.replaceAll("\r\n", "\n"));
	}

	/** The parser reads on if this returns. */
	#onError(message: string): void {
		if (TOLERATED.test(message)) {
			this.#tolerated += 1;
			if (this.#tolerated > MAX_TOLERATED)
				throw this.#error(`it breaks the rules of XML more than ${MAX_TOLERATED} times. Write "&amp;" where "&" is text.`);
			this.#parser.resume();
			return;
		}
		const known = PROBLEMS.find(([pattern]) => pattern.test(message));
		if (known) throw this.#error(known[1]);
		const opened = this.#open.at(-1);
		if (/^Un(closed root tag|expected end)/.test(message)) {
			if (opened) throw new ReportError(`the element ${opened.name} is never closed. ${ENDED_EARLY}`, opened.line);
			throw this.#error(`the document breaks off. ${ENDED_EARLY}`);
		}
		if (/closing tag|close tag/.test(message)) {
			throw this.#error(`an end tag does not match. ${opened ? `The element ${opened.name} is open.` : "No element is open."}`);
		}
		throw this.#error(`the tag of the element ${this.#tag.name} is malformed. Write "&lt;" where "<" is text.`);
	}

	#error(problem: string): ReportError {
		return new ReportError(problem, this.#parser.line + 1);
	}
}

/** A name without the prefix of its namespace: those of reports mean the same in any. */
function localName(name: string): string {
	return name.slice(name.indexOf(":") + 1);
}
