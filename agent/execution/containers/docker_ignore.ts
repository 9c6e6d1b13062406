import { RE2JS } from "@bufbuild/re2";

/**
 * The rules of `.dockerignore`
 * (https://docs.docker.com/build/concepts/context/#dockerignore-files). Docker applies them only to
 * a folder that it reads itself. The job writes them, so they are matched in linear time.
 */

const MAX_PATTERNS = 2_000;
const MAX_LINE = 1_000;
/** Characters that are special in regular expressions, but not in these patterns. */
const LITERAL = /[.$+(){}|^]/;

interface Rule {
	/** Whether it includes again what earlier rules have excluded. */
	isException: boolean;
	pattern: RE2JS;
	/** The beginning of every path that the rule can match. */
	base: string;
}

export class DockerIgnore {
	readonly #rules: readonly Rule[];
	/** Folders, and the rules that match them or a folder above. */
	readonly #folders = new Map<string, readonly boolean[]>();

	/** @throws Error that names an invalid pattern and its file */
	constructor(text: string, file: string) {
		const lines = text
			.replace(/^\uFEFF/, "")
			.split(/\r?\n/)
			.filter((line) => !line.startsWith("#"))
			.map((line) => line.trim())
			.filter((line) => line !== "" && line !== "!");
		const long = lines.findIndex((line) => line.length > MAX_LINE);
		if (long !== -1) throw new Error(`${file}: pattern ${long + 1} has more than ${MAX_LINE} characters.`);
		if (lines.length > MAX_PATTERNS) throw new Error(`${file} has ${lines.length} patterns; a file can have ${MAX_PATTERNS}.`);
		this.#rules = lines.map((line) => ruleOf(line, file));
	}

	/** Whether a path is left out. The last rule that matches it, or a folder above it, decides. */
	isIgnored(path: string): boolean {
		const matched = this.#matched(path);
		const last = matched.lastIndexOf(true);
		return last !== -1 && !this.#rules[last]?.isException;
	}

	/** Whether something below a folder may be sent. */
	isEntered(folder: string): boolean {
		if (!this.isIgnored(folder)) return true;
		return this.#rules.some(({ isException, base }) => isException && (`${folder}/`.startsWith(base) || base.startsWith(`${folder}/`)));
	}

	/** For each rule, whether it matches the path or a folder above it. */
	#matched(path: string): readonly boolean[] {
		const known = this.#folders.get(path);
		if (known) return known;
		const end = path.lastIndexOf("/");
		const above = end === -1 ? null : this.#matched(path.slice(0, end));
		// Every entry asks again for its own folders, and no more for the folders beside them.
		if (above !== null) for (const folder of this.#folders.keys()) if (!`${path}/`.startsWith(`${folder}/`)) this.#folders.delete(folder);
		const matched = this.#rules.map(({ pattern }, index) => above?.[index] === true || pattern.matches(path));
		this.#folders.set(path, matched);
		return matched;
	}
}

function ruleOf(line: string, file: string): Rule {
	const isException = line.startsWith("!");
	const pattern = normalized(isException ? line.slice(1).trim() : line);
	try {
		return { isException, pattern: RE2JS.compile(expressionOf(pattern)), base: /^[^*?[\\]*/.exec(pattern)?.[0] ?? "" };
	} catch {
		throw new Error(`${file}: ${JSON.stringify(line)} is not a valid pattern.`);
	}
}

/** Like Go's filepath.Clean, and without the first slash. */
function normalized(pattern: string): string {
	const parts: string[] = [];
	for (const part of pattern.split("/")) {
		if (part === "" || part === ".") continue;
		if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
		else parts.push(part);
	}
	return parts.length === 0 ? "." : parts.join("/");
}

/**
 * `**` matches any number of folders, `*` and `?` match within one name; brackets and the backslash
 * are as usual.
 */
function expressionOf(pattern: string): string {
	let expression = "";
	let isInBrackets = false;
	for (let at = 0; at < pattern.length; at += 1) {
		const character = pattern[at] as string;
		if (character === "*" && pattern[at + 1] === "*") {
			at += pattern[at + 2] === "/" ? 2 : 1;
			expression += at + 1 >= pattern.length ? ".*" : "(?:.*/)?";
		} else if (character === "*") expression += "[^/]*";
		else if (character === "?") expression += "[^/]";
		else if (character === "\\") {
			at += 1;
			const escaped = pattern[at] ?? "\\";
			expression += /[A-Za-z0-9]/.test(escaped) ? escaped : `\\${escaped}`;
		} else {
			expression += LITERAL.test(character) && !isInBrackets ? `\\${character}` : character;
			if (character === "[" || character === "]") isInBrackets = character === "[";
		}
	}
	return `(?s)${expression}`;
}
