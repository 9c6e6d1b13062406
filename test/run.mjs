// `npm test`: sets up what is missing, then runs every check, or the parts that are named. Plain JavaScript: nothing is installed before it runs.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll, installDependencies, pinnedNode } from "../cli/bootstrap.mjs";
import { filesNeeding, PROGRAMS } from "./programs.mjs";

const PARTS = {
	types: "the type checks",
	lint: "lint, format, import direction, dead code, and whether it can be deployed",
	unit: "unit tests",
	worker: "tests inside workerd",
	sim: "the simulation",
	faults: "real processes that are killed, frozen and cut off",
	e2e: "end-to-end tests, the pages in a browser, and fuzzing",
};
const USAGE = `npm test [-- PART… | --changed [REV]] [--no-install] [--all]

Without a part every check runs. The parts:
${Object.entries(PARTS)
	.map(([name, what]) => `  ${name.padEnd(8)} ${what}`)
	.join("\n")}

  --changed [REV]  types, lint, and the tests that import a file changed since REV (HEAD without it)
  --no-install     install no programs; test files that need a missing program are left out
  --all            fail where a program is missing and cannot be installed`;

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => path.join(root, "node_modules/.bin", name);
const environment = {
	...process.env,
	PATH: `${path.dirname(pinnedNode)}${path.delimiter}${process.env.PATH}`,
	WRANGLER_SEND_METRICS: "false",
};
// The commands that tests start would take themselves for started by npm.
for (const name of Object.keys(environment)) if (/^(WINDLASS_|npm_|INIT_CWD$)/.test(name)) delete environment[name];

const { parts, changed, mayInstall, needsAll } = readArguments(process.argv.slice(2));
const isAsked = (part) => parts.length === 0 || parts.includes(part);

function readArguments(args) {
	const asked = { parts: [], changed: null, mayInstall: true, needsAll: false };
	for (let argument = args.shift(); argument !== undefined; argument = args.shift()) {
		if (Object.hasOwn(PARTS, argument)) asked.parts.push(argument);
		else if (argument === "--no-install") asked.mayInstall = false;
		else if (argument === "--all") asked.needsAll = true;
		else if (argument === "--changed") asked.changed = args[0] === undefined || isKnown(args[0]) ? "HEAD" : args.shift();
		else if (argument === "--help") {
			console.log(USAGE);
			process.exit(0);
		} else fail(`unknown argument ${argument}\n\n${USAGE}`, 2);
	}
	if (asked.changed !== null && asked.parts.length > 0) fail(`--changed goes with no part\n\n${USAGE}`, 2);
	return asked;
}

function isKnown(argument) {
	return argument.startsWith("--") || Object.hasOwn(PARTS, argument);
}

function fail(sentence, code = 1) {
	console.error(`test: ${sentence}`);
	process.exit(code);
}

/** Installs Debian's packages of missing programs where it may. @returns the test files that cannot run */
function setUpPrograms() {
	const areMissing = () => PROGRAMS.filter(({ name, files }) => areAsked(files) && spawnSync("which", [name]).status !== 0);
	let missing = areMissing();
	const canInstall = mayInstall && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
	if (missing.length > 0 && canInstall) {
		const packages = [...new Map(missing.map((program) => [program.package, program.use]))];
		console.log(`test: installing with apt-get what tests run: ${packages.map(([name, use]) => `${name} (${use})`).join(", ")}`);
		const options = { stdio: ["ignore", 2, 2], env: { ...environment, DEBIAN_FRONTEND: "noninteractive" } };
		spawnSync("apt-get", ["-qq", "update"], options);
		spawnSync("apt-get", ["-qq", "install", "-y", "--no-install-recommends", ...packages.map(([name]) => name)], options);
		missing = areMissing();
	}
	if (missing.length === 0) return [];
	const names = missing.map(({ name }) => path.basename(name)).join(", ");
	if (needsAll) fail(`these programs are missing: ${names}. Install them, or leave out --all.`);
	const files = filesNeeding(missing);
	console.log(`test: ${names} missing; without them these tests are left out: ${files.join(", ")}`);
	return files;
}

/** Whether any of these files is in a part that runs. */
function areAsked(files) {
	const parts = files.map((file) => (/chaos|program\.test/.test(file) ? "faults" : /\/unit\//.test(file) ? "unit" : "e2e"));
	return changed !== null || parts.some(isAsked);
}

/** Runs a check in the foreground. @returns whether it has passed */
function check(title, command, ...args) {
	console.log(`\n── ${title}`);
	return run(title, "inherit", command, args);
}

/** Runs a check beside others, and prints its output once it is over. */
function checkBeside(title, command, ...args) {
	return run(title, "pipe", command, args);
}

function run(title, output, command, args) {
	const started = Date.now();
	const child = spawn(command, args, { cwd: root, stdio: ["ignore", output, output], env: environment });
	const chunks = [];
	for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => chunks.push(chunk));
	return new Promise((resolve) => {
		child.once("close", (status) => {
			if (output === "pipe") process.stdout.write(`\n── ${title}\n${Buffer.concat(chunks)}`);
			console.log(`   ${title}: ${status === 0 ? "" : "failed after "}${((Date.now() - started) / 1000).toFixed(1)} s`);
			resolve(status === 0);
		});
	});
}

/** Checks that run at the same time; those that come after a failure are left out. */
async function together(...checks) {
	const results = await Promise.all(checks);
	if (results.includes(false)) fail("a check failed; see above");
}

/** Runs one after the other, up to the first that fails. */
async function inTurn(...checks) {
	for (const begin of checks) if (!(await begin())) return false;
	return true;
}

const TYPED = {
	types: "tsconfig.json",
	"types of the Worker": "worker/tsconfig.json",
	"types of its tests": "test/worker/tsconfig.json",
	"types of the browser scripts": "worker/ui/assets/tsconfig.json",
	"types of the simulation": "test/sim/tsconfig.json",
};

async function types() {
	if (!isAsked("types")) return true;
	return inTurn(
		...Object.entries(TYPED).map(
			([title, file]) =>
				() =>
					checkBeside(title, bin("tsc"), "-p", file),
		),
	);
}

async function lint() {
	if (!isAsked("lint")) return true;
	return inTurn(
		() => checkBeside("lint, format, import direction", bin("biome"), "check", "."),
		() => checkBeside("dead code", bin("knip")),
		() => checkBeside("deployable", bin("wrangler"), "deploy", "--dry-run", "--outdir", "dist/deployable"),
	);
}

const vitest = (...args) => [bin("vitest"), "run", ...args, ...leftOut.flatMap((file) => ["--exclude", file])];
const projects = (...names) => names.filter(isAsked).flatMap((name) => ["--project", name]);

installDependencies();
const leftOut = setUpPrograms();
buildAll();
await together(types(), lint());
if (changed !== null) {
	await together(check(`tests that import what has changed since ${changed}`, ...vitest("--changed", changed, "--passWithNoTests")));
} else {
	// What is frozen and killed is held to leases of ten seconds, and waits for most of its time: the others take what it leaves.
	const niced = (title, ...names) => {
		const chosen = projects(...names);
		return async () => chosen.length === 0 || check(title, "nice", "-n", "10", ...vitest(...chosen));
	};
	await together(
		!isAsked("faults") || checkBeside("processes that are killed, frozen and cut off", ...vitest("--project", "faults")),
		inTurn(
			niced("unit tests, and tests inside workerd", "unit", "worker"),
			niced("simulation", "sim"),
			niced("end to end, and the pages in a browser", "e2e"),
		),
	);
}
console.log(leftOut.length === 0 ? "\nAll checks passed." : "\nAll checks passed, but for the test files that were left out.");
