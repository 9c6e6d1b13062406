import { Command } from "commander";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import type { PipelineCheck } from "../../schema/wire/resources.ts";
import { EXIT } from "../exit_codes.ts";
import { includedTexts, type PipelineText, pipelineFiles, readPipeline } from "../pipeline_file.ts";
import { counted, paint, print, printJson } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { outputOption } from "./command.ts";
import { showErrors } from "./validation_errors.ts";

/** `windlass lint`: validates pipelines without a coordinator. */
export function lintCommand(setExitCode: (code: number) => void): Command {
	return new Command("lint")
		.description("Validate pipelines. Shows all errors at once, each with its line.")
		.argument("[files...]", "the pipeline files; - reads standard input (default: .windlass.yml, or .windlass/*.yml)")
		.addOption(outputOption())
		.addHelpText(
			"after",
			`\nExit codes:\n  ${EXIT.succeeded}  all pipelines are valid\n  ${EXIT.failed}  a pipeline has errors\n  ${EXIT.usage}  a file is not readable`,
		)
		.addHelpText("after", "\nExample:\n  windlass lint .windlass.yml\n  windlass lint -o json ci/*.yml | jq '.[].errors'")
		.action(async (named: string[], { output }: { output: string }) => {
			const files = named.length > 0 ? named : await pipelineFiles(process.cwd());
			const wanted = files.length > 0 ? files : [undefined];
			const results = await Promise.all(wanted.map(check));
			if (output === "json") printJson(results.map(({ text: _text, included: _files, ...result }) => result));
			else
				for (const { file, text, included, valid, errors, jobs } of results)
					if (text !== null) print(valid ? validText(file, jobs.length) : showErrors({ file, text, included }, errors));
			const unreadable = results.filter(({ text }) => text === null).flatMap(({ errors }) => errors);
			if (unreadable.length > 0) throw new UsageError(unreadable.map(({ message }) => message).join("\n"));
			if (results.some(({ valid }) => !valid)) setExitCode(EXIT.failed);
		});
}

/** A validated file; its text is null if the file is not readable. */
type Checked = PipelineCheck & { file: string; text: string | null; included: PipelineText["included"] };

async function check(named: string | undefined): Promise<Checked> {
	try {
		const { file, text, included } = await readPipeline(named);
		return { file, text, included, ...lintPipeline(text, includedTexts(included)) };
	} catch (error) {
		if (named === undefined || !(error instanceof UsageError)) throw error;
		const unreadable = { path: "", line: null, column: null, message: error.message, suggestion: null };
		return { file: named, text: null, included: {}, valid: false, errors: [unreadable], name: null, jobs: [] };
	}
}

function validText(file: string, jobs: number): string {
	return `${paint("green", "✓")} ${file}: ${counted(jobs, "job")}`;
}
