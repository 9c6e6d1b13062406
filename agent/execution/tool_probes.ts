/**
 * Tool → the command that prints its version. Jobs ask for tools with `runs_on: {tools: {node:
 * ">=22"}}`.
 */
export const PROBES: Readonly<Record<string, readonly string[]>> = {
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

/** The command that prints the version of a tool. */
export function probeOf(tool: string): readonly string[] {
	return Object.hasOwn(PROBES, tool) ? (PROBES[tool] ?? []) : [tool, "--version"];
}

/** The version of a tool that does not print one. */
export const UNKNOWN_VERSION = "unknown";

/** The first version number in a text. */
export function versionIn(text: string | null): string | null {
	return /\d+(?:\.\d+)+(?:[-+][0-9A-Za-z.-]+)?/.exec(text ?? "")?.[0].slice(0, 60) ?? /\d+/.exec(text ?? "")?.[0].slice(0, 20) ?? null;
}
