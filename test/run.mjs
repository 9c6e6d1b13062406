// `npm test`: sets up what is missing, then runs every check. Plain JavaScript: it is what must run before anything is there.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildAll, installDependencies, pinnedNode } from "../cli/bootstrap.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => path.join(root, "node_modules/.bin", name);
const environment = {
	...process.env,
	PATH: `${path.dirname(pinnedNode)}${path.delimiter}${process.env.PATH}`,
	WRANGLER_SEND_METRICS: "false",
};
// Nor may what npm says of itself reach the commands that the tests start: they would take themselves for started by npm.
for (const name of Object.keys(environment)) if (/^(WINDLASS_|npm_|INIT_CWD$)/.test(name)) delete environment[name];

/** The browser of the page's tests, and what the tests run by name. Debian's own packages, where this may install them. */
const PROGRAMS = {
	chromium: "chromium",
	git: "git",
	"git-lfs": "git-lfs",
	curl: "curl",
	openssl: "openssl",
	python3: "python3",
	faketime: "faketime",
	"/usr/sbin/dockerd": "docker.io",
	docker: "docker.io",
	"docker-registry": "docker-registry",
	busybox: "busybox-static",
	"systemd-analyze": "systemd",
	"/usr/sbin/nginx": "nginx-light",
	caddy: "caddy",
};

function installPrograms() {
	const isThere = (program) => spawnSync("which", [program]).status === 0;
	const missing = Object.keys(PROGRAMS).filter((program) => !isThere(program));
	if (missing.length === 0) return;
	const mayInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
	if (!mayInstall) fail(`the tests need ${missing.join(", ")}; install them first`);
	console.log(`installing ${missing.join(", ")}…`);
	const packages = [...new Set(missing.map((program) => PROGRAMS[program]))];
	const options = { stdio: ["ignore", 2, 2], env: { ...environment, DEBIAN_FRONTEND: "noninteractive" } };
	spawnSync("apt-get", ["-qq", "update"], options);
	const result = spawnSync("apt-get", ["-qq", "install", "-y", "--no-install-recommends", ...packages], options);
	if (result.status !== 0) fail(`apt-get could not install ${packages.join(", ")}`);
}

function fail(sentence) {
	console.error(`test: ${sentence}`);
	process.exit(1);
}

function check(title, command, ...args) {
	const started = Date.now();
	console.log(`\n── ${title}`);
	const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env: environment });
	if (status !== 0) fail(`${title} failed`);
	console.log(`   ${title}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

installDependencies();
installPrograms();
buildAll();
check("types", bin("tsc"), "-p", "tsconfig.json");
check("types of the Worker", bin("tsc"), "-p", "worker/tsconfig.json");
check("types of its tests", bin("tsc"), "-p", "test/worker/tsconfig.json");
check("types of the browser scripts", bin("tsc"), "-p", "worker/ui/assets/tsconfig.json");
check("types of the simulation", bin("tsc"), "-p", "test/sim/tsconfig.json");
check("lint, format, import direction", bin("biome"), "check", ".");
check("dead code", bin("knip"));
check("deployable", bin("wrangler"), "deploy", "--dry-run", "--outdir", "dist/deployable");
check("unit tests, and tests inside workerd", bin("vitest"), "run", "--project", "unit", "--project", "worker");
check("simulation", bin("vitest"), "run", "--project", "sim");
check("end to end, and the page in a browser", bin("vitest"), "run", "--project", "faults", "--project", "e2e");
console.log("\nAll checks passed.");
