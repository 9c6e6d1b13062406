import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { type IdKind, isId } from "../../schema/wire/ids.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";

/** Query parameters: each has a description, a schema and a default. */

export interface Parameter<Value> {
	description: string;
	/** The schema of its values in the OpenAPI document. */
	schema: z.ZodType;
	/** @throws ApiError `validation_failed`, or `malformed` for a cursor */
	read(text: string | null, name: string): Value;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** The values of parameters, by name. */
export type ValuesOf<Declared extends Parameters> = {
	[Name in keyof Declared]: Declared[Name] extends Parameter<infer Value> ? Value : never;
};

/** Any text; null by default. */
export function text(description: string): Parameter<string | null> {
	return { description, schema: z.string(), read: (given) => given };
}

/** An integer in a range; `fallback` by default. */
export function integer<Fallback extends number | null = null>(
	description: string,
	{ least, most, fallback = null as Fallback }: { least: number; most: number; fallback?: Fallback },
): Parameter<number | Fallback> {
	return {
		description,
		schema: z.number().int().min(least).max(most),
		read(given, name) {
			if (given === null) return fallback;
			const value = Number(given);
			if (/^\d+$/.test(given) && value >= least && value <= most) return value;
			const message = `${JSON.stringify(given)} is not an integer from ${least} to ${most}.`;
			throw invalidParameter(name, message, `Use, for example, ${name}=${fallback ?? least}.`);
		},
	};
}

/** One of a few words; null by default. */
export function oneOf<Word extends string>(description: string, words: readonly Word[]): Parameter<Word | null> {
	return {
		description,
		schema: z.enum(words as readonly [Word, ...Word[]]),
		read(given, name) {
			const word = words.find((known) => known === given);
			if (given === null || word) return word ?? null;
			throw invalidParameter(name, `${JSON.stringify(given)} is unknown.`, `Use one of: ${words.join(", ")}.`);
		},
	};
}

/** `1` or `true`, `0` or `false`; false by default. */
export function flag(description: string): Parameter<boolean> {
	const word = oneOf(description, ["1", "true", "0", "false"]);
	return { ...word, read: (given, name) => ["1", "true"].includes(word.read(given, name) ?? "") };
}

/** The maximum number of items of a page. */
export function limit(fallback = DEFAULT_LIST_LIMIT, most = MAX_LIST_LIMIT): Parameter<number> {
	return integer(`the maximum number of items (default ${fallback}; at most ${most})`, { least: 1, most, fallback });
}

const CURSOR = "next_cursor of the previous page";

/** The cursor of a page: the id of the last item before it; null for the first page. */
export function idCursor(kind: IdKind): Parameter<string | null> {
	return { description: CURSOR, schema: z.string(), read: (given) => readCursor(given, (one) => isId(kind, one)) };
}

/** The same for a numeric cursor. */
export function numberCursor(): Parameter<number | null> {
	const isNumber = (given: string) => /^\d{1,16}$/.test(given) && Number.isSafeInteger(Number(given));
	const read = (given: string | null) => (readCursor(given, isNumber) === null ? null : Number(given));
	return { description: CURSOR, schema: z.string(), read };
}

/**
 * An invalid cursor is an error (as at GitHub and Stripe, 400); as a position it would return any
 * page.
 */
function readCursor(given: string | null, isCursor: (given: string) => boolean): string | null {
	if (given === null || isCursor(given)) return given;
	throw new ApiError("malformed", `cursor: ${JSON.stringify(given.slice(0, 100))} is not a cursor of this list.`, {
		details: { parameter: "cursor" },
		suggestions: ["Send next_cursor of the previous page, or no cursor for the first page."],
	});
}

/** The number of an attempt; null for the newest. */
export const attempt = integer("the number of the attempt; the newest is the default", { least: 1, most: 1000 });

/**
 * Reads the declared parameters of a query.
 * @throws ApiError `validation_failed`, also for an unknown parameter: ignored, it would seem to
 * work
 */
export function readParameters<Declared extends Parameters>(declared: Declared, given: URLSearchParams): ValuesOf<Declared> {
	const unknown = [...new Set(given.keys())].filter((name) => !Object.hasOwn(declared, name));
	if (unknown.length > 0) {
		const known = Object.keys(declared);
		const suggestion = known.length > 0 ? `Known parameters: ${known.join(", ")}.` : "This address has no parameters.";
		throw invalidParameter(unknown[0] as string, `Unknown parameter ${unknown.join(", ")}.`, suggestion);
	}
	return valuesOf(declared, given);
}

/** The same for a page: unknown parameters are ignored, because others add them to its address. */
export function valuesOf<Declared extends Parameters>(declared: Declared, given: URLSearchParams): ValuesOf<Declared> {
	const entries = Object.entries(declared).map(([name, parameter]) => [name, parameter.read(given.get(name), name)]);
	return Object.fromEntries(entries) as ValuesOf<Declared>;
}

export function invalidParameter(name: string, message: string, suggestion: string): ApiError {
	return new ApiError("validation_failed", `${name}: ${message}`, {
		details: { errors: [{ path: name, line: null, column: null, message, suggestion }] },
		suggestions: [suggestion],
	});
}
