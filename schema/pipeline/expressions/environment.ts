import { Environment } from "@marcbachmann/cel-js";
import { type Names, patternsKey, RUN_TYPES, type Scope } from "./scope.ts";

/**
 * CEL with the functions of this language, for validation (`typedEnvironment`) and for evaluation
 * (`evaluate`).
 */

const LIMITS = { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 0, maxCallArguments: 4 };

/**
 * Set during one evaluation, which nothing interrupts: CEL's functions get only their arguments.
 */
let current: Scope | null = null;

const base = new Environment({ limits: LIMITS, homogeneousAggregateLiterals: true, enableOptionalTypes: true })
	.registerFunction("success(): bool", () => current?.status.success ?? true)
	.registerFunction("failure(): bool", () => current?.status.failure ?? false)
	.registerFunction("always(): bool", () => true)
	.registerFunction("cancelled(): bool", () => current?.status.cancelled ?? false)
	.registerFunction("changed(string): bool", (pattern: string) => isChanged([pattern]))
	.registerFunction("changed(list<string>): bool", isChanged)
	.registerFunction("hash(string): string", (pattern: string) => hashOf([pattern]))
	.registerFunction("hash(list<string>): string", hashOf);

/**
 * Patterns without an answer count as changed. Pipelines of an earlier version have an answer for
 * each pattern.
 */
function isChanged(patterns: readonly string[]): boolean {
	const answer = (key: string) => (current && Object.hasOwn(current.changed, key) ? current.changed[key] : undefined);
	return answer(patternsKey(patterns)) ?? patterns.some((pattern) => answer(pattern) ?? true);
}

/** The digest of the files that match; empty before they are known. */
function hashOf(patterns: readonly string[]): string {
	const known = current?.hashes ?? {};
	const key = patternsKey(patterns);
	return Object.hasOwn(known, key) ? (known[key] ?? "") : "";
}

const evaluator = base
	.clone()
	.registerVariable("run", "map<string, dyn>")
	.registerVariable("params", "map<string, dyn>")
	.registerVariable("matrix", "map<string, dyn>")
	.registerVariable("needs", "map<string, dyn>")
	.registerVariable("steps", "map<string, dyn>");

/** An expression that the library has parsed. */
export type ParsedExpression = ReturnType<Environment["parse"]>;

/** Parses an expression for evaluation: its names and types are not checked. */
export function parseExpression(text: string): ParsedExpression {
	return evaluator.parse(text);
}

/** Calls `body` with a scope that the functions of expressions use. */
export function withScope<Value>(scope: Scope, body: () => Value): Value {
	current = scope;
	try {
		return body();
	} finally {
		current = null;
	}
}

interface Schema {
	[name: string]: string | Schema;
}

/** The types of values by their names, in which a dot separates the name of a map from that of a member. */
function nested(types: readonly (readonly [name: string, type: string])[]): Schema {
	const whole: Schema = {};
	for (const [name, type] of types) {
		const parts = name.split(".");
		let inner = whole;
		for (const part of parts.slice(0, -1)) {
			if (typeof inner[part] !== "object") inner[part] = {};
			inner = inner[part] as Schema;
		}
		const last = parts.at(-1) as string;
		if (typeof inner[last] !== "object") inner[last] = type;
	}
	return whole;
}

/** The environments of jobs: making one takes longer than checking an expression with it. */
const environments = new WeakMap<Names, Environment>();

/** The environment that checks names and types. */
export function typedEnvironment(names: Names): Environment {
	const known = environments.get(names);
	if (known) return known;
	const outputs = (of: readonly string[] | null) => Object.fromEntries((of ?? []).map((name) => [name, "string"]));
	const need = (of: readonly string[] | null) => ({ result: "string", ...(of ? { outputs: outputs(of) } : {}) });
	const ofStep = { result: "string", outputs: "map<string, string>" };
	const environment = base
		.clone()
		.registerVariable({ name: "run", schema: { ...RUN_TYPES } })
		.registerVariable({ name: "params", schema: { ...names.params } })
		.registerVariable({ name: "needs", schema: Object.fromEntries(Object.entries(names.needs).map(([job, of]) => [job, need(of)])) })
		.registerVariable({ name: "steps", schema: Object.fromEntries((names.steps ?? []).map((id) => [id, ofStep])) });
	if (names.openMatrix) environment.registerVariable("matrix", "map<string, dyn>");
	else environment.registerVariable({ name: "matrix", schema: nested(names.matrix.map((axis) => [axis, "string"])) });
	environments.set(names, environment);
	return environment;
}
