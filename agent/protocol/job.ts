import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import type { Assignment, FinishBody, Intervals } from "../../schema/wire/protocol.ts";
import type { ListedRef } from "../../schema/wire/refs.ts";
import type { CoverageTotals, Step, TestTotals } from "../../schema/wire/resources.ts";
import type { FinishState, Reason } from "../../schema/wire/states.ts";
import type { SendableLog } from "../log/log_shipper.ts";
import type { CoordinatorClock } from "./coordinator_clock.ts";

/** What stands between the protocol of an attempt and the job that it is about. */

/** Why a job is ended from outside: asked for, its time is over, its lease is lost, its agent stops. */
export type StopReason = "cancelled" | "timed_out" | "idle_timed_out" | "lost" | "agent_stopped";

/** What is delivered at the end, all but the log's part and the steps, whose places in the log are known last. */
export interface JobResult {
	state: FinishState;
	exit_code: number | null;
	reason: Reason | null;
	artifacts: FinishBody["artifacts"];
	outputs: Record<string, string>;
	tests: TestTotals | null;
	coverage: CoverageTotals | null;
	/** What a plan has found. */
	discovery: DiscoveryResult | null;
	/** The refs of the source, if the job was to list them. */
	refs: ListedRef[] | null;
}

/** A job that an attempt has claimed. */
export interface Job {
	readonly spool: SendableLog;
	/** The steps as they are now, with the places at which they begin in the log as it is sent. */
	readonly steps: Step[];
	/** Whether nothing of the job runs any more. */
	readonly isOver: boolean;
	/** Called with every change of a step. */
	set onSteps(listen: (steps: Step[]) => void);
	/** Runs the job to its end. Never throws: what goes wrong is part of the result. */
	run(): Promise<JobResult>;
	/** Ends everything that runs now. The first reason counts. */
	stop(reason: StopReason): void;
	/** Gives back what the job holds, once its result is delivered or given up. */
	close(): Promise<void>;
}

/** The place at which an agent runs its jobs. */
export interface JobFactory {
	prepare(assignment: Assignment, token: string, coordinator: { intervals: Intervals; clock: CoordinatorClock }): Promise<Job>;
	/** Removes all that an attempt has left behind. */
	remove(attemptId: string): Promise<void>;
}
