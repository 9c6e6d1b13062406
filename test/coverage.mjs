// `npm run coverage`: how much of the product's lines the tests run, wherever those lines run: in Node, in workerd under the test runner, and in the
// programs and the coordinator that the tests start. For the latter everything is built once more with counters in it.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll, installDependencies, pinnedNode } from "../cli/bootstrap.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const folder = path.join(root, "coverage");
const environment = {
	...process.env,
	PATH: `${path.dirname(pinnedNode)}${path.delimiter}${process.env.PATH}`,
	COVERAGE_FOLDER: path.join(folder, "programs"),
};
/** The least share of lines, in percent, of each part of the product. */
const LEAST = { worker: 85, agent: 85, schema: 85 };

installDependencies();
buildAll();
rmSync(folder, { recursive: true, force: true });
mkdirSync(environment.COVERAGE_FOLDER, { recursive: true });

/** Puts counters into what the end-to-end tests run: the same sources, bundled the same way. */
async function instrument() {
	const { build, transform } = await import("esbuild");
	const { createInstrumenter } = await import("@vitest/istanbul-lib-instrument");
	const counters = {
		name: "counters",
		setup(bundle) {
			bundle.onLoad({ filter: /\/(worker|agent|schema)\/.*\.tsx?$/ }, async ({ path: file }) => {
				const source = readFileSync(file, "utf8");
				const plain = await transform(source, {
					loader: file.endsWith("x") ? "tsx" : "ts",
					sourcefile: file,
					sourcemap: "external",
					jsx: "automatic",
					jsxImportSource: "preact",
					target: "es2022",
				});
				const instrumenter = createInstrumenter({
					esModules: true,
					coverageGlobalScopeFunc: false,
					coverageGlobalScope: "globalThis",
					compact: false,
				});
				return { contents: instrumenter.instrumentSync(plain.code, file, JSON.parse(plain.map)), loader: "js" };
			});
		},
	};
	const text = { ".css": "text" };
	await build({
		stdin: {
			contents: `import worker from "./worker/index.ts"; export * from "./worker/index.ts";
				export default { fetch: (request, ...rest) => new URL(request.url).pathname === "/counters" ? Response.json(globalThis.__coverage__ ?? {}) : worker.fetch(request, ...rest) };`,
			resolveDir: root,
			loader: "js",
		},
		outfile: path.join(root, "dist/worker/index.js"),
		bundle: true,
		format: "esm",
		target: "es2022",
		conditions: ["workerd", "worker", "browser"],
		external: ["cloudflare:*"],
		jsx: "automatic",
		jsxImportSource: "preact",
		loader: text,
		plugins: [browserScripts(), counters],
		allowOverwrite: true,
	});
	for (const name of readdirSync(path.join(root, "dist/worker")))
		if (name !== "index.js" && name !== "options.json") rmSync(path.join(root, "dist/worker", name));
	await build({
		entryPoints: [path.join(root, "cli/main.ts")],
		outfile: path.join(root, "dist/cli/main.js"),
		bundle: true,
		platform: "node",
		format: "esm",
		target: "node22",
		packages: "external",
		plugins: [counters],
		// A program may be killed at any moment: what it has counted is written again and again.
		banner: {
			js: [
				'import { writeFileSync as writeCounters } from "node:fs";',
				"const saveCounters = () => {",
				"	if (!globalThis.__coverage__ || !process.env.COVERAGE_FOLDER) return;",
				'	writeCounters(process.env.COVERAGE_FOLDER + "/" + process.pid + "-" + process.ppid + ".json", JSON.stringify(globalThis.__coverage__));',
				"};",
				'process.on("exit", saveCounters);',
				"setInterval(saveCounters, 1000).unref();",
			].join("\n"),
		},
		allowOverwrite: true,
	});
	// What is built like this is nobody's product: the next build builds again.
	writeFileSync(path.join(root, "dist/stamp"), "with counters");
}

/** The page's scripts travel as text, as wrangler's rules have it. */
function browserScripts() {
	return {
		name: "browser scripts",
		setup: (bundle) =>
			bundle.onLoad({ filter: /\.browser\.js$/ }, ({ path: file }) => ({ contents: readFileSync(file, "utf8"), loader: "text" })),
	};
}

function run(...args) {
	const { status } = spawnSync(path.join(root, "node_modules/.bin/vitest"), ["run", ...args], {
		cwd: root,
		stdio: "inherit",
		env: environment,
	});
	if (status !== 0) {
		console.error(`coverage: the tests failed: ${args.join(" ")}`);
		process.exitCode = 1;
	}
}

async function report() {
	const { createCoverageMap } = await import("@vitest/istanbul-lib-coverage");
	const { createSourceMapStore } = await import("@vitest/istanbul-lib-source-maps");
	const all = createCoverageMap({});
	const store = createSourceMapStore();
	for (const name of readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".json"))) {
		const counted = JSON.parse(readFileSync(path.join(folder, name), "utf8"));
		all.merge(await store.transformCoverage(createCoverageMap(counted)));
	}
	const lines = { worker: [0, 0], agent: [0, 0], schema: [0, 0] };
	const files = [];
	for (const file of all.files()) {
		const relative = path.relative(root, file);
		const part = relative.split(path.sep)[0];
		if (!(part in lines)) continue;
		const { covered, total } = all.fileCoverageFor(file).toSummary().lines;
		lines[part][0] += covered;
		lines[part][1] += total;
		files.push({ relative, covered, total });
	}
	files.sort((a, b) => b.total - b.covered - (a.total - a.covered));
	console.log("\nThe files with the most lines that no test runs:");
	for (const { relative, covered, total } of files.slice(0, 15))
		console.log(`  ${String(total - covered).padStart(4)} of ${String(total).padStart(4)}  ${relative}`);
	console.log("\nLines that the tests run:");
	for (const [part, [covered, total]] of Object.entries(lines)) {
		const share = (100 * covered) / total;
		console.log(`  ${part.padEnd(8)} ${share.toFixed(1)} % of ${total} (at least ${LEAST[part]} %)`);
		if (!(share >= LEAST[part])) process.exitCode = 1;
	}
}

if (process.argv[2] !== "report") {
	for (const project of ["unit", "worker"])
		run(
			"--project",
			project,
			"--coverage.enabled",
			"--coverage.provider=istanbul",
			"--coverage.reporter=json",
			`--coverage.reportsDirectory=${path.join(folder, project)}`,
		);
	await instrument();
	run("--project", "faults", "--project", "e2e");
}
await report();
