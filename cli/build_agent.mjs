// `npm run pack:agent`: the package of the agent alone, without wrangler and Miniflare, as
// windlass-agent-<version>.tgz in the present folder. All that it needs is in its bundle but for the
// parser of YAML, which is loaded only where somebody uses it.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { LEAN_BUILTINS } from "./build.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { version, license, engines, dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-agent-package-"));
try {
	await build({
		entryPoints: {
			main: path.join(root, "cli/agent_main.ts"),
			archive_thread: path.join(root, "agent/caches/archive/archive_thread.ts"),
		},
		outdir: path.join(folder, "dist"),
		...{ splitting: true, bundle: true, minify: true, platform: "node", format: "esm", target: "node22" },
		external: ["yaml"],
		plugins: [LEAN_BUILTINS],
		// Packages in the older form of modules call `require`.
		banner: {
			js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
		},
		logLevel: "warning",
	});
	const manifest = {
		...{ name: "windlass-agent", version, license, engines, type: "module", files: ["dist"] },
		description: "The agent of Windlass: it runs the jobs of a coordinator on this host.",
		bin: { "windlass-agent": "dist/main.js" },
		dependencies: { yaml: dependencies.yaml },
	};
	writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, "\t")}\n`);
	cpSync(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
	writeFileSync(
		path.join(folder, "README.md"),
		"# The agent of Windlass\n\n`windlass-agent --help` says how to run it. Its other options are those of `windlass agent`.\n",
	);
	const [{ filename }] = JSON.parse(
		execFileSync("npm", ["pack", "--json", "--pack-destination", process.cwd()], { cwd: folder, encoding: "utf8" }),
	);
	console.log(filename);
} finally {
	rmSync(folder, { recursive: true, force: true });
}
