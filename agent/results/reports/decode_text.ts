import { ReportError } from "./report_error.ts";

/** The text of a report's bytes, in whatever encoding the tool wrote it. */

/**
 * https://encoding.spec.whatwg.org/#bom-sniff, and UTF-32, whose byte order mark begins as that of
 * UTF-16.
 */
const BYTE_ORDER_MARKS = [
	["utf-32le", [0xff, 0xfe, 0, 0]],
	["utf-32be", [0, 0, 0xfe, 0xff]],
	["utf-8", [0xef, 0xbb, 0xbf]],
	["utf-16le", [0xff, 0xfe]],
	["utf-16be", [0xfe, 0xff]],
] as const;

/**
 * `<?` in encodings that an XML document may have without a byte order mark:
 * https://www.w3.org/TR/xml/#sec-guessing
 */
const FIRST_BYTES = [
	["utf-16le", [0x3c, 0, 0x3f, 0]],
	["utf-16be", [0, 0x3c, 0, 0x3f]],
] as const;

const DECLARATION = /^<\?xml\s[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']/;
/** A declaration is ASCII; no tool writes a longer one. */
const DECLARATION_BYTES = 512;

/**
 * Plain text: as its byte order mark says, else UTF-8. PowerShell writes UTF-16 where a command's
 * output goes to a file.
 */
export function decodeText(bytes: Uint8Array): string {
	return decode(bytes, startingWith(bytes, BYTE_ORDER_MARKS) ?? "utf-8");
}

/**
 * A document: as its byte order mark says, else its declaration, else UTF-8.
 * @throws ReportError for an unknown encoding
 */
export function decodeXml(bytes: Uint8Array): string {
	return decode(bytes, startingWith(bytes, BYTE_ORDER_MARKS) ?? startingWith(bytes, FIRST_BYTES) ?? declared(bytes) ?? "utf-8");
}

function startingWith(bytes: Uint8Array, known: readonly (readonly [string, readonly number[]])[]): string | null {
	return known.find(([, first]) => first.every((byte, index) => bytes[index] === byte))?.[0] ?? null;
}

/**
 * The declared encoding of a document with one-byte characters. .NET declares UTF-16 for text that
 * it saves as UTF-8.
 */
function declared(bytes: Uint8Array): string | null {
	const [, name] = DECLARATION.exec(Buffer.from(bytes.subarray(0, DECLARATION_BYTES)).toString("latin1").trimStart()) ?? [];
	return name === undefined || /^(utf-?16|utf-?32|ucs-?[24]|iso-10646-ucs)/i.test(name) ? null : name;
}

function decode(bytes: Uint8Array, encoding: string): string {
	return decoderOf(encoding).decode(bytes);
}

function decoderOf(encoding: string) {
	try {
		return new TextDecoder(encoding);
	} catch {
		throw new ReportError(`its encoding ${encoding} is not supported. Write the report in UTF-8.`);
	}
}
