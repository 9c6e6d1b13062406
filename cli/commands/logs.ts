import { Command } from "commander";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { exitCodeOf } from "../../schema/wire/run_exit_codes.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { RUN_EXIT_CODES } from "../exit_codes.ts";
import { followJob, followRun, logFormat } from "../follow/follow_run.ts";
import { copyToOutput } from "../standard_output.ts";
import { paint, print } from "../terminal.ts";
import { ONE_JOB, RUN_OR_JOB, resolveId } from "./which_run.ts";

/** `windlass logs`: the log of a job, or the logs of a run. */
export function logsCommand(setExitCode: (code: number) => void): Command {
	const command = new Command("logs")
		.description("Print the logs of a run or a job. Without a terminal, or with NO_COLOR set, colors are left out.")
		.argument(...RUN_OR_JOB)
		.argument(...ONE_JOB)
		.option("-f, --follow", "follow the run or job to its end, and end with its exit code")
		.addHelpText("after", RUN_EXIT_CODES)
		.addHelpText("after", "\nExample:\n  windlass logs -f latest\n  windlass logs latest build | grep -i error");
	return withConnection(command).action(async (named: string, job: string | undefined, flags: ConnectionFlags & { follow?: boolean }) => {
		const connection = new Connection(flags);
		const id = await resolveId(connection, named, job);
		if (id.startsWith("job_")) {
			if (flags.follow) setExitCode(jobExitCode(await followJob(connection, id)));
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

function jobExitCode(job: Job): number {
	return exitCodeOf(job.state, [job.exit_code]);
}
