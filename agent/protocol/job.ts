import type { Annotation } from "../../schema/wire/annotations.ts";
import type { CacheUse } from "../../schema/wire/caches.ts";
import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import type { Assignment, FinishBody, Intervals } from "../../schema/wire/protocol.ts";
import type { ListedRef } from "../../schema/wire/refs.ts";
import type { CoverageTotals, Step, TestTotals } from "../../schema/wire/resources.ts";
import type { FinishState, Reason } from "../../schema/wire/states.ts";
import type { Usage } from "../../schema/wire/usage.ts";
import type { SendableLog } from "../log/log_shipper.ts";
import type { CoordinatorClock } from "./coordinator_clock.ts";

/** Why the agent stops a job. */
export type StopReason = "cancelled" | "timed_out" | "idle_timed_out" | "lost" | "agent_stopped";

/** The result of a job, without its log and its steps: their places in the log are known last. */
export interface JobResult {
	state: FinishState;
	exit_code: number | null;
	reason: Reason | null;
	artifacts: FinishBody["artifacts"];
	outputs: Record<string, string>;
	tests: TestTotals | null;
	coverage: CoverageTotals | null;
	/** What the steps used; null for a short job, and for one in a container. */
	usage: Usage | null;
	/** What the job says about its source. */
	annotations: Annotation[];
	/** How it used its caches. */
	caches: CacheUse[];
	/** The result of a discovery job. */
	discovery: DiscoveryResult | null;
	/** The refs of the source, if the job lists them. */
	refs: ListedRef[] | null;
}

/** A job that an attempt has claimed. */
export interface Job {
	readonly spool: SendableLog;
	/** The steps with their places in the log that is sent. */
	readonly steps: Step[];
	/** Whether nothing of the job runs any more. */
	readonly isOver: boolean;
	/** Called with every change of a step. */
	set onSteps(listen: (steps: Step[]) => void);
	/** Runs the job to its end. Never throws: every error becomes part of the result. */
	run(): Promise<JobResult>;
	/** Ends everything that runs now. The first reason counts. */
	stop(reason: StopReason): void;
	/** Deletes the job's log, after its result is delivered or abandoned. */
	close(): Promise<void>;
}

/** Makes the jobs of an agent. */
export interface JobFactory {
	prepare(assignment: Assignment, token: string, coordinator: { intervals: Intervals; clock: CoordinatorClock }): Promise<Job>;
	/** Removes the files of an attempt. */
	remove(attemptId: string): Promise<void>;
}
