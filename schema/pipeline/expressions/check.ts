import type { ParseError, TypeError as TypeMismatch } from "@marcbachmann/cel-js";
import { type ParsedExpression, typedEnvironment } from "./environment.ts";
import { plainMessage } from "./messages.ts";
import { type ExpressionError, nameErrors, noUses, type Uses } from "./names.ts";
import type { Names } from "./scope.ts";

/**
 * The expressions of the language are CEL: in `if`, and between `${{ }}`. Names and types are
 * checked when a pipeline is read; the results and outputs of needed jobs get their values later.
 * No expression runs for long: it has at most a thousand characters and 200 parts, and neither
 * loops nor regular expressions.
 */

const MAX_CHARACTERS = 1000;

const PRINTABLE: ReadonlySet<string> = new Set(["string", "int", "double", "bool"]);
const KINDS: Record<string, string> = { string: "a text", int: "a number", double: "a number", bool: "true or false" };

/** The files of the workspace are there only when a job begins. */
export const HASH_ELSEWHERE = "hash() can be used only in the keys of `cache`: the files are known once the source is checked out.";

/** Operators as other languages write them. */
const OPERATORS: Readonly<Record<string, string>> = { "=": "==", "&": "&&", "|": "||", and: "&&", or: "||", not: "!" };

/**
 * Checks an expression.
 * @param kind a condition must give true or false; a template gives a value that is printed
 */
export function checkExpression(text: string, names: Names, kind: "condition" | "template"): { errors: ExpressionError[]; uses: Uses } {
	const uses = noUses();
	const failed = (at: number, message: string, suggestion: string | null = null) => ({ errors: [{ at, message, suggestion }], uses });
	if (text.length > MAX_CHARACTERS) return failed(0, `An expression has at most ${MAX_CHARACTERS} characters.`);
	let parsed: ParsedExpression;
	try {
		parsed = typedEnvironment(names).parse(text);
	} catch (error) {
		const { range, summary } = error as ParseError;
		return failed(range?.start ?? 0, plainMessage(summary), operatorMeant(text, range?.start ?? 0));
	}
	const errors = [...nameErrors(parsed.ast, names, uses)];
	if (errors.length > 0) return { errors, uses };
	const checked = parsed.check();
	if (!checked.valid) {
		const { range, summary } = checked.error as TypeMismatch;
		return failed(range?.start ?? 0, plainMessage(summary));
	}
	if (kind === "condition" && uses.hashes.length > 0) return failed(0, HASH_ELSEWHERE);
	if (kind === "condition" && checked.type !== "bool" && !(checked.type === "dyn" && names.openMatrix))
		return failed(
			0,
			`A condition must give true or false; this expression gives ${KINDS[checked.type ?? ""] ?? "something else"}.`,
			'Compare the value, such as run.branch == "main".',
		);
	if (kind === "template") {
		if (uses.status) return failed(0, "success(), failure(), always() and cancelled() can be used only in `if`.");
		// A value of a matrix that is not known yet is checked once it is.
		if (!PRINTABLE.has(checked.type ?? "") && !(checked.type === "dyn" && names.openMatrix))
			return failed(0, `This expression gives ${KINDS[checked.type ?? ""] ?? "no single value"}, and not a text.`);
	}
	return { errors: [], uses };
}

/** The operator that was meant at the place where the parser stops. */
function operatorMeant(text: string, at: number): string | null {
	const [written = ""] = /^([a-z]+|[=&|])/.exec(text.slice(at).toLowerCase()) ?? [];
	const before = /\bnot\s+$/i.test(text.slice(0, at)) ? "not" : "";
	const meant = OPERATORS[before] ?? OPERATORS[written];
	return meant === undefined ? null : `Write \`${meant}\` instead of \`${before || written}\`.`;
}
