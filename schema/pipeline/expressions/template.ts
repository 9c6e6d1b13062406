import type { LateText } from "../../wire/work.ts";
import { nextExpression, unescaped } from "../syntax/escapes.ts";
import { checkExpression } from "./check.ts";
import { evaluate, usesOf } from "./evaluate.ts";
import type { ExpressionError, Uses } from "./names.ts";
import type { Names, Scope } from "./scope.ts";

/** Texts with `${{ expressions }}` in them; `$${{` writes a literal `${{` (escapes.ts). */

/** A text, or one whose expressions use needed jobs or earlier steps: it is filled in when these have ended. */
export type Templated = string | LateText;

/** An expression in a text, with its braces, and its offset. */
interface Hole {
	index: number;
	whole: string;
	inner: string;
}

/**
 * The expressions of a text. One that is not closed is none; nor is the text after it, for it would
 * have closed it.
 */
function holesIn(text: string): Hole[] {
	const holes: Hole[] = [];
	for (let index = nextExpression(text, 0); index !== -1; ) {
		const end = text.indexOf("}}", index + 3);
		if (end === -1) break;
		holes.push({ index, whole: text.slice(index, end + 2), inner: text.slice(index + 3, end) });
		index = nextExpression(text, end + 2);
	}
	return holes;
}

/** The text with other texts in place of its expressions. */
function replaceHoles(text: string, replacementOf: (inner: string) => string): string {
	let at = 0;
	let result = "";
	for (const { index, whole, inner } of holesIn(text)) {
		result += unescaped(text.slice(at, index)) + replacementOf(inner);
		at = index + whole.length;
	}
	return result + unescaped(text.slice(at));
}

/** The expressions of a text, without their braces. */
export function expressionsOf(text: string): string[] {
	return holesIn(text).map(({ inner }) => inner.trim());
}

/** The errors in the expressions of a text. */
export function checkTemplate(
	text: string,
	names: Names,
): { errors: ExpressionError[]; waitsFor: "needs" | "steps" | null; hashes: boolean } {
	const errors: ExpressionError[] = [];
	let hashes = false;
	let waitsFor: "needs" | "steps" | null = null;
	for (const { index, whole, inner } of holesIn(text)) {
		const begin = index + 3 + inner.length - inner.trimStart().length;
		if (inner.trim() === "") {
			errors.push({ at: index, message: `${whole} has no expression.`, suggestion: null });
			continue;
		}
		const checked = checkExpression(inner.trim(), names, "template");
		errors.push(...checked.errors.map((error) => ({ ...error, at: begin + error.at })));
		hashes ||= checked.uses.hashes.length > 0;
		if (checked.uses.steps) waitsFor = "steps";
		else if (checked.uses.late) waitsFor ??= "needs";
	}
	const last = holesIn(text).at(-1);
	const unclosed = nextExpression(text, last ? last.index + last.whole.length : 0);
	if (unclosed !== -1)
		errors.push({ at: unclosed, message: "${{ is not closed.", suggestion: "Close it with }}, or write $${{ for a literal ${{." });
	return { errors, waitsFor, hashes };
}

/** Fills in the expressions of a text. @throws ExpressionFailed */
export function fill(text: string, scope: Scope): string {
	return replaceHoles(text, (inner) => String(evaluate(inner.trim(), scope)));
}

/**
 * Whether a text uses a parameter without a value, or an axis that depends on one: a pipeline can
 * be checked without the parameters that a submission must give.
 */
export function needsValue(text: string, { params, openAxes = [] }: Scope): boolean {
	return expressionsOf(text)
		.map(usesOf)
		.some((uses) => uses.params.some((name) => !Object.hasOwn(params, name)) || uses.axes.some((axis) => openAxes.includes(axis)));
}

/**
 * Fills in a text at submission. A text that uses needed jobs, or a parameter without a value,
 * stays as a whole as its author wrote it.
 * @throws ExpressionFailed
 */
export function fillEarly(text: string, scope: Scope): Templated {
	const isLate = expressionsOf(text)
		.map(usesOf)
		.some((uses) => uses.late || isForAgent(uses));
	return isLate || needsValue(text, scope) ? { template: text } : fill(text, scope);
}

/** The text, once all that it uses has ended. @throws ExpressionFailed */
export function fillLate(text: Templated, scope: Scope): string {
	return typeof text === "string" ? text : fill(text.template, scope);
}

/** The same of a text that an agent may have to fill in: such a one stays as it is. @throws ExpressionFailed */
export function fillForAgent(text: Templated, scope: Scope): Templated {
	return typeof text === "string" || waitsForAgent(text) ? text : fill(text.template, scope);
}

/** Whether a text waits for the steps before its step, or for the files of the workspace. */
export function waitsForAgent(text: Templated): boolean {
	return typeof text !== "string" && expressionsOf(text.template).some((expression) => isForAgent(usesOf(expression)));
}

function isForAgent({ steps, hashes }: Uses): boolean {
	return steps || hashes.length > 0;
}

/** The patterns of each hash() in a text. */
export function hashesIn(text: Templated): string[][] {
	return typeof text === "string" ? [] : expressionsOf(text.template).flatMap((expression) => usesOf(expression).hashes);
}

/** Fills in all texts of a map. */
export function fillMap<From extends Templated, To extends Templated>(
	map: Readonly<Record<string, From>> | undefined,
	fillOne: (text: From) => To,
): Record<string, To> {
	return Object.fromEntries(Object.entries(map ?? {}).map(([name, text]) => [name, fillOne(text)]));
}
