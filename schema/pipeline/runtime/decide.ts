import type { ReasonCode } from "../../wire/reasons.ts";
import { aggregateState, isTerminal, type JobState, type Reason } from "../../wire/states.ts";
import { ExpressionFailed, evaluate, usesOf } from "../expressions/evaluate.ts";
import type { NeedFacts, RunFacts, Scope } from "../expressions/scope.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { type Expansion, expandJob } from "./expand.ts";
import { type SettledJob, settleJob } from "./settle.ts";

/**
 * Decides whether a job may begin: by its condition, then by its needs. Without a condition, or
 * with one that does not use the status, a job begins when all needs succeeded, and is skipped as
 * soon as one ended otherwise. A condition with success(), failure() or always() waits for all
 * needs and their own needs: a need may be skipped early while jobs before it still run.
 */

export type Decision =
	| { is: "waiting" }
	| { is: "ready"; job: SettledJob }
	| { is: "skipped"; reason: Reason }
	| { is: "broken"; reason: Reason };

/** The state of a job, for the jobs that depend on it. */
export interface Standing {
	state: JobState;
	mayFail: boolean;
	/** Whether its own condition skipped it. */
	isUnwanted: boolean;
}

/** A needed job. */
export interface DownloadableJob extends Standing {
	key: string;
	name: string;
	/** Whether the need only says the order. */
	isOrder: boolean;
	/** The declared outputs. */
	declared: readonly string[];
	/** The written outputs; read only if an expression uses them. */
	outputs: () => Readonly<Record<string, string>> | null;
}

/** The values that a decision uses. */
export interface Circumstances {
	pipeline: ResolvedPipeline;
	run: RunFacts;
	needs: readonly DownloadableJob[];
	/**
	 * All needed jobs, directly or through others: a cleanup job stands at the end of a chain. Read
	 * only if the condition uses the status.
	 */
	ancestors: () => readonly Standing[];
}

const FAILURES: ReadonlySet<JobState> = new Set(["failed", "errored", "timed_out"]);

/** Whether a job has failed, and was not allowed to. */
export function countsAsFailure({ state, mayFail }: Pick<Standing, "state" | "mayFail">): boolean {
	return FAILURES.has(state) && !mayFail;
}

function isOpen({ state }: Standing): boolean {
	return !isTerminal(state);
}

/** Whether the jobs that need this one may begin. */
function countsAsSuccess({ state, mayFail, isUnwanted, isOrder }: DownloadableJob): boolean {
	return state === "succeeded" || (FAILURES.has(state) && mayFail) || (isOrder && isUnwanted);
}

export function decide(job: ResolvedJob, circumstances: Circumstances): Decision {
	const { condition } = job;
	const { needs } = circumstances;
	const uses = condition === null ? null : usesOf(condition);
	const isFalse = () => condition !== null && !evaluate(condition, scopeOf(job, circumstances));
	try {
		if (!uses?.late && isFalse()) return skippedBy(condition);
		const bad = needs.find((need) => isTerminal(need.state) && !countsAsSuccess(need));
		if (bad && !uses?.status) return { is: "skipped", reason: needEnded(bad) };
		if (needs.some(isOpen) || (uses?.status && circumstances.ancestors().some(isOpen))) return { is: "waiting" };
		if (uses?.late && isFalse()) return skippedBy(condition);
		return { is: "ready", job: settle(job, circumstances) };
	} catch (error) {
		if (!(error instanceof ExpressionFailed)) throw error;
		return { is: "broken", reason: { code: "config_invalid", text: `An expression cannot be evaluated: ${error.message}`.slice(0, 2000) } };
	}
}

/** The code of the reason for a job whose own condition skips it. */
export const UNWANTED = "condition" satisfies ReasonCode;

function skippedBy(condition: string | null): Decision {
	return { is: "skipped", reason: { code: UNWANTED, text: `Its condition is false: ${condition}` } };
}

const OUTCOMES: Partial<Record<JobState, string>> = {
	failed: "failed",
	errored: "errored",
	timed_out: "timed out",
	cancelled: "was cancelled",
	skipped: "was skipped",
};

function needEnded(need: DownloadableJob): Reason {
	return { code: "need_failed", text: `Needs ${need.name}, which ${OUTCOMES[need.state] ?? need.state}.` };
}

/** A job whose needs have ended, with every text filled in. @throws ExpressionFailed */
export function settle(job: ResolvedJob, circumstances: Circumstances): SettledJob {
	return settleJob(job, scopeOf(job, circumstances));
}

/** The matrix jobs of a job whose needs have ended, if its matrix comes from their outputs. */
export function expand(job: ResolvedJob, circumstances: Circumstances): Expansion {
	return expandJob(job, circumstances.pipeline, scopeOf(job, circumstances));
}

/** Whether the condition of a job uses the status: it may run after others failed. */
export function asksForStatus({ condition }: ResolvedJob): boolean {
	return condition !== null && usesOf(condition).status;
}

function scopeOf(job: ResolvedJob, { pipeline, run, needs, ancestors }: Circumstances): Scope {
	return {
		run,
		params: pipeline.params,
		doubles: pipeline.doubles,
		matrix: job.matrix ?? {},
		changed: pipeline.changed,
		// Most expressions use little of this, and some of it takes time.
		get needs() {
			return Object.fromEntries(needs.map((need) => [need.key, factsOf(need, needs)]));
		},
		status: {
			get success() {
				return needs.every(countsAsSuccess);
			},
			get failure() {
				return ancestors().some(countsAsFailure);
			},
			cancelled: false,
		},
	};
}

function factsOf(need: DownloadableJob, needs: readonly DownloadableJob[]): NeedFacts {
	const states = needs.filter(({ key }) => key === need.key).map(({ state }) => state);
	const written = need.declared.length > 0 ? need.outputs() : null;
	return {
		result: aggregateState(states) ?? "",
		// A declared output that was not written is empty.
		outputs: Object.fromEntries(need.declared.map((name) => [name, Object.hasOwn(written ?? {}, name) ? (written?.[name] ?? "") : ""])),
	};
}
