import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HookAnswer } from "../../schema/wire/deliveries.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { isMemoryTold, type Program, residentMib, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Commits that try to make the agent's own git do something for them. */

const HOOK_SECRET = "the-secret-of-the-hook";
const PASSWORD = "password-of-git";
const PIPELINE =
	"on: { pull_request: {} }\nsteps: ['cat big.bin || true; git status --short; git config --list --show-origin > /dev/null']";
const ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let agent: Program;
/** The server of the project; one that gives to everybody, and one that asks everybody for a password. */
let git: GitHttp;
let open: GitHttp;
let curious: GitHttp;
/** What hooks and filters of the agent's user leave behind. */
let marks: string;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), `ci:${PASSWORD}`, atEnd);
	open = await GitHttp.start(path.join(temporaryFolder(atEnd), "open"), null, atEnd);
	curious = await GitHttp.start(path.join(temporaryFolder(atEnd), "curious"), "who:knows", atEnd);
	marks = temporaryFolder(atEnd);
	agent = await coordinator.agent("reader", { slots: "2", environment: { HOME: homeOfOperator() } });
	for (const [name, value] of [
		["hook", HOOK_SECRET],
		["git", `ci:${PASSWORD}`],
	] as const)
		await coordinator.request(`/api/v1/secrets/${name}`, { method: "PUT", body: JSON.stringify({ value }) });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** A user who has set up Git LFS for the machine, a filter, hooks, and passwords for both servers. */
function homeOfOperator(): string {
	const home = temporaryFolder(atEnd);
	const hooks = path.join(home, "template/hooks");
	mkdirSync(hooks, { recursive: true });
	writeFileSync(path.join(hooks, "post-checkout"), `#!/bin/sh\ntouch ${marks}/hook\n`, { mode: 0o755 });
	const lfs = "clean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\tprocess = git-lfs filter-process\n\trequired = true";
	const mark = `smudge = touch ${marks}/filter; cat`;
	const settings = `[filter "lfs"]\n\t${lfs}\n[filter "mark"]\n\t${mark}\n[init]\n\ttemplateDir = ${home}/template\n`;
	writeFileSync(path.join(home, ".gitconfig"), settings);
	writeFileSync(path.join(home, ".netrc"), `machine 127.0.0.1 login ci password ${PASSWORD}\n`, { mode: 0o600 });
	return home;
}

/** A project, and a run of a commit that a pull request has brought, from a fork or from its own people. */
async function runOf(name: string, isFork: boolean, commit: (repository: string) => string): Promise<{ run: Run; log: string }> {
	const repository = `${name}/team/web.git`;
	const address = git.add(repository, { ".windlass.yml": PIPELINE });
	// A forge that lies in a folder of its host: so it is known what the repository is called there.
	const forge = { forge: "github", forge_api: `${git.url}/${name}/api/v3` };
	const settings = { name, repository: address, credentials: "git", hook_secret: "hook", ...forge };
	const project = await coordinator.post<Project>("/api/v1/projects", settings);
	git.branch(repository, "theirs");
	const sha = commit(repository);
	git.ref(repository, "refs/pull/7/head", sha);
	git.checkout(repository, "main");
	const delivery = githubDelivery("pull_request", githubPullRequest({ sha, fork: isFork }), HOOK_SECRET);
	const answer = await coordinator.request(`/hooks/${project.id}`, { method: "POST", token: null, ...delivery });
	const { run_id, reason } = (await answer.json()) as HookAnswer;
	expect([answer.status, reason]).toEqual([202, expect.any(String)]);
	const plan = await coordinator.get<Run>(`/api/v1/runs/${run_id}/wait?timeout=60`);
	const id = plan.jobs[0]?.outputs?.[".windlass.yml"];
	if (isFork) await coordinator.post(`/api/v1/runs/${id}/approve`, {});
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	return { run, log: await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`) };
}

describe("large files", () => {
	test.each([true, false])(
		"of the project's own server come with its credentials; git takes none for changed (fork: %s)",
		async (isFork) => {
			const name = `own-${isFork}`;
			const pointer = git.addLargeFile(`the content of ${name}`);
			const { run, log } = await runOf(name, isFork, (repository) =>
				git.commit(repository, { ".gitattributes": ATTRIBUTES, "big.bin": pointer }),
			);
			expect([run.state, log], log).toEqual(["succeeded", expect.stringContaining(`the content of ${name}`)]);
			expect(log).not.toMatch(/^ M /m);
			expect(git.batches.filter(({ repository }) => repository === `/${name}/team/web.git`)).toHaveLength(1);
		},
	);

	test("of another server come without any, whatever the commit says", async () => {
		const pointer = open.addLargeFile("from elsewhere");
		const settings = `[lfs]\n\turl = ${open.url}/theirs.git/info/lfs\n`;
		const { run, log } = await runOf("elsewhere", true, (repository) =>
			git.commit(repository, { ".gitattributes": ATTRIBUTES, ".lfsconfig": settings, "big.bin": pointer }),
		);
		expect([run.state, log], log).toEqual(["succeeded", expect.stringContaining("from elsewhere")]);
		expect(open.batches).toEqual([{ repository: "/theirs.git", authorization: null }]);
	});

	// The project's own people may have what the agent's user has set up for a server, but not the project's credentials for another one.
	test.each([
		[true, "127.0.0.1"],
		[false, "localhost"],
	])("of another server that asks who is there are not had, and it is told nothing (fork: %s)", async (isFork, host) => {
		const settings = `[lfs]\n\turl = ${curious.url.replace("127.0.0.1", host)}/theirs.git/info/lfs\n`;
		const { run } = await runOf(`curious-${isFork}`, isFork, (repository) =>
			git.commit(repository, { ".gitattributes": ATTRIBUTES, ".lfsconfig": settings, "big.bin": curious.addLargeFile("x") }),
		);
		expect([run.state, run.jobs[0]?.reason?.code]).toEqual(["errored", "checkout_failed"]);
		expect(curious.asked).toEqual([]);
	});

	test.each([
		"/private/team/web.git/info/lfs",
		"/same-1/team/web.git/../../../private/team/web.git/info/lfs",
		"/same-2/team/web.git/%2e%2e%2f%2e%2e/x/info/lfs",
	])("of another repository of the same server are not had by a fork: %s", async (place) => {
		const name = `same-${["/private", "/same-1", "/same-2"].findIndex((start) => place.startsWith(start))}`;
		const pointer = git.addLargeFile("the recipe");
		const before = git.batches.length;
		const { run, log } = await runOf(name, true, (repository) =>
			git.commit(repository, {
				".gitattributes": ATTRIBUTES,
				".lfsconfig": `[lfs]\n\turl = ${git.url}${place}\n[lfs "${git.url}${place}"]\n\taccess = basic\n`,
				"big.bin": pointer,
			}),
		);
		expect([run.state, run.jobs[0]?.reason?.code]).toEqual(["errored", "checkout_failed"]);
		expect(log).not.toContain("the recipe");
		expect(git.batches).toHaveLength(before);
	});

	test.each([
		[true, "those of a fork stay in the fork. Push the commit to a branch of the project's repository."],
		[false, "Push them: git lfs push --all origin."],
	])("that the repository's server does not have are named, with what to do (fork: %s)", async (isFork, expected) => {
		const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 5\n`;
		const { run } = await runOf(`absent-${isFork}`, isFork, (repository) =>
			git.commit(repository, { ".gitattributes": ATTRIBUTES, "big.bin": pointer }),
		);
		expect([run.state, run.jobs[0]?.reason?.text]).toEqual(["errored", expect.stringContaining(`of this commit (404). `)]);
		expect(run.jobs[0]?.reason?.text).toContain(expected);
	});

	test("of this machine are not had by a fork", async () => {
		const { run } = await runOf("local", true, (repository) =>
			git.commit(repository, { ".gitattributes": ATTRIBUTES, ".lfsconfig": "[lfs]\n\turl = file:///\n", "big.bin": git.addLargeFile("x") }),
		);
		expect([run.state, run.jobs[0]?.reason?.text]).toEqual(["errored", expect.stringContaining(".lfsconfig names file:///")]);
	});

	test("are written in the place of their pointers; a link to one stays a link", async () => {
		const { run, log } = await runOf("written", true, (repository) => {
			git.commit(repository, { ".gitattributes": ATTRIBUTES, "dir/big.bin": git.addLargeFile("in a folder") });
			return git.link(repository, "big.bin", "dir/big.bin");
		});
		expect([run.state, log]).toEqual(["succeeded", expect.stringContaining("in a folder")]);
	});
});

describe("what git reads to know what to do", () => {
	const lines = (count: number) => `# ${"x".repeat(1_000)}\n`.repeat(count);

	test.each<[string, (repository: string) => string, string, string | RegExp]>([
		["attributes that are a link to an endless device", (name) => git.link(name, ".gitattributes", "/dev/zero"), "succeeded", ""],
		["attributes that are a folder", (name) => git.commit(name, { ".gitattributes/x": "y" }), "succeeded", ""],
		["modules that are a folder", (name) => git.commit(name, { ".gitmodules/x": "y" }), "succeeded", ""],
		["modules that are a link", (name) => git.linkInTree(name, ".gitmodules", "/dev/zero"), "errored", /gitmodules/],
		["modules that are huge", (name) => git.commit(name, { ".gitmodules": lines(2_000) }), "errored", /^\.gitmodules has .* At most 1 MiB/],
		[
			"settings of large files that are a link",
			(name) => {
				git.commit(name, { ".gitattributes": ATTRIBUTES, "big.bin": git.addLargeFile("x") });
				return git.link(name, ".lfsconfig", "/dev/zero");
			},
			"errored",
			/^\.lfsconfig is not a regular file/,
		],
		[
			"settings of large files that are huge",
			(name) => git.commit(name, { ".gitattributes": ATTRIBUTES, "big.bin": git.addLargeFile("x"), ".lfsconfig": lines(100) }),
			"errored",
			/^\.lfsconfig has .* At most 64 KiB/,
		],
	])("%s", async (what, commit, state, text) => {
		const before = residentMib(agent.pid);
		const { run } = await runOf(
			what
				.split(" ")
				.map(([letter]) => letter)
				.join(""),
			true,
			commit,
		);
		const { reason } = run.jobs[0] ?? {};
		expect([run.state, reason?.text ?? ""]).toEqual([state, expect.stringMatching(text)]);
		if (isMemoryTold) expect(residentMib(agent.pid) - before).toBeLessThan(100);
	});

	test("hooks of this machine run for nobody, and its filters not for a fork", async () => {
		const commit = (repository: string) => git.commit(repository, { ".gitattributes": "*.marked filter=mark\n", "a.marked": "x" });
		const fork = await runOf("marks-fork", true, commit);
		expect([fork.run.state, existsSync(path.join(marks, "filter")), existsSync(path.join(marks, "hook"))]).toEqual([
			"succeeded",
			false,
			false,
		]);
		const own = await runOf("marks-own", false, commit);
		expect([own.run.state, existsSync(path.join(marks, "filter")), existsSync(path.join(marks, "hook"))]).toEqual([
			"succeeded",
			true,
			false,
		]);
	});

	test.each(["file:///", "ext::sh -c touch% /tmp/x", "-uhelper", "ssh://git@127.0.0.1/x"])(
		"a submodule of a fork is not had from %s",
		async (url) => {
			const name = `module-${url.replaceAll(/[^a-z]+/g, "").slice(0, 10)}`;
			const { run } = await runOf(name, true, (repository) => {
				git.submodule(repository, repository, "deps");
				return git.commit(repository, { ".gitmodules": `[submodule "deps"]\n\tpath = deps\n\turl = ${url}\n` });
			});
			expect([run.state, run.jobs[0]?.reason?.code]).toEqual(["errored", "checkout_failed"]);
		},
	);
});
