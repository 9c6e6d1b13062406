// Builds the Worker's bundle, with the command that deploys it, and the `windlass` program.
// Unchanged sources are not built again. Plain JavaScript: it runs before anything is installed or
// built.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { buildMiniflare, onlyAscii } from "./build_miniflare.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const run = promisify(execFile);

/** The sources of both; a change of one builds both, which takes two seconds. */
const SOURCES = ["worker", "schema", "agent", "cli", "wrangler.toml", "package.json", "package-lock.json"];

/** Builds into dist/ if a source has changed since the last build. */
export async function build() {
	const stampFile = path.join(root, "dist/stamp");
	const stamp = await fingerprint();
	if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) return false;
	await rm(path.join(root, "dist"), { recursive: true, force: true });
	await Promise.all([buildWorker(), buildProgram(), buildMiniflare(path.join(root, "dist/cli/miniflare.cjs"))]);
	await fillCompileCache();
	await writeFile(stampFile, stamp);
	return true;
}

async function fingerprint() {
	const hash = createHash("sha256");
	for (const source of SOURCES) {
		const start = path.join(root, source);
		const names = (await stat(start)).isDirectory() ? (await readdir(start, { recursive: true })).sort() : [""];
		for (const name of names) {
			const file = path.join(start, name);
			const info = await stat(file);
			if (info.isFile()) hash.update(`${file}\0${info.size}\0${info.mtimeMs}\n`);
		}
	}
	return hash.digest("hex");
}

async function buildWorker() {
	const wrangler = path.join(root, "node_modules/wrangler/bin/wrangler.js");
	const environment = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" };
	await run(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", "dist/worker"], { cwd: root, env: environment });
	const bundled = path.join(root, "dist/worker/index.js");
	await writeFile(bundled, onlyAscii(await readFile(bundled, "utf8")));
	await minifyAssets(path.join(root, "dist/worker"));
	// The bindings of wrangler.toml as options of Miniflare: wrangler is not needed at run time.
	const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
	const { workerOptions } = unstable_getMiniflareWorkerOptions(path.join(root, "wrangler.toml"));
	const { compatibilityDate, compatibilityFlags, bindings, r2Buckets, d1Databases, durableObjects } = workerOptions;
	const options = { compatibilityDate, compatibilityFlags, bindings, r2Buckets, d1Databases, durableObjects };
	await writeFile(path.join(root, "dist/worker/options.json"), `${JSON.stringify(options, null, "\t")}\n`);
	await cp(path.join(root, "schema/database/migrations"), path.join(root, "dist/migrations"), {
		recursive: true,
		filter: (source) => !source.includes("meta"),
	});
}

/** The scripts and the style of the pages, which the bundle has as texts, without comments and blanks. */
async function minifyAssets(folder) {
	const { transform } = await import("esbuild");
	for (const name of await readdir(folder)) {
		const loader = name.endsWith(".css") ? "css" : name.endsWith(".browser.js") ? "js" : null;
		if (loader === null) continue;
		const file = path.join(folder, name);
		// Names stay: the scripts import each other as they are.
		const options = { loader, minifyWhitespace: true, minifySyntax: true, target: "es2023", charset: "utf8" };
		await writeFile(file, (await transform(await readFile(file, "utf8"), options)).code);
	}
}

/**
 * `import` of these modules of Node reads every export, and so loads WebSocket with undici, and
 * WebCrypto: 8 MB.
 */
export const LEAN_BUILTINS = {
	name: "lean-builtins",
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /^node:(crypto|http)$/ }, ({ path }) => ({ path, namespace: "lean" }));
		onLoad({ filter: /.*/, namespace: "lean" }, ({ path }) => ({ contents: `module.exports = process.getBuiltinModule("${path}")` }));
	},
};

async function buildProgram() {
	const { build: bundle } = await import("esbuild");
	const { dependencies } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
	await mkdir(path.join(root, "dist/cli"), { recursive: true });
	await bundle({
		entryPoints: {
			main: path.join(root, "cli/main.ts"),
			archive_thread: path.join(root, "agent/caches/archive/archive_thread.ts"),
		},
		outdir: path.join(root, "dist/cli"),
		// A command loads only its own code.
		splitting: true,
		bundle: true,
		platform: "node",
		format: "esm",
		target: "node22",
		// The part of zod that the program uses: the whole is 95 files.
		external: Object.keys(dependencies).filter((name) => name !== "zod"),
		plugins: [LEAN_BUILTINS],
		sourcemap: true,
		banner: { js: "#!/usr/bin/env node" },
		logLevel: "warning",
	});
}

/** Runs what a start loads, once: Node writes the compiled code to dist/compile-cache. */
async function fillCompileCache() {
	await run(process.execPath, [path.join(root, "dist/cli/main.js"), "--help"]);
	const load = "require('node:module').enableCompileCache('dist/compile-cache'); require('./dist/cli/miniflare.cjs')";
	await run(process.execPath, ["--eval", load], { cwd: root });
	// Node writes them for this user alone; the coordinator may run as another one.
	const folder = path.join(root, "dist/compile-cache");
	for (const name of await readdir(folder, { recursive: true })) {
		const file = path.join(folder, name);
		await chmod(file, (await stat(file)).isDirectory() ? 0o755 : 0o644);
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
