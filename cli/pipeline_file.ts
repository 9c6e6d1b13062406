import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { CONFIG_FILE, CONFIG_FOLDER, usualFolders } from "../schema/wire/discovery.ts";
import { UsageError } from "./failures.ts";

/** Where a pipeline's text is found. */

export interface PipelineText {
	file: string;
	text: string;
}

/**
 * The file that is named, or the one that is where pipelines are kept; `-` is what comes on the standard input.
 * @throws UsageError
 */
export async function readPipeline(named: string | undefined, folder: string = process.cwd()): Promise<PipelineText> {
	if (named === "-") return { file: "standard input", text: await standardInput() };
	const file = named ?? (await only(folder));
	try {
		return { file, text: await readFile(path.resolve(folder, file), "utf8") };
	} catch (error) {
		throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
	}
}

async function only(folder: string): Promise<string> {
	const files = await pipelineFiles(folder);
	if (files.length === 1) return files[0] as string;
	if (files.length === 0) throw new UsageError(`there is no ${CONFIG_FILE} here, and nothing in ${CONFIG_FOLDER}/; name a file`);
	throw new UsageError(`there are several pipelines here: ${files.join(", ")}; name one with --file`);
}

/** The pipelines of a repository: `.windlass.yml` or `.windlass.yaml`, or every file in `.windlass/`. @throws UsageError for more than one place */
export async function pipelineFiles(folder: string): Promise<string[]> {
	const names = await readdir(folder);
	const inner = names.includes(CONFIG_FOLDER) ? await readdir(path.join(folder, CONFIG_FOLDER)).catch(() => []) : [];
	const several = inner.filter((name) => /\.ya?ml$/.test(name)).map((name) => path.join(CONFIG_FOLDER, name));
	const places = usualFolders([...names, ...several]);
	if (places.length > 1) throw new UsageError(`there is both ${places.join(" and ")}; keep pipelines in one place`);
	return several.length > 0 ? several.sort() : places;
}

async function standardInput(): Promise<string> {
	const chunks: Buffer[] = [];
	for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString("utf8");
}
