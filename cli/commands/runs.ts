import type { Command } from "commander";
import type { Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, stateText, table, took } from "../terminal.ts";
import { changeRunOrJob } from "./change_run.ts";
import { command, type Flags } from "./command.ts";
import { ONE_JOB, RUN_OR_JOB, resolveId } from "./which_run.ts";

/** `windlass ls`, `cancel` and `rm`. */

export function listCommand(): Command {
	return command("ls", "List runs, newest first.", "windlass ls --state failed --limit 5")
		.option("--state <state>", "only runs in this state")
		.option("--project <name>", "only runs of this project")
		.option("--branch <name>", "only runs of this branch of the project")
		.option("-n, --limit <n>", "how many runs", "20")
		.action(async (flags: Flags & { state?: string; project?: string; branch?: string; limit: string }) => {
			const query = new URLSearchParams({ limit: flags.limit });
			if (flags.state) query.set("state", flags.state);
			if (flags.project) query.set("project", flags.project);
			if (flags.branch) query.set("branch", flags.branch);
			const page = await new Connection(flags).json<Page<RunSummary>>(`/api/v1/runs?${query}`);
			if (flags.output === "json") return printJson(page.items);
			const rows = page.items.map((run) => [
				stateText(run.state),
				run.project,
				`${run.pipeline} #${run.number}`,
				run.branch ?? "–",
				took(run.started_at, run.finished_at),
				ago(run.created_at),
				run.id,
			]);
			print(table([["state", "project", "run", "branch", "took", "submitted", "id"], ...rows]));
		});
}

export function cancelCommand(): Command {
	return command("cancel", "Cancel a run or a job.", "windlass cancel latest")
		.argument(...RUN_OR_JOB)
		.argument(...ONE_JOB)
		.action((named: string, job: string | undefined, flags: Flags) => changeRunOrJob([named, job], flags, "cancel"));
}

export function deleteCommand(): Command {
	return command("rm", "Delete a run that has ended, with its logs and artifacts.", "windlass rm run_01JB… --yes")
		.argument("<run>", "the id of a run (run_…), or latest")
		.option(...YES)
		.action(async (named: string, flags: Flags & ConfirmedFlags) => {
			const connection = new Connection(flags);
			const { id, project, pipeline, number } = await connection.json<Run>(
				`/api/v1/runs/${await resolveId(connection, named, undefined, true)}`,
			);
			await confirm(`Delete run ${pipeline} #${number} of project ${project}, with its logs and artifacts`, flags);
			await connection.send(`/api/v1/runs/${id}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: id });
			else print(`Run ${id} is deleted.`);
		});
}
