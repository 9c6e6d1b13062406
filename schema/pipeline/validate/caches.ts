import * as z from "zod";
import { CACHE_COMPRESSIONS, CACHE_SCOPES, CACHE_WHEN, cacheKeyError } from "../../wire/caches.ts";
import { MAX_CACHE_PATHS, MAX_CACHES, MAX_RESTORE_KEYS } from "../../wire/limits.ts";
import { parsePattern } from "../syntax/pattern_syntax.ts";
import { pathPatternError } from "../syntax/patterns.ts";
import { rejectingPattern } from "./pattern_values.ts";
import { isScalar, isTemplate, listOfOne, nonEmpty, nonEmptyTemplate, oneOrMore, strict, withShorthand } from "./values.ts";

/** `cache`: folders of the workspace that later jobs begin with. */

const HOME = "A cache holds folders of the workspace, and `~` is outside of it.";
const MOVE_HERE = 'Let the tool keep its files in the workspace, such as env: { npm_config_cache: .npm } with paths: [".npm"].';

const path = nonEmpty.superRefine(
	rejectingPattern((pattern) => {
		if (pattern.startsWith("~")) return { message: HOME, suggestion: MOVE_HERE };
		if (pattern.startsWith("!"))
			return {
				message: "A cache holds whole files and folders: nothing is excluded.",
				suggestion: "Write the folders that it is to hold.",
			};
		const error = pathPatternError(pattern);
		if (error) return pattern.startsWith("/") ? { ...error, suggestion: MOVE_HERE } : error;
		const parsed = parsePattern(pattern);
		const isWhole = "parts" in parsed && /^[./]*$/.test(pattern);
		return isWhole
			? { message: "A cache cannot hold the whole workspace.", suggestion: "Name folders in it, such as node_modules." }
			: null;
	}),
);

const key = nonEmptyTemplate.superRefine((text, context) => {
	const isChecked = text.trim() !== "" && !isTemplate(text);
	const error = isChecked ? cacheKeyError(text) : null;
	if (error !== null) context.addIssue({ code: "custom", message: `The key ${error}.` });
});

const cacheShape = strict({
	key: key.describe(
		"What the cache is found by. `hash()` makes it follow files of the workspace: `npm-${{ hash('**/package-lock.json') }}`.",
	),
	paths: oneOrMore(path, MAX_CACHE_PATHS).describe("Files and folders of the workspace; `*` and `**` stand for names."),
	restore_keys: oneOrMore(key, MAX_RESTORE_KEYS)
		.optional()
		.describe("Beginnings of keys: without a cache of this very key, the newest whose key begins with the first of them that finds one."),
	when: z
		.enum(CACHE_WHEN)
		.optional()
		.describe("When it is saved: after `success` of the steps, after `failure`, or `always`. Default: `success`."),
	compression: z.enum(CACHE_COMPRESSIONS).optional().describe("`none`, `fast` (zstd), or `best` (zstd, slow to save). Default: `fast`."),
	scope: z
		.enum(CACHE_SCOPES)
		.optional()
		.describe(
			"Who reads it: `branch` (the runs of its branch; those of the default branch serve all), or `project` (all trusted runs). Default: `branch`.",
		),
});

const plain = (text: string) => text.replace(/^(\.\/+)+|\/+$/g, "");

/** A cache is moved out of the workspace as a whole, so nothing can be in two. */
function rejectOverlaps(all: readonly { paths: string | readonly string[] }[], context: z.RefinementCtx): void {
	const places = all.flatMap(({ paths }, cache) => [paths].flat().map((text, index) => ({ cache, index, text, place: plain(text) })));
	for (const { cache, index, text, place } of places) {
		const other = places.find(
			(one) => one.cache < cache && (`${place}/`.startsWith(`${one.place}/`) || `${one.place}/`.startsWith(`${place}/`)),
		);
		if (other)
			context.addIssue({
				code: "custom",
				path: Array.isArray(all[cache]?.paths) ? [cache, "paths", index] : [cache, "paths"],
				message:
					other.place === place
						? `Two caches hold ${text}.`
						: `Two caches cannot hold both ${other.text} and ${text}: one is inside the other.`,
				params: { suggestion: "Put both into one cache, or name folders that are beside each other." },
			});
	}
}

/** One cache, or a list of them. */
export const caches = withShorthand(
	z
		.array(cacheShape)
		.min(1, "`cache` must have at least one cache.")
		.max(MAX_CACHES, `A job has at most ${MAX_CACHES} caches.`)
		.superRefine(rejectOverlaps),
	[cacheShape],
	(value) => (isScalar(value) ? value : listOfOne(value)),
);
