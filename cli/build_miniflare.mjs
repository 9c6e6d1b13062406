import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

/**
 * The program's copy of Miniflare: its one file, minified, with a change of how the configuration
 * of workerd is assembled. That grew the message by 4 kB at a time and copied all of it each time,
 * with the Worker in it: 700 ms, and 150 MB that the allocator kept.
 */

const GROWTH = "minSize = minSize < MIN_SINGLE_SEGMENT_GROWTH ? MIN_SINGLE_SEGMENT_GROWTH : padToWord$1(minSize);";
const DOUBLING = "minSize = Math.max(srcBuffer.byteLength, MIN_SINGLE_SEGMENT_GROWTH, padToWord$1(minSize));";

/** The copy finds its Workers and dependencies where Miniflare finds them. */
const AT_MINIFLARE = [
	'__filename = require.resolve("miniflare");',
	'__dirname = require("node:path").dirname(__filename);',
	'require = require("node:module").createRequire(__filename);',
].join("");

/**
 * Escapes other characters: a text with one of them takes two bytes per character in memory. They
 * stand in strings, templates and regular expressions only, because the code has no comments.
 */
export function onlyAscii(code) {
	return code.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @param file where the copy goes, in a folder that resolves "miniflare" */
export async function buildMiniflare(file) {
	const { transform } = await import("esbuild");
	const source = await readFile(createRequire(import.meta.url).resolve("miniflare"), "utf8");
	if (source.split(GROWTH).length !== 2)
		throw new Error("Miniflare assembles its configuration in another way. Adapt cli/build_miniflare.mjs to this version.");
	const { code } = await transform(source.replace(GROWTH, DOUBLING), {
		format: "cjs",
		platform: "node",
		target: "node22",
		// Names stay, for stack traces.
		minifyWhitespace: true,
		minifySyntax: true,
		legalComments: "none",
	});
	await mkdir(path.dirname(file), { recursive: true });
	await writeFile(file, `${AT_MINIFLARE}\n${onlyAscii(code)}`);
}
