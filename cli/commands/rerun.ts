import type { Command } from "commander";
import type { SubmittedRun } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { RUN_EXIT_CODES } from "../exit_codes.ts";
import { command, type Flags } from "./command.ts";
import { DETACH, printOrFollow } from "./submitted_run.ts";
import { resolveId } from "./which_run.ts";

/** `windlass rerun`. */
export function rerunCommand(setExitCode: (code: number) => void): Command {
	return command(
		"rerun",
		"Repeat a run with the same pipeline, parameters and commit, and follow it.",
		"windlass rerun latest --failed",
		RUN_EXIT_CODES,
	)
		.argument("<run>", "the id of a run (run_…), or latest")
		.option("--failed", "only the jobs that did not succeed")
		.option("--job <job>", "only this job, by its name or id, and the jobs that need it")
		.option(...DETACH)
		.action(async (named: string, flags: Flags & { failed?: boolean; job?: string; detach?: boolean }) => {
			const connection = new Connection(flags);
			const id = await resolveId(connection, named, undefined, true);
			const job = flags.job === undefined ? {} : { job: await resolveId(connection, id, flags.job) };
			const json = { ...(flags.failed ? { only: "failed" } : {}), ...job };
			const run = await connection.json<SubmittedRun>(`/api/v1/runs/${id}/rerun`, { method: "POST", json });
			await printOrFollow(connection, run, flags, setExitCode);
		});
}
