import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { paint, print } from "../terminal.ts";
import { followRun } from "./follow.ts";
import { resolveId } from "./runs.ts";

/** `windlass logs`: what a run or a job has written. */
export function logsCommand(setExitCode: (code: number) => void): Command {
	const command = new Command("logs")
		.description("Print the logs of a run or a job.")
		.argument("<id>", "the id of a run or of a job, or latest")
		.option("-f, --follow", "go on until it is over, and end with its exit code")
		.addHelpText("after", "\nExample:\n  windlass logs -f latest\n  windlass logs job_01JB… | grep -i error");
	return withConnection(command).action(async (named: string, flags: ConnectionFlags & { follow?: boolean }) => {
		const connection = new Connection(flags);
		const id = await resolveId(connection, named);
		if (id.startsWith("job_")) {
			const end = flags.follow ? "&follow=1" : "";
			await pipeline(await connection.stream(`/api/v1/jobs/${id}/log?format=raw${end}`), process.stdout, { end: false });
			if (flags.follow) setExitCode(exitCodeOf(await connection.json<Job>(`/api/v1/jobs/${id}`)));
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
	await pipeline(await connection.stream(`/api/v1/jobs/${job.id}/log?format=raw`), process.stdout, { end: false });
}

function exitCodeOf(job: Job): number {
	if (!isTerminal(job.state) || job.state === "succeeded" || job.state === "skipped") return 0;
	return job.state === "failed" ? job.exit_code || 1 : job.state === "timed_out" ? 124 : job.state === "cancelled" ? 130 : 125;
}
