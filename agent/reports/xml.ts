import { XMLParser } from "fast-xml-parser";

/**
 * XML as the tools of a job write it. No report needs definitions of its own; who brings some may be after this machine's files or memory, so that
 * nothing that a document declares is ever filled in.
 */

export type Element = Record<string, unknown>;

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const REFERENCE = /&(?:#0*(\d{1,7})|#x0*([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));/g;

/** The characters that references stand for: those that XML itself names, and those that are given by number. */
const references = {
	decode: (text: string) =>
		text.replace(REFERENCE, (reference, decimal?: string, hexadecimal?: string, name?: string) => {
			if (name !== undefined) return NAMED[name] as string;
			const code = decimal === undefined ? Number.parseInt(hexadecimal as string, 16) : Number(decimal);
			return isCharacter(code) ? String.fromCodePoint(code) : reference;
		}),
	addInputEntities: (declared: Readonly<Record<string, string>>) => {
		if (Object.keys(declared).length > 0) throw new Error("it declares entities");
	},
	setExternalEntities: () => undefined,
	setXmlVersion: () => undefined,
	reset: () => undefined,
};

/** What a document may hold: https://www.w3.org/TR/xml/#charsets */
function isCharacter(code: number): boolean {
	const isControl = code < 0x20 && code !== 0x9 && code !== 0xa && code !== 0xd;
	const isSurrogate = code >= 0xd800 && code <= 0xdfff;
	return !isControl && !isSurrogate && code !== 0xfffe && code !== 0xffff && code <= 0x10ffff;
}

/**
 * Reads documents: elements as maps of their children; attributes with `@` before their names, text as `#`.
 * @param lists the elements of which there may be several
 * @returns a function that throws Error for what is no XML, or declares entities
 */
export function xmlReader(lists: readonly string[]): (text: string) => Element {
	const parser = new XMLParser({
		ignoreAttributes: false,
		attributeNamePrefix: "@",
		textNodeName: "#",
		parseTagValue: false,
		parseAttributeValue: false,
		trimValues: false,
		isArray: (name) => lists.includes(name),
		entityDecoder: references,
	});
	return (text) => parser.parse(text, true) as Element;
}
