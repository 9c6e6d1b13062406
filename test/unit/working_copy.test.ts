import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { repositoryOf } from "../../cli/clone.ts";
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

test("without changes, it is unknown what is meant", async () => {
	const { folder, git } = repository();
	expect(await changedPaths(folder)).toBeNull();
	git("checkout", "-qb", "topic");
	expect(await changedPaths(folder)).toBeNull();
});

test("addresses of one repository are known as one, whatever the way to it", () => {
	const ways = [
		"https://git.test/Team/web.git",
		"https://ci:token@GIT.TEST/Team/web/",
		"git@git.test:Team/web.git",
		"git.test:Team/web",
		"ssh://git@git.test:2222/Team/web.git/",
		"git+ssh://git.test/Team/web",
	];
	expect(new Set(ways.map(repositoryOf))).toEqual(new Set(["git.test/Team/web"]));
	for (const other of ["https://git.test/team/web", "https://other.test/Team/web", "/Team/web", "file:///Team/web"])
		expect(repositoryOf(other)).not.toBe("git.test/Team/web");
	expect(repositoryOf("/srv/web.git")).toBe(repositoryOf("file:///srv/web"));
});
