import type { Command } from "commander";
import type { Job, Run } from "../../schema/wire/resources.ts";
import type { Connection } from "../connection.ts";
import { UsageError } from "../usage_error.ts";
import { changeRunOrJob } from "./change_run.ts";
import { command, type Flags } from "./command.ts";
import { jobList, kindOf, ONE_JOB } from "./which_run.ts";

/** `windlass approve` and `windlass decline`. */

const WAITING = ["<id>", "the id of the job, or of its run, or latest; of a run: its job that waits for an approval"] as const;

export function approveCommand(): Command {
	return command(
		"approve",
		"Approve a job that waits for an approval, or an untrusted run.",
		"windlass approve latest\n  windlass approve job_01JB…",
	)
		.argument(...WAITING)
		.argument(...ONE_JOB)
		.option("-m, --comment <text>", "your words, which the run keeps; for a job")
		.action((named: string, job: string | undefined, { comment, ...flags }: Flags & { comment?: string }) =>
			changeRunOrJob([named, job], flags, "approve", comment === undefined ? {} : { comment }, async (connection, id) => {
				const chosen = await waitingJob(connection, id);
				if (comment !== undefined && kindOf(chosen) === "runs")
					throw new UsageError("--comment is for the approval of a job, not of a run");
				return chosen;
			}),
		);
}

export function declineCommand(): Command {
	return command(
		"decline",
		"Decline a job that waits for an approval, or an untrusted run.",
		"windlass decline job_01JB… --comment 'not on a Friday'",
	)
		.argument(...WAITING)
		.argument(...ONE_JOB)
		.option("-m, --comment <text>", "the reason")
		.action((named: string, job: string | undefined, { comment, ...flags }: Flags & { comment?: string }) =>
			changeRunOrJob([named, job], flags, "decline", comment === undefined ? {} : { comment }, waitingJob),
		);
}

/**
 * The job of a run that waits for an approval, or the run itself.
 * @throws UsageError where several jobs wait
 */
async function waitingJob(connection: Connection, id: string): Promise<string> {
	if (kindOf(id) === "jobs") return id;
	const run = await connection.json<Run>(`/api/v1/runs/${id}`);
	const waiting = run.jobs.filter((job) => job.state === "blocked" && job.reason?.code === "approval");
	// An untrusted run needs an approval as a whole before any of its jobs.
	if (waiting.length === 0 || (!run.trusted && run.approved_by === null)) return id;
	if (waiting.length > 1) throw new UsageError(`Several jobs of this run wait for an approval. Name one of:\n${jobList(waiting)}`);
	return (waiting[0] as Job).id;
}
