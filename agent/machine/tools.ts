import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import path from "node:path";

/** Which tools this machine has, and in which versions: what jobs may ask for with `runs_on: {tools: {node: ">=22"}}`. */

/** Tool → how it is asked for its version. One that is not on the PATH is not asked. */
const PROBES: Readonly<Record<string, readonly string[]>> = {
	ansible: ["ansible", "--version"],
	aws: ["aws", "--version"],
	bazel: ["bazel", "--version"],
	bun: ["bun", "--version"],
	cargo: ["cargo", "--version"],
	ccache: ["ccache", "--version"],
	clang: ["clang", "--version"],
	cmake: ["cmake", "--version"],
	codesign: ["sw_vers", "-productVersion"],
	curl: ["curl", "--version"],
	deno: ["deno", "--version"],
	docker: ["docker", "--version"],
	dotnet: ["dotnet", "--version"],
	gcc: ["gcc", "-dumpfullversion"],
	gh: ["gh", "--version"],
	git: ["git", "--version"],
	"git-lfs": ["git-lfs", "--version"],
	go: ["go", "version"],
	gradle: ["gradle", "--version"],
	helm: ["helm", "version", "--short"],
	iscc: ["iscc", "/?"],
	java: ["java", "-version"],
	jq: ["jq", "--version"],
	kubectl: ["kubectl", "version", "--client"],
	make: ["make", "--version"],
	maven: ["mvn", "--version"],
	meson: ["meson", "--version"],
	ninja: ["ninja", "--version"],
	node: ["node", "--version"],
	npm: ["npm", "--version"],
	perl: ["perl", "-e", "print substr($^V, 1)"],
	php: ["php", "--version"],
	pnpm: ["pnpm", "--version"],
	podman: ["podman", "--version"],
	python: ["python3", "--version"],
	ruby: ["ruby", "--version"],
	rust: ["rustc", "--version"],
	rsync: ["rsync", "--version"],
	sccache: ["sccache", "--version"],
	signtool: ["signtool", "/?"],
	swift: ["swift", "--version"],
	terraform: ["terraform", "version"],
	uv: ["uv", "--version"],
	wix: ["wix", "--version"],
	xcodebuild: ["xcodebuild", "-version"],
	yarn: ["yarn", "--version"],
	zig: ["zig", "version"],
};

const PROBE_MS = 2_000;
/** A tool that is there and does not say which. */
const UNKNOWN_VERSION = "unknown";

/**
 * Asks all tools at the same time; one that takes longer than two seconds is there, in an unknown version.
 * @param own further probes of whoever runs the agent: tool → command
 * @returns tool → version
 */
export async function findTools(own: Readonly<Record<string, string>>): Promise<Record<string, string>> {
	const known = Object.entries(PROBES).map(async ([tool, [command = "", ...args]]) =>
		(await isOnPath(command)) ? ([tool, versionIn(await output(command, args)) ?? UNKNOWN_VERSION] as const) : null,
	);
	// Of one's own probe the result counts: a command that fails says that the tool is not there.
	const further = Object.entries(own).map(async ([tool, command]) => {
		const answer = await output("sh", ["-c", command]);
		return answer === null ? null : ([tool, versionIn(answer) ?? UNKNOWN_VERSION] as const);
	});
	const found = (await Promise.all([...known, ...further])).filter((one) => one !== null);
	return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function isOnPath(command: string): Promise<boolean> {
	for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
		if (folder === "") continue;
		const isThere = await access(path.join(folder, command), constants.X_OK).then(
			() => true,
			() => false,
		);
		if (isThere) return true;
	}
	return false;
}

/** What a command says, on either of its outputs; null if it fails, or says nothing in time. */
function output(command: string, args: readonly string[]): Promise<string | null> {
	return new Promise((resolve) => {
		const options = { timeout: PROBE_MS, maxBuffer: 64 * 1024, killSignal: "SIGKILL" as const, cwd: "/" };
		const child = execFile(command, [...args], options, (error, stdout, stderr) => resolve(error ? null : `${stdout}\n${stderr}`));
		child.stdin?.end();
	});
}

/** The first thing in a text that looks like a version. */
function versionIn(text: string | null): string | null {
	return /\d+(?:\.\d+)+(?:[-+][0-9A-Za-z.-]+)?/.exec(text ?? "")?.[0].slice(0, 60) ?? /\d+/.exec(text ?? "")?.[0].slice(0, 20) ?? null;
}
