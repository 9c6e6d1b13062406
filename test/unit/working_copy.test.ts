import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { changedPaths } from "../../cli/working_copy.ts";
import { temporaryFolder } from "../support/processes.ts";

/** A repository with one commit on its main line. */
function repository(): { folder: string; git(...args: string[]): void } {
	const folder = temporaryFolder();
	const git = (...args: string[]) =>
		void execFileSync("git", ["-C", folder, "-c", "user.name=n", "-c", "user.email=e@x", ...args], { stdio: "pipe" });
	git("init", "-q", "-b", "main");
	writeFileSync(path.join(folder, "old"), "the same text, long enough to be known again\n");
	git("add", "-A");
	git("commit", "-qm", "first");
	return { folder, git };
}

test("a file that was renamed has changed under both of its names; what is new counts, too", async () => {
	const { folder, git } = repository();
	git("checkout", "-qb", "topic");
	renameSync(path.join(folder, "old"), path.join(folder, "renamed"));
	git("add", "-A");
	git("commit", "-qm", "renamed");
	writeFileSync(path.join(folder, "new"), "");
	expect((await changedPaths(folder))?.sort()).toEqual(["new", "old", "renamed"]);
});

test("where nothing has changed, it cannot be told what is meant", async () => {
	const { folder, git } = repository();
	expect(await changedPaths(folder)).toBeNull();
	git("checkout", "-qb", "topic");
	expect(await changedPaths(folder)).toBeNull();
});
