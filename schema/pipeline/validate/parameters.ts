import { RE2JS } from "@bufbuild/re2";
import * as z from "zod";
import { AmbiguousScalar } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { flag, integer, isScalar, kindOf, nonEmpty, quoted, real, shorthands, strict, text } from "./values.ts";

/** The parameters of a pipeline: what a submission may choose. Declared with a type, filled and checked by the coordinator. */

const PARAMETER_TYPES = ["string", "number", "integer", "boolean", "choice"] as const;
export const MAX_PARAMETERS = 50;
const MAX_VALUE = 4096;

const anyScalar = z.unknown().transform((value, context): string | number | boolean | AmbiguousScalar => {
	if (isScalar(value)) return value as string | number | boolean | AmbiguousScalar;
	context.addIssue({ code: "custom", message: `expected a text, a number or true or false, got ${kindOf(value)}` });
	return z.NEVER;
});
shorthands.set(anyScalar, { also: [{ type: ["string", "number", "boolean"] }] });

const declaration = strict({
	type: z.enum(PARAMETER_TYPES).optional().describe("Default: `string`."),
	default: anyScalar.optional().describe("The value where the submission gives none."),
	required: flag.optional().describe("Whether a submission must give a value."),
	description: nonEmpty.optional().describe("Shown beside the field of the form."),
	options: z.array(text).min(1).max(100).optional().describe("What a `choice` is between."),
	pattern: nonEmpty.optional().describe("What the whole of a `string` must match (RE2 syntax)."),
}).superRefine((value, context) => {
	const fault = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	const type = value.type ?? "string";
	if (type === "choice" && !value.options) fault("type", "a choice needs options");
	if (type !== "choice" && value.options) fault("options", "only a choice has options; set type: choice");
	if (value.pattern !== undefined && type !== "string") fault("pattern", "only a string has a pattern");
	if (value.required && value.default !== undefined)
		fault("required", "a parameter with a default is never missing: leave one of them out");
	if (value.pattern !== undefined && !isSmall(value.pattern))
		fault(
			"pattern",
			`at most ${MAX_PATTERN_CHARACTERS} characters, and repetitions of ${MAX_REPETITIONS} in all (${MAX_WIDE_REPETITIONS} with \\p and (?i))`,
		);
	else if (value.pattern !== undefined && patternOf(value.pattern) === null) fault("pattern", "is not a regular expression (RE2 syntax)");
	else if (value.default !== undefined) {
		const checked = checkValue(value, value.default);
		if ("fault" in checked) fault("default", checked.fault);
	}
});
export const parameters = z
	.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, "the name of a parameter is letters, digits and underscores"), declaration)
	.refine((value) => Object.keys(value).length <= MAX_PARAMETERS, `at most ${MAX_PARAMETERS} parameters`);
export type ParametersText = z.infer<typeof parameters>;
type Declaration = ParametersText[string];

/** The value of a parameter. */
export type ParameterValue = string | number | boolean;

/** The characters of a pattern, and what its repetitions (`{1,20}`) may come to: each is compiled as often as it may be there. */
const MAX_PATTERN_CHARACTERS = 200;
const MAX_REPETITIONS = 500;
/** The same where a character can be one of thousands. */
const MAX_WIDE_REPETITIONS = 50;

/** The newest of those that were compiled: a value is compared more than once. */
const compiledPatterns = new Map<string, RE2JS | null>();
const KEPT = 50;

/** Linear in time, whatever pattern and text are: both come from outside. */
function patternOf(pattern: string): RE2JS | null {
	const known = compiledPatterns.get(pattern);
	if (known !== undefined) return known;
	const compiled = isSmall(pattern) ? compile(pattern) : null;
	const [oldest] = compiledPatterns.keys();
	if (compiledPatterns.size >= KEPT && oldest !== undefined) compiledPatterns.delete(oldest);
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

/** The value as the declared type has it; texts that say the same are taken, for forms know nothing else. */
function checkValue(declared: Declaration, given: unknown): { value: ParameterValue } | { fault: string } {
	const type = declared.type ?? "string";
	const written = given instanceof AmbiguousScalar ? given.source : given;
	const wrong = { fault: `expected ${ARTICLES[type]}, got ${kindOf(given)}` };
	if (!isScalar(given)) return wrong;
	if (String(written).length > MAX_VALUE) return { fault: `is longer than ${MAX_VALUE} characters` };
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
			return declared.options?.includes(value) ? { value } : { fault: `${quoted(value)} is none of: ${declared.options?.join(", ")}` };
		}
		case "string": {
			const value = text.safeParse(given);
			if (!value.success) return { fault: value.error.issues[0]?.message ?? "is not a text" };
			const isMatch = declared.pattern === undefined || patternOf(declared.pattern)?.matches(value.data);
			return isMatch ? { value: value.data } : { fault: `${quoted(value.data)} does not match ${declared.pattern}` };
		}
	}
}

const ARTICLES = {
	string: "a text",
	number: "a number",
	integer: "a whole number",
	boolean: "true or false",
	choice: "one of the options",
};

/** A value that was given and is not usable, or is missing. */
export interface ParameterFault {
	name: string;
	message: string;
	suggestion: string | null;
	/** Whether it was not given at all. */
	isMissing: boolean;
}

/** The value that a parameter has when none is given: its default, or the empty one of its type. */
function valueWithoutInput(declared: Declaration): ParameterValue {
	if (declared.default !== undefined) {
		// That it matches the pattern was checked when it was declared.
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

/** Fills the declared parameters from what was given. One that is required and missing has no value. */
export function* fillParameters(
	declared: ParametersText,
	given: Readonly<Record<string, unknown>>,
): SlicedWork<{ values: Record<string, ParameterValue>; faults: ParameterFault[] }> {
	const values: Record<string, ParameterValue> = {};
	const faults: ParameterFault[] = [];
	const names = Object.keys(declared);
	for (const name of Object.keys(given)) {
		if (Object.hasOwn(declared, name)) continue;
		const known = names.length > 0 ? `parameters here: ${names.join(", ")}` : "this pipeline has no parameters";
		faults.push({ name, message: "is not a parameter of this pipeline", suggestion: known, isMissing: false });
	}
	for (const [name, one] of Object.entries(declared)) {
		yield one.pattern === undefined || !Object.hasOwn(given, name) ? 10 : UNITS_OF_MATCH;
		if (!Object.hasOwn(given, name) || given[name] === null) {
			const suggestion = one.description ?? `give it a value of type ${one.type ?? "string"}`;
			if (one.required) faults.push({ name, message: "is required", suggestion, isMissing: true });
			else values[name] = valueWithoutInput(one);
			continue;
		}
		const checked = checkValue(one, given[name]);
		if ("value" in checked) values[name] = checked.value;
		else faults.push({ name, message: checked.fault, suggestion: one.description ?? null, isMissing: false });
	}
	return { values, faults };
}
