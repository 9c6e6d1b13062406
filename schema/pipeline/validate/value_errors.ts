import { nearest } from "../../text/nearest_word.ts";
import type { FieldError } from "../../wire/errors.ts";
import { AmbiguousScalar, COLON_HINT, isIndex, type SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, describePlace, errorAt, MAX_FOUND_ERRORS, UNITS_OF_ERROR } from "./errors.ts";
import { foreignForm, foreignKey } from "./foreign_suggestions.ts";
import type { ValueIssue } from "./read_values.ts";
import { KNOWN_KEYS, kindOf } from "./values.ts";

/**
 * From the issues that a schema finds in the values of a text to errors with a place and a
 * suggestion.
 */

/**
 * The errors of these issues.
 * @param at the path of the value that was checked
 * @param whole the name of that value in words
 */
export function* valueErrors(
	document: SourceDocument,
	issues: readonly ValueIssue[],
	at: string[],
	whole = "the pipeline",
): SlicedWork<FieldError[]> {
	const scalars = scalarsForMaps(document, issues, at);
	const isOfScalar = (path: PropertyKey[]) =>
		scalars.size > 0 && path.some((_, index) => scalars.has(keyOf([...at, ...path.slice(0, index + 1)])));
	const errors = [...scalars.values()].map((path) => typeError(document, path, "object", at));
	for (const issue of issues) {
		if (isOfScalar(issue.path)) continue;
		const room = MAX_FOUND_ERRORS - errors.length;
		if (room <= 0) break;
		const found = errorsOfIssue(document, issue, { at, whole }, room);
		errors.push(...found);
		yield found.length * UNITS_OF_ERROR;
	}
	return errors;
}

/** The value that was checked: its path, and its name in words. */
interface Checked {
	at: readonly string[];
	whole: string;
}

function errorsOfIssue(document: SourceDocument, issue: ValueIssue, checked: Checked, room: number): FieldError[] {
	const { at } = checked;
	const path: PropertyKey[] = [...at, ...issue.path];
	if (issue.code === "unrecognized_keys") {
		const known = issue.message.replace(KNOWN_KEYS, "").split(", ");
		return issue.keys.slice(0, room).flatMap((key) => unknownKey(document, path, key, known, checked) ?? []);
	}
	if (issue.code === "invalid_value") {
		const written = valueAt(document.value, path);
		const near = typeof written === "string" ? nearest(written, issue.values.map(String)) : null;
		const known = `Write one of: ${issue.values.join(", ")}.`;
		return [errorAt(document, path, `Unknown value: ${kindOf(written)}.`, near ? `Did you mean ${code(near)}?` : known)];
	}
	if (issue.code === "invalid_key") return issue.issues.map((inner) => errorAt(document, path, inner.message, null, { atKey: true }));
	if (issue.code === "invalid_type") return [typeError(document, path, issue.expected, at)];
	const suggestion: unknown = issue.code === "custom" ? issue.params?.suggestion : null;
	const written = typeof suggestion === "string" ? suggestion : null;
	const foreign = foreignForm(path.slice(at.length), valueAt(document.value, path));
	return [errorAt(document, path, sizeError(issue) ?? issue.message, written ?? foreign)];
}

/** Too much or too little of something, where the language has no message of its own. */
function sizeError(issue: ValueIssue): string | null {
	if ((issue.code !== "too_small" && issue.code !== "too_big") || !/^Too (small|big)/.test(issue.message)) return null;
	const bound = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
	switch (issue.origin) {
		case "string":
			return `The text must have ${bound} characters.`;
		case "array":
			return `The list must have ${bound} ${bound.endsWith(" 1") ? "item" : "items"}.`;
		default:
			return `The value must be ${bound}.`;
	}
}

/**
 * Scalars in the place of a map. A schema takes them for a map and reports its parts, which would
 * mislead.
 */
function scalarsForMaps(document: SourceDocument, issues: readonly ValueIssue[], at: string[]): Map<string, PropertyKey[]> {
	const paths = issues.filter(({ code }) => code === "unrecognized_keys").map(({ path }) => [...at, ...path]);
	const scalars = paths.filter((path) => valueAt(document.value, path) instanceof AmbiguousScalar);
	return new Map(scalars.map((path) => [keyOf(path), path]));
}

function keyOf(path: readonly PropertyKey[]): string {
	return JSON.stringify(path);
}

const TYPE_NAMES: Record<string, string> = {
	object: "a map",
	record: "a map",
	array: "a list",
	string: "text",
	int: "a whole number",
	boolean: "true or false",
};

function typeError(document: SourceDocument, path: PropertyKey[], expected: string, at: readonly string[]): FieldError {
	const value = valueAt(document.value, path);
	if (value === undefined) {
		const place = describePlace(path.slice(at.length, -1));
		return errorAt(document, path, `Required key ${code(String(path.at(-1)))} is missing in ${place}.`, null);
	}
	const isWord = value instanceof AmbiguousScalar && typeof value.value === "string";
	const message = `Expected ${TYPE_NAMES[expected] ?? `a ${expected}`}, got ${kindOf(value)}.`;
	const suggestion = isWord ? "Write `true` or `false` for a truth value." : foreignForm(path.slice(at.length), value);
	return errorAt(document, path, message, suggestion);
}

/**
 * The error of a key that is not known; null if it is.
 * @param path the map that has the key
 */
export function unknownKey(
	document: SourceDocument,
	path: PropertyKey[],
	key: string,
	known: readonly string[],
	{ at, whole }: Checked,
): FieldError | null {
	if (known.includes(key)) return null;
	const place = path.slice(at.length);
	const value = valueAt(document.value, [...path, key]);
	const suggestion = foreignKey(place, key, value) ?? nearSuggestion(key, known);
	return errorAt(document, [...path, key], `Unknown key ${code(key)} in ${describePlace(place, whole)}.`, suggestion, { atKey: true });
}

function nearSuggestion(key: string, known: readonly string[]): string {
	const near = nearest(key, known);
	if (near) return `Did you mean ${code(near)}?`;
	return /\s/.test(key) ? COLON_HINT : `Known keys: ${known.join(", ")}.`;
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
	let current = value;
	for (const part of path) {
		// A single value stands for a list of one.
		if (part === 0 && !Array.isArray(current)) continue;
		// A list stands for a map with the list in it.
		if (Array.isArray(current) && !isIndex(part)) continue;
		if (current === null || typeof current !== "object") return undefined;
		current = (current as Record<PropertyKey, unknown>)[part];
	}
	return current;
}
