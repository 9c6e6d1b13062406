import { Command } from "commander";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { followJob, followRun, logFormat } from "../follow/follow_run.ts";
import { copyToOutput } from "../standard_output.ts";
import { paint, print } from "../terminal.ts";
import { ONE_JOB, resolveId } from "./runs.ts";

/** `windlass logs`: what a run or a job has written. */
export function logsCommand(setExitCode: (code: number) => void): Command {
	const command = new Command("logs")
		.description("Print the logs of a run or a job; without colours where there is no terminal, or NO_COLOR is set.")
		.argument("<id>", "the id of a run or of a job, or latest")
		.argument(...ONE_JOB)
		.option("-f, --follow", "go on until it is over, and end with its exit code")
		.addHelpText("after", "\nExample:\n  windlass logs -f latest\n  windlass logs latest build | grep -i error");
	return withConnection(command).action(async (named: string, job: string | undefined, flags: ConnectionFlags & { follow?: boolean }) => {
		const connection = new Connection(flags);
		const id = await resolveId(connection, named, job);
		if (id.startsWith("job_")) {
			if (flags.follow) setExitCode(exitCodeOf(await followJob(connection, id)));
			else await printLog(connection, id);
			return;
		}
		const run = await connection.json<Run>(`/api/v1/runs/${id}`);
		if (flags.follow) setExitCode(await followRun(connection, run));
		else for (const job of run.jobs) await printJob(connection, job, run.jobs.length > 1);
	});
}

async function printJob(connection: Connection, job: Job, isOneOfSeveral: boolean): Promise<void> {
	if (job.attempts.length === 0) return;
	if (isOneOfSeveral) print(paint("bold", `── ${job.name} ──`));
	await printLog(connection, job.id);
}

async function printLog(connection: Connection, jobId: string): Promise<void> {
	await copyToOutput(await connection.stream(`/api/v1/jobs/${jobId}/log?format=${logFormat()}`));
}

function exitCodeOf(job: Job): number {
	if (!isTerminal(job.state) || job.state === "succeeded" || job.state === "skipped") return 0;
	return job.state === "failed" ? job.exit_code || 1 : job.state === "timed_out" ? 124 : job.state === "cancelled" ? 130 : 125;
}
