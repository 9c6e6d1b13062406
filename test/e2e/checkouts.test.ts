import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { GitHttp } from "../support/git_http.ts";
import { type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What of a repository the workspace of a job gets. */

const PASSWORD = "pass-of-the-repository";
const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let server: GitHttp;
let workDir: string;
/** A repository of six commits on its default branch, the fourth of which has the annotated tag v1, and a branch beside it. */
let address: string;
let tagObject: string;
let tagged: string;
let beside: string;

beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	workDir = path.join(temporaryFolder(atEnd), "agent");
	await coordinator.agent("checker", { slots: "3", workDir });
	server = await GitHttp.start(temporaryFolder(atEnd), `ci:${PASSWORD}`, atEnd);
	address = server.add("team/web.git", { "a.txt": "1" });
	for (const text of ["2", "3"]) server.commit("team/web.git", { "a.txt": text });
	tagged = server.commit("team/web.git", { "a.txt": "4" });
	tagObject = server.tag("team/web.git", "v1");
	for (const text of ["5", "6"]) server.commit("team/web.git", { "a.txt": text });
	server.branch("team/web.git", "beside");
	beside = server.commit("team/web.git", { "b.txt": "beside" });
	server.checkout("team/web.git", "main");
	await coordinator.request("/api/v1/secrets/git", { method: "PUT", body: JSON.stringify({ value: `ci:${PASSWORD}` }) });
	await coordinator.post("/api/v1/projects", { name: "web", repository: address, credentials: "git" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** Runs steps on a source. @returns the job, and what its steps have written */
async function checkedOut(
	source: object,
	steps: unknown[],
	more: object = {},
): Promise<{ job: resources.Job; run: resources.Run; lines: string[] }> {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { source, steps }, ...more });
	const run = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`));
	const [job] = run.jobs as [resources.Job];
	const log = await coordinator.text(`/api/v1/jobs/${job.id}/log?format=raw`);
	return { job, run, lines: log.split("\n").filter((line) => line !== "" && !line.startsWith("::")) };
}

const COUNT = "git rev-list --count HEAD; git tag --list | tr '\\n' ' '";
const inProject = { project: "web" };

function git(folder: string, ...args: string[]): string {
	const identity = [
		"-c",
		"user.name=Ada",
		"-c",
		"user.email=a@x.test",
		"-c",
		"init.defaultBranch=main",
		"-c",
		"protocol.file.allow=always",
	];
	return execFileSync("git", [...identity, ...args], { cwd: folder, encoding: "utf8" }).trim();
}

/** A repository by its path. @returns the folder */
function localRepository(folder: string, ...init: string[]): string {
	mkdirSync(folder, { recursive: true });
	git(folder, "init", "--quiet", ...init);
	writeFileSync(path.join(folder, "f"), "x");
	git(folder, "add", ".");
	git(folder, "commit", "--quiet", "-m", "first");
	return folder;
}

describe("the history of a checkout", () => {
	test("is one commit with the tag that is checked out, so that git describe finds it", async () => {
		const { lines, job } = await checkedOut(
			{ git: address, ref: "v1" },
			[COUNT, 'git describe --exact-match; echo "$CI_COMMIT_TAG"'],
			inProject,
		);
		expect([job.state, lines]).toEqual(["succeeded", ["1", "v1 ", "v1", "v1"]]);
	});

	test("is as long as the source says, whatever the agent has fetched before", async () => {
		const counts = async (checkout: object) =>
			(await checkedOut({ git: address, ...checkout }, [COUNT], inProject)).lines.map((line) => line.trim());
		expect(await counts({})).toEqual(["1"]);
		expect(await counts({ depth: 3 })).toEqual(["3"]);
		expect(await counts({ depth: "full", tags: true })).toEqual(["6", "v1"]);
		expect(await counts({ depth: 2 })).toEqual(["2"]);
		expect(await counts({ depth: "full" })).toEqual(["6"]);
	});

	test("is as the project says where the source says nothing", async () => {
		await coordinator.request("/api/v1/projects/web", {
			method: "PATCH",
			body: JSON.stringify({ checkout_depth: "full", checkout_tags: true }),
		});
		expect((await checkedOut({ depth: 4 }, [COUNT], inProject)).lines.map((line) => line.trim())).toEqual(["4", "v1"]);
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { steps: [COUNT] }, ...inProject });
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect(await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`)).toContain("\n6\nv1");
		await coordinator.request("/api/v1/projects/web", {
			method: "PATCH",
			body: JSON.stringify({ checkout_depth: null, checkout_tags: null }),
		});
	});

	test.each([
		[{ depth: 0 }, "source.depth: The depth must be a number of commits from 1"],
		[{ depth: "all" }, "or full"],
		[{ submodules: "yes" }, "one of: none, true, recursive"],
		[{ filter: "tree:0" }, "one of: none, blob:none"],
		[{ git: "https://git.test/x", filter: "blob:none", depth: 1 }, "source.filter: `filter` leaves something out of the history"],
		[{ upload: "src_01ARZ3NDEKTSV4RRFFQ69G5FAV", depth: 2 }, "not both"],
		[{ depth: 2 }, "source: `source` says how much of a repository is checked out, and names no repository"],
	])("cannot be %j", async (source, message) => {
		const response = await coordinator.request("/api/v1/runs", {
			method: "POST",
			body: JSON.stringify({ pipeline: { source, steps: ["a"] } }),
		});
		expect([response.status, await response.text()]).toEqual([422, expect.stringContaining(message)]);
	});
});

describe("a partial history", () => {
	/** Commits, and the objects of HEAD's own history that are not here. */
	const LOOK = "git rev-list --count HEAD; git rev-list --objects --missing=print HEAD | grep -c '^?' || true";
	const PARTIAL = { filter: "blob:none" };
	let repository: string;
	let withoutFilters: string;

	beforeAll(async () => {
		repository = server.add("team/big.git", { "a.txt": "old 1", "same.txt": "same", "deep/b.txt": "b" });
		server.acceptFilters("team/big.git");
		for (const text of ["old 2", "old 3", "new"]) server.commit("team/big.git", { "a.txt": text });
		withoutFilters = server.add("team/plain.git", { "a.txt": "old" });
		server.commit("team/plain.git", { "a.txt": "new" });
		await coordinator.post("/api/v1/projects", { name: "big", repository, credentials: "git", checkout_filter: "blob:none" });
		await coordinator.post("/api/v1/projects", { name: "plain", repository: withoutFilters, credentials: "git" });
	});

	test("has all commits and the files of one, and git fetches an older file once a step asks for it", async () => {
		const steps = [LOOK, "cat a.txt same.txt deep/b.txt; echo", "git show HEAD~3:a.txt; echo", "git remote", "git status --short"];
		for (let round = 0; round < 2; round += 1) {
			const { job, lines } = await checkedOut({ git: repository, ...PARTIAL }, steps, { project: "big" });
			expect([job.state, lines]).toEqual(["succeeded", ["4", "3", "newsameb", "old 1", "origin"]]);
		}
	});

	test("is a setting of the project, and a pipeline can want more or less", async () => {
		const look = async (source: object) => (await checkedOut({ git: repository, ...source }, [LOOK], { project: "big" })).lines;
		expect(await look({})).toEqual(["4", "3"]);
		expect(await look({ depth: 2 })).toEqual(["2", "1"]);
		expect(await look({ depth: 1 })).toEqual(["1", "0"]);
		const patch = (body: object) => coordinator.request("/api/v1/projects/big", { method: "PATCH", body: JSON.stringify(body) });
		expect((await patch({ checkout_depth: 1 })).status).toBe(422);
		expect((await patch({ checkout_depth: 1, checkout_filter: null })).status).toBe(200);
		expect(await look({})).toEqual(["1", "0"]);
		expect(await look({ filter: "blob:none" })).toEqual(["4", "3"]);
		expect((await patch({ checkout_depth: null, checkout_filter: "blob:none" })).status).toBe(200);
		expect(await look({ filter: "none" })).toEqual(["1", "0"]);
		expect(await look({ filter: "none", depth: "full" })).toEqual(["4", "0"]);
	});

	test("brings the newest commit and its files, also from a mirror that is there", async () => {
		server.commit("team/big.git", { "c.txt": "c", "a.txt": "newer" });
		const { lines } = await checkedOut({ git: repository, ...PARTIAL }, ["cat a.txt c.txt; echo", LOOK], { project: "big" });
		expect(lines).toEqual(["newerc", "5", "4"]);
	});

	test("comes from a mirror that is made anew where it is broken, or has become too large", async () => {
		const mirrors = path.join(workDir, "mirrors");
		/** The packs of each partial mirror of the repository: others have been left by earlier tests. */
		const folders = () =>
			readdirSync(mirrors)
				.map((name) => path.join(mirrors, name))
				.filter((mirror) => readFileSync(path.join(mirror, "config"), "utf8").includes(repository))
				.filter((mirror) => readFileSync(path.join(mirror, "config"), "utf8").includes("allowFilter"))
				.map((mirror) => path.join(mirror, "objects/pack"));
		const packsIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".pack"));
		const look = async () => (await checkedOut({ git: repository, ...PARTIAL }, ["cat c.txt; echo"], { project: "big" })).lines.at(-1);
		for (const folder of folders())
			for (const name of packsIn(folder)) writeFileSync(path.join(folder, name), "broken", { mode: 0o600, flag: "w" });
		expect(await look()).toBe("c");
		for (const folder of folders()) for (let index = 0; index < 60; index += 1) writeFileSync(path.join(folder, `pack-${index}.pack`), "");
		expect(await look()).toBe("c");
		const anew = folders().filter((folder) => packsIn(folder).length < 10);
		expect(anew).toHaveLength(1);
	});

	test("works with a server that knows no filters, which git says", async () => {
		const steps = ["cat a.txt; echo", "git show HEAD~1:a.txt; echo", LOOK];
		const { job, lines } = await checkedOut({ git: withoutFilters, ...PARTIAL }, steps, { project: "plain" });
		const warning = "warning: filtering not recognized by server, ignoring";
		expect([job.state, lines.filter((line) => line !== warning)]).toEqual(["succeeded", ["new", "old", "2", "0"]]);
		expect(lines).toContain(warning);
	});

	test("comes from a repository of this machine, too", async () => {
		const folder = localRepository(path.join(temporaryFolder(), "partial.git"));
		git(folder, "config", "uploadpack.allowFilter", "true");
		writeFileSync(path.join(folder, "f"), "y");
		git(folder, "commit", "--quiet", "--all", "-m", "second");
		const { job, lines } = await checkedOut({ git: `file://${folder}`, ...PARTIAL }, ["cat f; echo", LOOK]);
		expect([job.state, lines]).toEqual(["succeeded", ["y", "2", "1"]]);
	});
});

describe("the commit of a checkout", () => {
	test("is that of an annotated tag, whose own id is none", async () => {
		const { lines, run } = await checkedOut({ git: address, ref: tagObject }, ['git rev-parse HEAD; echo "$CI_COMMIT_SHA"'], inProject);
		expect([lines, run.commit?.sha]).toEqual([[tagged, tagged], tagged]);
	});

	test.each(["tags/v1", "refs/tags/v1", "v1"])("is found by %s, as gitrevisions(7) completes names", async (ref) => {
		const { run } = await checkedOut({ git: address, ref }, ["true"], inProject);
		expect([run.commit?.sha, run.tag]).toEqual([tagged, "v1"]);
	});

	test("can be in a repository of SHA-256, by its path and over HTTP", async () => {
		const folder = localRepository(path.join(temporaryFolder(), "s.git"), "--object-format=sha256");
		const local = await checkedOut({ git: folder }, ["git rev-parse HEAD", "cat f"]);
		expect([local.job.state, local.lines]).toEqual(["succeeded", [git(folder, "rev-parse", "HEAD"), "x"]]);
		const remote = server.addCopy("team/sha256.git", folder);
		await coordinator.post("/api/v1/projects", { name: "sha256", repository: remote, credentials: "git" });
		const { lines } = await checkedOut({ git: remote, ref: "main" }, ["git rev-parse HEAD"], { project: "sha256" });
		expect(lines).toEqual([git(folder, "rev-parse", "HEAD")]);
	});

	test("is asked for where the HEAD of the repository names no branch that there is", async () => {
		const folder = localRepository(path.join(temporaryFolder(), "h.git"));
		git(folder, "branch", "--move", "trunk");
		git(folder, "symbolic-ref", "HEAD", "refs/heads/gone");
		const { job } = await checkedOut({ git: folder }, ["true"]);
		expect(job.reason).toEqual({
			code: "checkout_failed",
			text: expect.stringMatching(/HEAD of the repository names .* that does not exist.*Branches: trunk/),
		});
		const empty = path.join(temporaryFolder(), "e.git");
		mkdirSync(empty);
		git(empty, "init", "--quiet");
		expect((await checkedOut({ git: empty }, ["true"])).job.reason?.text).toBe("The repository is empty. Push a commit first.");
	});
});

test("every job of a run knows the branch, also where the source names none", async () => {
	const steps = ['echo "on $CI_COMMIT_BRANCH"'];
	const pipeline = { source: { git: address }, jobs: { a: { steps }, b: { needs: "a", steps } } };
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline, ...inProject });
	await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`);
	expect((await coordinator.text(`/api/v1/runs/${id}/log`)).match(/ on main$/gm)).toHaveLength(2);
});

describe("submodules and large files", () => {
	test("are there as far as the source wants them, relative ones beside a repository that is named by its path", async () => {
		const root = temporaryFolder();
		localRepository(path.join(root, "inner"));
		const outer = localRepository(path.join(root, "outer"));
		git(outer, "submodule", "--quiet", "add", "../inner", "in");
		git(outer, "commit", "--quiet", "-m", "a submodule");
		const top = localRepository(path.join(root, "top"));
		git(top, "submodule", "--quiet", "add", "../outer", "out");
		git(top, "commit", "--quiet", "-m", "a submodule");
		const LOOK = "for f in f out/f out/in/f; do test -e $f && echo $f; done; true";
		const files = async (submodules: unknown) => (await checkedOut({ git: top, submodules }, [LOOK])).lines;
		expect(await files("none")).toEqual(["f"]);
		expect(await files(true)).toEqual(["f", "out/f"]);
		expect(await files("recursive")).toEqual(["f", "out/f", "out/in/f"]);
	});

	test("of Git LFS stay pointers where the source says so", async () => {
		const pointer = server.addLargeFile("a large file");
		const large = server.add("team/large.git", { ".gitattributes": "[attr]big filter=lfs diff=lfs -text\n*.bin big\n", "x.bin": pointer });
		await coordinator.post("/api/v1/projects", { name: "large", repository: large, credentials: "git" });
		const content = async (lfs: boolean) => (await checkedOut({ git: large, lfs }, ["head -1 x.bin"], { project: "large" })).lines;
		expect((await content(true)).at(-1)).toBe("a large file");
		expect(await content(false)).toEqual(["version https://git-lfs.github.com/spec/v1"]);
	});
});

describe("git in a step", () => {
	const FETCH = "git fetch --quiet --depth=1 origin beside && git rev-parse FETCH_HEAD";

	test("reads the project's own repository without a credential in a file, a variable or a process", async () => {
		const search = [
			'cat .git/config; env | grep -v "^CI_COMMIT"',
			'cd "$CI_WORKSPACE/.."; find . -type f | xargs grep -l "$(printf %s pass-of-the; echo -repository)" || echo no file',
			`git -C "$CI_WORKSPACE" fetch --quiet origin & git -C "$CI_WORKSPACE" ls-remote origin beside & wait; ps -eo args | grep -c "[p]ass-of-the-repository" || true`,
		];
		const { job, lines } = await checkedOut({ git: address }, [FETCH, ...search], inProject);
		expect([job.state, lines[0]]).toEqual(["succeeded", beside]);
		expect(lines).toContain("no file");
		expect(lines).toContain(`${beside}\trefs/heads/beside`);
		expect(lines.at(-1)).toBe("0");
		expect(lines.join("\n")).not.toContain(PASSWORD);
	});

	test("keeps the settings that the pipeline sets by variables", async () => {
		const env = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "alias.hello", GIT_CONFIG_VALUE_0: "!echo hello" };
		const { lines } = await checkedOut({ git: address }, [{ run: `git hello; ${FETCH}`, env }], inProject);
		expect(lines).toEqual(["hello", beside]);
	});

	test("is answered however many ask at once, and keeps the helpers that the job's user has for other servers", async () => {
		const helper = "!f() { echo username=own; echo password=own; }; f";
		const steps = [
			"seq 20 | xargs -P 20 -I{} git ls-remote origin beside | sort -u | wc -l",
			{
				run: `git config --global credential.helper '${helper}'; printf 'protocol=https\\nhost=other.lan\\n\\n' | git credential fill | grep user`,
				env: { GIT_CONFIG_GLOBAL: path.join(temporaryFolder(), "gitconfig") },
			},
		];
		const { lines } = await checkedOut({ git: address }, steps, inProject);
		expect(lines).toEqual(["1", "username=own"]);
	});

	test("has no credentials for another repository of the same server", async () => {
		const other = server.add("team/other.git", { f: "x" });
		const { job, lines } = await checkedOut({ git: address }, [`git ls-remote ${other} 2>&1 || echo refused`], inProject);
		expect([job.state, lines.at(-1)]).toEqual(["succeeded", "refused"]);
	});
});

describe("a mirror that is kept warm", () => {
	test("has the default branch before a job asks for it, and is not kept by that", async () => {
		const folder = path.join(temporaryFolder(), "warm");
		const begin = () => coordinator.agent("warm", { args: ["--labels", "warm"], workDir: folder });
		const names = ["ahead", "asked"] as const;
		const repositories = names.map((name) => server.add(`team/${name}.git`, { "a.txt": "1" }));
		for (const [index, name] of names.entries()) {
			const settings = { name, repository: repositories[index], credentials: "git", ...(name === "ahead" ? { warm_mirrors: "5m" } : {}) };
			await coordinator.post("/api/v1/projects", settings);
		}
		const first = await begin();
		for (const project of names)
			for (const depth of [1, "full"]) {
				const source = { git: repositories[names.indexOf(project)], depth };
				const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
					pipeline: { source, runs_on: "warm", steps: ["true"] },
					project,
				});
				await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`);
			}
		first.signal("SIGTERM");
		await first.exited;
		const mirrors = readdirSync(path.join(folder, "mirrors")).map((name) => path.join(folder, "mirrors", name));
		expect(mirrors).toHaveLength(4);
		const longAgo = new Date(Date.now() - 10 * 60_000);
		for (const mirror of mirrors) for (const place of [`${mirror}/FETCH_HEAD`, mirror]) utimesSync(place, longAgo, longAgo);
		const [ahead = "", asked = ""] = names.map((name) => server.commit(`team/${name}.git`, { "a.txt": name }));
		const second = await begin();
		await second.says(new RegExp(`main of ${repositories[0]} is fetched ahead: ${ahead}`));
		const having = (sha: string) => mirrors.filter((mirror) => spawnSync("git", ["-C", mirror, "cat-file", "-e", sha]).status === 0);
		expect([having(ahead), having(asked)]).toMatchObject([{ length: 2 }, { length: 0 }]);
		for (const mirror of mirrors) expect(statSync(mirror).mtimeMs).toBe(longAgo.getTime());
		await second.kill();
	});
});
