import { ApiError } from "../../schema/wire/errors.ts";
import { type IdKind, isId } from "../../schema/wire/ids.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";
import type { Page } from "../../schema/wire/resources.ts";

/**
 * Refuses parameters that the route does not know: one that does nothing would be taken for one that works.
 * @throws ApiError `validation_failed`
 */
export function onlyParameters(url: URL, known: readonly string[]): void {
	const unknown = [...new Set(url.searchParams.keys())].filter((name) => !known.includes(name));
	if (unknown.length === 0) return;
	throw invalidParameter(
		unknown[0] as string,
		`unknown parameter ${unknown.join(", ")}`,
		known.length > 0 ? `known: ${known.join(", ")}` : "this address takes none",
	);
}

export function invalidParameter(name: string, message: string, suggestion: string): ApiError {
	return new ApiError("validation_failed", `${name}: ${message}`, {
		details: { errors: [{ path: name, line: null, column: null, message, suggestion }] },
		suggestions: [suggestion],
	});
}

/** A parameter that is a whole number in a range; `fallback` when it is not given. */
export function integerParameter(url: URL, name: string, range: { least: number; most: number; fallback: number }): number {
	const text = url.searchParams.get(name);
	if (text === null) return range.fallback;
	const value = Number(text);
	if (/^\d+$/.test(text) && value >= range.least && value <= range.most) return value;
	throw invalidParameter(
		name,
		`${JSON.stringify(text)} is not a whole number from ${range.least} to ${range.most}`,
		`for example ${name}=${range.fallback}`,
	);
}

/** A parameter that is one of a few words; null when it is not given. */
export function wordParameter<Word extends string>(url: URL, name: string, words: readonly Word[]): Word | null {
	const text = url.searchParams.get(name);
	if (text === null) return null;
	const word = words.find((known) => known === text);
	if (word) return word;
	throw invalidParameter(name, `${JSON.stringify(text)} is not known`, `one of: ${words.join(", ")}`);
}

export function flagParameter(url: URL, name: string): boolean {
	return wordParameter(url, name, ["1", "true", "0", "false"] as const)?.match(/^(1|true)$/) != null;
}

/** What a list of things of this kind was asked for. @throws ApiError `validation_failed`, and `malformed` for the cursor */
export function pageParameters(url: URL, kind: IdKind): { limit: number; after: string | null } {
	return {
		limit: integerParameter(url, "limit", { least: 1, most: MAX_LIST_LIMIT, fallback: DEFAULT_LIST_LIMIT }),
		after: idCursor(url, kind),
	};
}

/** Where a page begins whose cursor is the id of the item before it; null for the first page. @throws ApiError `malformed` */
export function idCursor(url: URL, kind: IdKind): string | null {
	return cursorParameter(url, (text) => isId(kind, text));
}

/** The same where the cursor is a number. @throws ApiError `malformed` */
export function numberCursor(url: URL): number | null {
	const text = cursorParameter(url, (given) => /^\d{1,16}$/.test(given) && Number.isSafeInteger(Number(given)));
	return text === null ? null : Number(text);
}

/** One that no answer has given is an error (GitHub and Stripe answer 400): as a place in the order it would give any page. */
function cursorParameter(url: URL, isCursor: (text: string) => boolean): string | null {
	const text = url.searchParams.get("cursor");
	if (text === null || isCursor(text)) return text;
	throw new ApiError("malformed", `cursor: ${JSON.stringify(text.slice(0, 100))} is not a cursor of this list`, {
		details: { parameter: "cursor" },
		suggestions: ["Send the next_cursor of the page before, or no cursor for the first page."],
	});
}

/** One page of rows that were asked for with one more than `limit`. */
export function pageOf<Row extends { id: string }, Item>(rows: readonly Row[], limit: number, present: (row: Row) => Item): Page<Item> {
	const shown = rows.slice(0, limit);
	return { items: shown.map(present), next_cursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
