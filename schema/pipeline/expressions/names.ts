import type { ASTNode } from "@marcbachmann/cel-js";
import { nearest } from "../../text/nearest_word.ts";
import { trigger } from "../../wire/triggers.ts";
import { onlyExcludes, pathPatternError } from "../syntax/patterns.ts";
import { API_EVENT, type Names, RUN_TYPES } from "./scope.ts";

/**
 * A walk over an expression: which names it uses, and which of them do not exist or are not part of
 * the language.
 */

/** What is wrong with an expression, and at which of its characters. */
export interface ExpressionError {
	at: number;
	message: string;
	suggestion: string | null;
}

/** The names that an expression uses. */
export interface Uses {
	/** It calls success(), failure(), always() or cancelled(). */
	status: boolean;
	/** It uses needed jobs or the status: it cannot be evaluated before they have ended. */
	late: boolean;
	/** The patterns of each changed(). */
	changes: string[][];
	/** The parameters, and the axes of the matrix. */
	params: string[];
	axes: string[];
	/** It uses the steps before a step: its agent evaluates it. */
	steps: boolean;
	/** The outputs of steps: the id and the name. */
	stepOutputs: [id: string, name: string][];
}

export function noUses(): Uses {
	return { status: false, late: false, changes: [], params: [], axes: [], steps: false, stepOutputs: [] };
}

const ROOTS = ["run", "params", "matrix", "needs", "steps"];
const RUN_VALUES = Object.keys(RUN_TYPES);
const STATUS_CALLS: ReadonlySet<string> = new Set(["success", "failure", "always", "cancelled"]);
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

/**
 * Unknown names, and the parts of CEL that the language leaves out. Adds to `uses` what the
 * expression uses.
 */
export function* nameErrors(node: ASTNode, names: Names, uses: Uses): Generator<ExpressionError> {
	const at = node.range.start;
	switch (node.op) {
		case "value":
			return;
		case "id":
			yield* rootErrors(node.args, at, names, uses);
			return;
		case ".":
		case "[]":
			yield* memberErrors(node, names, uses);
			return;
		case "call": {
			const [name, args] = node.args;
			yield* callErrors(name, at, CALLS, uses);
			if (name === "cancelled" && names.steps === null)
				yield { at, message: "cancelled() can be used only in the `if` of a step.", suggestion: ONLY_STEPS_KNOW };
			if (name === "changed") yield* changeErrors(args, at, uses);
			for (const one of args) yield* nameErrors(one, names, uses);
			return;
		}
		case "rcall": {
			const [name, receiver, args] = node.args;
			yield* callErrors(name, at, METHODS, uses);
			yield* nameErrors(receiver, names, uses);
			for (const one of args) yield* nameErrors(one, names, uses);
			return;
		}
		case "list":
		case "?:":
			for (const one of node.args) yield* nameErrors(one, names, uses);
			return;
		case "!_":
		case "-_":
			yield* nameErrors(node.args, names, uses);
			return;
		case "map":
		case ".?":
		case "[?]":
			yield { at, message: "Expressions have no maps and no optional values.", suggestion: null };
			return;
		default:
			if (node.op === "==" || node.op === "!=" || node.op === "in") yield* comparisonErrors(...node.args);
			for (const one of node.args) yield* nameErrors(one, names, uses);
	}
}

/** The events that make a run: a submission over the API, a trigger, or `windlass exec`. */
const EVENTS: readonly string[] = [API_EVENT, ...trigger.shape.kind.options, "exec"];
const RESULTS = ["succeeded", "failed", "errored", "timed_out", "cancelled", "skipped"];
const STEP_RESULTS = ["succeeded", "failed", "timed_out", "cancelled", "skipped"];
/** A cancelled job that has not begun runs nothing. */
const ONLY_STEPS_KNOW = "A job that needs a cancelled job can ask for its result: needs.build.result.";
/** The words of other systems. */
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

const RESULTS_OF: Readonly<Record<string, readonly string[]>> = { needs: RESULTS, steps: STEP_RESULTS };

/**
 * Comparisons of an event or a result with a text that it never has: they would always give the
 * same.
 */
function* comparisonErrors(left: ASTNode, right: ASTNode): Generator<ExpressionError> {
	for (const [subject, others] of [
		[left, right.op === "list" ? right.args : [right]],
		[right, [left]],
	] as const) {
		const path = (pathOf(subject) ?? []).map(({ name }) => name);
		const results = path[2] === "result" ? RESULTS_OF[path[0] ?? ""] : undefined;
		if (!results && path.join(".") !== "run.event") continue;
		const known = results ?? EVENTS;
		for (const { op, args: text, range } of others) {
			if (op !== "value" || typeof text !== "string" || known.includes(text)) continue;
			const near = OTHER_WORDS[text.toLowerCase()];
			const suggestion = near !== undefined && known.includes(near) ? `Did you mean \`${near}\`?` : hint(text, known);
			yield { at: range.start, message: `\`${path.join(".")}\` is never ${JSON.stringify(text)}.`, suggestion };
		}
	}
}

function* rootErrors(name: string, at: number, names: Names, uses: Uses): Generator<ExpressionError> {
	if (name === "needs") uses.late = true;
	if (name === "steps") uses.steps = true;
	if (name === "steps" && names.steps === null)
		yield {
			at,
			message: "`steps` can be used only in a step: in its `if`, `env` and `build`.",
			suggestion: "A job tells other jobs about itself with `outputs`: needs.build.outputs.version.",
		};
	if (ROOTS.includes(name)) return;
	if (CALLS.has(name)) yield { at, message: `\`${name}\` is a function.`, suggestion: `Write ${name}().` };
	else yield { at, message: `Unknown name \`${name}\`.`, suggestion: hint(name, ROOTS) };
}

function* callErrors(name: string, at: number, known: ReadonlySet<string>, uses: Uses): Generator<ExpressionError> {
	if (STATUS_CALLS.has(name)) uses.status = uses.late = true;
	if (!known.has(name)) yield { at, message: `Unknown function \`${name}()\`.`, suggestion: hint(name, [...known]) };
}

function hint(written: string, known: readonly string[]): string {
	const near = nearest(written, known);
	return near ? `Did you mean \`${near}\`?` : known.length > 0 ? `Known names: ${known.join(", ")}.` : "There are no names here.";
}

/** `a.b.c` and `a["b"].c`: the members of known names must exist. */
function* memberErrors(node: Extract<ASTNode, { op: "." | "[]" }>, names: Names, uses: Uses): Generator<ExpressionError> {
	const path = pathOf(node);
	if (!path) {
		yield* nameErrors(node.args[0], names, uses);
		if (typeof node.args[1] !== "string") yield* nameErrors(node.args[1], names, uses);
		return;
	}
	const [root, first, ...members] = path;
	yield* rootErrors(root?.name ?? "", root?.at ?? 0, names, uses);
	if (root?.name === "params" && first) uses.params.push(first.name);
	if (root?.name === "matrix" && first) uses.axes.push(first.name);
	if (root?.name === "steps" && first && members[0]?.name === "outputs" && members[1]) uses.stepOutputs.push([first.name, members[1].name]);
	const known = membersOf(root?.name ?? "", names);
	if (!first || !known) return;
	if (!known.includes(first.name)) {
		const message = UNKNOWN[root?.name ?? ""]?.(first.name) ?? `Unknown name \`${first.name}\`.`;
		yield { at: first.at, message, suggestion: hint(first.name, known) };
	} else if (root?.name === "needs") yield* needErrors(first.name, members, names);
	else if (root?.name === "steps") yield* stepErrors(members);
}

/** The members of a step: its result and its outputs, which it declares nowhere. */
function* stepErrors([member]: readonly Member[]): Generator<ExpressionError> {
	if (member && member.name !== "result" && member.name !== "outputs")
		yield { at: member.at, message: `A step has no \`${member.name}\`.`, suggestion: hint(member.name, ["result", "outputs"]) };
}

/** The members of a needed job: its result and its outputs. */
function* needErrors(job: string, [member, output]: readonly Member[], names: Names): Generator<ExpressionError> {
	if (!member) return;
	if (member.name !== "result" && member.name !== "outputs")
		yield {
			at: member.at,
			message: `A needed job has no \`${member.name}\`.`,
			suggestion: hint(member.name, ["result", "outputs"]),
		};
	if (member.name !== "outputs" || !output) return;
	const outputs = names.needs[job];
	if (outputs === null)
		yield {
			at: member.at,
			message: `\`${job}\` has several matrix jobs, so that its outputs are ambiguous.`,
			suggestion: `Need one of them: needs: [{ job: ${job}, matrix: { … } }].`,
		};
	else if (!outputs?.includes(output.name))
		yield {
			at: output.at,
			message: `Job \`${job}\` does not declare the output \`${output.name}\`.`,
			suggestion: hint(output.name, outputs ?? []),
		};
}

const UNKNOWN: Record<string, (name: string) => string> = {
	run: (name) => `A run has no value \`${name}\`.`,
	params: (name) => `The pipeline has no parameter \`${name}\`.`,
	matrix: (name) => `The matrix has no axis \`${name}\`.`,
	needs: (name) => `This job does not need \`${name}\`.`,
	steps: (name) => `No step before this one has the id \`${name}\`.`,
};

function membersOf(root: string, names: Names): readonly string[] | null {
	if (root === "run") return RUN_VALUES;
	if (root === "params") return Object.keys(names.params);
	if (root === "matrix") return names.matrix;
	if (root === "steps") return names.steps;
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

const CHANGED_EXAMPLE = 'Write the pattern itself, such as changed("docs/**").';

/** changed() is answered once, when the run is submitted: its patterns must be known by then. */
function* changeErrors(args: readonly ASTNode[], at: number, uses: Uses): Generator<ExpressionError> {
	const nodes = args.flatMap((node) => (node.op === "list" ? node.args : [node]));
	const patterns: string[] = [];
	for (const { op, args: pattern, range } of nodes) {
		const isLiteral = op === "value" && typeof pattern === "string";
		const error = isLiteral
			? pathPatternError(pattern)
			: { message: "changed() takes patterns in quotes, no other values.", suggestion: CHANGED_EXAMPLE };
		if (isLiteral) patterns.push(pattern);
		if (error) yield { at: range.start, ...error };
	}
	if (nodes.length === 0) yield { at, message: "changed() needs at least one pattern.", suggestion: CHANGED_EXAMPLE };
	const excluding = onlyExcludes(patterns);
	if (excluding) yield { at, ...excluding };
	uses.changes.push(patterns);
}
