// Runs a command from a fresh clone, on Node 20 or later: installs the dependencies of the lock
// file if they are missing, builds if a source has changed, and runs the command on the Node that
// the project pins.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";
import { overwrite, takeSecrets } from "./process_secrets.mjs";
import { userPath } from "./user_path.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const pinnedNode = path.join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");

/**
 * Not `npm ci`, which rejects a lock file without the packages of other systems: a registry that
 * mirrors only some systems writes such lock files. The versions still come from the lock file,
 * which stays unchanged.
 */
const INSTALL = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];

/** Installs the dependencies of package-lock.json, unless they are installed already. */
export function installDependencies() {
	const stampFile = path.join(root, "node_modules/.windlass-lock");
	const stamp = createHash("sha256")
		.update(readFileSync(path.join(root, "package-lock.json")))
		.digest("hex");
	if (existsSync(stampFile) && existsSync(pinnedNode) && readFileSync(stampFile, "utf8") === stamp) return;
	console.error("windlass: Installing dependencies (once, about a minute)…");
	const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
	const [command, ...before] = npm;
	const result = spawnSync(command, [...before, ...INSTALL], {
		cwd: root,
		stdio: ["ignore", 2, 2],
	});
	if (result.status !== 0) fail("npm did not install the dependencies. Its error is above.");
	if (!existsSync(pinnedNode)) {
		// Newer versions of npm do not run install scripts; the project needs those of these three
		// packages.
		const rebuilt = spawnSync(command, [...before, "rebuild", "node", "workerd", "esbuild"], { cwd: root, stdio: ["ignore", 2, 2] });
		if (rebuilt.status !== 0 || !existsSync(pinnedNode)) fail("npm did not set up the pinned Node. Try: npm rebuild node workerd esbuild");
	}
	writeFileSync(stampFile, stamp);
}

function fail(sentence) {
	console.error(`windlass: ${sentence}`);
	process.exit(1);
}

/** Builds with the pinned Node. */
export function buildAll() {
	const result = spawnSync(pinnedNode, [path.join(root, "cli/build.mjs")], { cwd: root, stdio: ["ignore", 2, 2] });
	if (result.status !== 0) fail("The build failed. Its error is above.");
}

/**
 * Runs a program on the pinned Node: passes signals on to it, and ends with its exit code.
 * @param secrets variables that it gets in addition to those of this process
 */
function runOnPinnedNode(args, secrets) {
	const child = spawn(pinnedNode, args, {
		stdio: "inherit",
		env: { ...process.env, ...secrets, ...(process.env.PATH && { PATH: userPath(process.env.PATH) }) },
	});
	for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
	// A terminal sends Ctrl-C to the child, too; a second signal would count as a second Ctrl-C.
	process.on("SIGINT", () => [0, 1, 2].some(isatty) || child.kill("SIGINT"));
	child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [major] = process.versions.node.split(".").map(Number);
	if (major < 20) fail(`Node ${process.versions.node} is too old. Install version 20 or later.`);
	// This process lives as long as the program, and jobs could read secrets here. Install scripts
	// must not see them either.
	const secrets = takeSecrets();
	const args = process.argv.slice(2);
	overwrite(
		args.flatMap((arg, index) => (/^--(api-)?token$/.test(arg) ? (args[index + 1] ?? "") : (/^--(api-)?token=(.*)/.exec(arg)?.[2] ?? ""))),
	);
	installDependencies();
	buildAll();
	runOnPinnedNode(
		args[0] === "--script"
			? args.slice(1).map((arg, index) => (index === 0 ? path.join(root, arg) : arg))
			: [path.join(root, "dist/cli/main.js"), ...args],
		secrets,
	);
}
