import { aggregateState, isTerminal, type JobState, type Reason } from "../../wire/states.ts";
import { ExpressionFailed, evaluate, type NeedFacts, type RunFacts, type Scope, usesOf } from "../expressions/expression.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { type SettledJob, settleJob } from "./settle.ts";

/**
 * Whether a job may begin: its condition, then its needs. Without a condition, or with one that does not ask how the needs ended, a
 * job goes on when all of them succeeded, and is skipped as soon as one ended otherwise. One that asks (success(), failure(), always())
 * waits for all of them, and for what those have needed: a need that was skipped early says nothing of what still runs before it.
 */

export type Decision =
	| { is: "waiting" }
	| { is: "ready"; job: SettledJob }
	| { is: "skipped"; reason: Reason }
	| { is: "broken"; reason: Reason };

/** How a job stands, as far as others depend on it. */
export interface Standing {
	state: JobState;
	mayFail: boolean;
}

/** A needed job. */
export interface DownloadableJob extends Standing {
	key: string;
	name: string;
	/** The outputs that it declares. */
	declared: readonly string[];
	/** What it has written; asked for only where an expression speaks of it. */
	outputs: () => Readonly<Record<string, string>> | null;
}

/** What is known when it is decided. */
export interface Circumstances {
	pipeline: ResolvedPipeline;
	run: RunFacts;
	needs: readonly DownloadableJob[];
	/** All that the job needs, directly or by way of others: what comes to clean up stands at the end of a chain. Asked for only where it matters. */
	ancestors: () => readonly Standing[];
}

const FAILURES: ReadonlySet<JobState> = new Set(["failed", "errored", "timed_out"]);

/** Whether a job has failed, and was not allowed to. */
export function countsAsFailure({ state, mayFail }: Standing): boolean {
	return FAILURES.has(state) && !mayFail;
}

function isOpen({ state }: Standing): boolean {
	return !isTerminal(state);
}

/** Whether those that need a job may go on after it. */
function countsAsSuccess({ state, mayFail }: Standing): boolean {
	return state === "succeeded" || (FAILURES.has(state) && mayFail);
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

function skippedBy(condition: string | null): Decision {
	return { is: "skipped", reason: { code: "condition", text: `Its condition is false: ${condition}` } };
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

/** Whether a job wants to run when others have failed. */
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
		// Most expressions ask for little of this, and some of it is not cheap.
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
		},
	};
}

function factsOf(need: DownloadableJob, needs: readonly DownloadableJob[]): NeedFacts {
	const states = needs.filter(({ key }) => key === need.key).map(({ state }) => state);
	const written = need.declared.length > 0 ? need.outputs() : null;
	return {
		result: aggregateState(states) ?? "",
		// What was declared and not written is empty.
		outputs: Object.fromEntries(need.declared.map((name) => [name, Object.hasOwn(written ?? {}, name) ? (written?.[name] ?? "") : ""])),
	};
}
