import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Run, RunTests } from "../../schema/wire/resources.ts";
import { GitHttp } from "../support/git_http.ts";
import { ADMIN_TOKEN, eventually, Program, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const PASSWORD = "p4ssword-of-the-forge";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let forge: GitHttp;
let open: GitHttp;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("builder", { slots: "2" });
	forge = await GitHttp.start(path.join(temporaryFolder(atEnd), "forge"), `ci:${PASSWORD}`, atEnd);
	open = await GitHttp.start(path.join(temporaryFolder(atEnd), "open"), null, atEnd);
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const request = (method: string, address: string, body: unknown) =>
	coordinator.request(`/api/v1${address}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
const refused = async (method: string, address: string, body: unknown) => {
	const answer = await request(method, address, body);
	const { message } = (await answer.json()) as { message: string };
	return `${answer.status} ${message}`;
};

async function run(submission: object): Promise<{ run: Run; log: string }> {
	const { id } = await coordinator.post<Run>("/api/v1/runs", submission);
	const ended = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	return { run: ended, log: await coordinator.text(`/api/v1/jobs/${ended.jobs[0]?.id}/log?format=raw`) };
}

describe("the repository of a project", () => {
	test("is what its runs are made of, read with the credentials that it names, which nobody sees", async () => {
		const repository = forge.add("web.git", { "hello.txt": "from the forge\n" });
		await coordinator.post("/api/v1/projects", { name: "web", repository, credentials: "git_password" });
		const without = await run({ run: "cat hello.txt", project: "web" });
		expect(without.run.jobs[0]?.reason).toEqual({
			code: "secret_unavailable",
			text: "Project web has no secret git_password. Set it with: windlass secrets set git_password --project web",
		});
		await request("PUT", "/secrets/git_password", { value: `ci:${PASSWORD}`, project: "web" });
		const { run: made, log } = await run({ run: "cat hello.txt; env", project: "web" });
		expect([made.state, made.branch, log]).toEqual(["succeeded", "main", expect.stringContaining("\nfrom the forge\n")]);
		expect(log).not.toContain(PASSWORD);
		expect(log).not.toContain("WINDLASS_GIT");
		expect(forge.asked).toContain(`ci:${PASSWORD}`);
		// What one has read with its credentials is not another's, also where the agent has it already.
		const other = await run({ run: "cat hello.txt", source: { git: repository, ref: made.commit?.sha }, project: "other" });
		expect([other.run.state, other.run.jobs[0]?.reason?.code]).toEqual(["errored", "checkout_failed"]);
	});

	test("alone gets the credentials: no other repository is asked with them", async () => {
		const repository = forge.add("own.git", { f: "x" });
		const elsewhere = open.add("elsewhere.git", { f: "elsewhere" });
		await coordinator.post("/api/v1/projects", { name: "careful", repository, credentials: "git_password" });
		await request("PUT", "/secrets/git_password", { value: `ci:${PASSWORD}`, project: "careful" });
		const { run: made, log } = await run({ run: "cat f", project: "careful", source: { git: elsewhere } });
		expect([made.state, log]).toEqual(["succeeded", expect.stringContaining("elsewhere")]);
		expect(open.asked).toEqual([]);
	});

	test("is checked out at its default branch, or at the requested branch; expressions know which", async () => {
		const repository = open.add("lines.git", { line: "main" });
		open.branch("lines.git", "trunk");
		open.commit("lines.git", { line: "trunk" });
		await coordinator.post("/api/v1/projects", { name: "lines", repository, default_branch: "trunk" });
		const pipeline = 'env: { B: "${{ run.branch }}" }\nsteps: [\'echo "$B has $(cat line), $CI_COMMIT_BRANCH"\']';
		expect((await run({ pipeline, project: "lines" })).log).toContain("\ntrunk has trunk, trunk\n");
		expect((await run({ pipeline, project: "lines", branch: "main" })).log).toContain("\nmain has main, main\n");
		expect((await run({ pipeline: "steps: ['ls | wc -l']" })).log).toContain("\n0\n");
		await request("PATCH", "/projects/lines", { repository: null });
		expect((await run({ pipeline: "steps: ['ls | wc -l']", project: "lines" })).log).toContain("\n0\n");
	});

	test("has the default branch that coverage is compared with", async () => {
		await coordinator.post("/api/v1/projects", { name: "covered", default_branch: "trunk" });
		const covered = (branch: string, hits: string) => {
			const lines = `TN:\\nSF:a\\n${hits}end_of_record\\n`;
			return run({
				pipeline: { name: "c", jobs: { t: { reports: { coverage: { lcov: "l" } }, steps: [`printf '${lines}' > l`] } } },
				project: "covered",
				branch,
			});
		};
		await covered("main", "DA:1,1\\nDA:2,1\\n");
		const trunk = await covered("trunk", "DA:1,1\\nDA:2,0\\n");
		const feature = await covered("feature", "DA:1,0\\nDA:2,0\\n");
		const coverage = await eventually(async () => {
			const found = await coordinator.get<RunTests>(`/api/v1/runs/${feature.run.id}/tests`);
			return found.coverage[0]?.before && found.coverage;
		}, "the coverage before");
		expect(coverage).toMatchObject([{ covered: 0, lines: 2, before: { covered: 1, branch: "trunk", run_id: trunk.run.id } }]);
	});
});

describe("a project", () => {
	test("has a unique name; errors name the field; deleting a project deletes its secrets, not its runs", async () => {
		const made = await coordinator.post<Project>("/api/v1/projects", { name: "short-lived" });
		expect(made).toMatchObject({ id: expect.stringMatching(/^prj_/), repository: null, default_branch: "main", credentials: null });
		expect(await refused("POST", "/projects", { name: "short-lived" })).toBe("409 The project short-lived already exists.");
		expect(await refused("POST", "/projects", { name: "adhoc" })).toMatch(/^422 name: is where runs are/);
		expect(await refused("POST", "/projects", { name: "Not A Name" })).toMatch(/^422 name: is lower-case letters/);
		expect(await refused("POST", "/projects", { name: "a", repository: "https://u:p@git.test/a.git" })).toMatch(
			/^422 repository: may not carry a password/,
		);
		expect(await refused("POST", "/projects", { name: "a", default_branch: "a..b", colour: "red" })).toMatch(/default_branch.*colour/);
		for (const poll of ["59s", "8d", "soon", ""])
			expect(await refused("POST", "/projects", { name: "a", poll })).toBe("422 poll: is not a duration between 1m and 7d, such as 5m");
		expect(await refused("POST", "/projects/short-lived/compare", {})).toMatch(/^409 The project short-lived has no comparisons/);
		expect(await refused("PATCH", "/projects/none", { default_branch: "a" })).toMatch(/^404 /);
		expect(await refused("GET", "/projects/none", undefined)).toMatch(/^404 /);
		await request("PUT", "/secrets/of_nobody", { value: "a value", project: "never-made" });
		expect(await refused("DELETE", "/projects/never-made", undefined)).toMatch(/^404 /);
		const untouched = await coordinator.get<{ items: { name: string }[] }>("/api/v1/secrets?project=never-made");
		expect(untouched.items.map(({ name }) => name)).toContain("of_nobody");
		await request("PUT", "/secrets/of_it", { value: "a value", project: "short-lived" });
		const { run: kept } = await run({ run: "true", project: "short-lived" });
		expect((await request("DELETE", "/projects/short-lived", undefined)).status).toBe(204);
		expect(await refused("DELETE", "/projects/short-lived", undefined)).toMatch(/^404 /);
		const { items } = await coordinator.get<{ items: { name: string }[] }>("/api/v1/secrets?project=short-lived");
		expect(items.map(({ name }) => name)).not.toContain("of_it");
		expect((await coordinator.get<Run>(`/api/v1/runs/${kept.id}`)).project).toBe("short-lived");
	});

	test("is made, shown, changed, listed and removed by commands", async () => {
		const windlass = async (...args: string[]) => {
			const program = new Program(["projects", ...args, "--server", coordinator.url], { WINDLASS_API_TOKEN: ADMIN_TOKEN });
			onTestFinished(() => program.kill());
			return { code: await program.exited, output: program.output };
		};
		const repository = "https://git.lan/team/cli.git";
		expect((await windlass("create", "cli", "--repository", repository, "--credentials", "token")).output).toMatch(
			/repository +https:\/\/git\.lan\/team\/cli\.git\n.*default branch +main\n.*credentials +token\n/s,
		);
		await windlass("edit", "cli", "--default-branch", "trunk", "--credentials", "none");
		expect(JSON.parse((await windlass("show", "cli", "-o", "json")).output)).toMatchObject({
			repository,
			default_branch: "trunk",
			credentials: null,
		});
		expect((await windlass("ls")).output).toMatch(/cli +https:\/\/git\.lan\/team\/cli\.git +trunk/);
		expect((await windlass("rm", "cli", "--yes")).output).toBe("Project cli is removed, with its secrets and schedules.\n");
		expect((await windlass("show", "cli")).code).toBe(1);
	});
});
