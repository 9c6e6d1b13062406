import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { ProjectRow } from "../../schema/database/tables.ts";
import { listNotices, putNotice, removeNotices } from "../../worker/catalog/notices.ts";
import { presentProject } from "../../worker/catalog/present.ts";
import { addProject, changeProject, findProject, isRepositoryOf, removeProject } from "../../worker/catalog/projects.ts";

const SETTINGS = {
	repository: null,
	default_branch: "main",
	credentials: null,
	config: null,
	hook_secret: null,
	forge: null,
	forge_api: null,
	forge_token: null,
	checkout_depth: null,
	checkout_tags: null,
	checkout_submodules: null,
	checkout_lfs: null,
	poll: null,
	status_context: "windlass",
	has_public_badges: 0,
	requires_pipeline: 0,
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

test("the former addresses of a repository are stored, once each and ten at most", async () => {
	const change = (repository: string | null) => changeProject(env.DB, "moving", "web", { repository });
	const project = () => findProject(env.DB, "moving", "web") as Promise<ProjectRow>;
	await addProject(env.DB, "moving", "web", SETTINGS);
	for (const repository of ["a", "b", "b", "a", null, "c"]) await change(repository);
	expect(JSON.parse((await project()).former_repositories)).toEqual(["a", "b"]);
	const known = await project();
	expect(["a", "b", "c", "d"].filter((address) => isRepositoryOf(known, address))).toEqual(["a", "b", "c"]);
	for (let count = 0; count < 20; count += 1) await change(`at ${count}`);
	await changeProject(env.DB, "moving", "web", { default_branch: "trunk" });
	expect(JSON.parse((await project()).former_repositories)).toEqual(Array.from({ length: 10 }, (_, index) => `at ${18 - index}`));
});

test("a project whose forge is reached by a guess, or not at all, names the setting", async () => {
	const noticesOf = async (name: string, settings: object) => {
		const forge = { forge: "gitea", forge_token: "token", hook_secret: "hook" } as const;
		const row = (await addProject(env.DB, "guessing", name, { ...SETTINGS, ...forge, ...settings })) as ProjectRow;
		return presentProject(row, "").notices;
	};
	const repository = "ssh://git@git.lan:2222/team/web.git";
	expect(await noticesOf("ssh", { repository })).toEqual([
		expect.stringMatching(
			/a guess: name the address \(forge_api\) with windlass projects edit ssh --forge-api https:\/\/git\.lan\/api\/v1$/,
		),
	]);
	expect(await noticesOf("known", { repository, forge_api: "https://git.lan/api/v1" })).toEqual([]);
	expect(await noticesOf("web", { repository: "https://git.lan/team/web.git" })).toEqual([]);
	expect(await noticesOf("local", { repository: "/srv/git/web.git" })).toEqual([
		"Commit statuses are not sent: the repository of the project is not on a forge (repository).",
	]);
});
