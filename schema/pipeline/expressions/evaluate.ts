import type { EvaluationError } from "@marcbachmann/cel-js";
import { type ParsedExpression, parseExpression, withScope } from "./environment.ts";
import { plainMessage } from "./messages.ts";
import { nameErrors, noUses, type Uses } from "./names.ts";
import type { ParameterValue, Scope } from "./scope.ts";

/** Evaluates expressions that were checked. */

interface ReadExpression {
	evaluate: ParsedExpression;
	uses: Uses;
}

/**
 * The newest expressions: one is read for its uses and then evaluated, often for many matrix jobs.
 */
const readExpressions = new Map<string, ReadExpression>();
const MAX_READ_EXPRESSIONS = 500;

function read(text: string): ReadExpression {
	const known = readExpressions.get(text);
	if (known) return known;
	const uses = noUses();
	const evaluate = parseExpression(text);
	// The names were checked with the pipeline; the walk only collects the uses.
	for (const _ of nameErrors(evaluate.ast, { params: {}, matrix: [], needs: {}, steps: [] }, uses));
	const [oldest] = readExpressions.keys();
	if (readExpressions.size >= MAX_READ_EXPRESSIONS && oldest !== undefined) readExpressions.delete(oldest);
	readExpressions.set(text, { evaluate, uses });
	return { evaluate, uses };
}

/** The names that a checked expression uses. */
export function usesOf(text: string): Uses {
	return read(text).uses;
}

/** A checked expression cannot be evaluated with these values. */
export class ExpressionFailed extends Error {
	override name = "ExpressionFailed";
}

/**
 * Evaluates an expression that was checked.
 * @throws ExpressionFailed for errors that depend on the values, such as int("x")
 */
export function evaluate(text: string, scope: Scope): string | number | bigint | boolean {
	try {
		return withScope(scope, () => {
			const params = new Map(
				Object.entries(scope.params).map(([name, value]) => [name, scope.doubles.includes(name) ? value : celValue(value)]),
			);
			return read(text).evaluate({
				run: { ...scope.run },
				params,
				matrix: matrixMap(scope.matrix, read(text).uses),
				needs: text.includes("needs") ? factsMap(scope.needs) : new Map(),
				steps: text.includes("steps") ? factsMap(withUsedOutputs(scope.steps ?? {}, read(text).uses)) : new Map(),
			});
		});
	} catch (error) {
		throw new ExpressionFailed(`${text}: ${plainMessage((error as EvaluationError).summary ?? String(error))}`);
	}
}

/**
 * A map, for the author chooses the keys: of an object, CEL takes a key `constructor` for its kind.
 */
function celMap<Value>(map: Readonly<Record<string, Value>>): Map<string, Value> {
	return new Map(Object.entries(map));
}

type NestedMap = Map<string, string | NestedMap>;

/** The values of a matrix job; those that are maps are there, if only empty. */
function matrixMap(matrix: Scope["matrix"], { axes }: Uses): NestedMap {
	const whole: NestedMap = new Map();
	const mapOf = (names: readonly string[]) =>
		names.reduce((inner: NestedMap, name) => {
			const known = inner.get(name);
			if (known instanceof Map) return known;
			const made: NestedMap = new Map();
			// A matrix job may have a text where others have a map.
			if (known === undefined) inner.set(name, made);
			return made;
		}, whole);
	for (const [axis, value] of Object.entries(matrix)) {
		const names = axis.split(".");
		mapOf(names.slice(0, -1)).set(names.at(-1) as string, value);
	}
	for (const axis of axes) mapOf(axis.split(".").slice(0, -1));
	return whole;
}

function factsMap(facts: Scope["needs"]): Map<string, { result: string; outputs: Map<string, string> }> {
	return new Map(Object.entries(facts).map(([key, { result, outputs }]) => [key, { result, outputs: celMap(outputs) }]));
}

/** An output that a step did not write is empty. */
function withUsedOutputs(steps: NonNullable<Scope["steps"]>, { stepOutputs }: Uses): NonNullable<Scope["steps"]> {
	const used = Map.groupBy(stepOutputs, ([id]) => id);
	const emptyOf = (id: string) => Object.fromEntries((used.get(id) ?? []).map(([, name]) => [name, ""]));
	return Object.fromEntries(
		Object.entries(steps).map(([id, { result, outputs }]) => [id, { result, outputs: { ...emptyOf(id), ...outputs } }]),
	);
}

/** CEL distinguishes integers from doubles; JavaScript has one kind of number. */
function celValue(value: ParameterValue): string | number | bigint | boolean {
	return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
}
