import * as z from "zod";
import type { PatternError } from "../syntax/pattern_syntax.ts";
import { onlyExcludes, pathPatternError } from "../syntax/patterns.ts";
import { isScalar, nonEmpty, withShorthand } from "./values.ts";

/** Values that are patterns of paths or names. */

/** The check of a pattern by a function that returns an error, or null. */
export function rejectingPattern(describeError: (pattern: string) => PatternError | null) {
	return (pattern: string, context: z.RefinementCtx): void => {
		const error = describeError(pattern);
		if (error) context.addIssue({ code: "custom", message: error.message, params: { suggestion: error.suggestion } });
	};
}

/** A pattern of files inside the workspace; `!` excludes. */
export const glob = nonEmpty.superRefine(rejectingPattern(pathPatternError));

/** One or more of them. */
export function globs(most: number): z.ZodType<string[]> {
	const list = z
		.array(glob)
		.min(1, "The list must have at least one entry.")
		.max(most, `The list has at most ${most} entries.`)
		.superRefine(rejectingExclusions);
	return withShorthand(list, [glob], (value) => (isScalar(value) ? [value] : value));
}

/**
 * The check of a list of patterns: exclusions alone match nothing. Entries of other kinds are
 * skipped.
 */
export function rejectingExclusions(patterns: readonly unknown[], context: z.RefinementCtx): void {
	const error = onlyExcludes(patterns.filter((pattern) => typeof pattern === "string"));
	if (error) context.addIssue({ code: "custom", message: error.message, params: { suggestion: error.suggestion } });
}
