/** The values and names that an expression can use. */

/** The event of a run that is submitted over the API. */
export const API_EVENT = "api";

/** The values of `run`, known when the run is submitted. */
export interface RunFacts {
	branch: string;
	tag: string;
	event: string;
	project: string;
	pipeline: string;
	/** The number of the pull request; empty without one. */
	pull_request: string;
	/** The target branch of the pull request or merge group; empty without one. */
	target_branch: string;
	/**
	 * Whether the pull request is a draft, and the names of its labels, when the forge sent the
	 * delivery.
	 */
	draft: boolean;
	labels: readonly string[];
	/** The commit; empty if it is not known when the run is submitted. */
	sha: string;
	/**
	 * The commit that the changes are compared with: where the pull request branched off, or what the
	 * branch had before the push. Empty if it is not known.
	 */
	base_sha: string;
}
/** The type of each value of `run`. */
export const RUN_TYPES = {
	branch: "string",
	tag: "string",
	event: "string",
	project: "string",
	pipeline: "string",
	pull_request: "string",
	target_branch: "string",
	draft: "bool",
	labels: "list<string>",
	sha: "string",
	base_sha: "string",
} as const satisfies Record<keyof RunFacts, string>;

/** The result and the outputs of a needed job. */
export interface NeedFacts {
	result: string;
	outputs: Readonly<Record<string, string>>;
}

/** The result and the outputs of a step. */
export type StepFacts = NeedFacts;

/** The state of what an expression belongs to: a job among its needs, or a step among its job's steps. */
export interface StatusFacts {
	success: boolean;
	failure: boolean;
	/** Whether the job was cancelled. */
	cancelled: boolean;
}

/** The status before anything has run. */
export const NO_STATUS: StatusFacts = { success: true, failure: false, cancelled: false };

/** The values of an expression. */
export interface Scope {
	run: RunFacts;
	params: Readonly<Record<string, ParameterValue>>;
	/** The parameters of type number: their values are doubles, whole ones as well. */
	doubles: readonly string[];
	matrix: Readonly<Record<string, string>>;
	/** Axes whose values depend on a parameter without a value. */
	openAxes?: readonly string[];
	/** The answers of changed(), by `patternsKey`: whether a changed file matches the patterns. */
	changed: Readonly<Record<string, boolean>>;
	needs: Readonly<Record<string, NeedFacts>>;
	/** The steps before a step, by their ids. */
	steps?: Readonly<Record<string, StepFacts>>;
	/** The answers of hash(), by `patternsKey`: a digest of the files that match the patterns. */
	hashes?: Readonly<Record<string, string>>;
	status: StatusFacts;
}

/** The names that an expression may use, with their types. */
export interface Names {
	params: Readonly<Record<string, "string" | "int" | "double" | "bool">>;
	/** The axes of the matrix, with the members of values that are maps: `job.target`. */
	matrix: readonly string[];
	/** The axes whose values are not known yet, with all of their members; "all": no axis is known. */
	openMatrix?: readonly string[] | "all" | null;
	/** Those of them that only some matrix jobs have. */
	partialAxes?: readonly string[];
	/**
	 * Needed job → the names of its outputs; null for several matrix jobs, whose outputs would be
	 * ambiguous.
	 */
	needs: Readonly<Record<string, readonly string[] | null>>;
	/** The ids of the steps before a step; null outside of steps. */
	steps: readonly string[] | null;
}

/** The value of a parameter. */
export type ParameterValue = string | number | boolean;

/**
 * The key of an answer of changed() or hash(): a single pattern itself, several patterns as a list in JSON.
 */
export function patternsKey(patterns: readonly string[]): string {
	return patterns.length === 1 ? (patterns[0] ?? "") : JSON.stringify(patterns);
}
