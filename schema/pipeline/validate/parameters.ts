import { RE2JS } from "@bufbuild/re2";
import * as z from "zod";
import type { ParameterValue } from "../expressions/scope.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code } from "./errors.ts";
import { flag, integer, isScalar, kindOf, nonEmpty, quoted, real, shorthands, strict, text } from "./values.ts";

/** `params`: the values that a submission may choose, declared with types. */

const PARAMETER_TYPES = ["string", "number", "integer", "boolean", "choice"] as const;
export const MAX_PARAMETERS = 50;
const MAX_VALUE = 4096;

const anyScalar = z.unknown().transform((value, context): string | number | boolean | AmbiguousScalar => {
	if (isScalar(value)) return value as string | number | boolean | AmbiguousScalar;
	context.addIssue({ code: "custom", message: `Expected text, a number or true or false, got ${kindOf(value)}.` });
	return z.NEVER;
});
shorthands.set(anyScalar, { also: [{ type: ["string", "number", "boolean"] }] });

const declaration = strict({
	type: z.enum(PARAMETER_TYPES).optional().describe("Default: `string`."),
	default: anyScalar.optional().describe("The value if the submission gives none."),
	required: flag.optional().describe("Whether a submission must give a value."),
	description: nonEmpty.optional().describe("A text beside the field of the form."),
	options: z.array(text).min(1).max(100).optional().describe("The values of a `choice`."),
	pattern: nonEmpty.optional().describe("A pattern (RE2 syntax) that the whole of a `string` must match."),
}).superRefine((value, context) => {
	const add = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	const type = value.type ?? "string";
	if (type === "choice" && !value.options) add("type", "A parameter of type `choice` needs `options`.");
	if (type !== "choice" && value.options) add("options", "Only a parameter of type `choice` has `options`. Write type: choice.");
	if (value.pattern !== undefined && type !== "string") add("pattern", "Only a parameter of type `string` has a `pattern`.");
	if (value.required && value.default !== undefined)
		add("required", "A parameter with a default is never missing. Remove `required` or `default`.");
	if (value.pattern !== undefined && !isSmall(value.pattern))
		add(
			"pattern",
			`A pattern has at most ${MAX_PATTERN_CHARACTERS} characters, and repetitions of ${MAX_REPETITIONS} in all (${MAX_WIDE_REPETITIONS} with \\p and (?i)).`,
		);
	else if (value.pattern !== undefined && patternOf(value.pattern) === null)
		add("pattern", "The pattern is not a regular expression in RE2 syntax.");
	else if (value.default !== undefined) {
		const checked = checkValue(value, value.default);
		if ("error" in checked) add("default", checked.error);
	}
});
export const parameters = z
	.record(
		z
			.string()
			.regex(
				/^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
				"The name of a parameter has letters, digits and underscores, at most 63, and does not begin with a digit.",
			),
		declaration,
	)
	.refine((value) => Object.keys(value).length <= MAX_PARAMETERS, `A pipeline has at most ${MAX_PARAMETERS} parameters.`);
export type ParametersText = z.infer<typeof parameters>;
type Declaration = ParametersText[string];

/**
 * The characters of a pattern, and the sum of its repetitions (`{1,20}`): each repetition is
 * compiled as often as it may match.
 */
const MAX_PATTERN_CHARACTERS = 200;
const MAX_REPETITIONS = 500;
/** The same for character classes of thousands of characters. */
const MAX_WIDE_REPETITIONS = 50;

/** The newest compiled patterns: a value is compared more than once. */
const compiledPatterns = new Map<string, RE2JS | null>();
const MAX_COMPILED_PATTERNS = 50;

/** RE2 matches in linear time: pattern and text both come from outside. */
function patternOf(pattern: string): RE2JS | null {
	const known = compiledPatterns.get(pattern);
	if (known !== undefined) return known;
	const compiled = isSmall(pattern) ? compile(pattern) : null;
	const [oldest] = compiledPatterns.keys();
	if (compiledPatterns.size >= MAX_COMPILED_PATTERNS && oldest !== undefined) compiledPatterns.delete(oldest);
	compiledPatterns.set(pattern, compiled);
	return compiled;
}

function isSmall(pattern: string): boolean {
	if (pattern.length > MAX_PATTERN_CHARACTERS) return false;
	const counts = [...pattern.matchAll(/\{(\d*),?(\d*)\}/g)].map(([, least, most]) => Number(most || least));
	const isWide = /\\[pP]|\(\?[a-zA-Z]*i|\[\[:/.test(pattern);
	return counts.reduce((sum, count) => sum + count, 0) <= (isWide ? MAX_WIDE_REPETITIONS : MAX_REPETITIONS);
}

function compile(pattern: string): RE2JS | null {
	try {
		return RE2JS.compile(pattern);
	} catch {
		return null;
	}
}

/**
 * The value in the declared type. Texts of numbers and truth values are accepted: forms send
 * nothing else.
 */
function checkValue(declared: Declaration, given: unknown): { value: ParameterValue } | { error: string } {
	const type = declared.type ?? "string";
	const written = given instanceof AmbiguousScalar ? given.source : given;
	const wrong = { error: `Expected ${ARTICLES[type]}, got ${kindOf(given)}.` };
	if (!isScalar(given)) return wrong;
	if (String(written).length > MAX_VALUE) return { error: `The value has more than ${MAX_VALUE} characters.` };
	switch (type) {
		case "boolean": {
			const value = flag.safeParse(given === "true" ? true : given === "false" ? false : given);
			return value.success ? { value: value.data } : wrong;
		}
		case "integer":
		case "number": {
			const kind = type === "integer" ? integer : real;
			const value = kind.safeParse(typeof given === "string" && given.trim() !== "" ? Number(given) : given);
			return value.success && Number.isFinite(value.data) ? { value: value.data } : wrong;
		}
		case "choice": {
			const value = String(written);
			return declared.options?.includes(value)
				? { value }
				: { error: `${quoted(value)} is not one of the options: ${declared.options?.join(", ")}.` };
		}
		case "string": {
			const value = text.safeParse(given);
			if (!value.success) return { error: value.error.issues[0]?.message ?? "Expected text." };
			const isMatch = declared.pattern === undefined || patternOf(declared.pattern)?.matches(value.data);
			return isMatch ? { value: value.data } : { error: `${quoted(value.data)} does not match the pattern ${declared.pattern}.` };
		}
	}
}

const ARTICLES = {
	string: "text",
	number: "a number",
	integer: "a whole number",
	boolean: "true or false",
	choice: "one of the options",
};

/** A value that is invalid or missing. */
interface ParameterError {
	name: string;
	message: string;
	suggestion: string | null;
	/** Whether the submission does not have it. */
	isMissing: boolean;
}

/**
 * The value of a parameter that a submission does not give: its default, or the empty value of its
 * type.
 */
function valueWithoutInput(declared: Declaration): ParameterValue {
	if (declared.default !== undefined) {
		// The declaration was checked against its own pattern.
		const checked = checkValue({ ...declared, pattern: undefined }, declared.default);
		if ("value" in checked) return checked.value;
	}
	switch (declared.type ?? "string") {
		case "boolean":
			return false;
		case "integer":
		case "number":
			return 0;
		case "choice":
			return declared.options?.[0] ?? "";
		case "string":
			return "";
	}
}

/** Comparing a value with a pattern takes at most about this long. */
const UNITS_OF_MATCH = 5_000;

/** The values of the declared parameters. A required one that is missing has no value. */
export function* fillParameters(
	declared: ParametersText,
	given: Readonly<Record<string, unknown>>,
): SlicedWork<{ values: Record<string, ParameterValue>; errors: ParameterError[] }> {
	const values: Record<string, ParameterValue> = {};
	const errors: ParameterError[] = [];
	const names = Object.keys(declared);
	for (const name of Object.keys(given)) {
		if (Object.hasOwn(declared, name)) continue;
		const known = names.length > 0 ? `The parameters are ${names.join(", ")}.` : "The pipeline has no parameters.";
		errors.push({ name, message: `Unknown parameter ${code(name)}.`, suggestion: known, isMissing: false });
	}
	for (const [name, one] of Object.entries(declared)) {
		yield one.pattern === undefined || !Object.hasOwn(given, name) ? 10 : UNITS_OF_MATCH;
		if (!Object.hasOwn(given, name) || given[name] === null) {
			const suggestion = one.description ?? `Give it a value of type ${one.type ?? "string"}.`;
			if (one.required) errors.push({ name, message: `Required parameter ${code(name)} is missing.`, suggestion, isMissing: true });
			else values[name] = valueWithoutInput(one);
			continue;
		}
		const checked = checkValue(one, given[name]);
		if ("value" in checked) values[name] = checked.value;
		else errors.push({ name, message: checked.error, suggestion: one.description ?? null, isMissing: false });
	}
	return { values, errors };
}
