import type { Command } from "commander";
import { Connection } from "../connection.ts";
import { print } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";
import { kindOf, RUN_OR_JOB, resolveId } from "./which_run.ts";

/** `windlass why`: why a run failed, in little text. */
export function whyCommand(): Command {
	return command("why", "Say why a run failed: the cause, the first failed test, the lines of the log that matter.", "windlass why web#40")
		.argument("<run>", RUN_OR_JOB[1].replace(" or of a job (job_…)", ", its project and number (web#40)"))
		.option("--max <bytes>", "the maximum size of the answer", "4000")
		.action(async (named: string, { max, ...flags }: Flags & { max: string }) => {
			const connection = new Connection(flags);
			const id = await resolveId(connection, named);
			if (kindOf(id) === "jobs") throw new UsageError(`${named} is a job. Name its run.`);
			const query = new URLSearchParams({ max, format: flags.output === "json" ? "json" : "text" });
			print(await connection.text(`/api/v1/runs/${id}/failure?${query}`));
		});
}
