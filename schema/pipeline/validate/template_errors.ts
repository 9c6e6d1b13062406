import { HASH_ELSEWHERE } from "../expressions/check.ts";
import type { Names } from "../expressions/scope.ts";
import { checkTemplate, expressionsOf } from "../expressions/template.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, type ValidationError } from "./errors.ts";
import type { TemplateAt } from "./templates.ts";

/** Checking an expression takes about this long. */
export const UNITS_OF_EXPRESSION = 150;

/** An error that shows when the parts of a pipeline are looked at together. */
export interface WholeError extends ValidationError {
	/** The character of the value; null: its beginning. */
	at: number | null;
}

/** The errors in the expressions of one text. */
export function* templateErrors({ path, text, moment }: TemplateAt, names: Names): SlicedWork<WholeError[]> {
	if (!text.includes("${{")) return [];
	yield expressionsOf(text).length * UNITS_OF_EXPRESSION + text.length / 100;
	const { errors, waitsFor, hashes } = checkTemplate(text, names);
	if (errors.length === 0 && hashes && moment !== "cache") return [{ path, at: null, message: HASH_ELSEWHERE, suggestion: null }];
	if (errors.length > 0 || waitsFor === null || moment !== "early") return errors.map((error) => ({ ...error, path }));
	return [
		{
			path,
			at: null,
			message: `${code(waitsFor)} cannot be used here: this value must be known before the run begins.`,
			suggestion: "Use `params`, `run` or `matrix`. `needs` can be used in `env`, in images, in the tags of a build and in `if`.",
		},
	];
}
