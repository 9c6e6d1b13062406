import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HookAnswer } from "../../schema/wire/deliveries.ts";
import type { StoredPipeline } from "../../schema/wire/pipelines.ts";
import type { Project } from "../../schema/wire/projects.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import { githubDelivery, githubPullRequest, githubPush, type MadeDelivery } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What the pages have for repositories: deliveries, plans, runs of forks, schedules, stored pipelines. */

const SECRET = "the-secret-of-the-hook";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
let page: Page;
let complaints: string[];
let project: Project;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("builder", { slots: "2" });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: SECRET }) });
	const repository = git.add("team/web.git", { a: "1" });
	git.commit("team/web.git", {
		".windlass/ci.yml": "on: { push: {}, pull_request: {} }\nnotify: { on: success, slack: nobody }\nsteps: [true]",
		".windlass/broken.yml": "on: push\njobs:\n  a: { stepz: [x] }\n  b: { needs: c, steps: [x] }\n",
		".windlass/nightly.yml": "on: { schedule: [{ cron: '0 3 * * *', timezone: Europe/Berlin }] }\nsteps: [true]",
	});
	project = await coordinator.post<Project>("/api/v1/projects", { name: "web", repository, hook_secret: "hook", forge: "github" });
	({ page, complaints } = await signedIn(await openBrowser(atEnd), coordinator.url));
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function deliver({ headers, body }: MadeDelivery): Promise<HookAnswer> {
	const response = await coordinator.request(`/hooks/${project.id}`, { method: "POST", token: null, headers, body });
	return (await response.json()) as HookAnswer;
}

test("a push starts a discovery job, whose page shows its runs, the files that do not run, and errors line by line", async () => {
	const after = git.commit("team/web.git", { a: "2" });
	const { run_id: plan } = await deliver(githubDelivery("push", githubPush({ after }), SECRET));
	await page.goto(`${coordinator.url}/runs/${plan}`);
	await shown(() => page.locator("#run .view .list > li").count()).toBe(2);
	expect(await page.getByText("not run: its `on` has no `push`").count()).toBe(1);
	await page.getByRole("link", { name: /^broken/ }).click();
	await shown(() => page.locator(".reason").first().textContent()).toMatch(
		/^\.windlass\/broken\.yml: \d errors\n.*\nline 3, column 8: jobs\.a\.stepz: Unknown key/,
	);
	await page.getByRole("link", { name: "its discovery run" }).click();
	await page.getByRole("link", { name: /^ci/ }).click();
	await shown(() => page.locator("#run h1").textContent()).toContain("succeeded");
	const asked = page.waitForResponse((response) => response.request().method() === "POST");
	await page.getByLabel("More actions").click();
	await page.getByRole("button", { name: "Test notifications" }).click();
	expect((await asked).status()).toBe(303);
	await page.goto(`${coordinator.url}/`);
	await shown(() => page.locator("#content .list > li").count()).toBe(2);
	expect(complaints).toEqual([]);
});

test("a project shows its hook, what was delivered, its schedules, undelivered statuses, and its notices", async () => {
	await page.goto(`${coordinator.url}/projects/web`);
	expect(await page.getByText("Commit statuses are not sent, because it has no token for its forge").count()).toBe(1);
	await page.getByRole("link", { name: "Deliveries" }).click();
	await shown(() => page.getByText(`${coordinator.url}/hooks/${project.id}`).count()).toBe(1);
	await shown(async () => {
		await page.reload();
		return page.getByText("The secret nobody does not exist.").count();
	}).toBeGreaterThan(0);
	await page.getByRole("link", { name: "Schedules" }).click();
	await shown(() => page.getByText("0 3 * * *").count()).toBe(1);
	await page.getByRole("button", { name: "Pause" }).click();
	await page.getByRole("button", { name: "Pause the schedule" }).click();
	await shown(() => page.getByText("paused by admin").count()).toBe(1);
	await page.getByRole("button", { name: "Resume" }).click();
	await shown(() => page.getByText("paused by admin").count()).toBe(0);
	await shown(() => page.locator("img[alt^='web:']").evaluate((image: { naturalWidth: number }) => image.naturalWidth)).toBeGreaterThan(50);
	await page.getByRole("link", { name: "Deliveries" }).click();
	await page.getByRole("button", { name: "Replay" }).first().click();
	await shown(() => page.getByRole("heading", { name: "Discovered runs" }).count()).toBe(1);
	await page.goto(`${coordinator.url}/projects/web`);
	await page.getByLabel("Branch to run").fill("main");
	await page.getByRole("button", { name: "Run", exact: true }).click();
	await shown(() => page.locator("#run .view .list > li").count()).toBe(2);
	expect(complaints).toEqual([]);
});

test("a person approves the run of a fork with a button, after the page has shown its commands", async () => {
	git.branch("team/web.git", "theirs");
	const sha = git.commit("team/web.git", { evil: "1" });
	git.ref("team/web.git", "refs/pull/7/head", sha);
	git.checkout("team/web.git", "main");
	const { run_id: plan } = await deliver(githubDelivery("pull_request", githubPullRequest({ sha, fork: true }), SECRET));
	await page.goto(`${coordinator.url}/runs/${plan}`);
	await page.getByRole("link", { name: /^ci/ }).click();
	await shown(() => page.getByText("pull request #7").count()).toBe(1);
	await shown(() => page.locator("strong", { hasText: "From a fork." }).count()).toBe(1);
	await page.getByRole("button", { name: "Approve" }).click();
	await shown(() => page.locator("#run h1").textContent()).toContain("succeeded");
	await shown(() => page.getByText("admin approved it").count()).toBe(1);
	expect(complaints).toEqual([]);
});

test("a pipeline that is kept here is shown with its versions, restored, and run, with what it asks for", async () => {
	const post = (body: object) => coordinator.post<StoredPipeline>("/api/v1/pipelines", body);
	const { id } = await post({ name: "evening", project: "web", yaml: "steps: [echo first]" });
	const change = { yaml: "steps: [echo second]", version: 1 };
	await coordinator.request(`/api/v1/pipelines/${id}`, { method: "PUT", body: JSON.stringify(change) });
	await page.goto(`${coordinator.url}/projects/web?tab=pipelines`);
	await page.getByRole("link", { name: "evening" }).click();
	await shown(() => page.locator("pre").textContent()).toBe("steps: [echo second]");
	await page.getByRole("button", { name: "Restore" }).click();
	await shown(() => page.locator("pre").textContent()).toBe("steps: [echo first]");
	await shown(() => page.getByText("restoring 1").count()).toBe(1);
	await page.getByRole("button", { name: "Run", exact: true }).click();
	await shown(() => page.locator("#run h1").textContent()).toContain("succeeded");
	await shown(() => page.getByText("evening@3").count()).toBe(1);
	const asking =
		"params: { where: { required: true, pattern: '[a-z]+' }, n: { type: choice, options: ['1.21', '1.20'], default: 1.20 } }\nsteps: [true]";
	const { id: other } = await post({ name: "asking", project: "web", yaml: asking });
	await page.goto(`${coordinator.url}/pipelines/${other}`);
	expect(await page.locator("#param-n").inputValue()).toBe("1.20");
	// The browser holds a form back that does not match; the coordinator refuses it too.
	await page.locator("#param-where").evaluate((field: { removeAttribute(name: string): void }) => field.removeAttribute("pattern"));
	await page.getByLabel(/^where/).fill("Moon 2");
	await page.getByRole("button", { name: "Run", exact: true }).click();
	await shown(() => page.locator(".errors").textContent()).toContain('"Moon 2" does not match the pattern [a-z]+');
	expect(await page.getByLabel(/^where/).inputValue()).toBe("Moon 2");
	await page.getByLabel(/^where/).fill("moon");
	await page.getByRole("button", { name: "Run", exact: true }).click();
	await shown(() => page.locator(".params").textContent()).toContain("wheremoonn1.20");
	await shown(() => page.getByText("asking@1").count()).toBe(1);
	expect(complaints.splice(0).every((text) => text.includes("422"))).toBe(true);
});
