import { parseSource, type SourceDocument } from "../../schema/pipeline/syntax/document.ts";
import { ApiError, type FieldError } from "../../schema/wire/errors.ts";
import type { PipelineText } from "../pipeline_file.ts";
import { paint } from "../terminal.ts";

/** The validation errors in an error; none in an error of another kind. */
export function validationErrorsIn(error: unknown): FieldError[] {
	return error instanceof ApiError ? ((error.details.errors as FieldError[] | undefined) ?? []) : [];
}

/** Errors of a pipeline, each with its file, its line and a mark under the place. */
export function showErrors(pipeline: PipelineText, errors: readonly FieldError[]): string {
	return errors
		.map(({ path, line, column, message, suggestion, file = pipeline.file }) => {
			const text = file === pipeline.file ? pipeline.text : pipeline.included[file];
			const lines = (text ?? "").split("\n");
			const place = line === null ? file : `${file}:${line}:${column}`;
			const head = `${paint("bold", place)}: ${paint("red", "error")}: ${path ? `${path}: ` : ""}${message}`;
			const source = line === null ? undefined : lines[line - 1];
			const shown = source === undefined ? [] : excerpt(source, line as number, column ?? 1);
			return [head, ...shown, ...hintOf(suggestion)].join("\n");
		})
		.join("\n\n");
}

function hintOf(suggestion: string | null): string[] {
	return suggestion === null ? [] : [`  ${paint("cyan", "hint")}: ${suggestion}`];
}

/**
 * Errors of a submission. An error of the pipeline is shown at its line, an error of an option by
 * the option's name.
 * @param pipeline null for a submission of a command
 * @param submission the parsed text, with the pipeline as its first value
 */
export function showSubmissionErrors(pipeline: PipelineText | null, submission: string, errors: readonly FieldError[]): string {
	const document = parseSource(submission);
	return errors
		.map((one) => {
			if (pipeline && !isOfOption(document, one)) return showErrors(pipeline, [one]);
			return [`${paint("red", "error")}: ${optionOf(one.path)}: ${one.message}`, ...hintOf(one.suggestion)].join("\n");
		})
		.join("\n\n");
}

/** The options that fill the keys of a submission. */
const OPTIONS: Record<string, string> = {
	run: "the command",
	params: "-p",
	env: "-e",
	runs_on: "-l",
	container: "--container",
	project: "--project",
	priority: "--priority",
	"source.git": "--git",
	"source.ref": "--ref",
};

/**
 * Whether an error is in the submission beside the pipeline. The two are separate texts, and share
 * many names.
 */
function isOfOption(submission: SourceDocument, { path, line, column }: FieldError): boolean {
	const way = path.split(".");
	const places = [submission.locate(way), submission.locate(way, true)];
	return optionOf(path) !== path && places.some((place) => place?.line === line && place?.column === column);
}

function optionOf(path: string): string {
	const [key = "", name] = path.split(".");
	const option = OPTIONS[key] ?? OPTIONS[path];
	if (option === undefined) return path;
	return name !== undefined && (key === "params" || key === "env") ? `${option} ${name}` : option;
}

const MAX_SHOWN = 120;

function excerpt(source: string, line: number, column: number): string[] {
	const begin = Math.max(0, column - 1 - MAX_SHOWN / 2);
	const shown = source.slice(begin, begin + MAX_SHOWN).replaceAll("\t", " ");
	const number = String(line);
	return [
		`  ${paint("gray", `${number} |`)} ${shown}`,
		`  ${" ".repeat(number.length)} ${paint("gray", "|")} ${" ".repeat(column - 1 - begin)}${paint("red", "^")}`,
	];
}
