// From a fresh clone to a running command, on any Node from 20 up: installs the dependencies if they are missing or not those
// of the lock file, builds if a source has changed, and goes on with the Node that the project pins.
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
 * Not `npm ci`: that refuses a lock file which lacks the packages for other systems, and a registry that mirrors only some systems
 * writes such lock files. Versions come from the lock file all the same, and it is not written to.
 */
const INSTALL = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];

/** Installs what package-lock.json names, unless just that is installed already. */
export function installDependencies() {
	const stampFile = path.join(root, "node_modules/.windlass-lock");
	const stamp = createHash("sha256")
		.update(readFileSync(path.join(root, "package-lock.json")))
		.digest("hex");
	if (existsSync(stampFile) && existsSync(pinnedNode) && readFileSync(stampFile, "utf8") === stamp) return;
	console.error("windlass: installing dependencies (once; about a minute)…");
	const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
	const [command, ...before] = npm;
	const result = spawnSync(command, [...before, ...INSTALL], {
		cwd: root,
		stdio: ["ignore", 2, 2],
	});
	if (result.status !== 0) fail("npm could not install the dependencies; its message is above.");
	if (!existsSync(pinnedNode)) {
		// Newer versions of npm leave install scripts to be approved; these three are what the project needs of them.
		const rebuilt = spawnSync(command, [...before, "rebuild", "node", "workerd", "esbuild"], { cwd: root, stdio: ["ignore", 2, 2] });
		if (rebuilt.status !== 0 || !existsSync(pinnedNode)) fail("the pinned Node could not be set up; try: npm rebuild node workerd esbuild");
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
	if (result.status !== 0) fail("the build failed; its message is above.");
}

/**
 * Runs a program on the pinned Node in place of this one: signals are passed on, its exit code is ours.
 * @param secrets variables that it gets beside those of this process
 */
function become(args, secrets) {
	const child = spawn(pinnedNode, args, {
		stdio: "inherit",
		env: { ...process.env, ...secrets, ...(process.env.PATH && { PATH: userPath(process.env.PATH) }) },
	});
	for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
	// A terminal's Ctrl-C reaches the child by itself; a second signal would mean more than the first.
	process.on("SIGINT", () => [0, 1, 2].some(isatty) || child.kill("SIGINT"));
	child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [major] = process.versions.node.split(".").map(Number);
	if (major < 20) fail(`Node ${process.versions.node} is too old to begin with; version 20 or later is needed.`);
	// This process lives as long as the program, whose jobs could read them here; and no install script is to see them.
	const secrets = takeSecrets();
	const args = process.argv.slice(2);
	overwrite(
		args.flatMap((arg, index) => (/^--(api-)?token$/.test(arg) ? (args[index + 1] ?? "") : (/^--(api-)?token=(.*)/.exec(arg)?.[2] ?? ""))),
	);
	installDependencies();
	buildAll();
	become(
		args[0] === "--script"
			? args.slice(1).map((arg, index) => (index === 0 ? path.join(root, arg) : arg))
			: [path.join(root, "dist/cli/main.js"), ...args],
		secrets,
	);
}
