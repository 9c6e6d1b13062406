import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Delivery, HookAnswer } from "../../schema/wire/deliveries.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import {
	formDelivery,
	genericDelivery,
	giteaDelivery,
	githubDelivery,
	githubPullRequest,
	githubPush,
	gitlabDelivery,
	type MadeDelivery,
	RecordingServer,
} from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { eventually, TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";

const HOOK_SECRET = "the-secret-of-the-hook";
const GONE = "0".repeat(40);

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
let repositories: string;
/** The home of the agent's user. */
let home: string;
let forge: RecordingServer;
beforeAll(async () => {
	const port = testPort();
	coordinator = await TestCoordinator.start({
		atEnd,
		port,
		args: ["--allow-outbound", "127.0.0.1", "--public-url", `http://127.0.0.1:${port}/`],
	});
	home = temporaryFolder(atEnd);
	await coordinator.agent("builder", {
		slots: "4",
		args: ["--pass-env", "OPERATOR"],
		environment: { HOME: home, OPERATOR: "of-whoever-runs-it" },
	});
	repositories = path.join(temporaryFolder(atEnd), "git");
	git = await GitHttp.start(repositories, "ci:password-of-git", atEnd);
	forge = await RecordingServer.start(atEnd);
	await secret("hook", HOOK_SECRET);
	await secret("git", "ci:password-of-git");
	await secret("forge_token", "token-of-the-forge");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const secret = (name: string, value: string, project?: string) =>
	coordinator.request(`/api/v1/secrets/${name}`, { method: "PUT", body: JSON.stringify({ value, ...(project ? { project } : {}) }) });

/** The first run that a plan has made. */
async function made(planId: string | null): Promise<string> {
	const plan = await coordinator.get<Run>(`/api/v1/runs/${planId}/wait?timeout=60`);
	const [id] = Object.values(plan.jobs[0]?.outputs ?? {});
	expect(id).toMatch(/^run_/);
	return id as string;
}

const API_PATHS = { github: "/api/v3", gitea: "/api/v1", gitlab: "/api/v4" };

/** A project with a repository, whose forge records what it is told. */
async function project(name: string, files: Record<string, string>, settings: Partial<Project> = {}): Promise<Project> {
	const repository = git.add(`${name}/team/web.git`, files);
	return coordinator.post<Project>("/api/v1/projects", {
		name,
		repository,
		credentials: "git",
		hook_secret: "hook",
		forge: "github",
		// A forge that lies in a folder of its host: so it is known what the repository is called there.
		forge_api: `${forge.url}/${name}${API_PATHS[settings.forge ?? "github"]}`,
		forge_token: "forge_token",
		...settings,
	});
}

async function deliver(
	{ id }: Pick<Project, "id">,
	{ headers, body }: MadeDelivery,
): Promise<{ status: number; body: HookAnswer & { message: string } }> {
	const response = await coordinator.request(`/hooks/${id}`, { method: "POST", token: null, headers, body });
	return { status: response.status, body: (await response.json()) as HookAnswer & { message: string } };
}

/** The runs that a plan has made, once it and they are over. */
async function planned(planId: string | null): Promise<{ plan: Run; runs: Record<string, Run> }> {
	const plan = await coordinator.get<Run>(`/api/v1/runs/${planId}/wait?timeout=60`);
	const outputs = Object.values(plan.jobs[0]?.outputs ?? {}).filter((text) => text.startsWith("run_"));
	const runs = await Promise.all(outputs.map((id) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)));
	return { plan, runs: Object.fromEntries(runs.map((run) => [run.pipeline, run])) };
}

describe("from a push to a green tick", () => {
	describe("of GitHub", () => {
		let after: string;
		let taken: HookAnswer;
		let plan: Run;
		let runs: Record<string, Run>;
		beforeAll(async () => {
			const web = await project("web", {
				".windlass/ci.yml": "jobs: { test: { steps: ['cat hello'] }, lint: { steps: [true] } }",
				".windlass/docs.yml": "on: { push: { paths: docs/** } }\nsteps: [true]",
				".windlass/broken.yml": "jobs:\n  a: { stepz: [x] }\n  b: { needs: c, steps: [x] }\n",
				".windlass/release.yml": "on: { push: { tags: 'v*' } }\nsteps: [true]",
				".windlass/failing.yml": "name: always red\njobs: { unit: { steps: [exit 3] }, other: { steps: [true] } }",
				".windlass/notes.txt": "no pipeline",
				hello: "hello\n",
			});
			const before = git.commit("web/team/web.git", { hello: "hello there\n" });
			after = git.commit("web/team/web.git", { hello: "hello again\n", "src/a": "a" }, "Say it again");
			const push = githubPush({ before, after, message: "Say it again", author: "Mallory" });
			const { status, body } = await deliver(web, githubDelivery("push", push, HOOK_SECRET));
			expect(status).toBe(202);
			taken = body;
			({ plan, runs } = await planned(taken.run_id));
		});

		test("one discovery job makes a run for each file that asks for one", async () => {
			expect(taken).toMatchObject({ outcome: "accepted", reason: `push to main at ${after.slice(0, 12)}`, is_repeat: false });
			expect(plan).toMatchObject({ kind: "discovery", state: "succeeded", project: "web", trigger: { kind: "push", actor: "octocat" } });
			expect(plan.jobs[0]?.outputs).toEqual({
				".windlass/broken.yml": expect.stringMatching(/^run_/),
				".windlass/ci.yml": expect.stringMatching(/^run_/),
				".windlass/docs.yml": "not run: none of its paths has changed",
				".windlass/failing.yml": expect.stringMatching(/^run_/),
				".windlass/release.yml": "not run: its `on.push` has tags only",
			});
			expect(runs.ci).toMatchObject({
				state: "succeeded",
				branch: "main",
				commit: { sha: after, message: "Say it again", author: "Ada <a@x.test>" },
				trigger: { kind: "push", actor: "octocat", delivery: taken.id },
				file: ".windlass/ci.yml",
				discovered_by: plan.id,
				trusted: true,
			});
			const log = await coordinator.text(`/api/v1/jobs/${runs.ci?.jobs[0]?.id}/log?format=raw`);
			expect(log).toContain("\nhello again\n");
			expect(runs.broken).toMatchObject({ state: "errored", jobs: [], reason: { code: "config_invalid" } });
			expect(runs.broken?.reason?.text).toMatch(
				/^\.windlass\/broken\.yml: .*\n.*line 2, column 8: jobs\.a\.stepz: Unknown key `stepz`.*Did you mean `steps`/s,
			);
		});

		test("each run has a status of its own", async () => {
			await forge.until(
				() => ["success", "failure", "error"].every((end) => Object.values(forge.statuses(after)).flat().includes(end)),
				"the last statuses",
			);
			expect(forge.statuses(after)).toEqual({
				"windlass/ci": ["pending", "pending", "success"],
				"windlass/broken": ["error"],
				"windlass/always red": ["pending", "pending", "failure"],
			});
			const [green] = forge.told.filter(({ body }) => body.state === "success");
			expect(green).toMatchObject({
				path: `/web/api/v3/repos/team/web/statuses/${after}`,
				headers: { authorization: "Bearer token-of-the-forge", "content-type": "application/json" },
				body: { target_url: `${coordinator.url}/runs/${runs.ci?.id}`, description: expect.stringMatching(/^2 jobs in \d/) },
			});
			const [red] = forge.told.filter(({ body }) => body.state === "failure");
			expect(red?.body.description).toBe("unit: failed");
		});
	});

	test("Gitea, Forgejo and any program", async () => {
		const repo = await project(
			"tea",
			{ ".windlass.yml": "steps: ['echo $CI_EVENT of $CI_COMMIT_REF']" },
			{ forge: "gitea", status_context: "ci/lan" },
		);
		const after = git.commit("tea/team/web.git", { a: "1" });
		for (const [name, expected] of [
			["Gitea", "gitea"],
			["Forgejo", "gitea"],
		] as const) {
			const { body } = await deliver(repo, giteaDelivery("push", githubPush({ after, message: name }), HOOK_SECRET, { name }));
			const { runs } = await planned(body.run_id);
			expect([runs.pipeline?.state, runs.pipeline?.trigger.actor]).toEqual(["succeeded", "octocat"]);
			const { forge: told } = await coordinator.get<Delivery>(`/api/v1/deliveries/${body.id}`);
			expect(told).toBe(expected);
		}
		await forge.until(() => forge.statuses(after)["ci/lan/pipeline"]?.filter((state) => state === "success").length === 2, "two greens");
		expect(forge.told.find(({ path: where }) => where.includes(after))).toMatchObject({
			path: `/tea/api/v1/repos/team/web/statuses/${after}`,
			headers: { authorization: "token token-of-the-forge" },
		});
		// An annotated tag is an object of its own; what is run, and told of, is its commit.
		const message = "chore(release): 0.1 [skip ci]";
		const released = git.commit("tea/team/web.git", { a: "2" }, message);
		const tag = git.tag("tea/team/web.git", "v0");
		// That the commit asks for no run of its push says nothing of the tag.
		const annotated = githubPush({ ref: "refs/tags/v0", after: tag, commitId: released, message });
		const { runs: ofTag } = await planned((await deliver(repo, giteaDelivery("push", annotated, HOOK_SECRET))).body.run_id);
		expect(ofTag.pipeline).toMatchObject({ state: "succeeded", tag: "v0", commit: { sha: released } });
		// A hook of git names the tag's object alone: the agent finds its commit, for the plan, the run and its jobs.
		const release = git.tag("tea/team/web.git", "release");
		const ofHook = await deliver(repo, genericDelivery({ ref: "refs/tags/release", after: release, message: null }, HOOK_SECRET));
		const peeled = await planned(ofHook.body.run_id);
		for (const run of [peeled.plan, peeled.runs.pipeline])
			expect(run).toMatchObject({ tag: "release", commit: { sha: released, message } });
		expect(await coordinator.text(`/api/v1/jobs/${peeled.runs.pipeline?.jobs[0]?.id}/log?format=raw`)).toContain("\ntag of release\n");
		await forge.until(() => forge.statuses(released)["ci/lan/pipeline (tag)"]?.includes("success") ?? false, "the status of the tag");
		expect(forge.statuses(release)).toEqual({});
		git.ref("tea/team/web.git", "refs/tags/v1", after);
		const generic = genericDelivery({ ref: "refs/tags/v1", after }, HOOK_SECRET);
		const asCurlSendsIt = { ...generic, headers: { ...generic.headers, "Content-Type": "application/x-www-form-urlencoded" } };
		const { body } = await deliver(repo, asCurlSendsIt);
		const { runs } = await planned(body.run_id);
		expect(await coordinator.text(`/api/v1/jobs/${runs.pipeline?.jobs[0]?.id}/log?format=raw`)).toContain("\ntag of v1\n");
	});

	test("GitLab: its pushes, its token, its states", async () => {
		const repo = await project("lab", { ".windlass.yml": "steps: [true]" }, { forge: "gitlab" });
		const after = git.commit("lab/team/web.git", { a: "1" });
		const push = {
			object_kind: "push",
			project: { path_with_namespace: "team/web" },
			ref: "refs/heads/main",
			before: GONE,
			after,
			checkout_sha: after,
			user_username: "ada",
			commits: [{ id: after, message: "m" }],
		};
		const { body } = await deliver(repo, gitlabDelivery("Push Hook", push, HOOK_SECRET));
		const { runs } = await planned(body.run_id);
		expect([runs.pipeline?.state, runs.pipeline?.trigger]).toMatchObject(["succeeded", { kind: "push", actor: "ada" }]);
		await forge.until(() => forge.statuses(after)["windlass/pipeline"]?.includes("success") ?? false, "the green tick");
		expect(forge.statuses(after)["windlass/pipeline"]).toEqual(["pending", "running", "success"]);
		expect(forge.told.find(({ path: where }) => where.includes(after))).toMatchObject({
			path: `/lab/api/v4/projects/team%2Fweb/statuses/${after}`,
			headers: { "private-token": "token-of-the-forge" },
			body: { ref: "main" },
		});
		expect((await deliver(repo, gitlabDelivery("Push Hook", push, `${HOOK_SECRET}x`))).status).toBe(401);
	});

	test("GitLab: its merge requests", async () => {
		const repo = await project("merging", { ".windlass.yml": "steps: [true]" }, { forge: "gitlab" });
		git.branch("merging/team/web.git", "feature");
		const head = git.commit("merging/team/web.git", { b: "1" });
		git.ref("merging/team/web.git", "refs/merge-requests/4/head", head);
		git.checkout("merging/team/web.git", "main");
		const merge = (action: string, more = {}) => ({
			object_kind: "merge_request",
			project: { path_with_namespace: "team/web" },
			user: { username: "ada" },
			object_attributes: {
				iid: 4,
				title: "t",
				action,
				source_branch: "feature",
				target_branch: "main",
				source_project_id: 2,
				target_project_id: 1,
				source: { namespace: "stranger" },
				last_commit: { id: head, message: "m" },
				...more,
			},
		});
		expect((await deliver(repo, gitlabDelivery("Merge Request Hook", merge("update"), HOOK_SECRET))).body).toMatchObject({
			outcome: "ignored",
		});
		const opened = await deliver(repo, gitlabDelivery("Merge Request Hook", merge("open"), HOOK_SECRET));
		const plan = await coordinator.get<Run>(`/api/v1/runs/${opened.body.run_id}/wait?timeout=60`);
		const run = await coordinator.get<Run>(`/api/v1/runs/${Object.values(plan.jobs[0]?.outputs ?? {})[0]}`);
		expect(run).toMatchObject({ state: "waiting", branch: "stranger:feature", pull_request: 4, trusted: false });
		// No branch of the project holds the commit: without its ref GitLab would reject the status.
		await forge.until(() => forge.statuses(head)["windlass/pipeline"] !== undefined, "the status of the merge request");
		expect(forge.told.find(({ path: where }) => where.includes(head))?.body.ref).toBe("refs/merge-requests/4/head");
		// GitLab does not always know the last commit: the agent finds it by the ref.
		const unknown = await deliver(repo, gitlabDelivery("Merge Request Hook", merge("reopen", { last_commit: null }), HOOK_SECRET));
		expect(unknown).toMatchObject({ status: 202, body: { outcome: "accepted", reason: "pull request #4 opened" } });
		const reopened = await coordinator.get<Run>(`/api/v1/runs/${unknown.body.run_id}/wait?timeout=60`);
		expect(reopened).toMatchObject({ state: "succeeded", branch: "stranger:feature", commit: { sha: head } });
	});
});

describe("pull requests", () => {
	const files = {
		".windlass.yml":
			'on: { push: {}, pull_request: { branches: main } }\nname: pr\njobs:\n  a: { secrets: { TOKEN: deploy }, steps: [\'echo "token=${TOKEN:-none} operator=${OPERATOR:-none} pr=$CI_PULL_REQUEST"\'] }\n  b: { needs: a, if: \'run.branch == "main"\', steps: [true] }\n  c: { if: \'run.target_branch == "main" && run.pull_request == "7"\', steps: [true] }\n',
	};

	test("from a fork wait for an approval and get no secrets", async () => {
		const repo = await project("forked", files);
		await secret("deploy", "the-key-to-production", "forked");
		// The fork's branch has the name of the default branch, and is still another branch.
		git.branch("forked/team/web.git", "theirs");
		const sha = git.commit("forked/team/web.git", { evil: "1" });
		git.ref("forked/team/web.git", "refs/pull/7/head", sha);
		git.checkout("forked/team/web.git", "main");
		const payload = githubPullRequest({ sha, fork: true, head: "main", sender: "stranger" });
		const { body } = await deliver(repo, githubDelivery("pull_request", payload, HOOK_SECRET));
		const plan = await coordinator.get<Run>(`/api/v1/runs/${body.run_id}/wait?timeout=60`);
		expect([plan.state, plan.jobs[0]?.outputs]).toEqual(["succeeded", { ".windlass.yml": expect.stringMatching(/^run_/) }]);
		const id = plan.jobs[0]?.outputs?.[".windlass.yml"] ?? "";
		const waiting = await coordinator.get<Run>(`/api/v1/runs/${id}`);
		expect(waiting).toMatchObject({ state: "waiting", trusted: false, branch: "stranger:main", pull_request: 7, approved_by: null });
		expect(waiting.jobs.map(({ key, state, reason }) => [key, state, reason?.code])).toEqual([
			["a", "blocked", "run_approval"],
			["b", "skipped", "condition"],
			["c", "blocked", "run_approval"],
		]);
		const explanation = await coordinator.get<{ summary: string }>(`/api/v1/jobs/${waiting.jobs[0]?.id}/explain`);
		expect(explanation.summary).toMatch(/^Waits for the approval of this run/);
		const alone = await coordinator.request(`/api/v1/jobs/${waiting.jobs[0]?.id}/approve`, { method: "POST" });
		expect([alone.status, ((await alone.json()) as { message: string }).message]).toEqual([
			409,
			expect.stringContaining("The job waits for the approval of its run"),
		]);
		expect((await coordinator.post<Run>(`/api/v1/runs/${id}/approve`, {})).approved_by).toBe("admin");
		const over = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect([over.state, over.jobs.map(({ key, state }) => [key, state])]).toEqual([
			"succeeded",
			[
				["a", "succeeded"],
				["b", "skipped"],
				["c", "succeeded"],
			],
		]);
		expect(await coordinator.text(`/api/v1/jobs/${over.jobs[0]?.id}/log?format=raw`)).toContain("token=none operator=none pr=7");
		await forge.until(() => forge.statuses(sha)["windlass/pr"]?.includes("success") ?? false, "the green tick");
		expect(
			forge.told.find(({ path: where, body: told }) => where.includes(sha) && told.description === "Waits for an approval")?.body.state,
		).toBe("pending");
		// Once more it waits, if a developer repeats it, who may not approve it.
		const { token } = await coordinator.post<CreatedToken>("/api/v1/tokens", { name: "dev", role: "developer", expires_in: "1d" });
		const answer = await coordinator.request(`/api/v1/runs/${id}/rerun`, { method: "POST", token, body: "{}" });
		const ofDeveloper = (await answer.json()) as Run;
		expect(ofDeveloper).toMatchObject({ state: "waiting", trusted: false, approved_by: null });
		await coordinator.post(`/api/v1/runs/${ofDeveloper.id}/decline`, {});
		// A rerun of somebody who may approve it starts at once, and gets no secrets either.
		const again = await coordinator.post<Run>(`/api/v1/runs/${id}/rerun`, {});
		const repeated = await coordinator.get<Run>(`/api/v1/runs/${again.id}/wait?timeout=60`);
		expect([repeated.state, repeated.trusted, repeated.approved_by]).toEqual(["succeeded", false, "admin"]);
		expect(await coordinator.text(`/api/v1/jobs/${repeated.jobs[0]?.id}/log?format=raw`)).toContain("token=none");
	});

	test("that a push without write access opened are untrusted, too; they can change nothing of the project", async () => {
		const limit = (steps: string, more = "") =>
			`on: { push: { branches: main }, pull_request: {} }\nname: deploy\nconcurrency: { group: deploy${more} }\nsteps: [${steps}]\n`;
		const repo = await project("group", { ".windlass.yml": limit("sleep 600") }, { forge: "gitea" });
		const after = git.commit("group/team/web.git", { a: "1" });
		const pushed = await deliver(repo, giteaDelivery("push", githubPush({ after }), HOOK_SECRET));
		const ofProject = await made(pushed.body.run_id);
		await eventually(async () => (await coordinator.get<Run>(`/api/v1/runs/${ofProject}`)).state === "running", "the project's own runs");
		git.branch("group/team/web.git", "theirs");
		const delivered = async (action = "opened", more = ", cancel_in_progress: true") => {
			const sha = git.commit("group/team/web.git", {
				".windlass.yml": limit("true", more),
				n: randomUUID(),
			});
			git.ref("group/team/web.git", "refs/pull/7/head", sha);
			const payload = githubPullRequest({ sha, fork: "push", action });
			return deliver(repo, giteaDelivery("pull_request", payload, HOOK_SECRET, { name: "Forgejo" }));
		};
		const first = await made((await delivered()).body.run_id);
		expect(await coordinator.get<Run>(`/api/v1/runs/${first}`)).toMatchObject({
			state: "waiting",
			trusted: false,
			branch: "somebody:refs/pull/7/head",
		});
		// What comes next takes the place of what nobody has approved; but not of what was delivered later.
		const second = await delivered("synchronized", ", limit: 9");
		const later = await made(second.body.run_id);
		expect(await coordinator.get<Run>(`/api/v1/runs/${first}`)).toMatchObject({ state: "cancelled", reason: { code: "superseded" } });
		await coordinator.post(`/api/v1/runs/${later}/approve`, {});
		expect((await coordinator.get<Run>(`/api/v1/runs/${later}/wait?timeout=60`)).state).toBe("succeeded");
		const third = await made((await delivered("synchronized", ", limit: 9")).body.run_id);
		await made((await coordinator.post<Run>(`/api/v1/deliveries/${second.body.id}/replay`, {})).id);
		expect((await coordinator.get<Run>(`/api/v1/runs/${third}`)).state).toBe("waiting");
		await coordinator.get(`/api/v1/runs/${(await delivered("closed")).body.run_id}/wait?timeout=60`);
		await eventually(async () => {
			const { items } = await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=group&state=waiting");
			return items.length === 0;
		}, "nothing of the pull request that was closed waits");
		// All the while the project's own run was let alone, and still keeps others out of its group.
		expect((await coordinator.get<Run>(`/api/v1/runs/${ofProject}`)).state).toBe("running");
		git.checkout("group/team/web.git", "main");
		const next = git.commit("group/team/web.git", { a: "2" });
		const waiting = await made((await deliver(repo, giteaDelivery("push", githubPush({ after: next }), HOOK_SECRET))).body.run_id);
		const { jobs } = await coordinator.get<Run>(`/api/v1/runs/${waiting}`);
		expect(jobs[0]?.reason?.code).toBe("concurrency");
		for (const id of [waiting, ofProject]) await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
	});

	test("from a fork cannot point to a repository that only the project may read", async () => {
		git.add("private/team/web.git", { secret: "the recipe" });
		const repo = await project("points", { ".windlass.yml": "on: { pull_request: {} }\nsteps: ['cat deps/secret']" });
		git.branch("points/team/web.git", "theirs");
		const sha = git.submodule("points/team/web.git", "private/team/web.git", "deps");
		const ended = async (sha: string, fork: boolean) => {
			git.ref("points/team/web.git", "refs/pull/7/head", sha);
			const { body } = await deliver(repo, githubDelivery("pull_request", githubPullRequest({ sha, fork }), HOOK_SECRET));
			const id = await made(body.run_id);
			if (fork) await coordinator.post(`/api/v1/runs/${id}/approve`, {});
			const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
			return [run.state, (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`)).includes("the recipe")];
		};
		expect(await ended(sha, false)).toEqual(["succeeded", true]);
		// Nor does it get what the agent's user is known by; how servers are reached is another matter.
		const known = Buffer.from("ci:password-of-git").toString("base64");
		const open = await GitHttp.start(repositories, null, atEnd);
		const proxy = `[http "http://open.invalid/"]\n\tproxy = ${open.url}\n`;
		writeFileSync(path.join(home, ".netrc"), "machine 127.0.0.1 login ci password password-of-git\n", { mode: 0o600 });
		writeFileSync(path.join(home, ".gitconfig"), `[http]\n\textraHeader = Authorization: Basic ${known}\n${proxy}`);
		try {
			expect(await ended(sha, true)).toEqual(["errored", false]);
			const modules = '[submodule "deps"]\n\tpath = deps\n\turl = http://open.invalid/private/team/web.git\n';
			expect(await ended(git.commit("points/team/web.git", { ".gitmodules": modules }), true)).toEqual(["succeeded", true]);
		} finally {
			for (const file of [".netrc", ".gitconfig"]) rmSync(path.join(home, file));
		}
	});

	test("can be declined; a pull request whose repository was deleted is untrusted", async () => {
		const repo = await project("declined", files);
		git.branch("declined/team/web.git", "theirs");
		const sha = git.commit("declined/team/web.git", { evil: "1" });
		git.ref("declined/team/web.git", "refs/pull/7/head", sha);
		git.checkout("declined/team/web.git", "main");
		const payload = githubPullRequest({ sha, fork: "gone", action: "synchronize" });
		const { body } = await deliver(repo, githubDelivery("pull_request", payload, HOOK_SECRET));
		const plan = await coordinator.get<Run>(`/api/v1/runs/${body.run_id}/wait?timeout=60`);
		const id = plan.jobs[0]?.outputs?.[".windlass.yml"] ?? "";
		expect((await coordinator.get<Run>(`/api/v1/runs/${id}`)).branch).toBe("somebody:feature");
		// It is ready for review, and nobody asks for that: what waits for an approval goes on waiting.
		const ready = githubPullRequest({ sha, fork: "gone", action: "ready_for_review" });
		git.commit("declined/team/web.git", { n: "1" });
		const unasked = await project("unasked", { ".windlass.yml": "on: { pull_request: { events: opened } }\nsteps: [true]" });
		const first = git.commit("unasked/team/web.git", { n: "1" });
		git.ref("unasked/team/web.git", "refs/pull/7/head", first);
		const of = (payload: object) => ({
			...payload,
			pull_request: { ...ready.pull_request, head: { ...ready.pull_request.head, sha: first } },
		});
		const opened = await deliver(unasked, githubDelivery("pull_request", of({ ...ready, action: "opened" }), HOOK_SECRET));
		const waits = await made(opened.body.run_id);
		const later = await deliver(unasked, githubDelivery("pull_request", of(ready), HOOK_SECRET));
		expect((await planned(later.body.run_id)).plan.jobs[0]?.outputs).toEqual({
			".windlass.yml": "not run: its `on.pull_request.events` does not have ready_for_review",
		});
		expect((await coordinator.get<Run>(`/api/v1/runs/${waits}`)).state).toBe("waiting");
		await coordinator.post(`/api/v1/runs/${id}/decline`, { comment: "not today" });
		const over = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect([over.state, over.jobs[0]?.reason?.text]).toEqual(["cancelled", "Declined by admin: not today."]);
		const late = await coordinator.request(`/api/v1/runs/${id}/approve`, { method: "POST" });
		expect(late.status).toBe(409);
	});

	test("of one's own are trusted; the branch that they go into, their events and what has changed since they left it count", async () => {
		const repo = await project("own", {
			".windlass/main.yml": "on: { pull_request: { branches: main, paths: src/** } }\nsteps: [true]",
			".windlass/other.yml": "on: { pull_request: { branches: 'release/*' } }\nsteps: [true]",
			".windlass/closed.yml": "on: { pull_request: { events: closed } }\nsteps: [true]",
			".windlass/silent.yml": "steps: [true]",
		});
		git.branch("own/team/web.git", "feature");
		const sha = git.commit("own/team/web.git", { docs: "1" });
		git.ref("own/team/web.git", "refs/pull/7/head", sha);
		git.checkout("own/team/web.git", "main");
		// The main line has gone on meanwhile: that is no change of the pull request.
		git.commit("own/team/web.git", { "src/b": "1" });
		const delivered = async (action: string) => {
			const { body } = await deliver(repo, githubDelivery("pull_request", githubPullRequest({ action, sha }), HOOK_SECRET));
			return (await planned(body.run_id)).plan.jobs[0]?.outputs;
		};
		expect(await delivered("opened")).toEqual({
			".windlass/closed.yml": "not run: its `on.pull_request.events` does not have opened",
			".windlass/main.yml": "not run: none of its paths has changed",
			".windlass/other.yml": "not run: none of its branches matches main",
			".windlass/silent.yml": "not run: the push of its branch runs it",
		});
		expect((await delivered("closed"))?.[".windlass/closed.yml"]).toMatch(/^run_/);
		// It goes into another branch now: what asks for that branch runs.
		git.ref("own/team/web.git", "refs/heads/release/1", sha);
		const retargeted = githubPullRequest({ action: "edited", sha, base: "release/1", changes: { base: { ref: { from: "main" } } } });
		const { body } = await deliver(repo, githubDelivery("pull_request", retargeted, HOOK_SECRET));
		expect(body).toMatchObject({ outcome: "accepted", reason: `pull request #7 updated at ${sha.slice(0, 12)}` });
		expect(Object.keys((await planned(body.run_id)).runs)).toEqual(["other"]);
		const words = githubPullRequest({ action: "edited", sha, changes: { title: { from: "Another title" } } });
		expect(await deliver(repo, githubDelivery("pull_request", words, HOOK_SECRET))).toMatchObject({
			status: 202,
			body: { outcome: "ignored", reason: "no run for an edit of the title or text of a pull request" },
		});
	});

	test("in a merge queue: the group runs once, whether the forge delivers it once or twice, and has a status", async () => {
		const repo = await project("queued", {
			".windlass/ci.yml": "on: { push: { branches: main }, pull_request: {} }\nsteps: ['echo $CI_EVENT']",
			".windlass/deploy.yml": "on: { push: { branches: main } }\nsteps: [true]",
		});
		const branch = `gh-readonly-queue/main/pr-7-${"b".repeat(40)}`;
		git.branch("queued/team/web.git", branch);
		const sha = git.commit("queued/team/web.git", { a: "1" });
		const group = {
			action: "checks_requested",
			merge_group: { head_sha: sha, head_ref: `refs/heads/${branch}`, base_ref: "refs/heads/main", base_sha: "b".repeat(40) },
			repository: { full_name: "team/web" },
			sender: { login: "octocat" },
		};
		const told = await deliver(repo, githubDelivery("merge_group", group, HOOK_SECRET));
		expect(told.body).toMatchObject({ outcome: "accepted", reason: `merge group into main at ${sha.slice(0, 12)}` });
		const pushed = await deliver(repo, githubDelivery("push", githubPush({ ref: `refs/heads/${branch}`, after: sha }), HOOK_SECRET));
		expect(pushed.body).toMatchObject({ outcome: "accepted", run_id: told.body.run_id });
		const { runs } = await planned(told.body.run_id);
		expect(Object.keys(runs)).toEqual(["ci"]);
		expect(runs.ci).toMatchObject({ state: "succeeded", branch, trusted: true, trigger: { kind: "merge_group" }, pull_request: null });
		expect(await coordinator.text(`/api/v1/jobs/${runs.ci?.jobs[0]?.id}/log?format=raw`)).toContain("\nmerge_group\n");
		await forge.until(() => forge.statuses(sha)["windlass/ci"]?.at(-1) === "success", "the green tick of the group");
	});
});

describe("what is delivered", () => {
	test("must be signed with the secret of the very project, to the byte and in time", async () => {
		const repo = await project("signed", { ".windlass.yml": "steps: [true]" });
		const other = await project("other", { ".windlass.yml": "steps: [true]" }, { hook_secret: "another_hook" });
		await secret("another_hook", "another-secret-of-a-hook");
		const after = git.commit("signed/team/web.git", { a: "1" });
		const good = githubDelivery("push", githubPush({ after }), HOOK_SECRET);
		const with256 = (signature: string) => ({ ...good, headers: { ...good.headers, "X-Hub-Signature-256": signature } });
		const signature = good.headers["X-Hub-Signature-256"] as string;
		const { "X-Hub-Signature-256": _, ...unsigned } = good.headers;
		const flipped = signature.slice(0, -1) + (signature.endsWith("0") ? "1" : "0");
		const refused: [string, Project, MadeDelivery][] = [
			["no signature", repo, { ...good, headers: unsigned }],
			["a short one", repo, with256(signature.slice(0, -2))],
			["one character off", repo, with256(flipped)],
			["of SHA-1", repo, with256("sha1=0000000000000000000000000000000000000000")],
			["of another project", other, good],
			["another body", repo, { ...good, body: good.body.replace("Change", "Chance") }],
			["another body of the same length", repo, { ...good, body: `${good.body.slice(0, -1)} ` }],
			["an old one", repo, genericDelivery({ ref: "refs/heads/main", after }, HOOK_SECRET, { at: Date.now() - 6 * 60_000 })],
			["one from the future", repo, genericDelivery({ ref: "refs/heads/main", after }, HOOK_SECRET, { at: Date.now() + 6 * 60_000 })],
		];
		for (const [what, to, made] of refused) expect([what, (await deliver(to, made)).status]).toEqual([what, 401]);
		const { items: kept } = await coordinator.get<Page<Delivery>>("/api/v1/projects/signed/deliveries");
		expect(kept.every(({ outcome, run_id }) => outcome === "rejected" && run_id === null)).toBe(true);
		expect(kept.length).toBeGreaterThan(0);
		const { items: runs } = await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=signed&kind=discovery");
		expect(runs).toEqual([]);
		// And the same, as it was made, is taken; credentials that the forge sends along are not looked at.
		expect((await deliver(repo, { ...good, headers: { ...good.headers, Authorization: "Basic bm86Ym9keQ==" } })).status).toBe(202);
	});

	test("as a form is signed as its forge signs forms, and one that was taken counts however it is written", async () => {
		const ofGitHub = await project("formed", { ".windlass.yml": "steps: [true]" });
		const ofGitea = await project("formed-tea", { ".windlass.yml": "steps: [true]" }, { forge: "gitea" });
		const after = git.commit("formed/team/web.git", { a: "1" });
		const payload = githubPush({ after, message: "1 + 1 = 2 & ümlaut %41" });
		for (const [repo, made, right, wrong] of [
			[ofGitHub, githubDelivery("push", payload, HOOK_SECRET), "form", "payload"],
			[ofGitea, giteaDelivery("push", payload, HOOK_SECRET), "payload", "form"],
			[ofGitea, giteaDelivery("push", { ...payload, compare: "x" }, HOOK_SECRET, { name: "Forgejo" }), "payload", "form"],
		] as const) {
			expect((await deliver(repo, formDelivery(made, HOOK_SECRET, wrong))).status).toBe(401);
			expect(await deliver(repo, formDelivery(made, HOOK_SECRET, right))).toMatchObject({
				status: 202,
				body: { outcome: "accepted", is_repeat: false },
			});
		}
		const made = giteaDelivery("push", payload, HOOK_SECRET);
		const form = formDelivery(made, HOOK_SECRET, "payload");
		const written = [
			made,
			form,
			{ ...form, body: `${form.body}&more=1` },
			{ ...form, body: form.body.replace("payload=%7B", "payload={") },
		];
		for (const again of written) expect((await deliver(ofGitea, again)).body.is_repeat).toBe(true);
	});

	test("is not taken where no secret is named, or the named one is not there", async () => {
		const closed = await project("closed", { f: "1" }, { hook_secret: null });
		const missing = await project("missing", { f: "1" }, { hook_secret: "never_set" });
		const made = githubDelivery("push", githubPush({ after: "a".repeat(40) }), "");
		expect(await deliver(closed, made)).toMatchObject({ status: 403, body: { message: expect.stringContaining("The hook is closed") } });
		expect(await deliver(missing, made)).toMatchObject({
			status: 403,
			body: { message: "The hook is closed: the secret never_set does not exist." },
		});
		expect((await deliver({ id: "prj_01J00000000000000000000000" }, made)).status).toBe(404);
		expect(missing.notices).toContain("The secret never_set does not exist. Run: windlass secrets set never_set --project missing");
		expect(closed.notices).toContain(
			"Its hook is closed, because it has no hook secret. Run: windlass projects edit closed --hook-secret <secret>",
		);
	});

	test("starts a run, or is kept with the reason why not", async () => {
		const repo = await project("heeded", { ".windlass.yml": "steps: [true]" });
		const after = git.commit("heeded/team/web.git", { a: "1" });
		const github = (event: string, payload: unknown) => deliver(repo, githubDelivery(event, payload, HOOK_SECRET));
		expect((await github("ping", { zen: "z", hook_id: 1 })).body).toMatchObject({ outcome: "ignored", reason: "pong", run_id: null });
		expect((await github("issues", { action: "opened" })).body.reason).toBe("no run for the event issues");
		// Somebody who may push to another repository that tells this hook has no say here.
		const other = { ...githubPullRequest({ sha: after }), repository: { full_name: "other/web" } };
		expect((await github("pull_request", other)).body).toMatchObject({
			outcome: "ignored",
			reason: `its repository is other/web, and the repository of this project is ${repo.repository}`,
			run_id: null,
		});
		expect((await github("push", githubPush({ ref: "refs/heads/old" }))).body.reason).toBe("the branch old was deleted");
		const skipped = githubPush({ ref: "refs/heads/feature", after, message: "Docs [skip ci]" });
		expect((await github("push", skipped)).body.reason).toBe("the commit asks for it ([skip ci])");
		expect((await github("pull_request", githubPullRequest({ action: "labeled", sha: after }))).body.reason).toContain("labeled");
		const { after: _, ...without } = githubPush({ after });
		expect(await github("push", without)).toMatchObject({ status: 400, body: { message: "The delivery has no after." } });
		const { ref: __, ...refless } = githubPush({ after });
		expect((await github("push", refless)).status).toBe(400);
		const odd = await deliver(repo, genericDelivery({ ref: "refs/heads/main", after, event: "tag" }, HOOK_SECRET));
		expect([odd.status, odd.body.message]).toEqual([400, 'The fields of the delivery are not valid: payload: Unrecognized key: "event".']);
		const broken = githubDelivery("push", {}, HOOK_SECRET);
		const unparsable = { ...githubDelivery("push", null, HOOK_SECRET), headers: broken.headers };
		expect((await deliver(repo, unparsable)).status).toBe(401);
		expect((await deliver(repo, { headers: { "Content-Type": "application/json" }, body: "{}" })).status).toBe(400);
		const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/heeded/deliveries");
		expect(items.filter(({ outcome }) => outcome === "ignored")).toHaveLength(6);
		expect(items.filter(({ outcome }) => outcome === "rejected").map(({ reason }) => reason)).toEqual(
			expect.arrayContaining(["The delivery has no after.", "The delivery has no ref."]),
		);
		// Of the main line it is the plan that says so: what its files say of schedules counts.
		const ofMain = await github(
			"push",
			githubPush({ after: git.commit("heeded/team/web.git", { ".windlass.yml": "stepz: [x]" }, "[skip ci]"), message: "[skip ci]" }),
		);
		expect((await planned(ofMain.body.run_id)).plan.jobs[0]?.outputs).toEqual({
			".windlass.yml": "not run: the commit asks for it ([skip ci])",
		});
		// A commit that was not told of asks for it, too.
		const skipping = git.commit("heeded/team/web.git", { ".windlass.yml": "steps: [true]", a: "2" }, "Docs [ci skip]");
		const { body } = await deliver(repo, genericDelivery({ ref: "refs/heads/main", after: skipping }, HOOK_SECRET));
		const { plan } = await planned(body.run_id);
		expect(plan.jobs[0]?.outputs).toEqual({ ".windlass.yml": "not run: the commit asks for it ([skip ci])" });
	});

	test("is known by its signed body, too: neither another name nor the headers of another forge make it a new one", async () => {
		const bound = await project("bound", { ".windlass.yml": "steps: [true]" });
		const unbound = await project("unbound", { ".windlass.yml": "steps: [true]" }, { forge: null, forge_token: null });
		const push = githubPush({ after: git.commit("bound/team/web.git", { a: "1" }) });
		const made = githubDelivery("push", push, HOOK_SECRET);
		const renamed = githubDelivery("push", push, HOOK_SECRET);
		const asGitea = { ...giteaDelivery("push", push, HOOK_SECRET), body: made.body };
		asGitea.headers["X-Gitea-Signature"] = (made.headers["X-Hub-Signature-256"] ?? "").slice("sha256=".length);
		expect(renamed.headers["X-GitHub-Delivery"]).not.toBe(made.headers["X-GitHub-Delivery"]);
		const first = await deliver(bound, made);
		expect(await deliver(bound, renamed)).toMatchObject({
			status: 202,
			body: { id: first.body.id, run_id: first.body.run_id, is_repeat: true },
		});
		const otherForge = await deliver(bound, asGitea);
		expect([otherForge.status, otherForge.body.message]).toEqual([
			403,
			"The delivery is rejected: the forge of this project is github, but its headers are those of gitea.",
		]);
		const free = await deliver(unbound, made);
		for (const again of [renamed, asGitea])
			expect(await deliver(unbound, again)).toMatchObject({
				status: 202,
				body: { id: free.body.id, run_id: free.body.run_id, is_repeat: true },
			});
		for (const { body } of [first, free]) await coordinator.get(`/api/v1/runs/${body.run_id}/wait?timeout=60`);
		for (const name of ["bound", "unbound"]) {
			const plans = await eventually(async () => {
				const { items } = await coordinator.get<Page<RunSummary>>(`/api/v1/runs?project=${name}&kind=discovery`);
				return items.length > 0 && items;
			}, `the plan of ${name} in the list`);
			expect([name, plans.length]).toEqual([name, 1]);
		}
	});

	test("and was ignored or rejected because of a setting is run when it comes again, or is replayed, after the correction", async () => {
		const repo = await project("corrected", { ".windlass.yml": "steps: [true]" }, { forge: "gitea" });
		const made = (message: string) =>
			githubDelivery("push", githubPush({ after: git.commit("corrected/team/web.git", { a: message }), message }), HOOK_SECRET);
		const change = (settings: Partial<Project>) =>
			coordinator.request("/api/v1/projects/corrected", { method: "PATCH", body: JSON.stringify(settings) });
		const refused = made("one");
		expect((await deliver(repo, refused)).status).toBe(403);
		const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/corrected/deliveries");
		expect(items).toMatchObject([{ outcome: "rejected", run_id: null }]);
		const early = await coordinator.request(`/api/v1/deliveries/${items[0]?.id}/replay`, { method: "POST" });
		expect([early.status, ((await early.json()) as { message: string }).message]).toEqual([
			409,
			expect.stringContaining("the forge of this project is gitea"),
		]);
		await change({ forge: "github", repository: `${repo.repository}.moved` });
		const moved = await deliver(repo, refused);
		expect(moved.body).toMatchObject({
			id: items[0]?.id,
			outcome: "ignored",
			is_repeat: true,
			reason: expect.stringMatching(/^its repository is team\/web/),
		});
		const alsoMoved = await deliver(repo, made("two"));
		const replay = () => coordinator.request(`/api/v1/deliveries/${alsoMoved.body.id}/replay`, { method: "POST" });
		expect((await replay()).status).toBe(409);
		await change({ repository: repo.repository });
		const redelivered = await deliver(repo, refused);
		expect(redelivered.body).toMatchObject({ id: items[0]?.id, outcome: "accepted", is_repeat: true });
		expect(Object.values((await planned(redelivered.body.run_id)).runs)).toMatchObject([{ state: "succeeded" }]);
		const replayed = (await (await replay()).json()) as Run;
		expect(Object.values((await planned(replayed.id)).runs)).toMatchObject([{ state: "succeeded" }]);
		expect(await coordinator.get<Delivery>(`/api/v1/deliveries/${alsoMoved.body.id}`)).toMatchObject({
			outcome: "accepted",
			run_id: replayed.id,
		});
		// And then it is what it is: no third run.
		expect((await deliver(repo, refused)).body).toMatchObject({ run_id: redelivered.body.run_id, is_repeat: true });
	});

	test("comes once, however often it is sent; and once more when somebody asks for it", async () => {
		const repo = await project("often", { ".windlass.yml": "steps: [true]" });
		const after = git.commit("often/team/web.git", { a: "1" });
		const made = githubDelivery("push", githubPush({ after }), HOOK_SECRET);
		const answers = await Promise.all(Array.from({ length: 300 }, () => deliver(repo, made)));
		expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
		expect(new Set(answers.map(({ body }) => body.run_id)).size).toBe(1);
		const [first] = answers;
		await planned(first?.body.run_id ?? null);
		const listed = await eventually(async () => {
			const { items } = await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=often");
			return items.length > 0 && items;
		}, "its run is listed");
		expect(listed).toHaveLength(1);
		expect((await coordinator.get<Page<Delivery>>("/api/v1/projects/often/deliveries")).items).toHaveLength(1);
		const replayed = await coordinator.post<Run>(`/api/v1/deliveries/${first?.body.id}/replay`, {});
		const { runs } = await planned(replayed.id);
		expect([runs.pipeline?.state, runs.pipeline?.number, runs.pipeline?.trigger.delivery]).toEqual(["succeeded", 2, first?.body.id]);
		const pong = await deliver(repo, githubDelivery("ping", {}, HOOK_SECRET));
		const nothing = await coordinator.request(`/api/v1/deliveries/${pong.body.id}/replay`, { method: "POST" });
		expect(nothing.status).toBe(409);
	});

	test("is answered at once, however long the repository takes; one that has vanished is an error of its own", async () => {
		const repo = await project("slow", { ".windlass.yml": "steps: [true]" });
		const after = git.commit("slow/team/web.git", { a: "1" });
		git.delayMs = 30_000;
		try {
			const began = performance.now();
			const { status, body } = await deliver(repo, githubDelivery("push", githubPush({ after }), HOOK_SECRET));
			expect([status, performance.now() - began < 10_000]).toEqual([202, true]);
			await eventually(() => git.delayed > 0, "the repository is asked");
			git.delayMs = 0;
			const { runs } = await planned(body.run_id);
			expect([runs.pipeline?.state, performance.now() - began > 30_000]).toEqual(["succeeded", true]);
		} finally {
			git.delayMs = 0;
		}
		git.remove("slow/team/web.git");
		const { body } = await deliver(repo, githubDelivery("push", githubPush({ after: "b".repeat(40) }), HOOK_SECRET));
		const plan = await coordinator.get<Run>(`/api/v1/runs/${body.run_id}/wait?timeout=60`);
		expect([plan.state, plan.reason?.code]).toEqual(["errored", "checkout_failed"]);
		await forge.until(() => forge.statuses("b".repeat(40))["windlass/discovery"]?.includes("error") ?? false, "the status of the plan");
		// In the list of runs it stands, so that somebody sees it.
		await eventually(async () => {
			const { items } = await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=slow");
			return items.some(({ id, kind, state }) => id === plan.id && kind === "discovery" && state === "errored");
		}, "the plan is listed");
		// Once it can be looked at, the forge is told that all is well.
		git.add("slow/team/web.git", { ".windlass.yml": "steps: [true]" });
		const found = git.commit("slow/team/web.git", { a: "2" });
		const at = (repository: string) =>
			coordinator.request("/api/v1/projects/slow", { method: "PATCH", body: JSON.stringify({ repository }) });
		await at(`${git.url}/slow/team/WEB.git`);
		const lost = await deliver(repo, githubDelivery("push", githubPush({ after: found }), HOOK_SECRET));
		await coordinator.get(`/api/v1/runs/${lost.body.run_id}/wait?timeout=60`);
		await forge.until(() => forge.statuses(found)["windlass/discovery"]?.includes("error") ?? false, "that the plan has failed");
		await at(repo.repository as string);
		await planned((await coordinator.post<Run>(`/api/v1/deliveries/${lost.body.id}/replay`, {})).id);
		await forge.until(() => forge.statuses(found)["windlass/discovery"]?.at(-1) === "success", "that it has not, in the end");
		const told = forge.told.find(({ path: where, body }) => where.includes(found) && body.state === "error");
		expect(told?.body.description).toMatch(/repository/);
	}, 120_000);

	test("finds what the project says is its config; both usual places are one too many, none is nothing", async () => {
		const repo = await project(
			"elsewhere",
			{ "ci/a.yml": "steps: [true]", "ci/b.yaml": "steps: [true]", ".windlass.yml": "steps: [false]" },
			{ config: "ci" },
		);
		const pushed = async () => {
			const after = git.commit("elsewhere/team/web.git", { n: randomUUID() });
			return planned((await deliver(repo, githubDelivery("push", githubPush({ after }), HOOK_SECRET))).body.run_id);
		};
		expect(Object.keys((await pushed()).runs).sort()).toEqual(["a", "b"]);
		const configured = (config: string | null) =>
			coordinator.request("/api/v1/projects/elsewhere", { method: "PATCH", body: JSON.stringify({ config }) });
		await configured("ci/a.yml");
		expect(Object.keys((await pushed()).runs)).toEqual(["a"]);
		await configured("nowhere");
		expect((await pushed()).plan.jobs[0]?.outputs).toEqual({ "*": "not run: this commit has no file at nowhere" });
		const notices = async () => (await coordinator.get<Project>("/api/v1/projects/elsewhere")).notices;
		expect(await notices()).toEqual([
			expect.stringMatching(
				/^No pipeline ran for the branch main at [0-9a-f]{12}: it has no file at nowhere\. .*elsewhere --config <path>$/,
			),
		]);
		await configured(null);
		expect(await notices()).toEqual([]);
		git.commit("elsewhere/team/web.git", { ".windlass/c.yml": "steps: [true]" });
		expect((await pushed()).runs.pipeline).toMatchObject({
			state: "errored",
			reason: { code: "config_invalid", text: expect.stringContaining("both .windlass.yml and .windlass/") },
		});
	});

	test("reads .windlass.yaml, too; without any pipeline the project says so, and its status fails where the project asks for that", async () => {
		const repo = await project("spelled", { ".windlass.yaml": "steps: [true]", "README.md": "" });
		const pushed = async (more: object = {}) => {
			const after = git.commit("spelled/team/web.git", { n: String(Math.random()) });
			const push = { ...githubPush({ after }), ...more };
			return { after, ...(await planned((await deliver(repo, githubDelivery("push", push, HOOK_SECRET))).body.run_id)) };
		};
		const describe = () => coordinator.get<Project>("/api/v1/projects/spelled");
		expect((await pushed()).runs.pipeline).toMatchObject({ state: "succeeded", file: ".windlass.yaml" });
		git.commit("spelled/team/web.git", { ".windlass.yml": "steps: [true]" });
		expect((await pushed()).runs.pipeline?.reason?.text).toContain("both .windlass.yml and .windlass.yaml");
		git.commit("spelled/team/web.git", { ".windlass.yml": null, ".windlass.yaml": null });
		expect((await pushed()).runs).toEqual({});
		expect((await describe()).notices).toEqual([expect.stringContaining("it has no .windlass.yml and no .windlass/*.yml.")]);
		await coordinator.request("/api/v1/projects/spelled", { method: "PATCH", body: JSON.stringify({ require_pipeline: true }) });
		expect((await describe()).require_pipeline).toBe(true);
		const required = await pushed();
		expect(required.runs.pipeline).toMatchObject({ state: "failed", reason: { code: "config_invalid" } });
		await forge.until(() => forge.statuses(required.after)["windlass/pipeline"]?.at(-1) === "failure", "the failed status");
		// The forge calls its default branch by another name, and there is none of the name that the project says.
		await coordinator.request("/api/v1/projects/spelled", { method: "PATCH", body: JSON.stringify({ default_branch: "old" }) });
		git.commit("spelled/team/web.git", { ".windlass.yml": "steps: [true]" });
		await pushed();
		expect((await describe()).notices).toEqual([
			expect.stringMatching(
				/^The repository has no branch old; its default branch is main\. .*: windlass projects edit spelled --default-branch main$/,
			),
		]);
		const lost = await coordinator.post<Run>("/api/v1/projects/spelled/trigger", {});
		const { plan } = await planned(lost.id);
		expect(plan.reason?.text).toContain(
			"The repository's default branch is main. If it was renamed, change the project's setting default_branch.",
		);
		await coordinator.request("/api/v1/projects/spelled", { method: "PATCH", body: JSON.stringify({ default_branch: "main" }) });
		expect((await describe()).notices).toEqual([]);
	});
});
