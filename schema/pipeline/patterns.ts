import { RE2JS } from "@bufbuild/re2";
import type { SlicedWork } from "./sliced_work.ts";

/**
 * Patterns of paths as the coordinator matches them: `*` and `?` within a folder, `**` across folders, `{a,b}`, `[abc]`; `!` excludes, and one that names a
 * folder names all that is in it. Linear in time, for patterns and paths come from outside.
 */

/** What is wrong with a pattern of paths; null if it can be matched. `!` before it counts as no part of it. */
export function pathPatternFault(pattern: string): string | null {
	return isInside(pattern.replace(/^!/, "")) ? patternFault(pattern) : "must be a pattern inside the workspace: relative, without ..";
}

/** The characters of one pattern, and how many of them may be signs that stand for something else. */
const MAX_PATTERN_CHARACTERS = 500;
const MAX_PATTERN_SIGNS = 30;

/** What is wrong with a pattern of names or paths; null if it can be matched. Its length counts before anything is made of it. */
export function patternFault(pattern: string): string | null {
	if (pattern.length > MAX_PATTERN_CHARACTERS) return `a pattern has at most ${MAX_PATTERN_CHARACTERS} characters`;
	const signs = pattern.match(/\*+|[?{[]/g)?.length ?? 0;
	if (signs > MAX_PATTERN_SIGNS) return `a pattern has at most ${MAX_PATTERN_SIGNS} signs such as * and {`;
	if (!hasBackwardRange(pattern)) return null;
	return `${JSON.stringify(pattern)} is not a pattern: a range such as [a-z] goes from the lower character to the higher`;
}

/** Whether a class such as `[z-a]` goes from the higher character to the lower: nothing else keeps a pattern from being compiled. */
function hasBackwardRange(pattern: string): boolean {
	for (let at = pattern.indexOf("["); at !== -1; at = pattern.indexOf("[", at + 1)) {
		const end = endOfClass(pattern, at);
		if (end <= 0) return false;
		const characters = [...pattern.slice(at + 1, end).replace(/^[!^]/, "")];
		for (let index = 0; index < characters.length; index += 1) {
			if (characters[index + 1] !== "-" || index + 2 >= characters.length) continue;
			const [low = 0, high = 0] = [characters[index]?.codePointAt(0), characters[index + 2]?.codePointAt(0)];
			if (high < low) return true;
			index += 2;
		}
		at = end;
	}
	return false;
}

/** Whether a path stays in the workspace. */
export function isInside(path: string): boolean {
	return !path.startsWith("/") && !path.split("/").includes("..");
}

/** Whether a path is among what these patterns name; none of them names nothing. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
	return matcher(patterns, translatePath);
}

/** Comparing a character of a pattern with one of a path takes at most this long. */
const UNITS_OF_COMPARISON = 0.02;
/** Where it would take longer to find out, nobody can tell. */
const MAX_MATCHING_UNITS = 2_000_000;

/** Whether one of these paths is among what the patterns name; null where it would take too long to find out. */
export function* anyPathMatches(patterns: readonly string[], paths: readonly string[]): SlicedWork<boolean | null> {
	const wanted: SizedPattern[] = [];
	const excluded: SizedPattern[] = [];
	for (const pattern of patterns) {
		const isExcluding = pattern.startsWith("!");
		const one = compiled(translatePath(isExcluding ? pattern.slice(1) : pattern));
		if (one) (isExcluding ? excluded : wanted).push({ one, length: pattern.length });
		yield 50 + pattern.length * 3;
	}
	let left = MAX_MATCHING_UNITS;
	const isAmong = function* (path: string, some: readonly SizedPattern[]): SlicedWork<boolean> {
		for (const { one, length } of some) {
			const units = 1 + length * path.length * UNITS_OF_COMPARISON;
			left -= units;
			yield units;
			if (left < 0 || one.matches(path)) return true;
		}
		return false;
	};
	for (const path of paths) {
		const isNamed = (yield* isAmong(path, wanted)) && !(yield* isAmong(path, excluded));
		if (left < 0) return null;
		if (isNamed) return true;
	}
	return false;
}

/** A compiled pattern, and how long it was. */
interface SizedPattern {
	one: RE2JS;
	length: number;
}

/**
 * Whether a name (of a branch, of a tag) is among what these patterns name: the same patterns, but of names none stands for all that begins with it. With
 * exclusions alone everything else is meant.
 */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
	const isOnlyExcluding = patterns.every((pattern) => pattern.startsWith("!"));
	return matcher(isOnlyExcluding ? ["**", ...patterns] : patterns, translate);
}

/** A pattern that an earlier version took, and that cannot be matched, names nothing. */
function matcher(patterns: readonly string[], expressionOf: (pattern: string) => string): (text: string) => boolean {
	const allOf = (some: readonly string[]) => some.map((pattern) => compiled(expressionOf(pattern))).filter((one) => one !== null);
	const wanted = allOf(patterns.filter((pattern) => !pattern.startsWith("!")));
	const excluded = allOf(patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)));
	return (text) => wanted.some((one) => one.matches(text)) && !excluded.some((one) => one.matches(text));
}

function compiled(expression: string): RE2JS | null {
	try {
		return RE2JS.compile(expression, RE2JS.DOTALL);
	} catch {
		return null;
	}
}

function translatePath(pattern: string): string {
	const plain = pattern.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "");
	return plain === "" || plain === "." ? ".*" : `${translate(plain)}(?:/.*)?`;
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
		else if (char === "[" && endOfClass(pattern, at) > 0) {
			const end = endOfClass(pattern, at);
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

/** Where the class that begins here ends; its first character may be a bracket itself. Negative: nowhere, so that it is no class. */
function endOfClass(pattern: string, at: number): number {
	return pattern.indexOf("]", at + (/[!^]/.test(pattern[at + 1] ?? "") ? 3 : 2));
}
