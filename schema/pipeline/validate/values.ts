import * as z from "zod";
import { parseBytes } from "../../wire/bytes.ts";
import { parseDuration } from "../../wire/duration.ts";
import { MAX_JOB_TIMEOUT_MS } from "../../wire/limits.ts";
import { variableNameError } from "../../wire/variable_names.ts";
import { variableSizeError } from "../../wire/variable_size.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import { hasExpression, unescaped } from "../syntax/escapes.ts";
import { isInside } from "../syntax/patterns.ts";

/** The kinds of value that the pipeline language is made of. */

/** Begins the message of an unknown-key issue; the known keys follow. */
export const KNOWN_KEYS = "known keys: ";

/** An object that rejects unknown keys and lists its own. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
	return z.strictObject(shape, {
		error: (issue) => (issue.code === "unrecognized_keys" ? KNOWN_KEYS + Object.keys(shape).join(", ") : undefined),
	});
}

/**
 * The shorthands that a schema converts before it checks, for the JSON Schema of editors
 * (json_schema.ts).
 */
export const shorthands = new WeakMap<object, { inner?: z.ZodType; also?: Shorthand[] }>();

/** A shorthand: its schema, or its JSON Schema. */
type Shorthand = z.ZodType | Record<string, unknown>;

/**
 * A schema with a shorthand: `convert` turns the shorthand into the long form. `also` describes the
 * shorthand.
 */
export function withShorthand<Value>(schema: z.ZodType<Value>, also: Shorthand[], convert: (value: unknown) => unknown): z.ZodType<Value> {
	const whole = z.preprocess(convert, schema);
	shorthands.set(whole, { inner: schema, also });
	return whole;
}

const TEXT_FORM = { type: ["string", "number", "boolean"] };

function textSchema(checkExpressions: (text: string) => string | null, meaning: (text: string) => string = (value) => value) {
	const schema = z.unknown().transform((value, context): string => {
		const fail = (message: string) => {
			context.addIssue({ code: "custom", message });
			return z.NEVER;
		};
		if (value instanceof AmbiguousScalar) return fail(`${value.source} is ambiguous as text. Quote it: "${value.source}".`);
		if (typeof value === "number" || typeof value === "boolean") return String(value);
		if (typeof value !== "string")
			return fail(value === undefined ? "A required text is missing." : `Expected text, got ${kindOf(value)}.`);
		if (value.includes("\0")) return fail("A text may not contain a NUL byte.");
		const message = checkExpressions(value);
		return message === null ? meaning(value) : fail(message);
	});
	shorthands.set(schema, { also: [TEXT_FORM] });
	return schema;
}

/**
 * Text. Numbers and truth values are taken as written; a scalar that would change when printed is
 * rejected.
 */
export const text = textSchema(
	(value) => (hasExpression(value) ? "Expressions in ${{ }} are not possible here. Write $${{ for a literal ${{." : null),
	unescaped,
);

/**
 * Text that may contain `${{ }}`; the expressions are checked with the whole pipeline
 * (whole_pipeline.ts).
 */
export const template = textSchema(() => null);

/** A condition. It is an expression as a whole. */
const conditionText = textSchema((value) =>
	value.includes("${{") ? "A condition is an expression without braces. Remove ${{ and }}." : null,
);

/**
 * A script. Expressions in it could inject commands. Line ends of Windows are converted: to a shell
 * a carriage return is part of the word before it.
 */
const script = textSchema(
	(value) =>
		hasExpression(value)
			? "Expressions in ${{ }} are not possible in a command: their values could contain commands. Put the expression into `env` and use the variable, such as $NAME. Write $${{ for a literal ${{."
			: null,
	(value) => unescaped(value).replaceAll("\r\n", "\n"),
);

const KIND_NAMES: Record<string, string> = { string: "text", number: "number", boolean: "truth value" };

/** A value in words, for errors. */
export function kindOf(value: unknown): string {
	if (value === null || value === undefined) return "nothing";
	if (Array.isArray(value)) return "a list";
	if (value instanceof AmbiguousScalar) return `${KIND_NAMES[typeof value.value] ?? "value"} ${value.source}`;
	if (typeof value === "object") return "a map";
	return `${KIND_NAMES[typeof value] ?? "value"} ${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`;
}

/** The beginning of a text, in quotes, for errors. */
export function quoted(text: string): string {
	return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

const MAX_QUOTED = 200;

function notEmpty(schema: z.ZodType<string>): z.ZodType<string> {
	const piped = schema.pipe(z.string().trim().min(1, "The text may not be empty."));
	shorthands.set(piped, { inner: schema });
	return piped;
}

/** The same with at most so many characters. */
function short(schema: z.ZodType<string>, most: number): z.ZodType<string> {
	const piped = schema.pipe(z.string().max(most, { message: `The text has at most ${most} characters.`, abort: true }));
	shorthands.set(piped, { inner: schema });
	return piped;
}

export const nonEmpty = notEmpty(text);
/** A text for a parser of a library, whose time may grow faster than the text. */
export const shortText = short(nonEmpty, 200);
export const nonEmptyTemplate = notEmpty(template);
export const command = notEmpty(script);
export const condition = notEmpty(conditionText);

/** The check of a text by a function that returns an error, or null. */
export function rejecting(describeError: (text: string) => string | null) {
	return (value: string, context: z.RefinementCtx): void => {
		const message = describeError(value);
		if (message !== null) context.addIssue({ code: "custom", message });
	};
}

/** A value other than text: its spelling does not matter. */
export function meant<Value>(schema: z.ZodType<Value>) {
	return withShorthand(schema, [], (value) => (value instanceof AmbiguousScalar ? value.value : value));
}

export const integer = meant(z.number().int());
export const real = meant(z.number());
export const flag = meant(z.boolean());

/** A whole number from `least` to `most`. */
export function count(least: number, most: number) {
	return meant(z.number().int().min(least, `The number must be at least ${least}.`).max(most, `The number must be at most ${most}.`));
}

function converted<Value>(convert: (text: string) => Value | { error: string }, form: Record<string, unknown>) {
	const schema = nonEmpty.transform((value, context): Value => {
		const result = convert(value);
		if (typeof result === "object" && result !== null && "error" in result) {
			context.addIssue({ code: "custom", message: result.error });
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
		if (ms === null || ms <= 0) return { error: `${quoted(value)} is not a duration. Write 90s, 5m or 1h30m.` };
		return ms > MAX_JOB_TIMEOUT_MS ? { error: "The longest timeout is 24h." } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["90s", "20m", "1h30m"] },
);

const MAX_APPROVAL_MS = 30 * 24 * 60 * 60_000;

/** Milliseconds to wait for a person, at most thirty days. */
export const longDuration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null || ms <= 0) return { error: `${quoted(value)} is not a duration. Write 12h or 3d.` };
		return ms > MAX_APPROVAL_MS ? { error: "The longest wait for an approval is 30d." } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["12h", "3d"] },
);

const LEAST_WITHIN_MS = 60_000;
const MAX_WITHIN_MS = 400 * 24 * 60 * 60_000;

/** Milliseconds within which a scheduled run has to succeed. */
export const withinDuration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null) return { error: `${quoted(value)} is not a duration. Write 26h or 8d.` };
		return ms < LEAST_WITHIN_MS || ms > MAX_WITHIN_MS ? { error: "It is a duration from 1m to 400d." } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["26h", "8d"] },
);

const MAX_KEEP_MS = 3650 * 24 * 60 * 60_000;

/** Milliseconds to keep something, at most ten years. */
export const keepDuration = converted<number>(
	(value) => {
		const ms = parseDuration(value);
		if (ms === null || ms <= 0) return { error: `${quoted(value)} is not a duration. Write 12h or 7d.` };
		return ms > MAX_KEEP_MS ? { error: "The longest time to keep something is 3650d." } : ms;
	},
	{ title: "a duration", type: "string", pattern: "^(\\d+(ms|s|m|h|d))+$", examples: ["12h", "7d"] },
);

/** Bytes. */
export const size = converted<number>((value) => parseBytes(value) ?? { error: `${quoted(value)} is not a size. Write 512MiB or 8GiB.` }, {
	title: "a size",
	type: ["string", "integer"],
	examples: ["512MiB", "8GiB"],
});

/** A single value stands for a list of one. */
export function listOfOne(value: unknown): unknown {
	return value === undefined || value === null || Array.isArray(value) ? value : [value];
}

/** One or more: a single value stands for a list of one. */
export function oneOrMore<Value>(schema: z.ZodType<Value>, most: number) {
	const list = z.array(schema).min(1, "The list must have at least one entry.").max(most, `The list has at most ${most} entries.`);
	return withShorthand(list, [schema], (value) => (isScalar(value) ? [value] : value));
}

/** A text or a map, each with its own schema. */
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

export const variableName = z.string().superRefine(rejecting(variableNameError));

/** Variables of a submission: plain text. */
export const environment = z.record(variableName, text).superRefine((variables, context) => {
	for (const [name, value] of Object.entries(variables)) {
		const message = variableSizeError(name, value);
		if (message !== null) context.addIssue({ code: "custom", path: [name], message });
	}
});
/** Variables of a pipeline, a job or a step. */
export const environmentTemplate = z.record(variableName, template);

/** Build arguments. Docker itself would apply some names as its settings. */
export const buildArguments = z.record(
	z
		.string()
		.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "The name of a build argument has letters, digits and underscores, and does not begin with a digit.")
		.refine((name) => !isDockerSetting(name), "Docker would take this name as one of its settings: choose another name."),
	template,
);

/** A text with `${{ }}` in place of a value: the value is checked once the text is filled in. */
export function isTemplate(value: unknown): value is string {
	return typeof value === "string" && value.includes("${{");
}

/** A value, or a template that gives one. */
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

/** Whether a variable would change how docker works. */
export function isDockerSetting(name: string): boolean {
	return /^(DOCKER_|BUILDKIT_|BUILDX_|COMPOSE_|LD_|XDG_|GO|SSH_|SSL_)|^(PATH|HOME|TMPDIR|IFS|ENV|BASH_ENV)$/.test(name);
}

/** A folder inside the workspace. */
export const workingDirectory = nonEmpty.refine(isInside, "The folder must be inside the workspace: write a relative path without `..`.");
