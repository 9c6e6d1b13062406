import { RE2JS } from "@bufbuild/re2";
import { type CharacterRange, type PatternError, type PatternPart, parsePattern } from "./pattern_syntax.ts";
import type { SlicedWork } from "./sliced_work.ts";

/**
 * Matches patterns of paths and names (pattern_syntax.ts): for files to save and to fetch, reports,
 * `artifacts get`, `on.paths`, `changed()`, branches and tags. `!` excludes, and a pattern that
 * matches a folder matches all files in it. Matching takes linear time, for patterns and paths come
 * from outside. Case counts, a leading dot is no exception, and Unicode spellings of one character
 * are equal.
 */

/** Why a pattern of paths is rejected; null if it can be matched. */
export function pathPatternError(pattern: string): PatternError | null {
	const error = patternError(pattern);
	if (error) return error;
	const isOfWorkspace = isInside(pattern.replace(/^!/, "").replace(/\\(.)/gsu, "$1"));
	if (isOfWorkspace) return null;
	return {
		message: "The pattern must be inside the workspace: relative, without `..`.",
		suggestion: "Write the path from the workspace on.",
	};
}

/** Why a pattern of names or paths is rejected; null if it can be matched. */
export function patternError(pattern: string): PatternError | null {
	const parsed = parsePattern(pattern);
	return "error" in parsed ? parsed.error : null;
}

/** The error of patterns that only exclude, and so match nothing; null for other patterns. */
export function onlyExcludes(patterns: readonly string[]): PatternError | null {
	if (patterns.length === 0 || !patterns.every((pattern) => pattern.startsWith("!"))) return null;
	return { message: "Every pattern excludes, so that none matches.", suggestion: 'Add a pattern that includes, such as "**".' };
}

/** Whether a path stays in the workspace. */
export function isInside(path: string): boolean {
	return !path.startsWith("/") && !path.split("/").includes("..");
}

/** Whether a path matches the patterns; without patterns none does. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
	return matcher(patterns, expressionOfPath);
}

/**
 * Whether a folder may contain matching paths, so that a walk can skip the others. It is true for
 * all folders that contain some, and for some that contain none.
 */
export function folderMatcher(patterns: readonly string[]): (folder: string) => boolean {
	const { wanted } = compiledPatterns(patterns, expressionOfFolder);
	const { excluded } = compiledPatterns(patterns, expressionOfPath);
	return (folder) => {
		const path = folder.normalize("NFC");
		return wanted.some(({ one }) => one.matches(path)) && !excluded.some(({ one }) => one.matches(path));
	};
}

/** Comparing a character of a pattern with one of a path takes at most this long. */
const UNITS_OF_COMPARISON = 0.02;
/** Longer comparisons are not made: the answer is then unknown. */
const MAX_MATCHING_UNITS = 2_000_000;

/** Whether one of these paths matches the patterns; null if the comparison would take too long. */
export function* anyPathMatches(patterns: readonly string[], paths: readonly string[]): SlicedWork<boolean | null> {
	const wanted: SizedPattern[] = [];
	const excluded: SizedPattern[] = [];
	for (const pattern of patterns) {
		const { wanted: one, excluded: other } = compiledPatterns([pattern], expressionOfPath);
		wanted.push(...one);
		excluded.push(...other);
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
	for (const written of paths) {
		const path = written.normalize("NFC");
		const isNamed = (yield* isAmong(path, wanted)) && !(yield* isAmong(path, excluded));
		if (left < 0) return null;
		if (isNamed) return true;
	}
	return false;
}

/** A compiled pattern, and its length. */
interface SizedPattern {
	one: RE2JS;
	length: number;
}

/**
 * Whether the name of a branch or tag matches the patterns. Unlike a folder, a name does not match
 * the names that begin with it. With exclusions alone all other names match.
 */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
	const isOnlyExcluding = patterns.every((pattern) => pattern.startsWith("!"));
	return matcher(isOnlyExcluding ? ["**", ...patterns] : patterns, expressionOf);
}

function matcher(patterns: readonly string[], translate: (parts: readonly PatternPart[]) => string): (text: string) => boolean {
	const { wanted, excluded } = compiledPatterns(patterns, translate);
	return (text) => {
		const normal = text.normalize("NFC");
		return wanted.some(({ one }) => one.matches(normal)) && !excluded.some(({ one }) => one.matches(normal));
	};
}

/** An invalid pattern of an earlier version matches nothing. */
function compiledPatterns(patterns: readonly string[], translate: (parts: readonly PatternPart[]) => string) {
	const all: { wanted: SizedPattern[]; excluded: SizedPattern[] } = { wanted: [], excluded: [] };
	for (const pattern of patterns) {
		const parsed = parsePattern(pattern);
		if ("error" in parsed) continue;
		const one = RE2JS.compile(translate(parsed.parts), RE2JS.DOTALL);
		(parsed.isExcluding ? all.excluded : all.wanted).push({ one, length: pattern.length });
	}
	return all;
}

/** A pattern of paths also matches the contents of matching folders. */
function expressionOfPath(parts: readonly PatternPart[]): string {
	const names = namesOf(parts);
	return names.length === 0 ? ".*" : `${names.map(expressionOf).join("/")}(?:/.*)?`;
}

/** The folders above the matches of a pattern, and those inside of them. */
function expressionOfFolder(parts: readonly PatternPart[]): string {
	const names = namesOf(parts);
	if (names.length === 0) return ".*";
	let nested = "(?:/.*)?";
	for (const [index, name] of [...names.entries()].reverse()) {
		const slash = index === 0 ? "" : "/";
		nested = name.some(crossesFolders) ? `(?:${slash}.*)?` : `(?:${slash}${expressionOf(name)}${nested})?`;
	}
	return nested;
}

/** Whether a part may stand for more than one name. */
function crossesFolders(part: PatternPart): boolean {
	if (part.kind === "choice") return part.alternatives.some((parts) => parts.some((one) => one.kind === "slash" || crossesFolders(one)));
	return part.kind === "all" || part.kind === "folders";
}

/** The names between the slashes, without `.` and empty names. */
function namesOf(parts: readonly PatternPart[]): PatternPart[][] {
	const names: PatternPart[][] = [[]];
	for (const part of withoutLastSlashes(parts)) {
		if (part.kind !== "slash") names.at(-1)?.push(part);
		else if (names.at(-1)?.at(-1)?.kind !== "folders") names.push([]);
	}
	return names.filter((name) => name.length > 0 && !(name.length === 1 && name[0]?.kind === "text" && name[0].text === "."));
}

/** A slash at the end marks a folder; its contents match anyway. */
function withoutLastSlashes(parts: readonly PatternPart[]): PatternPart[] {
	const last = parts.at(-1);
	if (last === undefined) return [];
	const others = parts.slice(0, -1);
	switch (last.kind) {
		case "slash":
			return withoutLastSlashes(others);
		case "folders":
			return [...others, { kind: "all" }];
		case "choice":
			return [...others, { kind: "choice", alternatives: last.alternatives.map(withoutLastSlashes) }];
		default:
			return [...parts];
	}
}

/** The path that all matches begin with: the first names of the pattern that have no signs. */
export function literalBase(pattern: string): string {
	const parsed = parsePattern(pattern);
	if ("error" in parsed) return "";
	const base: string[] = [];
	for (const name of namesOf(parsed.parts)) {
		const texts = name.map((part) => (part.kind === "text" ? part.text : null));
		if (texts.includes(null)) break;
		base.push(texts.join(""));
	}
	return base.join("/");
}

function expressionOf(parts: readonly PatternPart[]): string {
	return parts.map(expressionOfPart).join("");
}

function expressionOfPart(part: PatternPart): string {
	switch (part.kind) {
		case "text":
			return RE2JS.quote(part.text);
		case "slash":
			return "/";
		case "one":
			return "[^/]";
		case "some":
			return "[^/]*";
		case "all":
			return ".*";
		case "folders":
			return "(?:.*/)?";
		case "class":
			return expressionOfClass(part.isNegated, part.ranges);
		case "choice":
			return `(?:${part.alternatives.map(expressionOf).join("|")})`;
	}
}

const SLASH = 0x2f;

/** A class stands for a character of a name, which is never a slash. */
function expressionOfClass(isNegated: boolean, ranges: readonly CharacterRange[]): string {
	const of = ({ low, high }: CharacterRange) => `\\x{${low.toString(16)}}-\\x{${high.toString(16)}}`;
	if (isNegated) return `[^/${ranges.map(of).join("")}]`;
	const parts = ranges.flatMap(({ low, high }) =>
		low < SLASH && high > SLASH
			? [
					{ low, high: SLASH - 1 },
					{ low: SLASH + 1, high },
				]
			: [{ low, high }],
	);
	return `[${parts.map(of).join("")}]`;
}
