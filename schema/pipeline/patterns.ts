import { RE2JS } from "@bufbuild/re2";

/**
 * Patterns of paths as the coordinator matches them: `*` and `?` within a folder, `**` across folders, `{a,b}`, `[abc]`; `!` excludes, and one that names a
 * folder names all that is in it. Linear in time, for patterns and paths come from outside.
 */

/** Whether a path is among what these patterns name; none of them names nothing. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
	return matcher(patterns, compile);
}

/**
 * Whether a name (of a branch, of a tag) is among what these patterns name: the same patterns, but of names none stands for all that begins with it. With
 * exclusions alone everything else is meant.
 */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
	const isOnlyExcluding = patterns.every((pattern) => pattern.startsWith("!"));
	return matcher(isOnlyExcluding ? ["**", ...patterns] : patterns, (pattern) => RE2JS.compile(translate(pattern), RE2JS.DOTALL));
}

function matcher(patterns: readonly string[], compiled: (pattern: string) => RE2JS): (text: string) => boolean {
	const wanted = patterns.filter((pattern) => !pattern.startsWith("!")).map(compiled);
	const excluded = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => compiled(pattern.slice(1)));
	return (text) => wanted.some((one) => one.matches(text)) && !excluded.some((one) => one.matches(text));
}

function compile(pattern: string): RE2JS {
	const plain = pattern.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "");
	if (plain === "" || plain === ".") return RE2JS.compile(".*", RE2JS.DOTALL);
	return RE2JS.compile(`${translate(plain)}(?:/.*)?`, RE2JS.DOTALL);
}

function translate(pattern: string): string {
	let result = "";
	let depth = 0;
	for (let at = 0; at < pattern.length; at += 1) {
		const char = pattern[at] as string;
		if (pattern.startsWith("**/", at)) {
			result += "(?:.*/)?";
			at += 2;
		} else if (pattern.startsWith("**", at)) {
			result += ".*";
			at += 1;
		} else if (char === "*") result += "[^/]*";
		else if (char === "?") result += "[^/]";
		else if (char === "{" && pattern.includes("}", at)) {
			depth += 1;
			result += "(?:";
		} else if (char === "}" && depth > 0) {
			depth -= 1;
			result += ")";
		} else if (char === "," && depth > 0) result += "|";
		else if (char === "[" && pattern.indexOf("]", at + 2) > 0) {
			const end = pattern.indexOf("]", at + 2);
			const inner = pattern
				.slice(at + 1, end)
				.replace(/^!/, "^")
				.replaceAll(/[\\[]/g, "\\$&");
			result += `[${inner}]`;
			at = end;
		} else result += RE2JS.quote(char);
	}
	return result + ")".repeat(depth);
}
