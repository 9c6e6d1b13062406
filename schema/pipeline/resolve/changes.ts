import { usesOf } from "../expressions/evaluate.ts";
import { patternsKey } from "../expressions/scope.ts";
import { anyPathMatches } from "../syntax/patterns.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { UNITS_OF_EXPRESSION } from "./template_filler.ts";

/** More comparisons of a path with a pattern are not made: everything then counts as changed. */
const MAX_MATCHES = 500_000;

/** The answers of changed(). Patterns without an answer count as changed. */
export function* matchChanges(expressions: Iterable<string>, paths: readonly string[] | undefined): SlicedWork<Record<string, boolean>> {
	if (!paths) return {};
	const asked = new Map<string, string[]>();
	for (const expression of expressions) {
		for (const patterns of usesOf(expression).changes) asked.set(patternsKey(patterns), patterns);
		yield UNITS_OF_EXPRESSION;
	}
	if ([...asked.values()].flat().length * paths.length > MAX_MATCHES) return {};
	const answers: Record<string, boolean> = {};
	for (const [key, patterns] of asked) {
		const answer = yield* anyPathMatches(patterns, paths);
		if (answer !== null) answers[key] = answer;
	}
	return answers;
}
