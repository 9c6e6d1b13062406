/**
 * The syntax of patterns of paths and names: `*` and `?` within a folder, `**` across folders,
 * `[abc]`, `[!a]`, `{a,b}`, and `\` before a character that stands for itself. Signs of other
 * pattern languages are rejected by name: a pattern that is silently read as plain text matches
 * nothing.
 */

/** One part of a pattern. */
export type PatternPart =
	| { kind: "text"; text: string }
	| { kind: "slash" }
	/** `?`: one character of a name. */
	| { kind: "one" }
	/** `*`: characters of one name. */
	| { kind: "some" }
	/** `**`: any characters. */
	| { kind: "all" }
	/** `**` and the slash after it, where a name begins: any folders, or none. */
	| { kind: "folders" }
	| { kind: "class"; isNegated: boolean; ranges: CharacterRange[] }
	| { kind: "choice"; alternatives: PatternPart[][] };

/** Code points, both ends included. */
export interface CharacterRange {
	low: number;
	high: number;
}

/** Why a pattern is rejected. */
export interface PatternError {
	message: string;
	/** What to write instead. */
	suggestion: string;
}

/** The characters of one pattern, and how many of them may stand for something else. */
const MAX_PATTERN_CHARACTERS = 500;
const MAX_PATTERN_SIGNS = 30;
/** A range of numbers up to this long is written out in a suggestion. */
const MAX_SHOWN_NUMBERS = 20;

const CLASS_OF_NAME: Record<string, string> = {
	digit: "[0-9]",
	alpha: "[A-Za-z]",
	alnum: "[A-Za-z0-9]",
	upper: "[A-Z]",
	lower: "[a-z]",
	xdigit: "[0-9A-Fa-f]",
	word: "[A-Za-z0-9_]",
};

/** A pattern: `!` before it excludes. */
export interface ParsedPattern {
	isExcluding: boolean;
	parts: PatternPart[];
}

/** The parts of a pattern, or why it is none. In bounded time: patterns come from outside. */
export function parsePattern(pattern: string): ParsedPattern | { error: PatternError } {
	if (pattern.length > MAX_PATTERN_CHARACTERS)
		return { error: { message: `A pattern has at most ${MAX_PATTERN_CHARACTERS} characters.`, suggestion: "Write several patterns." } };
	try {
		return new PatternReader(pattern.normalize("NFC")).read();
	} catch (error) {
		if (error instanceof RejectedPattern) return { error: error.reason };
		throw error;
	}
}

class RejectedPattern extends Error {
	readonly reason: PatternError;

	constructor(reason: PatternError) {
		super(reason.message);
		this.reason = reason;
	}
}

class PatternReader {
	readonly #pattern: string;
	#at = 0;
	#signs = 0;

	constructor(pattern: string) {
		this.#pattern = pattern;
	}

	read(): ParsedPattern {
		this.#rejectGroup(this.#pattern[0] ?? "");
		const isExcluding = this.#pattern.startsWith("!");
		if (this.#pattern.startsWith("!!")) throw this.#unsupported("!!", "Write !\\! to exclude a name that begins with !.");
		if (isExcluding) this.#at = 1;
		return { isExcluding, parts: this.#sequence(0, true).parts };
	}

	/**
	 * Parts up to the end of the pattern, or of an alternative.
	 * @param isAtName whether the first part begins a name
	 * @returns the parts, and whether what follows them begins a name
	 */
	#sequence(depth: number, isAtName: boolean): { parts: PatternPart[]; isAtName: boolean } {
		const parts: PatternPart[] = [];
		let begins = isAtName;
		const text = (character: string) => {
			const last = parts.at(-1);
			if (last?.kind === "text") last.text += character;
			else parts.push({ kind: "text", text: character });
			begins = false;
		};
		while (this.#at < this.#pattern.length) {
			const character = String.fromCodePoint(this.#pattern.codePointAt(this.#at) as number);
			if (depth > 0 && (character === "," || character === "}")) break;
			this.#rejectGroup(character);
			if (character === "/") {
				this.#at += 1;
				parts.push({ kind: "slash" });
				begins = true;
			} else if (character === "\\") text(this.#escaped());
			else if (character === "*") {
				parts.push(this.#stars(begins));
				begins = parts.at(-1)?.kind === "folders";
			} else if (character === "?") {
				this.#count();
				this.#at += 1;
				parts.push({ kind: "one" });
				begins = false;
			} else if (character === "[") {
				parts.push(this.#characterClass());
				begins = false;
			} else if (character === "{") {
				const choice = this.#choice(depth, begins);
				parts.push(choice.part);
				begins = choice.isAtName;
			} else {
				this.#at += character.length;
				text(character);
			}
		}
		return { parts, isAtName: begins };
	}

	#count(): void {
		this.#signs += 1;
		if (this.#signs > MAX_PATTERN_SIGNS)
			throw rejected(`A pattern has at most ${MAX_PATTERN_SIGNS} signs such as * and {.`, "Write several patterns.");
	}

	/** The character after a backslash. */
	#escaped(): string {
		const code = this.#pattern.codePointAt(this.#at + 1);
		if (code === undefined) throw this.#notPattern("it ends with a \\", "Write \\\\ for a backslash.");
		const character = String.fromCodePoint(code);
		if (character === "/") throw this.#notPattern("a \\ precedes a /", "Write / alone: it needs no \\.");
		this.#at += 1 + character.length;
		return character;
	}

	#stars(isAtName: boolean): PatternPart {
		this.#count();
		const from = this.#at;
		while (this.#pattern[this.#at] === "*") this.#at += 1;
		const length = this.#at - from;
		if (length > 2) throw this.#unsupported("*".repeat(length), "Write ** for any characters, also those of several folders.");
		if (length === 1) return { kind: "some" };
		if (!isAtName || this.#pattern[this.#at] !== "/") return { kind: "all" };
		this.#at += 1;
		return { kind: "folders" };
	}

	/** `+(a|b)` and the like are groups elsewhere, and so is `(a|b)`. */
	#rejectGroup(character: string): void {
		const isAfterSign = /[?*+@!]/.test(character) && this.#pattern[this.#at + 1] === "(";
		if (!isAfterSign && character !== "(") return;
		const opening = isAfterSign ? this.#at + 1 : this.#at;
		const closing = this.#pattern.indexOf(")", opening);
		const inner = this.#pattern.slice(opening + 1, closing === -1 ? undefined : closing);
		const names = inner.split("|");
		if (!isAfterSign && (closing === -1 || names.length === 1)) return;
		const end = closing === -1 ? "" : ")";
		const sign = isAfterSign ? character : "";
		const hints = [
			...(sign === "!" ? ['To exclude, write a pattern of its own that begins with !, such as "!tmp/**".'] : []),
			...(sign !== "!" && names.length > 1 ? [`Write {${names.join(",")}} for one of these.`] : []),
			`Write ${sign}\\(${inner.replace(/[?*{}[\],\\(]/g, "\\$&")}${end && "\\)"} where the ( is part of a name.`,
		];
		throw this.#unsupported(`${sign}(${inner}${end}`, hints.join(" "));
	}

	#characterClass(): PatternPart {
		this.#count();
		const from = this.#at;
		this.#rejectNamedClass();
		let at = from + 1;
		if (this.#pattern[at] === "^")
			throw this.#unsupported("[^", "Write [!a] for a character that is not a, or [\\^a] for one of these two.");
		const isNegated = this.#pattern[at] === "!";
		if (isNegated) at += 1;
		const characters: { code: number; isEscaped: boolean }[] = [];
		for (;;) {
			const code = this.#pattern.codePointAt(at);
			if (code === undefined) throw this.#notPattern(`the [ at character ${from + 1} has no ]`, "Write \\[ for the character itself.");
			let character = String.fromCodePoint(code);
			if (character === "]" && characters.length > 0) break;
			const isEscaped = character === "\\";
			if (isEscaped) {
				at += 1;
				const next = this.#pattern.codePointAt(at);
				if (next === undefined) throw this.#notPattern("it ends with a \\", "Write \\\\ for a backslash.");
				character = String.fromCodePoint(next);
			}
			if (character === "/")
				throw this.#notPattern("[…] stands for a character of a name, which is never /", "Write / outside of the [ ].");
			if (character === "[" && !isEscaped && /[:.=]/.test(this.#pattern[at + 1] ?? "")) this.#rejectNamedClass(at);
			characters.push({ code: character.codePointAt(0) as number, isEscaped });
			at += character.length;
		}
		this.#at = at + 1;
		return { kind: "class", isNegated, ranges: this.#ranges(characters) };
	}

	/** `[[:digit:]]`, `[[.a.]]`, `[[=a=]]`. @param at where the inner bracket stands */
	#rejectNamedClass(at = this.#at + 1): void {
		const [shown, , name = ""] = /^\[([:.=])(\w+)\1\]/.exec(this.#pattern.slice(at, at + 30)) ?? [];
		if (shown === undefined) return;
		const known = CLASS_OF_NAME[name];
		throw this.#unsupported(`[${shown}]`, known ? `Write ${known}.` : "Write the characters themselves, such as [abc].");
	}

	#ranges(characters: readonly { code: number; isEscaped: boolean }[]): CharacterRange[] {
		const ranges: CharacterRange[] = [];
		for (let index = 0; index < characters.length; index += 1) {
			const low = characters[index]?.code as number;
			const isRange = characters[index + 1]?.code === 0x2d && !characters[index + 1]?.isEscaped && index + 2 < characters.length;
			const high = isRange ? (characters[index + 2]?.code as number) : low;
			if (high < low) throw this.#notPattern("a range such as [a-z] goes from the lower character to the higher", "Turn the range around.");
			ranges.push({ low, high });
			if (isRange) index += 2;
		}
		return ranges;
	}

	#choice(depth: number, isAtName: boolean): { part: PatternPart; isAtName: boolean } {
		this.#count();
		const from = this.#at;
		this.#rejectSequence();
		const alternatives: PatternPart[][] = [];
		let isNameAfter = true;
		for (let next = "{"; next !== "}"; next = this.#pattern[this.#at] as string) {
			this.#at += 1;
			const alternative = this.#sequence(depth + 1, isAtName);
			alternatives.push(alternative.parts);
			isNameAfter &&= alternative.isAtName;
			if (this.#at >= this.#pattern.length)
				throw this.#notPattern(`the { at character ${from + 1} has no }`, "Write \\{ for the character itself.");
		}
		this.#at += 1;
		if (alternatives.length === 1) {
			const inner = this.#pattern.slice(from + 1, this.#at - 1);
			throw this.#notPattern(
				`{${inner}} has only one alternative`,
				`Write \\{${inner}\\} for a name with these characters, or {a,b} for one of several.`,
			);
		}
		return { part: { kind: "choice", alternatives }, isAtName: isNameAfter };
	}

	/** `{1..3}` and `{a..e}`. */
	#rejectSequence(): void {
		const rest = this.#pattern.slice(this.#at, this.#at + 60);
		const [shown, first = "", last = ""] = /^\{(-?\w+)\.\.(-?\w+)(?:\.\.-?\d+)?\}/.exec(rest) ?? [];
		if (shown === undefined) return;
		throw this.#unsupported(shown, suggestionFor(shown, first, last));
	}

	#notPattern(why: string, suggestion: string): RejectedPattern {
		return rejected(`${JSON.stringify(this.#pattern)} is not a pattern: ${why}.`, suggestion);
	}

	#unsupported(sign: string, suggestion: string): RejectedPattern {
		return rejected(`${JSON.stringify(this.#pattern)} is not a pattern: ${sign} is not supported.`, suggestion);
	}
}

function suggestionFor(shown: string, first: string, last: string): string {
	const [low, high] = [Number(first), Number(last)];
	const isPlain = shown === `{${first}..${last}}`;
	if (isPlain && first.length === 1 && last.length === 1 && first < last) return `Write [${first}-${last}].`;
	const isShort = Number.isInteger(low) && Number.isInteger(high) && low < high && high - low < MAX_SHOWN_NUMBERS;
	if (!isPlain || !isShort || /^-?0\d/.test(first)) return "Write the values out, such as {a,b,c}.";
	return `Write {${Array.from({ length: high - low + 1 }, (_, index) => low + index).join(",")}}.`;
}

function rejected(message: string, suggestion: string): RejectedPattern {
	return new RejectedPattern({ message, suggestion });
}
