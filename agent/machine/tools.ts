import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import path from "node:path";

/**
 * Tool → the command that prints its version. Jobs ask for tools with `runs_on: {tools: {node:
 * ">=22"}}`.
 */
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
/** The version of a tool that does not print one. */
const UNKNOWN_VERSION = "unknown";

/**
 * Finds the tools of this machine and their versions. A tool that takes longer than two seconds has
 * an unknown version.
 * @param own the probes of the agent's options: tool → command
 * @returns tool → version
 */
export async function findTools(own: Readonly<Record<string, string>>): Promise<Record<string, string>> {
	const known = Object.entries(PROBES).map(async ([tool, [command = "", ...args]]) =>
		(await isOnPath(command)) ? ([tool, versionIn(await output(command, args)) ?? UNKNOWN_VERSION] as const) : null,
	);
	// A probe of the options that fails says that the tool is missing.
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

/** What a command prints on both outputs; null if it fails, or takes too long. */
function output(command: string, args: readonly string[]): Promise<string | null> {
	return new Promise((resolve) => {
		const options = { timeout: PROBE_MS, maxBuffer: 64 * 1024, killSignal: "SIGKILL" as const, cwd: "/" };
		const child = execFile(command, [...args], options, (error, stdout, stderr) => resolve(error ? null : `${stdout}\n${stderr}`));
		child.stdin?.end();
	});
}

/** The first version number in a text. */
function versionIn(text: string | null): string | null {
	return /\d+(?:\.\d+)+(?:[-+][0-9A-Za-z.-]+)?/.exec(text ?? "")?.[0].slice(0, 60) ?? /\d+/.exec(text ?? "")?.[0].slice(0, 20) ?? null;
}
