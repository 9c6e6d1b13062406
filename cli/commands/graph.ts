import type { Command } from "commander";
import { Connection } from "../connection.ts";
import { print, printJson } from "../terminal.ts";
import { command, type Flags, PARAMETER, repeatable } from "./command.ts";
import { graphText } from "./plan_text.ts";
import { dryRun, type SubmissionFlags } from "./run.ts";

/** `windlass graph`: the jobs of a pipeline, in the order of their needs. */
export function graphCommand(): Command {
	return command(
		"graph",
		"Show the jobs that a run of a pipeline would have, by their needs. Submits nothing.",
		"windlass graph -p target=staging",
	)
		.option("-f, --file <file>", "the pipeline file; - reads standard input (default: .windlass.yml)")
		.addOption(repeatable(...PARAMETER))
		.addOption(repeatable("--job <key>", "only this job, and the jobs that it needs"))
		.option("--project <name>", "the project of the run (default: the project whose repository this folder is a clone of)")
		.action(async (flags: Flags & SubmissionFlags) => {
			const plan = await dryRun(new Connection(flags), [], flags);
			if (flags.output === "json") printJson(plan);
			else print(graphText(plan));
		});
}
