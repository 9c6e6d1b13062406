import { Command } from "commander";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import type { PipelineCheck } from "../../schema/wire/resources.ts";
import { UsageError } from "../failures.ts";
import { pipelineFiles, readPipeline } from "../pipeline_file.ts";
import { paint, print, printJson } from "../terminal.ts";
import { outputOption } from "./command.ts";
import { showErrors } from "./faults.ts";

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
			const results = await Promise.all(wanted.map(check));
			if (output === "json") printJson(results.map(({ text: _, ...result }) => result));
			else
				for (const { file, text, valid, errors, jobs } of results)
					if (text !== null) print(valid ? goodNews(file, jobs.length) : showErrors(file, text, errors));
			const unread = results.filter(({ text }) => text === null).flatMap(({ errors }) => errors);
			if (unread.length > 0) throw new UsageError(unread.map(({ message }) => message).join("\n"));
			if (results.some(({ valid }) => !valid)) setExitCode(1);
		});
}

/** A file that was checked; without a text where it cannot be read. */
type Checked = PipelineCheck & { file: string; text: string | null };

async function check(named: string | undefined): Promise<Checked> {
	try {
		const { file, text } = await readPipeline(named);
		return { file, text, ...lintPipeline(text) };
	} catch (error) {
		if (named === undefined || !(error instanceof UsageError)) throw error;
		const fault = { path: "", line: null, column: null, message: error.message, suggestion: null };
		return { file: named, text: null, valid: false, errors: [fault], name: null, jobs: [] };
	}
}

function goodNews(file: string, jobs: number): string {
	return `${paint("green", "✓")} ${file}: ${jobs} ${jobs === 1 ? "job" : "jobs"}`;
}
