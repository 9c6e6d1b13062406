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
	/** The patterns of each hash(): its agent evaluates it. */
	hashes: string[][];
	/** The parameters, and the axes of the matrix. */
	params: string[];
	axes: string[];
	/** It uses the steps before a step: its agent evaluates it. */
	steps: boolean;
	/** The outputs of steps: the id and the name. */
	stepOutputs: [id: string, name: string][];
}

export function noUses(): Uses {
	return { status: false, late: false, changes: [], hashes: [], params: [], axes: [], steps: false, stepOutputs: [] };
}

const ROOTS = ["run", "params", "matrix", "needs", "steps"];
const RUN_VALUES = Object.keys(RUN_TYPES);
const STATUS_CALLS: ReadonlySet<string> = new Set(["success", "failure", "always", "cancelled"]);
const CALLS: ReadonlySet<string> = new Set([...STATUS_CALLS, "changed", "hash", "size", "string", "int", "double"]);
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
	"orValue",
	"hasValue",
]);

/**
 * Unknown names, and the parts of CEL that the language leaves out. Adds to `uses` what the
 * expression uses.
 */
export function* nameErrors(node: ASTNode, names: Names, uses: Uses, present: Present = NOTHING): Generator<ExpressionError> {
	const at = node.range.start;
	switch (node.op) {
		case "value":
			return;
		case "id":
			yield* rootErrors(node.args, at, names, uses);
			return;
		case ".":
		case "[]":
		case ".?":
		case "[?]":
			yield* memberErrors(node, names, uses, present);
			return;
		case "call": {
			const [name, args] = node.args;
			if (name === "has") {
				yield* presenceErrors(args, at, names, uses);
				return;
			}
			yield* callErrors(name, at, CALLS, uses);
			if (name === "cancelled" && names.steps === null)
				yield { at, message: "cancelled() can be used only in the `if` of a step.", suggestion: ONLY_STEPS_KNOW };
			if (name === "changed") yield* patternErrors("changed", args, at, uses.changes);
			if (name === "hash") yield* patternErrors("hash", args, at, uses.hashes);
			for (const one of args) yield* nameErrors(one, names, uses, present);
			return;
		}
		case "rcall": {
			const [name, receiver, args] = node.args;
			yield* callErrors(name, at, METHODS, uses);
			yield* nameErrors(receiver, names, uses, present);
			for (const one of args) yield* nameErrors(one, names, uses, present);
			return;
		}
		case "list":
			for (const one of node.args) yield* nameErrors(one, names, uses, present);
			return;
		case "&&":
		case "||": {
			const [left, right] = node.args;
			yield* nameErrors(left, names, uses, present);
			yield* nameErrors(right, names, uses, union(present, presentIf(left, node.op === "&&")));
			return;
		}
		case "?:": {
			const [condition, whenTrue, whenFalse] = node.args;
			yield* nameErrors(condition, names, uses, present);
			yield* nameErrors(whenTrue, names, uses, union(present, presentIf(condition, true)));
			yield* nameErrors(whenFalse, names, uses, union(present, presentIf(condition, false)));
			return;
		}
		case "!_":
		case "-_":
			yield* nameErrors(node.args, names, uses, present);
			return;
		case "map":
			yield { at, message: "Expressions have no maps.", suggestion: null };
			return;
		case "-": {
			const dashed = dashedPath(node);
			if (dashed) {
				yield { at, message: "A dash in a name is a minus here.", suggestion: `Write ${inBrackets(dashed)}.` };
				return;
			}
			for (const one of node.args) yield* nameErrors(one, names, uses, present);
			return;
		}
		default:
			if (node.op === "in" && pathOf(node.args[1])?.[0]?.name === "matrix" && node.args[0].op === "value") {
				const asked = [...(pathOf(node.args[1]) ?? []), { name: String(node.args[0].args), at }];
				yield { at, message: "`in` looks into lists.", suggestion: `Write ${optionalPath(asked)}.hasValue().` };
				return;
			}
			if (node.op === "==" || node.op === "!=" || node.op === "in") yield* comparisonErrors(...node.args);
			for (const one of node.args) yield* nameErrors(one, names, uses, present);
	}
}

/** The axes that are certainly there, where only some matrix jobs have them. */
type Present = ReadonlySet<string>;
const NOTHING: Present = new Set();

function union(one: Present, other: Present): Present {
	return other.size === 0 ? one : new Set([...one, ...other]);
}

/** The axes that are there if a condition has this value. */
function presentIf(node: ASTNode, value: boolean): Present {
	switch (node.op) {
		case "!_":
			return presentIf(node.args, !value);
		case "&&":
		case "||": {
			// Both sides count where the whole decides about both of them.
			if ((node.op === "&&") !== value) return NOTHING;
			return union(presentIf(node.args[0], value), presentIf(node.args[1], value));
		}
		case "call": {
			const path = value && node.args[0] === "has" && node.args[1][0] ? pathOf(node.args[1][0]) : null;
			return path?.[0]?.name === "matrix" ? new Set([axisIn(path)]) : NOTHING;
		}
		case "rcall": {
			const [method, receiver] = node.args;
			const path = value && method === "hasValue" ? pathOf(receiver) : null;
			return path?.[0]?.name === "matrix" ? new Set([axisIn(path)]) : NOTHING;
		}
		default:
			return NOTHING;
	}
}

/** The name of an axis with the members that a path leads to. */
function axisIn(path: readonly Member[]): string {
	return path
		.slice(1)
		.map(({ name }) => name)
		.join(".");
}

/** has(matrix.x) */
function* presenceErrors(args: readonly ASTNode[], at: number, names: Names, uses: Uses): Generator<ExpressionError> {
	const [asked] = args;
	const path = asked && pathOf(asked);
	const example = "Write has(matrix.x).";
	if (args.length !== 1 || !asked || !path || path[0]?.name !== "matrix" || path.length < 2) {
		yield { at, message: "has() takes a value of the matrix that only some matrix jobs have.", suggestion: example };
		return;
	}
	if (asked.op !== ".") {
		yield { at, message: "has() takes a name after a dot.", suggestion: `Write ${optionalPath(path)}.hasValue().` };
		return;
	}
	yield* memberErrors(asked, names, uses, new Set([axisIn(path)]));
}

/** A path with dashes in its names, which CEL reads as a difference; null for another difference. */
function dashedPath(node: ASTNode): Member[] | null {
	if (node.op !== "-") return pathOf(node);
	const left = dashedPath(node.args[0]);
	const right = pathOf(node.args[1]);
	const root = left?.[0]?.name ?? "";
	if (!left || !right || left.length < 2 || !DASHED_ROOTS.has(root)) return null;
	const last = left.at(-1) as Member;
	const [first, ...others] = right as [Member, ...Member[]];
	return [...left.slice(0, -1), { name: `${last.name}-${first.name}`, at: last.at }, ...others];
}

/** Their members are texts: nothing can be subtracted. */
const DASHED_ROOTS: ReadonlySet<string> = new Set(["matrix", "needs", "steps"]);

/** A path whose last name may be missing. */
function optionalPath(path: readonly Member[]): string {
	const last = path.at(-1)?.name ?? "";
	return `${inBrackets(path.slice(0, -1))}${/^\w+$/.test(last) ? `.?${last}` : `[?${JSON.stringify(last)}]`}`;
}

/** A path as it must be written. */
function inBrackets(path: readonly Member[]): string {
	return path.map(({ name }, index) => (index === 0 ? name : /^\w+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`)).join("");
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
function* memberErrors(node: MemberNode, names: Names, uses: Uses, present: Present): Generator<ExpressionError> {
	const path = pathOf(node);
	if (!path) {
		const rootName = rootOf(node);
		if (COMPUTED_ROOTS.has(rootName)) {
			yield {
				at: node.range.start,
				message: `The names in \`${rootName}\` are written, not computed.`,
				suggestion: `Write the name itself: ${rootName}.x.`,
			};
			return;
		}
		yield* nameErrors(node.args[0], names, uses, present);
		if (typeof node.args[1] !== "string") yield* nameErrors(node.args[1], names, uses, present);
		return;
	}
	const [root, first, ...members] = path;
	yield* rootErrors(root?.name ?? "", root?.at ?? 0, names, uses);
	if (root?.name === "params" && first) uses.params.push(first.name);
	const isOptional = node.op === ".?" || node.op === "[?]";
	if (isOptional && root?.name !== "matrix") {
		const example = 'matrix.?x.orValue("")';
		yield {
			at: node.range.start,
			message: "Only values of the matrix may be missing.",
			suggestion: `Write . instead of .?, which is for ${example}.`,
		};
	}
	if (root?.name === "matrix") {
		yield* axisErrors(path, names, uses, isOptional ? union(present, new Set([axisIn(path)])) : present);
		return;
	}
	if (root?.name === "steps" && first && members[0]?.name === "outputs" && members[1]) uses.stepOutputs.push([first.name, members[1].name]);
	const known = membersOf(root?.name ?? "", names);
	if (!first || !known) return;
	if (!known.includes(first.name)) {
		const message = UNKNOWN[root?.name ?? ""]?.(first.name) ?? `Unknown name \`${first.name}\`.`;
		yield { at: first.at, message, suggestion: hint(first.name, known) };
	} else if (root?.name === "needs") yield* needErrors(first.name, members, names);
	else if (root?.name === "steps") yield* stepErrors(members);
}

/** A value of the matrix must exist; and where only some matrix jobs have it, be asked for first. */
function* axisErrors(path: readonly Member[], names: Names, uses: Uses, present: Present): Generator<ExpressionError> {
	const [, first] = path;
	if (!first) return;
	const name = axisIn(path);
	uses.axes.push(name);
	if (names.openMatrix === "all" || names.openMatrix?.includes(first.name)) return;
	const isMap = names.matrix.some((axis) => axis.startsWith(`${name}.`));
	if (!names.matrix.includes(name) && !isMap) {
		const isMember = path.length > 2 && names.matrix.some((axis) => axis.startsWith(`${first.name}.`));
		const ofFirst = names.matrix.filter((axis) => axis.startsWith(`${first.name}.`));
		const tops = [...new Set(names.matrix.map((axis) => axis.split(".", 1)[0] ?? ""))];
		const known = isMember ? ofFirst.map((axis) => axis.slice(first.name.length + 1)) : tops;
		const written = isMember ? name.slice(first.name.length + 1) : first.name;
		const message = isMember ? `No value of \`${first.name}\` has a member \`${written}\`.` : `The matrix has no axis \`${written}\`.`;
		yield { at: first.at, message, suggestion: hint(written, known) };
	} else if (names.partialAxes?.includes(name) && !present.has(name)) {
		yield {
			at: first.at,
			message: `Only some matrix jobs have \`${name}\`.`,
			suggestion: `Write ${optionalPath(path)}.orValue(""), or ask first: ${optionalPath(path)}.hasValue() && ….`,
		};
	}
}

type MemberNode = Extract<ASTNode, { op: "." | "[]" | ".?" | "[?]" }>;

/** Values whose names are all known: a computed name could be one that does not exist. */
const COMPUTED_ROOTS: ReadonlySet<string> = new Set(["matrix", "steps", "needs"]);

/** The first name of a path, also where the path has computed names; empty if it begins with none. */
function rootOf(node: ASTNode): string {
	if (node.op === "id") return node.args;
	return node.op === "." || node.op === "[]" || node.op === ".?" || node.op === "[?]" ? rootOf(node.args[0]) : "";
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
	needs: (name) => `This job does not need \`${name}\`.`,
	steps: (name) => `No step before this one has the id \`${name}\`.`,
};

function membersOf(root: string, names: Names): readonly string[] | null {
	if (root === "run") return RUN_VALUES;
	if (root === "params") return Object.keys(names.params);
	if (root === "steps") return names.steps;
	return root === "needs" ? Object.keys(names.needs) : null;
}

interface Member {
	name: string;
	at: number;
}

function pathOf(node: ASTNode): Member[] | null {
	if (node.op === "id") return [{ name: node.args, at: node.range.start }];
	if (node.op === "." || node.op === ".?") {
		const path = pathOf(node.args[0]);
		return path && [...path, { name: node.args[1], at: node.range.end - node.args[1].length }];
	}
	if ((node.op === "[]" || node.op === "[?]") && node.args[1].op === "value" && typeof node.args[1].args === "string") {
		const path = pathOf(node.args[0]);
		return path && [...path, { name: node.args[1].args, at: node.args[1].range.start }];
	}
	return null;
}

const PATTERN_EXAMPLES = {
	changed: 'Write the pattern itself, such as changed("docs/**").',
	hash: 'Write the pattern itself, such as hash("**/package-lock.json").',
};

/** Both functions are answered before anything is evaluated: their patterns must be known by then. */
function* patternErrors(name: "changed" | "hash", args: readonly ASTNode[], at: number, found: string[][]): Generator<ExpressionError> {
	const nodes = args.flatMap((node) => (node.op === "list" ? node.args : [node]));
	const suggestion = PATTERN_EXAMPLES[name];
	const patterns: string[] = [];
	for (const { op, args: pattern, range } of nodes) {
		const isLiteral = op === "value" && typeof pattern === "string";
		const error = isLiteral ? pathPatternError(pattern) : { message: `${name}() takes patterns in quotes, no other values.`, suggestion };
		if (isLiteral) patterns.push(pattern);
		if (error) yield { at: range.start, ...error };
	}
	if (nodes.length === 0) yield { at, message: `${name}() needs at least one pattern.`, suggestion };
	const excluding = onlyExcludes(patterns);
	if (excluding) yield { at, ...excluding };
	found.push(patterns);
}
