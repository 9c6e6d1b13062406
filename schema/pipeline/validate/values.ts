import * as z from "zod";
import { parseBytes } from "../../wire/bytes.ts";
import { parseDuration } from "../../wire/duration.ts";
import { MAX_JOB_TIMEOUT_MS } from "../../wire/limits.ts";
import { variableSizeError } from "../../wire/variable_size.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import { hasExpression, unescaped } from "../syntax/escapes.ts";
import type { PatternError } from "./pattern_syntax.ts";
import { isInside, onlyExcludes, pathPatternError } from "./patterns.ts";

/** The kinds of value that the pipeline language is made of. */

/** Marks the message of an unknown-key issue; what follows are the keys that would have been known. */
export const KNOWN_KEYS = "known keys: ";

/** An object that refuses unknown keys and says which ones it knows. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
	return z.strictObject(shape, {
		error: (issue) => (issue.code === "unrecognized_keys" ? KNOWN_KEYS + Object.keys(shape).join(", ") : undefined),
	});
}

/** What else a schema takes beside what stands in it, for editors (json_schema.ts): the shorthands that are converted before it checks. */
export const shorthands = new WeakMap<object, { inner?: z.ZodType; also?: Shorthand[] }>();

/** A shorthand: what it is checked by once it is converted, or its JSON Schema. */
type Shorthand = z.ZodType | Record<string, unknown>;

/** A schema with a shorthand: `convert` turns that into the long form. `also` describes the shorthand. */
export function withShorthand<Value>(schema: z.ZodType<Value>, also: Shorthand[], convert: (value: unknown) => unknown): z.ZodType<Value> {
	const whole = z.preprocess(convert, schema);
	shorthands.set(whole, { inner: schema, also });
	return whole;
}

const TEXT_FORM = { type: ["string", "number", "boolean"] };

function textSchema(checkExpressions: (text: string) => string | null, meaning: (text: string) => string = (value) => value) {
	const schema = z.unknown().transform((value, context): string => {
		const fault = (message: string) => {
			context.addIssue({ code: "custom", message });
			return z.NEVER;
		};
		if (value instanceof AmbiguousScalar) return fault(`${value.source} is ambiguous as text: quote it ("${value.source}")`);
		if (typeof value === "number" || typeof value === "boolean") return String(value);
		if (typeof value !== "string") return fault(value === undefined ? "is required" : `expected text, got ${kindOf(value)}`);
		if (value.includes("\0")) return fault("text may not hold a NUL byte");
		const message = checkExpressions(value);
		return message === null ? meaning(value) : fault(message);
	});
	shorthands.set(schema, { also: [TEXT_FORM] });
	return schema;
}

/** Text. Numbers and truth values are taken as they are written; what would change when printed is refused. */
export const text = textSchema(
	(value) => (hasExpression(value) ? "expressions in ${{ }} are not possible here; $${{ stands for the characters themselves" : null),
	unescaped,
);

/** Text in which `${{ }}` may stand; what is between the braces is checked with the whole pipeline (check.ts). */
export const template = textSchema(() => null);

/** A condition. It is an expression as a whole. */
const conditionText = textSchema((value) => (value.includes("${{") ? "is an expression already: leave out ${{ and }}" : null));

/**
 * A script. An expression in it would be a way to inject commands. Its lines end as shells expect it, also where a client on Windows has
 * written it: to them a carriage return is a part of the word before it.
 */
const script = textSchema(
	(value) =>
		hasExpression(value)
			? "expressions in ${{ }} are not possible in a command: a value could then bring commands with it. Put it into env and use the variable, such as $NAME; $${{ stands for the characters themselves"
			: null,
	(value) => unescaped(value).replaceAll("\r\n", "\n"),
);

export function kindOf(value: unknown): string {
	if (value === null || value === undefined) return "nothing";
	if (Array.isArray(value)) return "a list";
	if (value instanceof AmbiguousScalar) return `${typeof value.value} ${value.source}`;
	if (typeof value === "object") return "a map";
	return `${typeof value} ${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`;
}

/** The beginning of a text, in quotes: what is wrong with it need not be as long as it is. */
export function quoted(text: string): string {
	return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

const MAX_QUOTED = 200;

function notEmpty(schema: z.ZodType<string>): z.ZodType<string> {
	const piped = schema.pipe(z.string().trim().min(1, "may not be empty"));
	shorthands.set(piped, { inner: schema });
	return piped;
}

/** The same with at most so many characters. */
function short(schema: z.ZodType<string>, most: number): z.ZodType<string> {
	const piped = schema.pipe(z.string().max(most, { message: `at most ${most} characters`, abort: true }));
	shorthands.set(piped, { inner: schema });
	return piped;
}

export const nonEmpty = notEmpty(text);
/** A text that is taken apart by somebody else's rules: their time may grow faster than the text. */
export const shortText = short(nonEmpty, 200);
export const nonEmptyTemplate = notEmpty(template);
export const command = notEmpty(script);
export const condition = notEmpty(conditionText);

/** The check of a text by a function that says what is wrong with it; null if nothing is. */
export function refusing(describeError: (text: string) => string | null) {
	return (value: string, context: z.RefinementCtx): void => {
		const message = describeError(value);
		if (message !== null) context.addIssue({ code: "custom", message });
	};
}

/** A value that is no text: how it was written does not matter. */
export function meant<Value>(schema: z.ZodType<Value>) {
	return withShorthand(schema, [], (value) => (value instanceof AmbiguousScalar ? value.value : value));
}

export const integer = meant(z.number().int());
export const real = meant(z.number());
export const flag = meant(z.boolean());

/** A whole number from `least` to `most`. */
export function count(least: number, most: number) {
	return meant(z.number().int().min(least, `at least ${least}`).max(most, `at most ${most}`));
}

function converted<Value>(convert: (text: string) => Value | { fault: string }, form: Record<string, unknown>) {
	const schema = nonEmpty.transform((value, context): Value => {
		const result = convert(value);
		if (typeof result === "object" && result !== null && "fault" in result) {
			context.addIssue({ code: "custom", message: result.fault });
			return z.NEVER;
		}
		return result;
	});
	shorthands.set(schema, { also: [form] });
	return schema;
}

/** Milliseconds, at most a day. */
export const duration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null || ms <= 0) return { fault: `${quoted(value)} is not a duration; write 90s, 5m or 1h30m` };
		return ms > MAX_JOB_TIMEOUT_MS ? { fault: "the longest timeout is 24h" } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["90s", "20m", "1h30m"] },
);

const MAX_GATE_MS = 30 * 24 * 60 * 60_000;

/** Milliseconds that a person may take, at most thirty days. */
export const longDuration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null || ms <= 0) return { fault: `${quoted(value)} is not a duration; write 12h or 3d` };
		return ms > MAX_GATE_MS ? { fault: "the longest wait for an approval is 30d" } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["12h", "3d"] },
);

const MAX_KEEP_MS = 3650 * 24 * 60 * 60_000;

/** Milliseconds for which something is kept, at most ten years. */
export const keepDuration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null || ms <= 0) return { fault: `${quoted(value)} is not a duration; write 12h or 7d` };
		return ms > MAX_KEEP_MS ? { fault: "the longest time to keep something is 3650d" } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["12h", "7d"] },
);

/** Bytes. */
export const size = converted<number>((value) => parseBytes(value) ?? { fault: `${quoted(value)} is not a size; write 512MiB or 8GiB` }, {
	title: "a size",
	type: ["string", "integer"],
	examples: ["512MiB", "8GiB"],
});

/** One or more: a single value stands for a list of one. */
export function oneOrMore<Value>(schema: z.ZodType<Value>, most: number) {
	const list = z.array(schema).min(1, "at least one is needed").max(most, `at most ${most}`);
	return withShorthand(list, [schema], (value) => (isScalar(value) ? [value] : value));
}

/** A text, or a map: each is checked by a schema of its own. */
export function textOrMap<Text, Fields>(text: z.ZodType<Text>, map: z.ZodType<Fields>): z.ZodType<Text | Fields> {
	const schema = z.unknown().transform((value, context): Text | Fields => {
		const read = isScalar(value) ? text.safeParse(value) : map.safeParse(value);
		if (read.success) return read.data;
		for (const issue of read.error.issues) context.addIssue({ ...issue });
		return z.NEVER;
	});
	shorthands.set(schema, { inner: map, also: [text] });
	return schema;
}

export function isScalar(value: unknown): boolean {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value instanceof AmbiguousScalar;
}

export const variableName = z
	.string()
	.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a variable's name is letters, digits and underscores")
	.refine((name) => !/^CI(_|$)/.test(name), "CI and CI_* are set by Windlass and cannot be overridden")
	.refine((name) => !name.startsWith("WINDLASS_"), "WINDLASS_* names are reserved");

/** Variables of a submission: plain text. */
export const environment = z.record(variableName, text).superRefine((variables, context) => {
	for (const [name, value] of Object.entries(variables)) {
		const message = variableSizeError(name, value);
		if (message !== null) context.addIssue({ code: "custom", path: [name], message });
	}
});
/** Variables of a pipeline, a job or a step. */
export const environmentTemplate = z.record(variableName, template);

/** What a build is given; docker itself would heed some of these names. */
export const buildArguments = z.record(
	z
		.string()
		.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a build argument is letters, digits and underscores")
		.refine((name) => !isHeededByDocker(name), "docker itself, or what it is started by, would heed this name; choose another"),
	template,
);

/** A text in which `${{ }}` stands in the place of a value: the value is checked once the text is filled in. */
export function isTemplate(value: unknown): value is string {
	return typeof value === "string" && value.includes("${{");
}

/** A value, or a text with `${{ }}` that gives one (a template). */
export function orTemplate<Value>(schema: z.ZodType<Value>): z.ZodType<Value | string> {
	const either = z.unknown().transform((value, context): Value | string => {
		const read = isTemplate(value) ? template.safeParse(value) : schema.safeParse(value);
		if (read.success) return read.data;
		for (const { message, path } of read.error.issues) context.addIssue({ code: "custom", message, path });
		return z.NEVER;
	});
	shorthands.set(either, {
		inner: schema,
		also: [{ title: "an expression", examples: ["${{ params.x }}"], type: "string", pattern: "\\$\\{\\{" }],
	});
	return either;
}

/** Whether a variable would change what docker does, rather than what it is asked to do. */
export function isHeededByDocker(name: string): boolean {
	return /^(DOCKER_|BUILDKIT_|BUILDX_|COMPOSE_|LD_|XDG_|GO|SSH_|SSL_)|^(PATH|HOME|TMPDIR|IFS|ENV|BASH_ENV)$/.test(name);
}

/** A folder inside the workspace. */
export const workingDirectory = nonEmpty.refine(isInside, "must be a folder inside the workspace: relative, without ..");

/** The check of a pattern: what is wrong with it, and what to write instead. */
export function rejectingPattern(describeError: (pattern: string) => PatternError | null) {
	return (pattern: string, context: z.RefinementCtx): void => {
		const fault = describeError(pattern);
		if (fault) context.addIssue({ code: "custom", message: fault.message, params: { suggestion: fault.suggestion } });
	};
}

/** A pattern of files inside the workspace; `!` excludes. */
export const glob = nonEmpty.superRefine(rejectingPattern(pathPatternError));

/** One or more of them. */
export function globs(most: number): z.ZodType<string[]> {
	const list = z.array(glob).min(1, "at least one is needed").max(most, `at most ${most}`).superRefine(rejectingExclusions);
	return withShorthand(list, [glob], (value) => (isScalar(value) ? [value] : value));
}

/** The check of a list of patterns, among which there may be entries of another kind: with exclusions alone nothing is named. */
export function rejectingExclusions(patterns: readonly unknown[], context: z.RefinementCtx): void {
	const fault = onlyExcludes(patterns.filter((pattern) => typeof pattern === "string"));
	if (fault) context.addIssue({ code: "custom", message: fault.message, params: { suggestion: fault.suggestion } });
}
