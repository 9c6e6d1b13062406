import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { AttemptFolders } from "../../agent/execution/attempt_folders.ts";
import { temporaryFolder } from "../support/processes.ts";

const PLAIN = { source: null, container: null, steps: [], finally: null };

describe("the folders of a job that has ended", () => {
	test("are left to the next job when nothing in them has changed", async () => {
		const jobs = temporaryFolder();
		const spare = temporaryFolder();
		const folders = new AttemptFolders(spare);
		const [first, second] = [path.join(jobs, "first"), path.join(jobs, "second")];
		folders.make(first, PLAIN);
		const { ino } = lstatSync(path.join(first, "workspace"));
		writeFileSync(path.join(first, "steps/0.sh"), "true");
		await folders.remove(first);
		folders.make(second, PLAIN);
		expect(lstatSync(path.join(second, "workspace")).ino).toBe(ino);
		expect(readdirSync(second, { recursive: true }).sort()).toEqual([
			"files",
			"files/env",
			"files/output",
			"files/path",
			"files/summary",
			"steps",
			"t",
			"workspace",
		]);
		await folders.remove(second);
		expect(readdirSync(jobs)).toEqual([]);
		await folders.close();
		expect(existsSync(spare)).toBe(false);
	});

	test.each<[string, (folder: string) => void]>([
		["a file", (folder) => writeFileSync(path.join(folder, "workspace/file"), "")],
		[
			"a file that is gone again",
			(folder) => {
				writeFileSync(path.join(folder, "workspace/file"), "");
				rmSync(path.join(folder, "workspace/file"));
			},
		],
		["permissions", (folder) => chmodSync(path.join(folder, "workspace"), 0o700)],
		["the permissions of the agent's folder", (folder) => chmodSync(path.join(folder, "steps"), 0o777)],
		["a temporary file", (folder) => writeFileSync(path.join(folder, "t/file"), "")],
		["an output", (folder) => writeFileSync(path.join(folder, "files/output"), "name=value")],
		["an output that is empty again", (folder) => writeFileSync(path.join(folder, "files/output"), "")],
		["a folder beside the workspace", (folder) => mkdirSync(path.join(folder, "home"))],
		["no workspace", (folder) => rmSync(path.join(folder, "workspace"), { recursive: true })],
	])("are removed after a change: %s", async (_, job) => {
		const jobs = temporaryFolder();
		const spare = temporaryFolder();
		const folders = new AttemptFolders(spare);
		const first = path.join(jobs, "first");
		folders.make(first, PLAIN);
		await wait(20);
		job(first);
		await folders.remove(first);
		expect([readdirSync(jobs), existsSync(spare)]).toEqual([[], false]);
	});

	test("are removed when the job had a source: it may be untrusted", async () => {
		const jobs = temporaryFolder();
		const spare = temporaryFolder();
		const folders = new AttemptFolders(spare);
		folders.make(path.join(jobs, "first"), { ...PLAIN, source: { upload: "src_1" } });
		await folders.remove(path.join(jobs, "first"));
		expect([readdirSync(jobs), existsSync(spare)]).toEqual([[], false]);
	});

	test("are not given to a job when somebody has changed them meanwhile", async () => {
		const jobs = temporaryFolder();
		const spare = temporaryFolder();
		const folders = new AttemptFolders(spare);
		folders.make(path.join(jobs, "first"), PLAIN);
		await folders.remove(path.join(jobs, "first"));
		const [kept = ""] = readdirSync(spare);
		await wait(20);
		writeFileSync(path.join(spare, kept, "workspace/file"), "");
		folders.make(path.join(jobs, "second"), PLAIN);
		expect(readdirSync(path.join(jobs, "second/workspace"))).toEqual([]);
		await folders.close();
	});
});
