import { hiddenParts, MIN_SECRET_BYTES } from "../../schema/wire/secrets.ts";

/**
 * The forms in which tools show a secret: the secret and each of its lines, encoded for URLs, JSON,
 * HTML and shells, in hex, and in base64 once or twice. In a secret that is JSON, each long string
 * is a secret, too. docs/explanation/security.md lists them for users.
 */

/** Shorter strings in a secret that is JSON are words like `type`. */
const MIN_JSON_VALUE_BYTES = 8;

/**
 * Beyond so many lines and strings of a secret, double base64 is not hidden: the number of forms is
 * limited.
 */
const MAX_TWICE = 300;

/**
 * Every form of a secret that is hidden, as bytes.
 * @param extent whether the strings of a secret that is JSON are secrets, too
 */
export function formsOf(secret: string, extent: "parts" | "wholes"): Buffer[] {
	const parts = new Set([secret, ...(extent === "parts" ? ofJson(secret) : [])].flatMap(hiddenParts));
	const forms = [...parts].flatMap((part, index) => {
		const once = encodedOnce(part);
		return [...textForms(part), ...hexForms(part), ...once, ...(index < MAX_TWICE ? once.flatMap(encodedOnce) : [])];
	});
	return [...new Set(forms)].map((text) => Buffer.from(text)).filter(({ byteLength }) => byteLength >= MIN_SECRET_BYTES);
}

/** The strings of a secret that is JSON, and the whole as other programs write it. */
function ofJson(secret: string): string[] {
	let value: unknown;
	try {
		value = JSON.parse(secret);
	} catch {
		return [];
	}
	if (typeof value !== "object" || value === null || isDeeperThan(value, MAX_JSON_DEPTH)) return [];
	const wholes = [JSON.stringify(value), spaced(value)];
	return [...stringsIn(value), ...wholes, ...wholes.map(inAscii)];
}

/** No credential is nested deeper. */
const MAX_JSON_DEPTH = 100;

function isDeeperThan(value: unknown, levels: number): boolean {
	if (typeof value !== "object" || value === null) return false;
	return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

function stringsIn(value: unknown): string[] {
	if (typeof value === "string") return Buffer.byteLength(value) >= MIN_JSON_VALUE_BYTES ? [value.toWellFormed()] : [];
	return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** Python's JSON: on one line, with blanks. */
function spaced(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	return `{${Object.entries(value)
		.map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
		.join(", ")}}`;
}

function textForms(text: string): string[] {
	return [text, ...urlForms(text), ...jsonForms(text), ...htmlForms(text), ...shellForms(text)];
}

/**
 * The encodings of browsers, of forms, and of RFC 3986, with slashes or without, in upper and lower
 * case.
 */
function urlForms(text: string): string[] {
	const loose = encodeURIComponent(text);
	const strict = loose.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
	const ofForm = new URLSearchParams([["", text]]).toString().slice(1);
	const large = [loose, strict, strict.replaceAll("%2F", "/"), ofForm];
	return [...large, ...large.map((form) => form.replace(/%../g, (one) => one.toLowerCase()))];
}

/**
 * In single quotes (two ways), with backslashes before special characters (`printf %q`), and in
 * double quotes.
 */
function shellForms(text: string): string[] {
	return [
		text.replaceAll("'", "'\\''"),
		text.replaceAll("'", "'\"'\"'"),
		text.replace(/[^A-Za-z0-9_@%+=:,./-]/g, "\\$&"),
		text.replace(/["$`\\]/g, "\\$&"),
	];
}

/**
 * JSON strings with escapes for non-ASCII characters (Python), for HTML (Go), for slashes (PHP), or
 * for several of these.
 */
function jsonForms(text: string): string[] {
	const plain = JSON.stringify(text).slice(1, -1);
	const ascii = inAscii(plain);
	const forms = [plain, ascii].flatMap((form) => [form, escaped(form, /[<>&\u2028\u2029]/g), form.replaceAll("/", "\\/")]);
	return [...forms, ...forms.map((form) => form.replace(/\\u[0-9a-f]{4}/g, (one) => `\\u${one.slice(2).toUpperCase()}`))];
}

function inAscii(json: string): string {
	return escaped(json, /[\u007f-\uffff]/g);
}

function escaped(json: string, chars: RegExp): string {
	return json.replace(chars, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function htmlForms(text: string): string[] {
	const outside = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
	const inside = outside.replaceAll('"', "&quot;");
	return [outside, inside, inside.replaceAll("'", "&#39;"), inside.replaceAll("'", "&#x27;")];
}

/** `xxd -p` writes 60 digits on a line. */
const HEX_LINES = /.{1,60}/g;

function hexForms(text: string): string[] {
	const small = Buffer.from(text).toString("hex");
	// A short last line says little, and looks like any other number.
	const lines: readonly string[] = small.match(HEX_LINES) ?? [];
	return [small, ...lines.filter((line) => line.length >= 2 * MIN_SECRET_BYTES)].flatMap((form) => [form, form.toUpperCase()]);
}

/** Base64 of a text inside a longer text, and of the text alone, with and without a newline. */
function encodedOnce(text: string): string[] {
	const forms = [...unaligned(Buffer.from(text)), ...wrapped(Buffer.from(text)), ...wrapped(Buffer.from(`${text}\n`))];
	return [...new Set(forms)].filter((form) => form.length >= MIN_SECRET_BYTES);
}

/** The line lengths of base64 (76) and openssl (64). */
const BASE64_LINES = [/.{1,76}/g, /.{1,64}/g];

/** The lines of base64 output. */
function wrapped(bytes: Buffer): string[] {
	const whole = bytes.toString("base64");
	return BASE64_LINES.flatMap((line) => whole.match(line) ?? []);
}

/**
 * The base64 characters that do not depend on the bytes before and after. In a longer text the
 * bytes begin at one of three offsets. Both alphabets.
 */
function unaligned(bytes: Buffer): string[] {
	return [0, 1, 2].flatMap((before) => {
		const whole = Buffer.concat([Buffer.alloc(before), bytes])
			.toString("base64")
			.replace(/=+$/, "");
		const from = before === 0 ? 0 : before + 1;
		const isOpen = (before + bytes.byteLength) % 3 !== 0;
		const sure = whole.slice(from, isOpen ? -1 : undefined);
		return [sure, sure.replaceAll("+", "-").replaceAll("/", "_")];
	});
}
