import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Cache, CacheUsage, CacheUse } from "../../schema/wire/caches.ts";
import type { Page, Run } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPullRequest, githubPush } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { ADMIN_TOKEN, eventually, PROGRAM, Program, TestCoordinator, temporaryFolder } from "../support/processes.ts";

/** Caches with real agents: what is found, who reads what, and what goes wrong. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
let workDir: string;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	workDir = path.join(temporaryFolder(atEnd), "agent");
	await coordinator.agent("one", { workDir, slots: "2", args: ["--labels", "one"] });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

interface Ended {
	run: Run;
	uses: CacheUse[];
	log: string;
}

async function ended(id: string): Promise<Ended> {
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const log = await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`);
	return { run, uses: run.jobs[0]?.attempts.at(-1)?.caches ?? [], log };
}

/** Runs a pipeline of one job to its end. */
async function run(project: string, job: { cache?: unknown; steps: unknown[]; [key: string]: unknown }, agent = "one"): Promise<Ended> {
	const pipeline = { runs_on: agent, ...job };
	return ended((await coordinator.post<Run>("/api/v1/runs", { pipeline, project })).id);
}

async function project(name: string, settings: object = {}): Promise<string> {
	await coordinator.post("/api/v1/projects", { name, ...settings });
	return name;
}

const cachesOf = async (name: string) => (await coordinator.get<Page<Cache>>(`/api/v1/projects/${name}/caches?limit=200`)).items;
const usageOf = (name: string) => coordinator.get<CacheUsage>(`/api/v1/projects/${name}/cache-usage`);
const saved = (name: string, key: string) =>
	eventually(async () => (await cachesOf(name)).some((cache) => cache.key === key), `cache ${key}`);
const resultsOf = ({ run: { state }, uses }: Ended) => [state, ...uses.map(({ result }) => result)];

describe("a cache", () => {
	const make = [
		"mkdir -p deps/bin deps/empty && echo 42 > deps/lib && printf '#!/bin/sh\\necho tool' > deps/bin/tool && chmod +x deps/bin/tool",
		"ln -s bin/tool deps/link && ln -s /usr/bin/env deps/outside",
	];
	const check = [
		'test "$(cat deps/lib)" = 42 && test "$(deps/link)" = tool && test -d deps/empty && test "$(readlink deps/outside)" = /usr/bin/env',
	];

	test("is a miss, then a hit from this machine, and a hit from the coordinator on another one", async () => {
		const web = await project("web");
		const cache = { key: "deps-1", paths: ["deps"] };
		const first = await run(web, { cache, steps: make });
		expect([resultsOf(first), first.uses[0]?.restored]).toEqual([["succeeded", "miss"], null]);
		expect(first.log).toMatch(/:: cache deps-1: not found\n[\s\S]*:: cache deps-1: saving deps\n/);
		const second = await run(web, { cache, steps: check });
		expect([resultsOf(second), second.uses[0]]).toEqual([
			["succeeded", "hit"],
			expect.objectContaining({ restored: "deps-1", from: "agent" }),
		]);
		await coordinator.agent("two", { args: ["--labels", "two"] });
		const third = await run(web, { cache, steps: check }, "two");
		expect([resultsOf(third), third.uses[0]?.from]).toEqual([["succeeded", "hit"], "coordinator"]);
		expect(third.log).toMatch(/:: cache deps-1: restored from the copy of the coordinator \(\d+ bytes in 4 files, \d/);
		// What the job has left unchanged is here from now on.
		await eventually(
			async () => (await run(web, { cache, steps: check }, "two")).uses[0]?.from === "agent",
			"a copy on the second machine",
		);
		const [stored, ...others] = await cachesOf(web);
		expect([stored, others]).toEqual([expect.objectContaining({ key: "deps-1", scope: "submitted runs", files: 4 }), []]);
		expect(stored?.hits).toBeGreaterThanOrEqual(3);
	});

	test("is fetched ahead by an agent that begins with --warm, if jobs of its labels use it", async () => {
		const name = await project("ahead");
		const job = { steps: [...make, "dd if=/dev/urandom of=deps/random bs=1000 count=1"] };
		await coordinator.agent("pool", { args: ["--labels", "pool"] });
		await run(name, { ...job, cache: { key: "ahead", paths: ["deps"] } }, "pool");
		await saved(name, "ahead");
		for (const [agent, labels, runs] of [
			["ahead", "pool,ahead", "any"],
			["elsewhere", "elsewhere", "any"],
			["for-forks", "pool,for-forks", "untrusted"],
		] as const) {
			const { token } = await coordinator.post<{ token: string }>("/api/v1/agent-tokens", { runs });
			const args = ["--labels", labels, "--warm", "100"];
			const program = await coordinator.agent(agent, { args, environment: { WINDLASS_TOKEN: token } });
			await program.says(agent === "ahead" ? /[1-9]\d* caches? fetched ahead: \d/ : /0 caches fetched ahead/);
		}
		const used = await run(name, { runs_on: "ahead", cache: { key: "ahead", paths: ["deps"] }, steps: check });
		expect([resultsOf(used), used.uses[0]?.from]).toEqual([["succeeded", "hit"], "agent"]);
	});

	test("follows the files of the source, and begins with the nearest one", async () => {
		const repository = git.add("follows.git", { "a/lock": "1", ".windlass.yml": "steps: [x]" });
		const name = await project("follows", { repository });
		const job = {
			cache: { key: "deps-${{ hash('**/lock') }}", paths: ["deps"], restore_keys: ["other-", "deps-"] },
			steps: ["mkdir -p deps; cat deps/* 2>/dev/null | sort > seen || true; cat seen; cat a/lock > deps/$(cat a/lock)"],
		};
		expect(resultsOf(await run(name, job))).toEqual(["succeeded", "miss"]);
		expect(resultsOf(await run(name, job))).toEqual(["succeeded", "hit"]);
		const [first] = await cachesOf(name);
		expect(first?.key).toMatch(/^deps-[0-9a-f]{64}$/);
		git.commit("follows.git", { "a/lock": "2" });
		const near = await run(name, job);
		expect([resultsOf(near), near.uses[0]?.restored]).toEqual([["succeeded", "partial"], first?.key]);
		expect(near.log).toContain(`the nearest is ${first?.key}, restored`);
		expect(resultsOf(await run(name, job))).toEqual(["succeeded", "hit"]);
		// The source says what is in the workspace: an old cache changes none of its files.
		git.commit("follows.git", { "a/lock": "2", "deps/1": "of the source" });
		const kept = await run(name, { ...job, steps: ["cat deps/1"] });
		expect([resultsOf(kept), kept.log]).toEqual([["succeeded", "hit"], expect.stringContaining("of the source")]);
		const none = await run(name, { cache: { key: "k-${{ hash('nowhere/*') }}", paths: "deps" }, steps: ["true"] });
		expect([resultsOf(none), none.log]).toEqual([
			["succeeded", "miss"],
			expect.stringContaining(':: hash("nowhere/*") matches no file: it is empty'),
		]);
	});

	test.each([
		["success", "exit 3", false],
		["success", "true", true],
		["failure", "exit 3", true],
		["failure", "true", false],
		["always", "exit 3", true],
	])("with when: %s is saved after `%s`: %s", async (when, end, isSaved) => {
		const name = await project(`when-${when}-${end === "true" ? "ok" : "bad"}`);
		await run(name, { cache: { key: "k", paths: "deps", when }, steps: ["mkdir deps; echo 1 > deps/a", end] });
		// A second job waits for what is being saved.
		await run(name, { cache: { key: "other", paths: "deps" }, steps: ["true"] });
		expect((await cachesOf(name)).map(({ key }) => key)).toEqual(isSaved ? ["k"] : []);
	});

	test("is not saved by a job that was cancelled, and says so where nothing is at its paths", async () => {
		const name = await project("cancelled");
		const pipeline = {
			runs_on: "one",
			cache: { key: "k", paths: "deps", when: "always" },
			steps: ["mkdir deps; echo 1 > deps/a; echo ready; sleep 60"],
		};
		const { id, jobs } = await coordinator.post<Run>("/api/v1/runs", { pipeline, project: name });
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${jobs[0]?.id}/log`)).includes("ready\n"), "the job to run");
		await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
		expect((await ended(id)).run.state).toBe("cancelled");
		const empty = await run(name, { cache: { key: "k", paths: ["deps", "more"] }, steps: ["true"] });
		expect([resultsOf(empty), empty.log]).toEqual([
			["succeeded", "miss"],
			expect.stringContaining(":: cache k: not saved: nothing that can be moved is at deps, more"),
		]);
		expect(await cachesOf(name)).toEqual([]);
	});

	test("that two jobs save at once is the first one's, and is whole", async () => {
		const name = await project("racing");
		const gate = path.join(temporaryFolder(), "gate");
		const job = (text: string) => ({
			runs_on: "one",
			cache: { key: "k", paths: "deps" },
			steps: [
				`mkdir deps; for i in $(seq 300); do echo ${text} > deps/$i; done; touch ${gate}-${text}; until test -e ${gate}; do sleep 0.05; done`,
			],
		});
		const pipeline = { jobs: { a: job("a"), b: job("b") } };
		const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline, project: name });
		await eventually(async () => ["a", "b"].every((text) => existsSync(`${gate}-${text}`)), "both jobs to be ready");
		writeFileSync(gate, "");
		expect((await ended(id)).run.state).toBe("succeeded");
		const after = await run(name, { cache: { key: "k", paths: "deps" }, steps: ["cat deps/* | sort -u; ls deps | wc -l"] });
		expect([resultsOf(after), after.log]).toEqual([["succeeded", "hit"], expect.stringMatching(/\n[ab]\n300\n/)]);
		expect(await cachesOf(name)).toHaveLength(1);
	});

	test("stores the same content once, under two keys, and hides a secret in a key", async () => {
		const name = await project("once");
		await coordinator.request("/api/v1/secrets/hidden", {
			method: "PUT",
			body: JSON.stringify({ value: "the-hidden-word", project: name }),
		});
		const steps = ["mkdir deps; head -c 50000 /dev/zero > deps/zeros"];
		await run(name, { cache: { key: "one", paths: "deps" }, steps });
		const second = { key: "two-${{ params.word }}", paths: "deps" };
		const params = { word: { default: "the-hidden-word" } };
		const shown = await run(name, { params, secrets: { HIDDEN: "hidden" }, cache: second, steps });
		expect([shown.uses[0]?.key, shown.log.includes("the-hidden-word")]).toEqual(["two-***", false]);
		await saved(name, "two-***");
		const [one] = await cachesOf(name);
		expect(await usageOf(name)).toMatchObject({ count: 2, bytes: one?.size });
	});
});

describe("who reads a cache", () => {
	const cache = { key: "k", paths: "deps" };
	const save = "mkdir -p deps; test -e deps/by || echo $CI_RUN_ID > deps/by";

	test("no run of another project, and no cache of other paths", async () => {
		const [one, other] = [await project("mine"), await project("theirs")];
		await run(one, { cache, steps: [save] });
		await saved(one, "k");
		expect(resultsOf(await run(other, { cache, steps: ["test ! -e deps"] }))).toEqual(["succeeded", "miss"]);
		expect(resultsOf(await run(one, { cache: { ...cache, paths: ["deps", "more"] }, steps: ["test ! -e deps"] }))).toEqual([
			"succeeded",
			"miss",
		]);
		expect(resultsOf(await run(one, { cache, steps: ["test -e deps/by"] }))).toEqual(["succeeded", "hit"]);
	});

	test("a fork reads the default branch's and writes what it alone reads; a pull request and a branch keep theirs", async () => {
		const text = `on: [push, pull_request]\ncache: [{ key: k, paths: deps }, { key: s, paths: shared, scope: project }]\nruns_on: [one]\nsteps: ['mkdir -p deps shared; test -e deps/by || echo "$CI_RUN_ID" > deps/by; cat deps/by; ls shared; touch shared/$CI_RUN_ID']\n`;
		const repository = git.add("team/web.git", { ".windlass.yml": text });
		await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: "the-secret-of-the-hook" }) });
		const { id: projectId } = await coordinator.post<{ id: string }>("/api/v1/projects", {
			name: "scoped",
			repository,
			hook_secret: "hook",
			forge: "github",
		});
		const deliver = async ({ headers, body }: ReturnType<typeof githubDelivery>, isApproved = false) => {
			const answer = await coordinator.request(`/hooks/${projectId}`, { method: "POST", token: null, headers, body });
			const plan = await coordinator.get<Run>(`/api/v1/runs/${((await answer.json()) as { run_id: string }).run_id}/wait?timeout=60`);
			const id = plan.jobs[0]?.outputs?.[".windlass.yml"] ?? "";
			if (isApproved) await coordinator.post(`/api/v1/runs/${id}/approve`, {});
			return ended(id);
		};
		const push = (branch: string, after: string) =>
			deliver(githubDelivery("push", githubPush({ ref: `refs/heads/${branch}`, after }), "the-secret-of-the-hook"));
		const pull = (number: number, sha: string, fork: boolean) => {
			git.ref("team/web.git", `refs/pull/${number}/head`, sha);
			return deliver(
				githubDelivery("pull_request", githubPullRequest({ number, sha, fork, head: "feature" }), "the-secret-of-the-hook"),
				fork,
			);
		};
		git.branch("team/web.git", "feature");
		const sha = git.commit("team/web.git", { b: "1" });
		// Nobody reads what the fork writes, not even its own project; the next run of the fork does.
		const fork = await pull(9, sha, true);
		expect([fork.run.trusted, resultsOf(fork)]).toEqual([false, ["succeeded", "miss", "miss"]]);
		expect(fork.log).toContain(":: cache s: A run of a fork cannot use a cache with `scope: project`.");
		const request = await pull(7, sha, false);
		expect([request.run.trusted, resultsOf(request)]).toEqual([true, ["succeeded", "miss", "miss"]]);
		const branch = await push("feature", sha);
		expect(resultsOf(branch)).toEqual(["succeeded", "miss", "hit"]);
		const again = await pull(9, git.commit("team/web.git", { b: "2" }), true);
		expect([resultsOf(again), again.log]).toEqual([["succeeded", "hit", "miss"], expect.stringContaining(`\n${fork.run.id}\n`)]);
		const main = await push("main", sha);
		expect(resultsOf(main)).toEqual(["succeeded", "miss", "hit"]);
		// A new fork finds those of the default branch, and none of the first fork.
		const newer = await pull(10, sha, true);
		expect([resultsOf(newer), newer.log]).toEqual([["succeeded", "hit", "miss"], expect.stringContaining(`\n${main.run.id}\n`)]);
		const scopes = (await cachesOf("scoped")).map(({ key, scope }) => `${key} of ${scope}`).sort();
		expect(scopes).toEqual([
			"k of branch feature",
			"k of branch main",
			"k of fork of pull request 9",
			"k of pull request 7",
			"s of whole project",
		]);
	});
});

describe("what goes wrong with a cache", () => {
	const cache = { key: "k", paths: "deps" };
	const bytes = "mkdir deps; head -c 3000000 /dev/urandom > deps/noise";

	/** The files in which the coordinator stores R2's objects, the largest first. */
	function blobs(): string[] {
		const folder = path.join(coordinator.data, "storage/r2");
		return (readdirSync(folder, { recursive: true, withFileTypes: true }) as { name: string; parentPath: string; isFile(): boolean }[])
			.filter((entry) => entry.isFile() && entry.parentPath.includes("blobs"))
			.map(({ parentPath, name }) => path.join(parentPath, name))
			.sort((a, b) => statSync(b).size - statSync(a).size);
	}

	test("a damaged one is a miss with a notice, is removed, and leaves nothing in the workspace", async () => {
		const name = await project("damaged");
		await run(name, { cache, steps: [bytes] });
		await saved(name, "k");
		const [blob = ""] = blobs();
		const content = readFileSync(blob);
		content[1_000_000] = (content[1_000_000] ?? 0) ^ 1;
		writeFileSync(blob, content);
		await coordinator.agent("fresh", { args: ["--labels", "fresh"] });
		const hurt = await run(name, { cache, steps: ["test ! -e deps", bytes] }, "fresh");
		expect([resultsOf(hurt), hurt.log]).toEqual([
			["succeeded", "failed"],
			expect.stringMatching(/:: cache k: not restored: .*its sha256 differs/),
		]);
		expect((await usageOf(name)).removed).toEqual([expect.objectContaining({ key: "k", why: "damaged" })]);
		await saved(name, "k");
		expect(resultsOf(await run(name, { cache, steps: ["test -e deps/noise"] }))).toEqual(["succeeded", "hit"]);
	});

	test("a copy that a job has changed on the agent is not used", async () => {
		const name = await project("changed");
		await run(name, { cache, steps: ["mkdir deps; echo good > deps/a"] });
		const poison = `for tree in ${workDir}/caches/warm/*/tree; do test -e $tree/deps/a && echo bad > $tree/deps/a; done; true`;
		await run(name, { cache: { ...cache, key: "other" }, steps: [poison] });
		const after = await run(name, { cache, steps: ["grep good deps/a"] });
		expect([resultsOf(after), after.uses[0]?.from]).toEqual([["succeeded", "hit"], "coordinator"]);
	});

	test("a copy that somebody has removed from the agent's disk comes from the coordinator again", async () => {
		const name = await project("removed");
		const job = { cache: { key: "k", paths: ["deps"] }, steps: ["mkdir -p deps; date +%N > deps/random"] };
		const warm = path.join(workDir, "caches/warm");
		const copies = () => (existsSync(warm) ? readdirSync(warm) : []);
		const others = copies();
		await run(name, job);
		await saved(name, "k");
		// The coordinator has it before the agent has moved its copy there.
		await eventually(() => copies().some((content) => !others.includes(content)), "the copy of the agent");
		for (const content of readdirSync(warm)) rmSync(path.join(warm, content), { recursive: true });
		const uses = [await run(name, job), await run(name, job)].map((one) => [...resultsOf(one), one.uses[0]?.from]);
		expect(uses).toEqual([
			["succeeded", "hit", "coordinator"],
			["succeeded", "hit", "agent"],
		]);
	});

	test("two jobs at once use the copies of an earlier process of the agent", async () => {
		const name = await project("restarted");
		const own = path.join(temporaryFolder(onTestFinished), "agent");
		const start = () => coordinator.agent("restarted", { workDir: own, slots: "2", args: ["--labels", "restarted"] });
		const first = await start();
		const job = { cache: { key: "k", paths: ["deps"] }, steps: ["mkdir -p deps; for i in $(seq 2000); do echo $i > deps/$i; done"] };
		await run(name, job, "restarted");
		await first.says(/cache k saved/);
		first.signal("SIGTERM");
		await first.exited;
		await start();
		const both = await Promise.all([run(name, job, "restarted"), run(name, job, "restarted")]);
		expect(both.map((one) => [...resultsOf(one), one.uses[0]?.from])).toEqual([
			["succeeded", "hit", "agent"],
			["succeeded", "hit", "agent"],
		]);
	});

	test("an agent that is killed while it saves leaves nothing half, and the next one saves", async () => {
		const name = await project("killed");
		const folder = path.join(temporaryFolder(), "agent");
		const first = await coordinator.agent("mortal", { workDir: folder, args: ["--labels", "mortal"] });
		const large = { cache: { ...cache, compression: "best" }, steps: ["mkdir deps; head -c 60000000 /dev/urandom > deps/noise"] };
		await run(name, large, "mortal");
		await first.kill();
		expect([await cachesOf(name), readdirSync(path.join(folder, "caches/saving"))]).toEqual([[], [expect.any(String)]]);
		await coordinator.agent("mortal", { workDir: folder, args: ["--labels", "mortal"] });
		expect(resultsOf(await run(name, { cache, steps: ["mkdir deps; echo 1 > deps/a"] }, "mortal"))).toEqual(["succeeded", "miss"]);
		expect(resultsOf(await run(name, { cache, steps: ["cat deps/a"] }, "mortal"))).toEqual(["succeeded", "hit"]);
		expect(readdirSync(path.join(folder, "caches/saving"))).toEqual([]);
	});

	// A disk that is small enough to fill can only be mounted as root.
	test.skipIf(process.getuid?.() !== 0)("a full disk costs the cache, not the job", async () => {
		const name = await project("cramped");
		await run(name, { cache, steps: ["mkdir deps; head -c 30000000 /dev/urandom > deps/noise"] });
		await saved(name, "k");
		const mount = temporaryFolder();
		execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", mount]);
		onTestFinished(() => void execFileSync("umount", ["-l", mount]));
		const agent = await coordinator.agent("small", { workDir: path.join(mount, "agent"), args: ["--labels", "small"] });
		const full = await run(name, { cache, steps: ["test ! -e deps && echo went on"] }, "small");
		expect([resultsOf(full), full.log]).toEqual([
			["succeeded", "failed"],
			expect.stringMatching(/:: cache k: not restored: .*(ENOSPC|space)[\s\S]*went on/),
		]);
		await agent.kill();
	});

	test("a project without room loses its least recently used ones, and says which and why", async () => {
		const name = await project("full", { cache_quota: "8MiB" });
		const keep = (key: string) => run(name, { cache: { key, paths: "deps" }, steps: [bytes] });
		for (const key of ["a", "b"]) {
			await keep(key);
			await saved(name, key);
		}
		// The first one is used: the second one is the oldest now.
		expect(resultsOf(await run(name, { cache: { key: "a", paths: "deps" }, steps: ["test -e deps/noise"] }))).toEqual(["succeeded", "hit"]);
		await keep("c");
		await saved(name, "c");
		expect((await cachesOf(name)).map(({ key }) => key)).toEqual(["c", "a"]);
		const usage = await usageOf(name);
		expect(usage).toMatchObject({ count: 2, quota: 8 * 1024 ** 2, removed: [{ key: "b", scope: "submitted runs", why: "quota" }] });
		// One that is larger than the whole room is gone at once.
		await run(name, { cache: { key: "huge", paths: "deps" }, steps: ["mkdir deps; head -c 9000000 /dev/urandom > deps/noise"] });
		await eventually(async () => (await usageOf(name)).removed.some(({ key }) => key === "huge"), "the largest one to be removed");
	});
});

test("windlass caches lists, shows and removes, and the deletion of a project removes all", async () => {
	const name = await project("listed");
	for (const key of ["npm-1", "npm-2", "go-1"])
		await run(name, { cache: { key, paths: "deps" }, steps: [`mkdir deps; echo ${key} > deps/a`] });
	await saved(name, "go-1");
	const windlass = async (...args: string[]) => {
		const program = new Program(["caches", ...args, "--server", coordinator.url], { WINDLASS_API_TOKEN: ADMIN_TOKEN });
		onTestFinished(() => program.kill());
		return { code: await program.exited, output: program.output };
	};
	const listed = await windlass("ls", name);
	expect([listed.code, listed.output]).toEqual([
		0,
		expect.stringMatching(/^key +scope +size +hits +used +id\ngo-1 +submitted runs[\s\S]*npm-1[\s\S]*3 caches; \d+ bytes of 10 GiB\n$/),
	]);
	const [newest] = await cachesOf(name);
	expect((await windlass("show", name, newest?.id ?? "")).output).toMatch(/^go-1\n\nscope +submitted runs\nsize[\s\S]*in 1 file\n/);
	expect(await windlass("rm", name)).toEqual({ code: 2, output: expect.stringContaining("Name one of these") });
	expect(await windlass("rm", name, "--key", "npm-")).toEqual({ code: 2, output: expect.stringContaining("Confirm with --yes") });
	expect(await windlass("rm", name, "--key", "npm-", "--yes")).toEqual({ code: 0, output: "2 caches of listed removed.\n" });
	expect((await cachesOf(name)).map(({ key }) => key)).toEqual(["go-1"]);
	const put = 'curl -sf -X PUT --data-binary 1 -u "$CI_GRADLE_CACHE_USER:$CI_GRADLE_CACHE_PASSWORD" "${CI_GRADLE_CACHE_URL}k"';
	await run(name, { build_caches: "gradle", steps: [put] });
	expect((await usageOf(name)).tools).toMatchObject([{ tool: "gradle", results: 1 }]);
	expect(await windlass("rm", name, "--tool", "make")).toEqual({ code: 2, output: expect.stringContaining("make is no build tool") });
	expect((await windlass("rm", name, "--tool", "gradle", "--yes")).output).toBe("The results of gradle of listed are removed.\n");
	expect((await usageOf(name)).tools).toEqual([]);
	await run(name, { build_caches: "gradle", steps: [put] });
	expect((await windlass("rm", name, "--all", "--yes")).output).toBe("1 cache, the results of gradle of listed removed.\n");
	expect(await usageOf(name)).toMatchObject({ count: 0, bytes: 0, tools: [] });
	expect((await coordinator.request(`/api/v1/projects/${name}`, { method: "DELETE" })).status).toBe(204);
	await project(name);
	expect(await usageOf(name)).toMatchObject({ count: 0, bytes: 0, removed: [] });
});

test("windlass exec keeps caches of its own, for each working copy", async () => {
	const [copy, home] = [temporaryFolder(), temporaryFolder()];
	writeFileSync(
		path.join(copy, ".windlass.yml"),
		"cache: { key: \"k-${{ hash('lock') }}\", paths: deps }\nsteps: ['cat deps/a || (mkdir deps; echo made > deps/a)']\n",
	);
	writeFileSync(path.join(copy, "lock"), "1");
	const exec = async (cwd: string) => {
		execFileSync("git", ["init", "-q", cwd]);
		const program = new Program(["exec"], { XDG_CACHE_HOME: home }, ["env", "-C", cwd, process.execPath, PROGRAM]);
		onTestFinished(() => program.kill());
		return { code: await program.exited, output: program.output };
	};
	expect(await exec(copy)).toEqual({ code: 0, output: expect.stringMatching(/cache k-\w+: not found/) });
	expect(await exec(copy)).toEqual({ code: 0, output: expect.stringMatching(/cache k-\w+: restored[\s\S]*\nmade\n/) });
	const other = temporaryFolder();
	for (const file of [".windlass.yml", "lock"]) writeFileSync(path.join(other, file), readFileSync(path.join(copy, file)));
	expect(await exec(other)).toEqual({ code: 0, output: expect.stringMatching(/cache k-\w+: not found/) });
});
