/**
 * Whether a path names something inside a folder on any system: relative, normalised (Unicode NFC), without `..`, control characters,
 * backslash or drive letter. Both sides of the wire ask this of every path that comes from elsewhere.
 */
export function isInnerPath(path: string): boolean {
	return innerPathError(path) === null;
}

/** Why a path is not one that `isInnerPath` takes, as what is said of it; null if it is. */
export function innerPathError(path: string): string | null {
	if (/[\n\r]/.test(path)) return "has a line break in its name";
	if (/\p{Cc}/u.test(path)) return "has a control character in its name";
	if (path.includes("\\")) return "has a backslash in its name";
	if (/^[A-Za-z]:/.test(path)) return "begins like a drive letter";
	if (path.normalize("NFC") !== path) return "is not in Unicode's normal form NFC";
	const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
	return isPlain ? null : "is not a relative path without . and ..";
}

/** Characters that change how the text around them is shown, and those that an escape is made of. */
const UNSHOWABLE = /[\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069"\\]/gu;
const SHORT_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };

/** A path as it is shown in a log, a terminal or a message: in quotes and with escapes where it needs them, as git does. */
export function shownPath(path: string): string {
	const escaped = path.replace(UNSHOWABLE, (character) => {
		const code = character.codePointAt(0) as number;
		return SHORT_ESCAPES[character] ?? (code < 0x100 ? `\\x${hexadecimal(code, 2)}` : `\\u${hexadecimal(code, 4)}`);
	});
	return escaped === path ? path : `"${escaped}"`;
}

/** The bytes of a name that is not UTF-8, as they are shown: those that belong to no character as `\xNN`. */
export function shownBytes(bytes: Uint8Array): string {
	let shown = "";
	for (let at = 0; at < bytes.length; ) {
		const character = characterAt(bytes, at);
		if (character === null) shown += `\\x${hexadecimal(bytes[at] as number, 2)}`;
		else shown += shownPath(character).replace(/^"(.+)"$/s, "$1");
		at += character === null ? 1 : new TextEncoder().encode(character).length;
	}
	return `"${shown}"`;
}

/** The character of UTF-8 that begins at a byte; null for none. */
function characterAt(bytes: Uint8Array, at: number): string | null {
	const first = bytes[at] as number;
	const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	try {
		return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + length));
	} catch {
		return null;
	}
}

function hexadecimal(code: number, digits: number): string {
	return code.toString(16).padStart(digits, "0");
}

/** What the paths begin with under which an agent keeps what a job says of itself; no file of a workspace may have such a one. */
export const OWN_ARTIFACTS = "windlass:";

/** Under which path a job's summary, or its test cases, are kept among its files. */
export function ownArtifactPath(kind: "summary" | "tests"): string {
	return `${OWN_ARTIFACTS}${kind}`;
}
