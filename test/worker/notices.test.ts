import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { listNotices, putNotice, removeNotices } from "../../worker/catalog/notices.ts";
import { addProject, removeProject } from "../../worker/catalog/projects.ts";

const SETTINGS = {
	repository: null,
	default_branch: "main",
	credentials: null,
	config: null,
	hook_secret: null,
	forge: null,
	forge_api: null,
	forge_token: null,
	status_context: "windlass",
	has_public_badges: 0,
	keep_runs: null,
	keep_logs: null,
	keep_artifacts: null,
};

test("a project has one notice of each kind until its cause is gone, or the project is", async () => {
	const add = () => addProject(env.DB, "notices", "web", SETTINGS);
	const list = () => listNotices(env.DB, "notices", "web");
	await putNotice(env.DB, "notices", "web", "renamed", "before there is a project");
	await add();
	expect(await list()).toEqual([]);
	await putNotice(env.DB, "notices", "web", "renamed", "first");
	await putNotice(env.DB, "notices", "web", "renamed", "x".repeat(2_000));
	await putNotice(env.DB, "notices", "web", "other", "second");
	expect((await list()).toSorted()).toEqual(["second", "x".repeat(1_000)]);
	await removeNotices(env.DB, "notices", "web", ["renamed", "never put"]);
	expect(await list()).toEqual(["second"]);
	await removeProject(env.DB, "notices", "web");
	await add();
	expect(await list()).toEqual([]);
});
