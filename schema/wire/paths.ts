/**
 * Whether a path names something inside a folder on any system. It is relative and normalized
 * (Unicode NFC), without `..`, control characters, backslash or drive letter. The coordinator and
 * agents check every foreign path with this.
 */
export function isInnerPath(path: string): boolean {
	return innerPathError(path) === null;
}

/** Why `isInnerPath` does not accept a path, as the end of a sentence; null if it does. */
export function innerPathError(path: string): string | null {
	if (/[\n\r]/.test(path)) return "has a line break in its name";
	if (/\p{Cc}/u.test(path)) return "has a control character in its name";
	if (path.includes("\\")) return "has a backslash in its name";
	if (/^[A-Za-z]:/.test(path)) return "begins like a drive letter";
	if (path.normalize("NFC") !== path) return "is not in Unicode's normal form NFC";
	const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
	return isPlain ? null : "is not a relative path without . and ..";
}

/** Characters that change how the text around them is shown, and the characters of escapes. */
const UNSHOWABLE = /[\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069"\\]/gu;
const SHORT_ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };

/**
 * A path for a log, a terminal or a message: like git, in quotes and with escapes if it needs them.
 */
export function shownPath(path: string): string {
	const escaped = path.replace(UNSHOWABLE, (character) => {
		const code = character.codePointAt(0) as number;
		return SHORT_ESCAPES[character] ?? (code < 0x100 ? `\\x${hexadecimal(code, 2)}` : `\\u${hexadecimal(code, 4)}`);
	});
	return escaped === path ? path : `"${escaped}"`;
}

/** The bytes of a name that is not UTF-8, for people: bytes of no character as `\xNN`. */
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

/** The UTF-8 character that begins at a byte; null without one. */
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

/**
 * The prefix of the paths of a job's own files, such as its summary. No file of a workspace may
 * have it.
 */
export const OWN_ARTIFACTS = "windlass:";

/** The path of a job's summary or test cases among its files. */
export function ownArtifactPath(kind: "summary" | "tests"): string {
	return `${OWN_ARTIFACTS}${kind}`;
}
