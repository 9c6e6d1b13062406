import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import type { ProjectRow, RunRow } from "../../schema/database/tables.ts";
import type { Discovery } from "../../schema/pipeline/resolve/resolved.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import { type DiscoveryOfRun, discoveredRuns, discoveryNotices } from "../../worker/discovery/discovered_runs.ts";
import { signLease } from "../../worker/identity/lease_token.ts";
import worker from "../../worker/index.ts";
import { deleteNotices, listNotices, putNotice } from "../../worker/projects/notices_store.ts";
import { presentProject } from "../../worker/projects/present.ts";
import { editProject } from "../../worker/projects/service.ts";
import { addProject, changeProject, deleteProjectRecord, findProject, isRepositoryOf } from "../../worker/record/projects.ts";
import { recordDelivery, recordOutcome } from "../../worker/webhooks/store.ts";

const SETTINGS = {
	repository: null,
	default_branch: "main",
	credentials: null,
	config: null,
	hook_secret: null,
	forge: null,
	forge_api: null,
	forge_token: null,
	forge_app: null,
	checkout_depth: null,
	checkout_tags: null,
	checkout_submodules: null,
	checkout_lfs: null,
	checkout_filter: null,
	warm_mirrors: null,
	poll: null,
	status_context: "windlass",
	has_public_badges: 0,
	requires_pipeline: 0,
	includable_by: null,
	trusted_authors: null,
	fork_approvers: null,
	is_public: 0,
	keep_runs: null,
	keep_logs: null,
	keep_artifacts: null,
	cache_quota: null,
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
	await deleteNotices(env.DB, "notices", "web", ["renamed", "never put"]);
	expect(await list()).toEqual(["second"]);
	await deleteProjectRecord(env.DB, "notices", "web");
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
		expect.stringMatching(/a guess\. Confirm or correct it: windlass projects edit ssh --forge-api https:\/\/git\.lan\/api\/v1$/),
	]);
	expect(await noticesOf("known", { repository, forge_api: "https://git.lan/api/v1" })).toEqual([]);
	expect(await noticesOf("web", { repository: "https://git.lan/team/web.git" })).toEqual([]);
	// A project that polls needs no hook.
	const polling = { repository: "https://git.lan/team/web.git", hook_secret: null };
	expect(await noticesOf("closed", polling)).toEqual([expect.stringContaining("Its hook is closed")]);
	expect(await noticesOf("polling", { ...polling, poll: "5m" })).toEqual([]);
	expect(await noticesOf("local", { repository: "/srv/git/web.git" })).toEqual([
		"Commit statuses are not sent: the address of the repository names no host. Correct the setting repository.",
	]);
});

test("a notice is out of date when the value of a setting of its own changes; a form that sends the same values changes nothing", async () => {
	const known = { forge: "gitea", forge_token: "token", repository: "https://git.lan/team/web.git" } as const;
	await addProject(env.DB, "edited", "web", { ...SETTINGS, ...known });
	const asked: string[] = [];
	const queue = new Proxy(
		{},
		{
			get: (_, method: string) => async () => {
				asked.push(method);
				return method === "readComparisons" ? [] : undefined;
			},
		},
	);
	const edit = (change: object) =>
		editProject(
			{
				params: { name: "web" },
				environment: { ...env, DISPATCHER: { getByName: () => queue } },
				principal: { kind: "user", team: "edited", token: { id: "tok_1", name: "admin" } },
				requestId: "1",
				noted: {},
				baseUrl: "",
			} as never,
			change as never,
		);
	const kinds = ["default_branch", "no_pipeline", "statuses"];
	const put = async () => {
		for (const kind of kinds) await putNotice(env.DB, "edited", "web", kind, kind);
	};
	await put();
	await edit({ ...known, forge_api: null, default_branch: "main", config: null, status_context: "windlass", keep_logs: "3d" });
	expect((await listNotices(env.DB, "edited", "web")).toSorted()).toEqual(kinds);
	expect(asked).not.toContain("retryStatuses");
	await edit({ config: "ci.yml" });
	expect((await listNotices(env.DB, "edited", "web")).toSorted()).toEqual(["default_branch", "statuses"]);
	for (const change of [
		{ forge_token: "other" },
		{ forge_api: "https://git.lan/api/v1" },
		{ repository: "https://git.lan/a/b" },
		{ forge: null },
	]) {
		await put();
		await edit(change);
		expect(await listNotices(env.DB, "edited", "web")).not.toContain("statuses");
	}
	expect(asked.filter((method) => method === "retryStatuses")).toHaveLength(4);
});

/** A D1 of which every question fails. */
const FAILING = {
	prepare: () => {
		throw new Error("D1_ERROR: the database is locked");
	},
};

async function askForLease(path: string, queue: object, body: object, changes: object = {}) {
	const claims = { attemptId: "att_1", leaseId: "l", jobId: "job_1", agentId: "agt_01J00000000000000000000000", team: "edited", shard: 0 };
	const text = JSON.stringify(body);
	const request = new Request(`http://windlass.test/api/v1/attempts/att_1/${path}`, {
		method: "POST",
		headers: {
			Authorization: `Bearer ${await signLease(env, claims)}`,
			"Content-Type": "application/json",
			"Content-Length": String(text.length),
		},
		body: text,
	});
	const DISPATCHER = { getByName: () => queue };
	return worker.fetch(request as never, { ...env, DISPATCHER, ...changes } as never);
}
const FINISHED = {
	state: "succeeded",
	exit_code: 0,
	reason: null,
	log: { bytes: 0, sha256: null, incomplete: false },
	steps: [],
	artifacts: [],
	discovery: { files: [], changed: null, base: null, included: [] },
};
const discovery = (delivery: string | null, run: string) => ({
	ok: true,
	value: {
		discovery: {
			trigger: { kind: "push", ref: "refs/heads/main", branch: "main", tag: null },
			work: { config: null },
			file: null,
			requires_pipeline: false,
		},
		run: { id: run, project: "web", commit_sha: "a".repeat(40), is_trusted: 1, trigger_delivery: delivery },
	},
});

test("the result of a discovery job is taken while D1 fails; its notices are of the newest delivery of a ref", async () => {
	const logged = vi.spyOn(console, "warn").mockImplementation(() => undefined);
	const queue = (delivery: string | null, run = "run_1") => ({
		discoveryOf: async () => discovery(delivery, run),
		finish: async () => ({ ok: true, value: "succeeded" }),
	});
	// Requests are taken once the database is known to be migrated.
	expect((await askForLease("finish", queue(null), FINISHED)).status).toBe(200);
	const answer = await askForLease("finish", queue("dlv_1"), FINISHED, { DB: FAILING });
	expect([answer.status, await answer.json()]).toEqual([200, { attempt_state: "succeeded" }]);
	logged.mockRestore();
	await deleteNotices(env.DB, "edited", "web", ["default_branch", "no_pipeline", "statuses"]);
	const { row } = await recordDelivery(env.DB, {
		team: "edited",
		project: "web",
		forge: "gitea",
		delivery: "newer",
		event: "push",
		outcome: "accepted",
		reason: "",
		trigger: JSON.stringify({ ref: "refs/heads/main" }),
		repository: null,
		body_digest: null,
	});
	await recordOutcome(env.DB, row.id, { outcome: "accepted", reason: "", runId: "run_2" });
	await askForLease("finish", queue("dlv_00000000000000000000000000"), FINISHED);
	expect(await listNotices(env.DB, "edited", "web")).toEqual([]);
	// A newer delivery may have the same discovery job.
	for (const own of [queue(row.id), queue("dlv_00000000000000000000000000", "run_2")]) {
		await askForLease("finish", own, FINISHED);
		expect(await listNotices(env.DB, "edited", "web")).toEqual([expect.stringContaining("No pipeline ran")]);
		await deleteNotices(env.DB, "edited", "web", ["no_pipeline"]);
	}
});

test("a job of a repository that needs no credentials starts while D1 fails; one that may need them does not", async () => {
	const logged = [vi.spyOn(console, "warn"), vi.spyOn(console, "error")];
	for (const spy of logged) spy.mockImplementation(() => undefined);
	const started = (source_git: string) => ({
		start: async () => ({
			ok: true,
			value: {
				attempt: { id: "att_1", number: 1, deadline: 0 },
				job: { id: "job_1", key: "a", name: "a" },
				run: { id: "run_1", number: 1, project: "web", is_trusted: 1, source_git, source_upload: null },
				definition: { secrets: {}, artifacts: { save: [], entries: [], fetch: [] }, caches: [], build_caches: [] },
				checkout: {},
			},
		}),
	});
	for (const [repository, status] of [
		["ssh://git@git.lan/team/web.git", 200],
		["/srv/git/web.git", 200],
		["https://git.lan/team/web.git", 500],
	] as const)
		expect([repository, (await askForLease("start", started(repository), {}, { DB: FAILING })).status]).toEqual([repository, status]);
	for (const spy of logged) spy.mockRestore();
});

describe("a commit without a pipeline", () => {
	const found = (more: Partial<Trigger>): DiscoveryOfRun => ({
		discovery: {
			trigger: { kind: "push", branch: "main", tag: null, ...more },
			work: { config: null, default_branch: "main" },
			file: null,
			is_of_default_branch: false,
			requires_pipeline: true,
		} as Discovery,
		run: {
			project: "web",
			commit_sha: "a".repeat(40),
			commit_message: "m",
			is_trusted: 1,
			params: "{}",
			source_git: null,
			pull_request: null,
		} as RunRow,
	});
	const pull = (event: "updated" | "closed") =>
		found({ kind: "pull_request", pull_request: { number: 7, event, title: "t", target: "main", is_from_fork: false } });
	const nothing = { files: [], changed: null, base: null, included: [] };

	test("is a notice and, where one is required, a failed run; but not when its pull request is closed", async () => {
		expect(discoveryNotices(pull("updated"), nothing).no_pipeline).toContain("No pipeline ran");
		expect((await discoveredRuns(pull("updated"), nothing)).files).toMatchObject([{ state: "failed" }]);
		expect(discoveryNotices(pull("closed"), nothing)).toEqual({});
		expect((await discoveredRuns(pull("closed"), nothing)).files).toEqual([
			{ file: "*", because: expect.stringContaining("no .windlass.yml") },
		]);
	});

	test.each([
		["release/2.x", "release/2.x"],
		["main;reboot", "<its name>"],
		["$(reboot)", "<its name>"],
		["-x", "<its name>"],
	])("says in a command that people copy the default branch %s as %s", (default_branch, expected) => {
		const { default_branch: notice } = discoveryNotices(found({ default_branch }), { ...nothing, is_default_branch_missing: true });
		expect(notice?.endsWith(`--default-branch ${expected}`)).toBe(true);
	});
});
