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
	// The Worker of R2 buckets is changed, too.
	['(__dirname, "workers", "r2/bucket.worker.js")', '(module.path, "r2_bucket.worker.js")'],
	// The host sets this function (cli/coordinator/host.ts).
	["const configBuffer = serializeConfig(config3);", "const configBuffer = serializeConfig(module.exports.changeConfig(config3));"],
];

/**
 * Miniflare's Worker of R2 buckets passed an object through JavaScript by 4 kB at a time, and
 * computed an MD5 that only became the ETag: 256 MB took 4.2 s, now 0.6 s. The ETag is now random,
 * like the ETag of a part. A rejected object left its file.
 */
const R2_CHANGES = [
	['(field === "md5" || opts[field] !== void 0) && algorithms.push(name)', "opts[field] !== void 0 && algorithms.push(name)"],
	[
		`let digesting = new DigestingStream(algorithms), blobId = await this.blob.put(value.pipeThrough(digesting)), digests = await digesting.digests, md5Digest = digests.get("MD5");
    assert2(md5Digest !== void 0);
    let md5DigestHex = md5Digest.toString("hex"), checksums = validate.key(key).size(valueSize).metadataSize(opts.customMetadata).hash(digests, opts), row`,
		`let passing = digested(value, valueSize, algorithms), blobId = await this.blob.put(passing.readable);
    let digests = new Map(Array.from(await passing.digests, ([name, digest]) => [name, Buffer3.from(digest)])), checksums;
    try {
      checksums = validate.key(key).size(valueSize).metadataSize(opts.customMetadata).hash(digests, opts);
    } catch (e) {
      throw this.#backgroundDelete(blobId), e;
    }
    let row`,
	],
	["etag: md5DigestHex", "etag: generateId()"],
	['import assert2 from "node:assert";', 'import assert2 from "node:assert";\nimport { digested } from "./worker/platform/digested.ts";'],
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

/**
 * @param file where the copy goes, in a folder that resolves "miniflare"; beside it goes its Worker
 * of R2 buckets
 */
export async function buildMiniflare(file) {
	const { build, transform } = await import("esbuild");
	const original = createRequire(import.meta.url).resolve("miniflare");
	const source = await readFile(original, "utf8");
	const { code } = await transform(CHANGES.reduce(changed, source), {
		format: "cjs",
		platform: "node",
		target: "node22",
		// Names stay, for stack traces.
		minifyWhitespace: true,
		minifySyntax: true,
		legalComments: "none",
	});
	const r2 = await readFile(path.join(path.dirname(original), "workers/r2/bucket.worker.js"), "utf8");
	await mkdir(path.dirname(file), { recursive: true });
	await build({
		stdin: { contents: R2_CHANGES.reduce(changed, r2), resolveDir: path.resolve(import.meta.dirname, "..") },
		outfile: path.join(path.dirname(file), "r2_bucket.worker.js"),
		bundle: true,
		format: "esm",
		target: "es2024",
		external: ["node:*", "miniflare:*"],
		logLevel: "warning",
	});
	await writeFile(file, `${AT_MINIFLARE}\n${onlyAscii(code)}`);
}
