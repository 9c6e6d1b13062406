import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

/** The program's copy of Miniflare: its one file, minified, with these changes. */
const CHANGES = [
	// The configuration of workerd grew by 4 kB at a time and was copied each time, with the Worker
	// in it: 700 ms, and 150 MB that the allocator kept.
	[
		"minSize = minSize < MIN_SINGLE_SEGMENT_GROWTH ? MIN_SINGLE_SEGMENT_GROWTH : padToWord$1(minSize);",
		"minSize = Math.max(srcBuffer.byteLength, MIN_SINGLE_SEGMENT_GROWTH, padToWord$1(minSize));",
	],
	// The host sets this function (cli/coordinator/host.ts).
	["const configBuffer = serializeConfig(config3);", "const configBuffer = serializeConfig(module.exports.changeConfig(config3));"],
];

/** The copy finds its Workers and dependencies where Miniflare finds them. */
const AT_MINIFLARE = [
	'__filename = require.resolve("miniflare");',
	'__dirname = require("node:path").dirname(__filename);',
	'require = require("node:module").createRequire(__filename);',
].join("");

function changed(source, [from, to]) {
	const [before, after, ...more] = source.split(from);
	if (after !== undefined && more.length === 0) return before + to + after;
	throw new Error(`This version of Miniflare does not have once: ${from}\nAdapt cli/build_miniflare.mjs to it.`);
}

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
	const { code } = await transform(CHANGES.reduce(changed, source), {
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
