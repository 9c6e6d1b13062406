import { RE2JS } from "@bufbuild/re2";

/**
 * Patterns of paths as the coordinator matches them: `*` and `?` within a folder, `**` across folders, `{a,b}`, `[abc]`; `!` excludes, and one that names a
 * folder names all that is in it. Linear in time, for patterns and paths come from outside.
 */

/** Whether a path is among what these patterns name; none of them names nothing. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
	const wanted = patterns.filter((pattern) => !pattern.startsWith("!")).map(compile);
	const excluded = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => compile(pattern.slice(1)));
	return (path) => wanted.some((one) => one.matches(path)) && !excluded.some((one) => one.matches(path));
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
