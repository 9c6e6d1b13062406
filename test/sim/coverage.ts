import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Which lines of the product some processes have run, from what V8 writes where NODE_V8_COVERAGE says. */

interface Script {
	url: string;
	functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[];
}

export interface CoveredLines {
	lines: number;
	covered: number;
	/** `file:line` of what no process has run. */
	missed: string[];
}

/**
 * Gives `body` a folder for the processes to write to, and reads it.
 * @param part the folder of the product that counts
 * @param body may look at what those that have ended so far have run
 */
export async function coverageOf(part: string, body: (folder: string, look: () => CoveredLines) => Promise<void>): Promise<CoveredLines> {
	const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-coverage-"));
	try {
		const look = () => read(folder, part);
		await body(folder, look);
		return look();
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

function read(folder: string, part: string): CoveredLines {
	const run = new Map<string, Uint8Array>();
	for (const name of readdirSync(folder)) {
		const { result } = JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { result: Script[] };
		for (const script of result) if (script.url.includes(part)) merge(run, script);
	}
	const found: CoveredLines = { lines: 0, covered: 0, missed: [] };
	for (const [file, characters] of run) countLines(file, characters, found);
	return found;
}

/** A character is run if the innermost range around it is; ranges come from the outside in. */
function merge(run: Map<string, Uint8Array>, { url, functions }: Script): void {
	const file = fileURLToPath(url);
	const { length } = readFileSync(file, "utf8");
	const here = new Uint8Array(length);
	for (const { ranges } of functions)
		for (const { startOffset, endOffset, count } of ranges) here.fill(count > 0 ? 1 : 0, startOffset, Math.min(endOffset, length));
	const before = run.get(file);
	run.set(file, before ? here.map((is, index) => is | (before[index] ?? 0)) : here);
}

/** Types are blanked out where they stand, so that every character keeps its place. */
function countLines(file: string, characters: Uint8Array, found: CoveredLines): void {
	const lines = stripTypeScriptTypes(readFileSync(file, "utf8")).split("\n");
	let at = 0;
	let isComment = false;
	for (const [index, line] of lines.entries()) {
		const begin = at + line.search(/\S/);
		at += line.length + 1;
		const text = line.trim();
		isComment ||= text.startsWith("/*");
		const isCode = !isComment && /\w/.test(text) && !text.startsWith("//");
		if (text.endsWith("*/")) isComment = false;
		if (!isCode) continue;
		found.lines += 1;
		if (characters[begin] === 1) found.covered += 1;
		else found.missed.push(`${path.basename(file)}:${index + 1}`);
	}
}
