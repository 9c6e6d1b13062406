import { formatBytes } from "../../schema/wire/bytes.ts";
import { MAX_OUTPUT_BYTES, MAX_OUTPUTS_BYTES, MAX_SUMMARY_BYTES } from "../../schema/wire/limits.ts";
import { isGone } from "../files/confined_file_error.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import { JobError } from "../outcome.ts";

const MAX_OUTPUT_FILE_BYTES = 2 * MAX_OUTPUTS_BYTES;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

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
	const { text, isWhole } = await readUpTo(files, "output", MAX_OUTPUT_FILE_BYTES);
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

function parseOutputs(text: string): Map<string, string> {
	const found = new Map<string, string>();
	const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
	for (let index = 0; index < lines.length; index += 1) {
		const line = lines[index] as string;
		if (line.trim() === "") continue;
		const [, name, mark, rest] = /^([^=<\s]+)(=|<<)([\s\S]*)$/.exec(line) ?? [];
		if (name === undefined || rest === undefined || !NAME.test(name)) throw invalid(index, "expected name=value, or name<<END");
		if (mark === "=") {
			found.set(name, rest);
			continue;
		}
		const end = lines.indexOf(rest, index + 1);
		if (rest === "" || end === -1) throw invalid(index, `no line ${JSON.stringify(rest)} ends it`);
		found.set(name, lines.slice(index + 1, end).join("\n"));
		index = end;
	}
	return found;
}

function invalid(index: number, why: string): JobError {
	return new JobError("output_invalid", `Line ${index + 1} of $CI_OUTPUT is not an output: ${why}.`, "failed");
}

/** Reads `$CI_SUMMARY`, which is Markdown; null if the job wrote nothing. */
export async function readSummary(files: ConfinedFolder | null): Promise<{ text: string; isWhole: boolean } | null> {
	const read = await readUpTo(files, "summary", MAX_SUMMARY_BYTES);
	return read.text.trim() === "" ? null : read;
}

/**
 * The first bytes of a file as text. It is empty for a missing file, and for everything but a
 * regular file.
 */
async function readUpTo(files: ConfinedFolder | null, name: string, limit: number): Promise<{ text: string; isWhole: boolean }> {
	try {
		if (!files) return { text: "", isWhole: true };
		const { bytes, isWhole } = await files.readUpTo(name, limit, "none");
		return { text: bytes.toString("utf8"), isWhole };
	} catch (error) {
		if (isGone(error)) return { text: "", isWhole: true };
		throw error;
	}
}
