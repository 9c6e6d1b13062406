import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { unpackTar } from "modern-tar";
import { describe, expect, onTestFinished, test } from "vitest";
import { packBuildContext } from "../../agent/execution/containers/build_context.ts";
import { DockerIgnore } from "../../agent/execution/containers/docker_ignore.ts";
import { ConfinedFolder } from "../../agent/files/confined_folder.ts";
import { temporaryFolder } from "../support/processes.ts";

/** Packs a context of a workspace with these files. */
async function packed(
	files: Record<string, string>,
	context: string,
	dockerfile: string | null,
	make: (root: string) => void = () => undefined,
) {
	const root = temporaryFolder();
	for (const [name, text] of Object.entries(files)) {
		mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
		writeFileSync(path.join(root, name), text);
	}
	make(root);
	const workspace = await ConfinedFolder.open(root, "/workspace");
	onTestFinished(() => workspace.close());
	const folder = await workspace.folder(context);
	onTestFinished(() => folder.close());
	const sent = await packBuildContext(workspace, folder, dockerfile);
	const archive = await buffer(sent.archive);
	await sent.done;
	const entries = await unpackTar(archive);
	const contents = entries.map(({ header, data }): [string, string] => [header.name, header.linkname || new TextDecoder().decode(data)]);
	return { ...sent, error: sent.error, entries, contents: Object.fromEntries(contents) };
}

describe("a build's context", () => {
	test("has the files of the folder, their modes, and links as links", async () => {
		const name = `${"long-".repeat(30)}ünï.txt`;
		const { dockerfile, entries, contents, leftOut } = await packed(
			{ Dockerfile: "FROM a", "app/run.sh": "go", "app/empty": "", [`app/${name}`]: "x" },
			".",
			null,
			(root) => {
				execFileSync("chmod", ["755", path.join(root, "app/run.sh")]);
				symlinkSync("/etc/passwd", path.join(root, "app/out"));
				symlinkSync("app", path.join(root, "link"));
				execFileSync("mkfifo", [path.join(root, "app/fifo")]);
			},
		);
		expect(dockerfile).toBe("Dockerfile");
		expect(contents).toEqual({
			Dockerfile: "FROM a",
			"app/": "",
			"app/run.sh": "go",
			"app/empty": "",
			[`app/${name}`]: "x",
			"app/out": "/etc/passwd",
			link: "app",
		});
		expect(entries.find(({ header }) => header.name === "app/run.sh")?.header).toMatchObject({ mode: 0o755, uid: 0, gid: 0 });
		expect(leftOut).toEqual(["app/fifo"]);
	});

	test("finds a dockerfile in small letters, sends one with a long name under a short one, and takes files of any age", async () => {
		const small = await packed({ dockerfile: "FROM a" }, ".", null, () => undefined);
		expect([small.dockerfile, small.contents]).toEqual(["dockerfile", { dockerfile: "FROM a" }]);
		const old = await packed({ Dockerfile: "FROM a", old: "x" }, ".", null, (root) =>
			execFileSync("touch", ["--date", "1969-12-01T00:00Z", path.join(root, "old")]),
		);
		expect(old.entries.find(({ header }) => header.name === "old")?.header.mtime).toEqual(new Date(0));
		const name = `${"folder/".repeat(20)}Dockerfile`;
		const long = await packed({ [name]: "FROM a" }, ".", name, () => undefined);
		expect(long.dockerfile).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/);
		expect(long.contents[long.dockerfile]).toBe("FROM a");
	});

	test("is a part of the workspace; its Dockerfile may lie elsewhere in it, or be a link to where it is", async () => {
		const files = { "c/a": "1", "c/.dockerignore": "b", "c/b": "2", "docker/Dockerfile": "FROM outside", other: "3" };
		const outside = await packed(files, "c", "docker/Dockerfile");
		const name = `.dockerfile.${createHash("sha256").update("FROM outside").digest("hex").slice(0, 20)}`;
		expect([outside.dockerfile, outside.contents]).toEqual([
			name,
			{ [name]: "FROM outside", ".dockerignore": `b\n.dockerignore\n${name}\n`, a: "1" },
		]);
		const inside = await packed({ "c/d/Dockerfile": "FROM inside" }, "c", "c/d/Dockerfile");
		expect([inside.dockerfile, inside.contents]).toEqual(["d/Dockerfile", { "d/Dockerfile": "FROM inside", "d/": "" }]);
		const linked = await packed({ "c/x": "1", "Dockerfile.real": "FROM real" }, "c", null, (root) =>
			symlinkSync("../Dockerfile.real", path.join(root, "c/Dockerfile")),
		);
		expect([linked.contents[linked.dockerfile], linked.contents.Dockerfile]).toEqual(["FROM real", "../Dockerfile.real"]);
	});

	test("leaves out what .dockerignore names; that of the Dockerfile goes first", async () => {
		const files = {
			Dockerfile: "FROM a",
			".dockerignore": "**\n!src\nsrc/**/*.log\n",
			"src/a": "1",
			"src/deep/b.log": "2",
			"src/deep/c": "3",
			x: "4",
		};
		expect(Object.keys((await packed(files, ".", null)).contents)).toEqual([
			"Dockerfile",
			".dockerignore",
			"src/",
			"src/a",
			"src/deep/",
			"src/deep/c",
		]);
		const own = await packed({ ...files, "Dockerfile.dockerignore": "src\n" }, ".", "Dockerfile");
		expect(Object.keys(own.contents)).toEqual(["Dockerfile", ".dockerignore", "Dockerfile.dockerignore", "x"]);
	});

	test.each<[string, (root: string) => void, string | null, RegExp]>([
		["no Dockerfile", () => undefined, null, /Dockerfile does not exist/],
		["one that is a link out", (root) => symlinkSync("/etc/passwd", path.join(root, "D")), "D", /leads out/],
		["one that is a FIFO", (root) => void execFileSync("mkfifo", [path.join(root, "D")]), "D", /not a regular file/],
		[
			"one that is endless",
			(root) => {
				writeFileSync(path.join(root, "D"), "");
				truncateSync(path.join(root, "D"), 1024 ** 4);
			},
			"D",
			/more than 4 MiB/,
		],
		[
			"an ignore file that is a link out",
			(root) => symlinkSync("/dev/zero", path.join(root, ".dockerignore")),
			"Dockerfile.ok",
			/leads out/,
		],
	])("with %s is rejected", async (_, make, dockerfile, message) => {
		await expect(packed({ "Dockerfile.ok": "FROM a" }, ".", dockerfile, make)).rejects.toThrow(message);
	});

	test("that nobody reads to its end releases every file", async () => {
		const root = temporaryFolder();
		writeFileSync(path.join(root, "Dockerfile"), "FROM a");
		writeFileSync(path.join(root, "large"), "");
		truncateSync(path.join(root, "large"), 64 * 1024 * 1024 * 1024);
		const workspace = await ConfinedFolder.open(root);
		const folder = await workspace.folder("");
		const { archive, done, ...sent } = await packBuildContext(workspace, folder, null);
		await new Promise((resolve) => archive.once("readable", resolve));
		archive.destroy();
		await done;
		expect(sent.error).toBeNull();
		await Promise.all([folder.close(), workspace.close()]);
	});
});

describe(".dockerignore", () => {
	// As Docker itself judges them: https://github.com/moby/patternmatcher
	test.each<[string, string[], string[]]>([
		["a", ["a", "a/b", "a/b/c"], ["b/a", "ab"]],
		["/a/", ["a", "a/b"], ["b/a"]],
		["*/temp*", ["x/temp", "x/temporary", "x/temp/y"], ["temp", "x/y/temp"]],
		["**/*.go", ["x.go", "a/b/x.go"], ["x.goo"]],
		["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["b", "x/a/b"]],
		["a/**", ["a/x", "a/x/y"], ["b"]],
		["temp?", ["tempa", "tempb/x"], ["temp", "tempab"]],
		["[a-c].txt", ["a.txt", "c.txt"], ["d.txt"]],
		["[^a].txt", ["b.txt"], ["a.txt"]],
		["a+b.(c){d}|e$", ["a+b.(c){d}|e$"], ["aab.cd"]],
		["\\d\\*", ["d*"], ["1*", "dx"]],
		["a/../b/./c", ["b/c"], ["a", "b"]],
		["# a\n#b\n\n  c  \n", ["c"], ["# a", "b"]],
		["*.md\n!README.md", ["x.md"], ["README.md", "a/x.md"]],
		["*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md"]],
		["a\n!a/keep", ["a", "a/x"], ["a/keep", "a/keep/y"]],
		["\uFEFFa\r\nb", ["a", "b"], ["c"]],
	])("%j", (text, ignored, sent) => {
		const rules = new DockerIgnore(text, ".dockerignore");
		expect(ignored.filter((name) => !rules.isIgnored(name))).toEqual([]);
		expect(sent.filter((name) => rules.isIgnored(name))).toEqual([]);
	});

	test("looks into an excluded folder only where something of it may be taken back", () => {
		const rules = new DockerIgnore("*\n!src/app\n!other", ".dockerignore");
		expect(["src", "src/app", "other"].filter((folder) => rules.isEntered(folder))).toEqual(["src", "src/app", "other"]);
		expect(["node_modules", "src/lib"].filter((folder) => rules.isEntered(folder))).toEqual([]);
		expect(new DockerIgnore("*\n!**/keep", ".dockerignore").isEntered("x")).toBe(true);
	});

	test("names what is no pattern, and takes no more than it can match in time", () => {
		expect(() => new DockerIgnore("a\n[b-a]", ".dockerignore")).toThrow('.dockerignore: "[b-a]" is not a valid pattern.');
		expect(() => new DockerIgnore(`a\n${"a.".repeat(32_000)}`, ".dockerignore")).toThrow(
			".dockerignore: pattern 2 has more than 1000 characters.",
		);
		expect(() => new DockerIgnore("a\n".repeat(3_000), ".dockerignore")).toThrow(/3000 patterns; a file can have 2000/);
		const worst = new DockerIgnore(`${"**/".repeat(300)}x\n`.repeat(70), ".dockerignore");
		const began = performance.now();
		expect(worst.isIgnored(`${"a/".repeat(250)}b`)).toBe(false);
		expect(performance.now() - began).toBeLessThan(10_000);
	});
});
