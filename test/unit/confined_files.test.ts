import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ConfinedFolder } from "../../agent/files/confined_folder.ts";
import { walkFolder } from "../../agent/files/walk_folder.ts";
import { severalAtOnce } from "../../agent/results/concurrently.ts";
import { findFiles } from "../../agent/results/find_files.ts";
import { temporaryFolder } from "../support/processes.ts";

const SECRET = "the agent's secret";

/** A folder of a job, and beside it a folder with a secret. */
async function folders() {
	const base = temporaryFolder();
	const [inside, outside] = [path.join(base, "inside"), path.join(base, "outside")];
	mkdirSync(path.join(inside, "a/b"), { recursive: true });
	mkdirSync(outside);
	writeFileSync(path.join(inside, "a/b/file"), "of the job");
	writeFileSync(path.join(outside, "file"), SECRET);
	const folder = await ConfinedFolder.open(inside, "/workspace");
	onTestFinished(() => folder.close());
	return { base, inside, outside, folder };
}

async function textOf(folder: ConfinedFolder, name: string): Promise<string> {
	return (await folder.read(name, 1_000)).toString();
}

/** How many handles this process has on what lies in a folder. */
function handlesIn(folder: string): number {
	const targets = readdirSync("/proc/self/fd").map((handle) => {
		try {
			return readlinkSync(`/proc/self/fd/${handle}`);
		} catch {
			return "";
		}
	});
	return targets.filter((target) => target.startsWith(folder)).length;
}

describe("a file that the agent opens for a job", () => {
	test("is found by its path, through links that stay inside, and by the path that a container has", async () => {
		const { inside, folder } = await folders();
		symlinkSync("b/file", path.join(inside, "a/near"));
		symlinkSync("../a/b", path.join(inside, "a/around"));
		symlinkSync(path.join(inside, "a"), path.join(inside, "absolute"));
		symlinkSync("/workspace/a/b", path.join(inside, "contained"));
		for (const name of ["a/b/file", "./a//b/file", "a/b/../b/file", "a/near", "a/around/file", "absolute/b/file", "contained/file"])
			expect([name, await textOf(folder, name)]).toEqual([name, "of the job"]);
		const contained = await folder.folder("contained");
		expect(contained.inside).toBe("a/b");
		await contained.close();
	});

	test.each<[string, (at: { inside: string; outside: string }) => void, string, RegExp]>([
		["a link out", ({ inside, outside }) => symlinkSync(path.join(outside, "file"), path.join(inside, "x")), "x", /leads out/],
		["a folder that is one", ({ inside, outside }) => symlinkSync(outside, path.join(inside, "x")), "x/file", /leads out/],
		["a link that climbs", ({ inside }) => symlinkSync("../../outside/file", path.join(inside, "a/x")), "a/x", /leads out/],
		[
			"a link that climbs behind a link",
			({ inside }) => symlinkSync("b/../../..", path.join(inside, "a/x")),
			"a/x/outside/file",
			/leads out/,
		],
		["a path that climbs", () => undefined, "../outside/file", /leads out/],
		["a link to itself", ({ inside }) => symlinkSync("x", path.join(inside, "x")), "x", /more than 40 links/],
		["a link to a device", ({ inside }) => symlinkSync("/dev/zero", path.join(inside, "x")), "x", /leads out/],
		["a FIFO", ({ inside }) => void execFileSync("mkfifo", [path.join(inside, "x")]), "x", /not a regular file/],
		["a folder", ({ inside }) => void mkdirSync(path.join(inside, "x")), "x", /is a folder/],
		["a file that is too large", ({ inside }) => writeFileSync(path.join(inside, "x"), "y".repeat(1_001)), "x", /more than 1000 bytes/],
		["nothing", () => undefined, "x", /does not exist/],
		["what lies below a file", () => undefined, "a/b/file/x", /does not exist/],
		["a name with a NUL", () => undefined, "a\0b", /does not exist/],
	])("is not %s", async (_, make, name, message) => {
		const { inside, outside, folder } = await folders();
		make({ inside, outside });
		await expect(folder.read(name, 1_000)).rejects.toThrow(message);
		// The folder itself.
		expect(handlesIn(inside)).toBe(1);
	});

	test("is not a device that a job has made", async () => {
		const { inside, folder } = await folders();
		if (process.getuid?.() !== 0) return;
		execFileSync("mknod", [path.join(inside, "x"), "c", "1", "5"]);
		await expect(folder.read("x", 1_000)).rejects.toThrow(/not a regular file/);
	});

	test("is in the folder that was opened, wherever a path leads meanwhile", async () => {
		const { inside, outside, folder } = await folders();
		const opened = await folder.folder("a/b");
		onTestFinished(() => opened.close());
		renameSync(path.join(inside, "a"), path.join(inside, "moved"));
		symlinkSync(outside, path.join(inside, "a"));
		mkdirSync(path.join(outside, "b"));
		expect(await textOf(opened, "file")).toBe("of the job");
		await expect(folder.read("a/file", 1_000)).rejects.toThrow(/leads out/);
		const cwd = execFileSync("cat", ["file"], { cwd: opened.place, encoding: "utf8" });
		expect(cwd).toBe("of the job");
	});

	test("is never another one while its folder is swapped for a link, thousands of times", async () => {
		const { inside, outside, folder } = await folders();
		writeFileSync(path.join(inside, "a/file"), "of the job");
		const swap = `cd '${inside}'; ln -s '${outside}' link; while :; do mv -T a kept; mv -T link a; mv -T a link; mv -T kept a; done`;
		const swapper = spawn("sh", ["-c", swap], { stdio: "ignore", detached: true });
		onTestFinished(() => void process.kill(-(swapper.pid as number), "SIGKILL"));
		const seen = new Set<string>();
		const note = (text: string) => void seen.add(text);
		const until = Date.now() + 2_000;
		for (let round = 0; round < 3_000 && Date.now() < until; round += 1) {
			await folder.read("a/file", 1_000).then(
				(bytes) => note(bytes.toString()),
				(error) => note(error.problem),
			);
			for await (const { kind, name, parent } of walkFolder(folder))
				if (kind === "file" && name === "file") await textOf(parent, name).then(note, () => undefined);
		}
		expect([...seen].sort()).toEqual(expect.arrayContaining(["of the job", "outside"]));
		expect([...seen].filter((one) => !["of the job", "outside", "absent"].includes(one))).toEqual([]);
	});

	test("is written in place of one that is there, and through no link", async () => {
		const { inside, outside, folder } = await folders();
		symlinkSync(path.join(outside, "file"), path.join(inside, "link"));
		symlinkSync("a", path.join(inside, "folder"));
		await expect(folder.replace("link")).rejects.toThrow(/symbolic link/);
		await expect(folder.replace("folder/b/file")).rejects.toThrow(/symbolic link/);
		const file = await folder.replace("a/b/file");
		await file.writeFile("new");
		await file.close();
		expect(await textOf(folder, "a/b/file")).toBe("new");
		await expect(folder.makeFolder("folder/x")).rejects.toThrow(/folder exists and is not a folder/);
		await (await folder.makeFolder("a/c/d")).close();
		expect(await folder.kindOf("a/c/d")).toBe("folder");
	});
});

test("files are found by patterns; links out are named and not looked at, and no handle stays open", async () => {
	const { inside, outside, folder } = await folders();
	symlinkSync(outside, path.join(inside, "out"));
	symlinkSync("a/b/file", path.join(inside, "in"));
	symlinkSync("a", path.join(inside, "folder"));
	symlinkSync("nothing", path.join(inside, "broken"));
	execFileSync("mkfifo", [path.join(inside, "a/fifo")]);
	writeFileSync(path.join(inside, "a/.hidden"), "x");
	const everything = { files: ["a/.hidden", "a/b/file", "in", "out"], links: ["broken", "folder"], unreadable: [] };
	expect(await findFiles(folder, ["."])).toEqual(everything);
	expect(await findFiles(folder, ["a/**", "!a/b", "./a/"])).toEqual({ files: ["a/.hidden"], links: [], unreadable: [] });
	expect(await findFiles(folder, ["folder/b/*", "out/*", "nothing/*", "a/b/file"])).toEqual({
		files: ["a/b/file", "folder/b/file"],
		links: [],
		unreadable: [{ shown: "out", why: "leads out of its folder" }],
	});
	// The folder itself.
	expect(handlesIn(inside)).toBe(1);
});

test("folders that are nested too deep are left out, and keep no other file back", async () => {
	const { inside, folder } = await folders();
	execFileSync("sh", ["-c", `cd '${inside}'; for n in $(seq 300); do mkdir d; cd d; done`]);
	const { files, unreadable } = await findFiles(folder, ["**"]);
	expect(files).toEqual(["a/b/file"]);
	expect(unreadable.map(({ why }) => why)).toEqual(["is nested more than 256 folders deep"]);
	// Where nothing can be named, nothing is looked into.
	expect((await findFiles(folder, ["*/b/*"])).unreadable).toEqual([]);
	await expect(folder.read(`${"d/".repeat(290)}x`, 1)).rejects.toThrow(/nested more than 256 folders deep/);
	rmSync(path.join(inside, "d"), { recursive: true });
});

test("a folder that was closed opens nothing more: its number may be that of another one by then", async () => {
	const { inside, outside } = await folders();
	const closed = await ConfinedFolder.open(inside);
	await closed.close();
	const other = await ConfinedFolder.open(outside);
	onTestFinished(() => other.close());
	for (const use of [() => closed.makeFolder("sub"), () => closed.read("a/b/file", 10), () => closed.entries(), () => closed.folder("a")])
		await expect(use()).rejects.toThrow("is used after it was closed");
	expect(readdirSync(outside)).toEqual(["file"]);
});

test("work on several files ends as a whole: after a failure nothing is begun, and what was under way is waited for", async () => {
	const slow = Promise.withResolvers<void>();
	const events: string[] = [];
	const all = severalAtOnce(["fails", "slow", "never"], 2, async (item) => {
		events.push(item);
		if (item === "fails") throw new Error("it failed");
		await slow.promise;
		events.push(`${item} is done`);
	});
	const settled = all.catch((error) => events.push(error.message));
	await new Promise((resolve) => setImmediate(resolve));
	expect(events).toEqual(["fails", "slow"]);
	slow.resolve();
	await settled;
	expect(events).toEqual(["fails", "slow", "slow is done", "it failed"]);
});

test("a pattern with many stars is matched against long names in no time", async () => {
	const { inside, folder } = await folders();
	writeFileSync(path.join(inside, "a".repeat(250)), "");
	expect(await findFiles(folder, [`${"*a".repeat(12)}b`])).toEqual({ files: [], links: [], unreadable: [] });
	expect((await findFiles(folder, [`${"*a".repeat(12)}*`])).files).toEqual(["a".repeat(250)]);
});

test("a name that is not UTF-8 is left out by its bytes, in a folder of such a name as well, and keeps no other file back", async () => {
	const { inside, folder } = await folders();
	const made = (name: Buffer) => writeFileSync(Buffer.concat([Buffer.from(`${inside}/`), name]), "x");
	mkdirSync(Buffer.concat([Buffer.from(`${inside}/d`), Buffer.from([0xff])]));
	made(Buffer.from("caf\xe9\n.txt", "latin1"));
	made(Buffer.concat([Buffer.from("d"), Buffer.from([0xff]), Buffer.from("/x.txt")]));
	// This one is UTF-8: it has the very character that stands for what is none.
	made(Buffer.from("odd\uFFFD.txt"));
	const why = "has a name that is not UTF-8";
	expect(await findFiles(folder, ["**"])).toEqual({
		files: ["a/b/file", "odd\uFFFD.txt"],
		links: [],
		unreadable: [
			{ shown: '"caf\\xe9\\n.txt"', why },
			{ shown: '"d\\xff/x.txt"', why },
		],
	});
	expect((await findFiles(folder, ["*/*.txt"])).unreadable).toEqual([{ shown: '"d\\xff/x.txt"', why }]);
	expect((await findFiles(folder, ["a/**", "*.js", "!*.txt"])).unreadable).toEqual([]);
	expect(handlesIn(inside)).toBe(1);
});
