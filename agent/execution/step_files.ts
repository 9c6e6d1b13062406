import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { variableNameError } from "../../schema/wire/variable_names.ts";
import { variableSizeError } from "../../schema/wire/variable_size.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { isEmptyFile } from "../files/is_empty_file.ts";
import { readTextUpTo } from "../files/read_text.ts";
import { JobError } from "../outcome.ts";
import { InvalidLine, readNameValues } from "../results/name_values.ts";
import { MAX_OUTPUT_FILE_BYTES, parseOutputs } from "../results/outputs.ts";

const MAX_VARIABLES_BYTES = 256 * 1024;
const MAX_PATH_BYTES = 64 * 1024;

/** The names of the files in their folder. */
const FILES = { CI_OUTPUT: "output", CI_ENV: "env", CI_PATH: "path" } as const;

/**
 * What steps tell the steps after them: variables in `$CI_ENV`, folders in `$CI_PATH`, and outputs.
 * A step that runs beside others has files of its own.
 */
export class StepFiles {
	readonly #folder: string;
	/** The same folder as the steps see it. */
	readonly #inside: string;
	/** The variables for the next steps. */
	readonly variables: Record<string, string> = {};
	/** The folders before those of the PATH, the newest first. */
	#path: string[] = [];
	/** The outputs that were read after the last step. */
	#outputs = "";

	constructor(folder: string, inside: string) {
		this.#folder = folder;
		this.#inside = inside;
	}

	get path(): readonly string[] {
		return this.#path;
	}

	/**
	 * Makes the files of a step that runs beside others.
	 * @returns the variables with their paths
	 */
	makeOwn(position: number): Record<string, string> {
		const folder = `${this.#folder}/${position}`;
		mkdirSync(folder);
		// The step may run as another user, in a container.
		chmodSync(folder, 0o777);
		for (const name of Object.values(FILES)) {
			writeFileSync(`${folder}/${name}`, "");
			chmodSync(`${folder}/${name}`, 0o666);
		}
		return Object.fromEntries(Object.entries(FILES).map(([variable, name]) => [variable, `${this.#inside}/${position}/${name}`]));
	}

	/**
	 * Takes over what a step has written.
	 * @param position the step, if it had files of its own; null: the files of the job
	 * @param hasId whether its outputs are asked for
	 * @returns its outputs
	 * @throws JobError for a file that cannot be used
	 */
	async take(position: number | null, hasId: boolean): Promise<Record<string, string>> {
		const prefix = position === null ? "" : `${position}/`;
		const isWritten = (name: string) => !isEmptyFile(`${this.#folder}/${prefix}${name}`);
		const wanted = [FILES.CI_ENV, FILES.CI_PATH, ...(hasId || position !== null ? [FILES.CI_OUTPUT] : [])];
		if (!wanted.some(isWritten)) return {};
		// A job on the host can remove the folder, or replace it by a link.
		const files = await ConfinedFolder.open(this.#folder).catch(() => null);
		try {
			const outputs = await this.#takeOutputs(files, position, hasId);
			await this.#takeVariables(files, `${prefix}${FILES.CI_ENV}`);
			await this.#takePath(files, `${prefix}${FILES.CI_PATH}`);
			return outputs;
		} finally {
			await files?.close();
		}
	}

	async #takeVariables(files: ConfinedFolder | null, name: string): Promise<void> {
		const text = await taken(files, name, "$CI_ENV", MAX_VARIABLES_BYTES);
		try {
			for (const [variable, value] of readNameValues(text, variableNameError)) {
				const error = value.includes("\0") ? "has a NUL byte, which no variable can hold" : variableSizeError(variable, value);
				if (error !== null) throw new JobError("variables_invalid", `The variable ${variable} in $CI_ENV ${error}.`, "failed");
				this.variables[variable] = value;
			}
		} catch (error) {
			if (!(error instanceof InvalidLine)) throw error;
			throw new JobError("variables_invalid", `$CI_ENV cannot be read. ${error.message}`, "failed");
		}
	}

	async #takePath(files: ConfinedFolder | null, name: string): Promise<void> {
		const text = await taken(files, name, "$CI_PATH", MAX_PATH_BYTES);
		for (const line of text.split("\n").map((one) => one.replace(/\r$/, ""))) {
			if (line === "") continue;
			if (!/^\/[^:\0]*$/.test(line)) {
				const shown = JSON.stringify(line.slice(0, 200));
				throw new JobError("variables_invalid", `A line of $CI_PATH is not the absolute path of one folder: ${shown}.`, "failed");
			}
			this.#path = [line, ...this.#path.filter((folder) => folder !== line)];
		}
	}

	/** The outputs stay in the file of the job, which is read at its end. */
	async #takeOutputs(files: ConfinedFolder | null, position: number | null, hasId: boolean): Promise<Record<string, string>> {
		if (!hasId && position === null) return {};
		const own = position === null ? FILES.CI_OUTPUT : `${position}/${FILES.CI_OUTPUT}`;
		const { text } = await readTextUpTo(files, own, MAX_OUTPUT_FILE_BYTES);
		const written = position === null && text.startsWith(this.#outputs) ? text.slice(this.#outputs.length) : text;
		if (position === null) this.#outputs = text;
		else if (text !== "" && files) {
			const { text: before } = await readTextUpTo(files, FILES.CI_OUTPUT, MAX_OUTPUT_FILE_BYTES);
			this.#outputs = `${before}${before === "" || before.endsWith("\n") ? "" : "\n"}${text}`;
			const file = await files.replace(FILES.CI_OUTPUT);
			await file.writeFile(this.#outputs).finally(() => file.close());
		}
		return hasId ? Object.fromEntries(parseOutputs(written)) : {};
	}
}

/** The text of a file, which is empty after that. @throws JobError for a file that is too large */
async function taken(files: ConfinedFolder | null, name: string, shown: string, limit: number): Promise<string> {
	const { text, isWhole } = await readTextUpTo(files, name, limit);
	if (text === "") return text;
	await (await files?.replace(name))?.close();
	if (!isWhole)
		throw new JobError("variables_invalid", `${shown} has more than ${formatBytes(limit)}. Put long values into files.`, "failed");
	return text;
}
