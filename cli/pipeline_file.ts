import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { CONFIG_FILE, CONFIG_FOLDER, usualFolders } from "../schema/wire/discovery.ts";
import { UsageError } from "./usage_error.ts";

/** Finds and reads pipeline files. */

export interface PipelineText {
	file: string;
	text: string;
}

/**
 * The named file, or the only pipeline of a folder; `-` reads standard input.
 * @throws UsageError
 */
export async function readPipeline(named: string | undefined, folder: string = process.cwd()): Promise<PipelineText> {
	if (named === "-") return { file: "standard input", text: await standardInput() };
	const file = named ?? (await onlyPipeline(folder));
	try {
		return { file, text: await readFile(path.resolve(folder, file), "utf8") };
	} catch (error) {
		throw new UsageError(`${file} is not readable: ${(error as Error).message}`);
	}
}

async function onlyPipeline(folder: string): Promise<string> {
	const files = await pipelineFiles(folder);
	if (files.length === 1) return files[0] as string;
	if (files.length === 0) throw new UsageError(`This folder has no ${CONFIG_FILE} and no pipelines in ${CONFIG_FOLDER}/. Name a file.`);
	throw new UsageError(`This folder has several pipelines: ${files.join(", ")}. Name one with --file.`);
}

/**
 * The pipelines of a repository: `.windlass.yml` or `.windlass.yaml`, or every file in
 * `.windlass/`.
 * @throws UsageError if a folder has more than one of these
 */
export async function pipelineFiles(folder: string): Promise<string[]> {
	const names = await readdir(folder);
	const inner = names.includes(CONFIG_FOLDER) ? await readdir(path.join(folder, CONFIG_FOLDER)).catch(() => []) : [];
	const several = inner.filter((name) => /\.ya?ml$/.test(name)).map((name) => path.join(CONFIG_FOLDER, name));
	const places = usualFolders([...names, ...several]);
	if (places.length > 1) throw new UsageError(`This folder has both ${places.join(" and ")}. Keep the pipelines in one of them.`);
	return several.length > 0 ? several.sort() : places;
}

async function standardInput(): Promise<string> {
	const chunks: Buffer[] = [];
	for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString("utf8");
}
