import { Command } from "commander";
import { lintPipeline } from "../../schema/pipeline/lint.ts";
import { pipelineFiles, readPipeline } from "../pipeline_file.ts";
import { paint, print, printJson } from "../terminal.ts";
import { outputOption } from "./command.ts";
import { showFaults } from "./faults.ts";

/** `windlass lint`: every fault of pipelines, without a coordinator. */
export function lintCommand(setExitCode: (code: number) => void): Command {
	return new Command("lint")
		.description("Check pipelines: all faults at once, each with its line.")
		.argument("[files...]", "the files; - is the standard input (default: .windlass.yml, or .windlass/*.yml)")
		.addOption(outputOption())
		.addHelpText("after", "\nExample:\n  windlass lint .windlass.yml\n  windlass lint -o json ci/*.yml | jq '.[].errors'")
		.action(async (named: string[], { output }: { output: string }) => {
			const files = named.length > 0 ? named : await pipelineFiles(process.cwd());
			const wanted = files.length > 0 ? files : [undefined];
			const checked = await Promise.all(wanted.map((file) => readPipeline(file)));
			const results = checked.map(({ file, text }) => ({ file, text, ...lintPipeline(text) }));
			if (output === "json") printJson(results.map(({ text: _, ...result }) => result));
			else
				for (const { file, text, valid, errors, jobs } of results)
					print(valid ? goodNews(file, jobs.length) : showFaults(file, text, errors));
			if (results.some(({ valid }) => !valid)) setExitCode(1);
		});
}

function goodNews(file: string, jobs: number): string {
	return `${paint("green", "✓")} ${file}: ${jobs} ${jobs === 1 ? "job" : "jobs"}`;
}
