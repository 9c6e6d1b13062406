import type { Command } from "commander";
import type { Explanation, Job, Run } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { paint, print, printJson, stateText } from "../terminal.ts";
import { command, type Flags } from "./command.ts";
import { kindOf, ONE_JOB, RUN_OR_JOB, resolveId } from "./which_run.ts";

/** `windlass explain`: why a job does not run. */
export function explainCommand(): Command {
	return command("explain", "Say why a job is in its state; of a run: why its jobs wait.", "windlass explain latest")
		.argument(...RUN_OR_JOB)
		.argument(...ONE_JOB)
		.action(async (named: string, job: string | undefined, flags: Flags) => {
			const connection = new Connection(flags);
			const jobs = await jobsOf(connection, await resolveId(connection, named, job));
			const all = await Promise.all(jobs.map((id) => connection.json<Explanation>(`/api/v1/jobs/${id}/explain`)));
			if (flags.output === "json") return printJson(all);
			if (all.length === 0) return print("No job of this run waits.");
			for (const one of all) {
				print(`${stateText(one.state)}  ${one.job_id}  ${one.summary}`);
				for (const agent of one.agents) print(`    ${paint(agent.fits ? "green" : "gray", agent.name)} ${agent.reason}`);
			}
		});
}

async function jobsOf(connection: Connection, id: string): Promise<string[]> {
	if (kindOf(id) === "jobs") return [id];
	const run = await connection.json<Run>(`/api/v1/runs/${id}`);
	return run.jobs.filter((job) => isWaiting(job) || isEnding(job)).map((job) => job.id);
}

/** Whether a job is being cancelled: its steps that clean up may still run. */
export function isEnding({ state }: Job): boolean {
	return state === "cancelling";
}

/** Whether a job does not run yet. */
export function isWaiting({ state }: Job): boolean {
	return state === "blocked" || state === "queued" || state === "leased";
}
