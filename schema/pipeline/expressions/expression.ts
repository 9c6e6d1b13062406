import { type ASTNode, Environment, type EvaluationError, type ParseError, type TypeError as TypeFault } from "@marcbachmann/cel-js";
import { trigger } from "../../wire/triggers.ts";
import type { ParameterValue } from "../validate/parameters.ts";
import { onlyExcludes, pathPatternError } from "../validate/patterns.ts";
import { nearest } from "../validate/suggest.ts";

/**
 * The expressions of the language are CEL: in `if`, and between `${{ }}`. Names and types are checked when a pipeline is read; what cannot
 * be known then (how needed jobs ended, what they put out) is filled in when it is. No expression can run for long: it has at most
 * a thousand characters and 200 parts, and neither loops nor regular expressions.
 */

const MAX_CHARACTERS = 1000;
const LIMITS = { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 0, maxCallArguments: 4 };

/** How a run is made whose submission comes over the API. */
export const API_EVENT = "api";

/** What is known of a run when it is submitted. */
export interface RunFacts {
	branch: string;
	tag: string;
	event: string;
	project: string;
	pipeline: string;
	/** The number of the pull request that it is about; empty without one. */
	pull_request: string;
	/** The branch that the pull request, or the merge group, is to go into; empty without one. */
	target_branch: string;
	/** Whether the pull request is a draft, and the names of its labels, when the forge sent the delivery. */
	draft: boolean;
	labels: readonly string[];
}
/** What is known of a run, with its type. */
const RUN_TYPES = {
	branch: "string",
	tag: "string",
	event: "string",
	project: "string",
	pipeline: "string",
	pull_request: "string",
	target_branch: "string",
	draft: "bool",
	labels: "list<string>",
} as const satisfies Record<keyof RunFacts, string>;
const RUN_FACTS = Object.keys(RUN_TYPES);

/** How a needed job ended, and what it put out. */
export interface NeedFacts {
	result: string;
	outputs: Readonly<Record<string, string>>;
}

/** Everything that an expression can speak of. */
export interface Scope {
	run: RunFacts;
	params: Readonly<Record<string, ParameterValue>>;
	/** The parameters that are of type number: their whole values are no integers. */
	doubles: readonly string[];
	matrix: Readonly<Record<string, string>>;
	/** Axes whose values depend on a parameter that has none. */
	openAxes?: readonly string[];
	/** Whether files changed that patterns name, by their `changeKey`. */
	changed: Readonly<Record<string, boolean>>;
	needs: Readonly<Record<string, NeedFacts>>;
	status: { success: boolean; failure: boolean };
}

/** The names that an expression may use, with what is known of their types. */
export interface Names {
	params: Readonly<Record<string, "string" | "int" | "double" | "bool">>;
	matrix: readonly string[];
	/** Needed job → the names of its outputs; null where several variants are meant, so that nobody knows whose. */
	needs: Readonly<Record<string, readonly string[] | null>>;
}

/** What is wrong with an expression, and at which of its characters. */
export interface ExpressionError {
	at: number;
	message: string;
	suggestion: string | null;
}

/** What an expression asks for. */
export interface Uses {
	/** It calls success(), failure() or always(). */
	status: boolean;
	/** It speaks of needed jobs, or of the status: it cannot be evaluated before they have ended. */
	late: boolean;
	/** The patterns of each changed(). */
	changes: string[][];
	/** The parameters, and the axes of the matrix, that it speaks of. */
	params: string[];
	axes: string[];
}

const STATUS_CALLS: ReadonlySet<string> = new Set(["success", "failure", "always"]);
const CALLS: ReadonlySet<string> = new Set([...STATUS_CALLS, "changed", "size", "string", "int", "double"]);
const METHODS: ReadonlySet<string> = new Set([
	"startsWith",
	"endsWith",
	"contains",
	"lowerAscii",
	"upperAscii",
	"trim",
	"size",
	"indexOf",
	"lastIndexOf",
	"substring",
]);

/** Set for the length of one evaluation, which nothing interrupts: CEL's functions are given their arguments only. */
let current: Scope | null = null;

const base = new Environment({ limits: LIMITS, homogeneousAggregateLiterals: true })
	.registerFunction("success(): bool", () => current?.status.success ?? true)
	.registerFunction("failure(): bool", () => current?.status.failure ?? false)
	.registerFunction("always(): bool", () => true)
	.registerFunction("changed(string): bool", (pattern: string) => isChanged([pattern]))
	.registerFunction("changed(list<string>): bool", isChanged);

/** What the answer of a changed() is kept by: a pattern alone by itself, several by their list in JSON. */
export function changeKey(patterns: readonly string[]): string {
	return patterns.length === 1 ? (patterns[0] ?? "") : JSON.stringify(patterns);
}

/** What nobody has looked up counts as changed. An earlier version looked each pattern up by itself. */
function isChanged(patterns: readonly string[]): boolean {
	const answer = (key: string) => (current && Object.hasOwn(current.changed, key) ? current.changed[key] : undefined);
	return answer(changeKey(patterns)) ?? patterns.some((pattern) => answer(pattern) ?? true);
}

const evaluator = base
	.clone()
	.registerVariable("run", "map<string, dyn>")
	.registerVariable("params", "map<string, dyn>")
	.registerVariable("matrix", "map<string, string>")
	.registerVariable("needs", "map<string, dyn>");

/**
 * Checks an expression.
 * @param kind a condition must give true or false; a template gives a value that is printed
 */
export function checkExpression(text: string, names: Names, kind: "condition" | "template"): { faults: ExpressionError[]; uses: Uses } {
	const uses: Uses = { status: false, late: false, changes: [], params: [], axes: [] };
	const fault = (at: number, message: string, suggestion: string | null = null) => ({ faults: [{ at, message, suggestion }], uses });
	if (text.length > MAX_CHARACTERS) return fault(0, `an expression has at most ${MAX_CHARACTERS} characters`);
	let parsed: Parsed;
	try {
		parsed = typed(names).parse(text);
	} catch (error) {
		const { range, summary } = error as ParseError;
		return fault(range?.start ?? 0, plain(summary), operatorMeant(text, range?.start ?? 0));
	}
	const faults = [...validationErrorsIn(parsed.ast, names, uses)];
	if (faults.length > 0) return { faults, uses };
	const checked = parsed.check();
	if (!checked.valid) {
		const { range, summary } = checked.error as TypeFault;
		return fault(range?.start ?? 0, plain(summary));
	}
	if (kind === "condition" && checked.type !== "bool")
		return fault(
			0,
			`a condition is true or false; this is ${KINDS[checked.type ?? ""] ?? "neither"}`,
			'compare it, such as run.branch == "main"',
		);
	if (kind === "template") {
		if (uses.status) return fault(0, "success(), failure() and always() are for if");
		if (!PRINTABLE.has(checked.type ?? ""))
			return fault(0, `this gives ${KINDS[checked.type ?? ""] ?? "no single value"}, which is no text`);
	}
	return { faults: [], uses };
}

const LIMITS_TOLD: Readonly<Record<string, (limit: string) => string>> = {
	maxAstNodes: (limit) => `an expression has at most ${limit} parts`,
	maxDepth: (limit) => `an expression is nested at most ${limit} levels deep`,
	maxListElements: (limit) => `a list has at most ${limit} elements`,
	maxMapEntries: () => "maps are not part of this language",
	maxCallArguments: (limit) => `a function takes at most ${limit} arguments`,
};

const PRINTABLE: ReadonlySet<string> = new Set(["string", "int", "double", "bool"]);
const KINDS: Record<string, string> = { string: "a text", int: "a number", double: "a number", bool: "true or false" };

/** Operators as other languages write them. */
const OPERATORS: Readonly<Record<string, string>> = { "=": "==", "&": "&&", "|": "||", and: "&&", or: "||", not: "!" };

/** The operator that was meant where an expression cannot be read any further. */
function operatorMeant(text: string, at: number): string | null {
	const [written = ""] = /^([a-z]+|[=&|])/.exec(text.slice(at).toLowerCase()) ?? [];
	const before = /\bnot\s+$/i.test(text.slice(0, at)) ? "not" : "";
	const meant = OPERATORS[before] ?? OPERATORS[written];
	return meant === undefined ? null : `write ${meant} rather than ${before || written}`;
}

function plain(summary: string): string {
	const limit = /^exceeded (\w+) \((\d+)\)/i.exec(summary);
	const told = LIMITS_TOLD[limit?.[1] ?? ""];
	if (told) return told(limit?.[2] ?? "");
	const sentence = summary.replace(/^found /, "").replace("Unexpected token: EOF", "the expression ends too early");
	return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** A job has many expressions, and to make an environment takes longer than to check one of them. */
const environments = new WeakMap<Names, Environment>();

function typed(names: Names): Environment {
	const known = environments.get(names);
	if (known) return known;
	const outputs = (of: readonly string[] | null) => Object.fromEntries((of ?? []).map((name) => [name, "string"]));
	const need = (of: readonly string[] | null) => ({ result: "string", ...(of ? { outputs: outputs(of) } : {}) });
	const environment = base
		.clone()
		.registerVariable({ name: "run", schema: { ...RUN_TYPES } })
		.registerVariable({ name: "params", schema: { ...names.params } })
		.registerVariable({ name: "matrix", schema: Object.fromEntries(names.matrix.map((axis) => [axis, "string"])) })
		.registerVariable({ name: "needs", schema: Object.fromEntries(Object.entries(names.needs).map(([job, of]) => [job, need(of)])) });
	environments.set(names, environment);
	return environment;
}

type Parsed = ReturnType<Environment["parse"]>;

interface ReadExpression {
	run: Parsed;
	uses: Uses;
}

/** The newest of those that were read: an expression is asked for what it uses and then worked out, often for many variants. */
const readExpressions = new Map<string, ReadExpression>();
const KEPT = 500;

/** An expression that was checked. */
function read(text: string): ReadExpression {
	const known = readExpressions.get(text);
	if (known) return known;
	const uses: Uses = { status: false, late: false, changes: [], params: [], axes: [] };
	const run = evaluator.parse(text);
	// Names were checked when the pipeline was; here only its uses are wanted.
	for (const _ of validationErrorsIn(run.ast, { params: {}, matrix: [], needs: {} }, uses));
	const [oldest] = readExpressions.keys();
	if (readExpressions.size >= KEPT && oldest !== undefined) readExpressions.delete(oldest);
	readExpressions.set(text, { run, uses });
	return { run, uses };
}

/** Names that are not there, and what the language leaves out of CEL. */
function* validationErrorsIn(node: ASTNode, names: Names, uses: Uses): Generator<ExpressionError> {
	const at = node.range.start;
	switch (node.op) {
		case "value":
			return;
		case "id":
			yield* rootError(node.args, at, uses);
			return;
		case ".":
		case "[]":
			yield* memberFaults(node, names, uses);
			return;
		case "call": {
			const [name, args] = node.args;
			yield* callFault(name, at, CALLS, uses);
			if (name === "changed") yield* changeFaults(args, at, uses);
			for (const one of args) yield* validationErrorsIn(one, names, uses);
			return;
		}
		case "rcall": {
			const [name, receiver, args] = node.args;
			yield* callFault(name, at, METHODS, uses);
			yield* validationErrorsIn(receiver, names, uses);
			for (const one of args) yield* validationErrorsIn(one, names, uses);
			return;
		}
		case "list":
		case "?:":
			for (const one of node.args) yield* validationErrorsIn(one, names, uses);
			return;
		case "!_":
		case "-_":
			yield* validationErrorsIn(node.args, names, uses);
			return;
		case "map":
		case ".?":
		case "[?]":
			yield { at, message: "maps and optional values are not part of this language", suggestion: null };
			return;
		default:
			if (node.op === "==" || node.op === "!=" || node.op === "in") yield* comparisonFaults(...node.args);
			for (const one of node.args) yield* validationErrorsIn(one, names, uses);
	}
}

/** What a run can have been made by: somebody over the API, one of its triggers, or `windlass exec`. */
const EVENTS: readonly string[] = [API_EVENT, ...trigger.shape.kind.options, "exec"];
const RESULTS = ["succeeded", "failed", "errored", "timed_out", "cancelled", "skipped"];
/** What other systems call them. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
	success: "succeeded",
	failure: "failed",
	error: "errored",
	timeout: "timed_out",
	canceled: "cancelled",
	merge_request: "pull_request",
	cron: "schedule",
	workflow_dispatch: "manual",
};

/** A comparison with a text that is none of the few that there can be would be the same for ever. */
function* comparisonFaults(left: ASTNode, right: ASTNode): Generator<ExpressionError> {
	for (const [subject, others] of [
		[left, right.op === "list" ? right.args : [right]],
		[right, [left]],
	] as const) {
		const path = (pathOf(subject) ?? []).map(({ name }) => name);
		const isResult = path[0] === "needs" && path[2] === "result";
		if (!isResult && path.join(".") !== "run.event") continue;
		const known = isResult ? RESULTS : EVENTS;
		for (const { op, args: text, range } of others) {
			if (op !== "value" || typeof text !== "string" || known.includes(text)) continue;
			const near = OTHER_WORDS[text.toLowerCase()];
			const suggestion = near !== undefined && known.includes(near) ? `did you mean ${near}?` : hint(text, known);
			yield { at: range.start, message: `${path.join(".")} is never ${JSON.stringify(text)}`, suggestion };
		}
	}
}

const ROOTS = ["run", "params", "matrix", "needs"];

function* rootError(name: string, at: number, uses: Uses): Generator<ExpressionError> {
	if (name === "needs") uses.late = true;
	if (ROOTS.includes(name)) return;
	if (CALLS.has(name)) yield { at, message: `${name} is a function`, suggestion: `write ${name}()` };
	else yield { at, message: `unknown name ${name}`, suggestion: hint(name, ROOTS) };
}

function* callFault(name: string, at: number, known: ReadonlySet<string>, uses: Uses): Generator<ExpressionError> {
	if (STATUS_CALLS.has(name)) uses.status = uses.late = true;
	if (!known.has(name)) yield { at, message: `unknown function ${name}()`, suggestion: hint(name, [...known]) };
}

function hint(written: string, known: readonly string[]): string {
	const near = nearest(written, known);
	return near ? `did you mean ${near}?` : known.length > 0 ? `known: ${known.join(", ")}` : "there is none here";
}

/** `a.b.c` and `a["b"].c`: the members of what we know must be there. */
function* memberFaults(node: Extract<ASTNode, { op: "." | "[]" }>, names: Names, uses: Uses): Generator<ExpressionError> {
	const path = pathOf(node);
	if (!path) {
		yield* validationErrorsIn(node.args[0], names, uses);
		if (typeof node.args[1] !== "string") yield* validationErrorsIn(node.args[1], names, uses);
		return;
	}
	const [root, ...members] = path;
	yield* rootError(root?.name ?? "", root?.at ?? 0, uses);
	const known = membersOf(root?.name ?? "", names);
	const [first, second, third] = members;
	if (root?.name === "params" && first) uses.params.push(first.name);
	if (root?.name === "matrix" && first) uses.axes.push(first.name);
	if (!first || !known) return;
	if (!known.includes(first.name)) {
		yield {
			at: first.at,
			message: UNKNOWN[root?.name ?? ""]?.(first.name) ?? `unknown ${first.name}`,
			suggestion: hint(first.name, known),
		};
		return;
	}
	if (root?.name !== "needs" || !second) return;
	if (second.name !== "result" && second.name !== "outputs")
		yield {
			at: second.at,
			message: `a needed job has result and outputs, no ${second.name}`,
			suggestion: hint(second.name, ["result", "outputs"]),
		};
	const outputs = names.needs[first.name];
	if (second.name !== "outputs" || !third) return;
	if (outputs === null)
		yield {
			at: second.at,
			message: `${first.name} has several variants: whose outputs?`,
			suggestion: "need one of them: {job: …, matrix: {…}}",
		};
	else if (!outputs?.includes(third.name))
		yield { at: third.at, message: `${first.name} does not declare the output ${third.name}`, suggestion: hint(third.name, outputs ?? []) };
}

const UNKNOWN: Record<string, (name: string) => string> = {
	run: (name) => `nothing is known of a run as ${name}`,
	params: (name) => `there is no parameter ${name}`,
	matrix: (name) => `the matrix has no axis ${name}`,
	needs: (name) => `this job does not need ${name}`,
};

function membersOf(root: string, names: Names): readonly string[] | null {
	if (root === "run") return RUN_FACTS;
	if (root === "params") return Object.keys(names.params);
	if (root === "matrix") return names.matrix;
	return root === "needs" ? Object.keys(names.needs) : null;
}

interface Member {
	name: string;
	at: number;
}

function pathOf(node: ASTNode): Member[] | null {
	if (node.op === "id") return [{ name: node.args, at: node.range.start }];
	if (node.op === ".") {
		const path = pathOf(node.args[0]);
		return path && [...path, { name: node.args[1], at: node.range.end - node.args[1].length }];
	}
	if (node.op === "[]" && node.args[1].op === "value" && typeof node.args[1].args === "string") {
		const path = pathOf(node.args[0]);
		return path && [...path, { name: node.args[1].args, at: node.args[1].range.start }];
	}
	return null;
}

/** changed() is looked up once, when the run is submitted: its patterns must be known by then. */
function* changeFaults(args: readonly ASTNode[], at: number, uses: Uses): Generator<ExpressionError> {
	const nodes = args.flatMap((node) => (node.op === "list" ? node.args : [node]));
	const patterns: string[] = [];
	for (const { op, args: pattern, range } of nodes) {
		const isLiteral = op === "value" && typeof pattern === "string";
		const fault = isLiteral
			? pathPatternError(pattern)
			: { message: "changed() takes patterns as they are written", suggestion: CHANGED_EXAMPLE };
		if (isLiteral) patterns.push(pattern);
		if (fault) yield { at: range.start, ...fault };
	}
	if (nodes.length === 0) yield { at, message: "changed() takes at least one pattern", suggestion: CHANGED_EXAMPLE };
	const excluding = onlyExcludes(patterns);
	if (excluding) yield { at, ...excluding };
	uses.changes.push(patterns);
}

const CHANGED_EXAMPLE = 'such as changed("docs/**")';

/** What an expression asks for; it was checked before. */
export function usesOf(text: string): Uses {
	return read(text).uses;
}

/** An expression that was checked, and cannot be evaluated with these values. */
export class ExpressionFailed extends Error {
	override name = "ExpressionFailed";
}

/**
 * Evaluates an expression that was checked.
 * @throws ExpressionFailed for what only the values show, such as int("x")
 */
export function evaluate(text: string, scope: Scope): string | number | bigint | boolean {
	current = scope;
	try {
		const params = new Map(
			Object.entries(scope.params).map(([name, value]) => [name, scope.doubles.includes(name) ? value : celValue(value)]),
		);
		return read(text).run({
			run: { ...scope.run },
			params,
			matrix: celMap(scope.matrix),
			needs: text.includes("needs") ? needsMap(scope.needs) : new Map(),
		});
	} catch (error) {
		throw new ExpressionFailed(`${text}: ${plain((error as EvaluationError).summary ?? String(error))}`);
	} finally {
		current = null;
	}
}

/** Maps whose keys are a person's: of an object, CEL takes a key `constructor` for its kind. */
function celMap<Value>(map: Readonly<Record<string, Value>>): Map<string, Value> {
	return new Map(Object.entries(map));
}

function needsMap(needs: Scope["needs"]): Map<string, { result: string; outputs: Map<string, string> }> {
	return new Map(Object.entries(needs).map(([key, { result, outputs }]) => [key, { result, outputs: celMap(outputs) }]));
}

/** CEL tells integers from doubles; JavaScript has one kind of number. */
function celValue(value: ParameterValue): string | number | bigint | boolean {
	return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
}
