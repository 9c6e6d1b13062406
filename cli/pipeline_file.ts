import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type IncludedTexts, placeKey } from "../schema/pipeline/compose/include_place.ts";
import { CONFIG_FILE, CONFIG_FOLDER, usualFolders } from "../schema/wire/discovery.ts";
import { UsageError } from "./usage_error.ts";
import { topOfWorkingCopy } from "./working_copy.ts";

/** Finds and reads pipeline files. */

export interface PipelineText {
	file: string;
	text: string;
	/** The files that it includes, by their paths in the working copy. */
	included: Readonly<Record<string, string>>;
}

/**
 * The named file, or the only pipeline of a folder; `-` reads standard input.
 * @throws UsageError
 */
export async function readPipeline(named: string | undefined, folder: string = process.cwd()): Promise<PipelineText> {
	const file = named === "-" ? "standard input" : (named ?? (await onlyPipeline(folder)));
	const text = named === "-" ? await standardInput() : await readable(path.resolve(folder, file), file);
	return { file, text, included: await includedBy(text, named === "-" ? folder : path.dirname(path.resolve(folder, file))) };
}

async function readable(file: string, shown: string): Promise<string> {
	try {
		return await readFile(file, "utf8");
	} catch (error) {
		throw new UsageError(`${shown} is not readable: ${(error as Error).message}`);
	}
}

/**
 * The files of the working copy that a pipeline includes. Their paths begin at its top.
 * @param folder a folder of the working copy
 */
async function includedBy(text: string, folder: string): Promise<Record<string, string>> {
	if (!text.includes("include")) return {};
	const { readIncludes } = await import("../schema/pipeline/compose/wanted_includes.ts");
	const top = (await topOfWorkingCopy(folder)) ?? folder;
	const found = await readIncludes([text], async ({ file, project }) => {
		if (project !== null) return null;
		const content = await readFile(path.join(top, file), "utf8").catch(() => null);
		return content === null ? null : { text: content };
	});
	return Object.fromEntries(found.flatMap((one) => ("text" in one ? [[one.place.file, one.text]] : [])));
}

/** The included files as a submission sends them. */
export function filesOf({ included }: PipelineText): { files?: PipelineText["included"] } {
	return Object.keys(included).length === 0 ? {} : { files: included };
}

/** Included files for those who put pipelines together. */
export function includedTexts(included: PipelineText["included"]): IncludedTexts {
	return new Map(Object.entries(included).map(([file, text]) => [placeKey({ file, project: null, ref: null }), { text }]));
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
