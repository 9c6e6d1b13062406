import { formatBytes } from "../../schema/wire/bytes.ts";
import { MAX_OUTPUT_BYTES, MAX_OUTPUTS_BYTES, MAX_SUMMARY_BYTES } from "../../schema/wire/limits.ts";
import { OUTPUT_NAME, OUTPUT_NAME_ERROR } from "../../schema/wire/output_names.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import { readTextUpTo } from "../files/read_text.ts";
import { JobError } from "../outcome.ts";
import { InvalidLine, readNameValues } from "./name_values.ts";

export const MAX_OUTPUT_FILE_BYTES = 2 * MAX_OUTPUTS_BYTES;

/** The outputs that a job has written, and notices for its log. */
export interface ReadOutputs {
	outputs: Record<string, string>;
	notices: string[];
}

/**
 * Reads `$CI_OUTPUT`: `name=value` on a line, or `name<<END`, lines, `END`. The last value of a
 * name counts.
 * @param files the folder of the file; null if the job has removed it
 * @param declared the names that the pipeline declares; other outputs are left out, with a notice
 * @throws JobError for an invalid line, or too large outputs
 */
export async function readOutputs(files: ConfinedFolder | null, declared: readonly string[]): Promise<ReadOutputs> {
	const { text, isWhole } = await readTextUpTo(files, "output", MAX_OUTPUT_FILE_BYTES);
	if (!isWhole) throw new JobError("output_too_large", `$CI_OUTPUT has more than ${formatBytes(MAX_OUTPUT_FILE_BYTES)}.`, "failed");
	const written = parseOutputs(text);
	const notices = [...written.keys()]
		.filter((name) => !declared.includes(name))
		.map((name) => `the output ${name} is left out: the job does not declare it (outputs: [${name}])`);
	const outputs = Object.fromEntries([...written].filter(([name]) => declared.includes(name)));
	for (const [name, value] of Object.entries(outputs)) {
		if (Buffer.byteLength(value) > MAX_OUTPUT_BYTES)
			throw new JobError("output_too_large", `The output ${name} has more than ${formatBytes(MAX_OUTPUT_BYTES)}.`, "failed");
	}
	if (JSON.stringify(outputs).length > MAX_OUTPUTS_BYTES)
		throw new JobError("output_too_large", `The outputs have more than ${formatBytes(MAX_OUTPUTS_BYTES)} in all.`, "failed");
	return { outputs, notices };
}

/**
 * The outputs in a text.
 * @throws JobError for an invalid line
 */
export function parseOutputs(text: string): Map<string, string> {
	try {
		return readNameValues(text, (name) => (OUTPUT_NAME.test(name) ? null : OUTPUT_NAME_ERROR));
	} catch (error) {
		if (!(error instanceof InvalidLine)) throw error;
		throw new JobError("output_invalid", `$CI_OUTPUT cannot be read. ${error.message}`, "failed");
	}
}

/** Reads `$CI_SUMMARY`, which is Markdown; null if the job wrote nothing. */
export async function readSummary(files: ConfinedFolder | null): Promise<{ text: string; isWhole: boolean } | null> {
	const read = await readTextUpTo(files, "summary", MAX_SUMMARY_BYTES);
	return read.text.trim() === "" ? null : read;
}
