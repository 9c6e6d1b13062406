import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { GitHttp } from "../support/git_http.ts";
import { type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Pipelines that include files: of their own repository, and of other projects. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
/** Another server, whose repositories need other credentials. */
let otherGit: GitHttp;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "4" });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), "ci:password-of-git", atEnd);
	otherGit = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), "ci:password-of-the-other", atEnd);
	const secret = (name: string, value: string) =>
		coordinator.request(`/api/v1/secrets/${name}`, { method: "PUT", body: JSON.stringify({ value }) });
	await secret("include_git", "ci:password-of-git");
	await secret("include_other", "ci:password-of-the-other");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const PIPELINE = {
	".windlass.yml":
		"include: [ci/base.yml, { project: inc-common, file: jobs.yml }]\njobs:\n  own: { extends: [base, shared], steps: ['echo own $A $B'] }\n",
	"ci/base.yml": "templates: { base: { env: { A: from-base } } }\n",
};
const COMMON = {
	"jobs.yml": "include: inner/templates.yml\njobs:\n  shared-job: { extends: shared, steps: ['echo shared job $B'] }\n",
	"inner/templates.yml": "templates: { shared: { env: { B: from-common } } }\n",
};

async function trigger(project: string): Promise<{ discovery: Run; runs: Run[] }> {
	const { id } = await coordinator.post<Run>(`/api/v1/projects/${project}/trigger`, {});
	const discovery = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const ids = Object.values(discovery.jobs[0]?.outputs ?? {}).filter((text) => text.startsWith("run_"));
	return { discovery, runs: await Promise.all(ids.map((id) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`))) };
}

const logOf = (run: Run, key: string) => coordinator.text(`/api/v1/jobs/${run.jobs.find((job) => job.key === key)?.id}/log?format=clean`);

describe("files of another project", () => {
	test("are included once that project allows it, at a commit that the run shows", async () => {
		const common = otherGit.add("common.git", COMMON);
		await coordinator.post("/api/v1/projects", { name: "inc-common", repository: common, credentials: "include_other" });
		await coordinator.post("/api/v1/projects", { name: "inc-web", repository: git.add("web.git", PIPELINE), credentials: "include_git" });
		const { runs: denied } = await trigger("inc-web");
		expect(denied[0]).toMatchObject({ state: "errored", reason: { code: "config_invalid" } });
		expect(denied[0]?.reason?.text).toContain("may not include files of inc-common");

		await coordinator.request("/api/v1/projects/inc-common", { method: "PATCH", body: JSON.stringify({ includable_by: ["inc-web"] }) });
		const sha = otherGit.head("common.git").slice(0, 8);
		const {
			runs: [run],
			discovery,
		} = await trigger("inc-web");
		expect(run?.state).toBe("succeeded");
		expect(await logOf(run as Run, "own")).toContain("own from-base from-common\n");
		expect(await logOf(run as Run, "shared-job")).toContain("shared job from-common\n");
		const page = await coordinator.text(`/runs/${run?.id}`);
		for (const file of ["jobs.yml", "inner/templates.yml"]) expect(page).toContain(`<code>${file}</code>`);
		expect(page).toContain(`<code>${sha}</code>`);
		const log = await coordinator.text(`/api/v1/jobs/${discovery.jobs[0]?.id}/log?format=clean`);
		expect(log).toContain(`:: include jobs.yml of inc-common, commit ${sha}`);
		expect(log).not.toContain("password-of-the-other");
		// The credentials of a project go to the server of that project only.
		expect(git.asked.every((given) => given === "ci:password-of-git")).toBe(true);
		expect(otherGit.asked.every((given) => given === "ci:password-of-the-other")).toBe(true);
	});

	test("show their errors with their name and line", async () => {
		const broken = otherGit.add("broken.git", { "a.yml": "jobs:\n  one:\n    stesp: [a]\n" });
		await coordinator.post<Project>("/api/v1/projects", {
			name: "inc-broken",
			repository: broken,
			credentials: "include_other",
			includable_by: ["inc-user", "inc-gone"],
		});
		const user = git.add("user.git", { ".windlass.yml": "include: { project: inc-broken, file: a.yml }\njobs: { two: { steps: [a] } }\n" });
		await coordinator.post("/api/v1/projects", { name: "inc-user", repository: user, credentials: "include_git" });
		const { runs } = await trigger("inc-user");
		expect(runs[0]?.reason?.text).toContain("a.yml of inc-broken, line 3, column 5: jobs.one.stesp: Unknown key `stesp`");
		const gone = git.add("gone.git", {
			".windlass.yml": "include: { project: inc-broken, ref: nowhere, file: a.yml }\njobs: { two: { steps: [a] } }\n",
		});
		await coordinator.post("/api/v1/projects", { name: "inc-gone", repository: gone, credentials: "include_git" });
		const { runs: unread } = await trigger("inc-gone");
		expect(unread[0]?.reason?.text).toContain(
			"a.yml of inc-broken at nowhere cannot be read: The repository has no branch, tag or commit nowhere",
		);
	});

	test("are a setting that is checked", async () => {
		const response = await coordinator.request("/api/v1/projects/inc-common", {
			method: "PATCH",
			body: JSON.stringify({ includable_by: ["Not A Name"] }),
		});
		expect(response.status).toBe(422);
	});
});
