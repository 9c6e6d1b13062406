import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import type { TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What the pages have for the language: folded variants, timeline, gates, reruns, parameters. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let page: Page;
let complaints: string[];
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("painter", { slots: "4" });
	({ page, complaints } = await signedIn(await openBrowser(atEnd), coordinator.url));
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

test("the page of a run shows a matrix as one box, bars of jobs, summary, outputs and tests, and a button approves a job", async () => {
	const { id } = await coordinator.post<Run>("/api/v1/runs", {
		pipeline: {
			name: "shown",
			jobs: {
				test: {
					matrix: { n: ["1", "2", "3"] },
					reports: { tap: "r.tap" },
					allow_failure: true,
					steps: ["printf '1..2\\nok 1 - good\\nnot ok 2 - bad\\n' > r.tap"],
				},
				again: { retry: { attempts: 2 }, steps: ["test $CI_ATTEMPT = 2"] },
				ship: {
					needs: "test",
					approval: { message: "Ship it?" },
					outputs: ["where"],
					steps: ["echo where=moon >> $CI_OUTPUT; echo '**shipped**' > $CI_SUMMARY"],
				},
			},
		},
	});
	await page.goto(`${coordinator.url}/runs/${id}?tab=graph`);
	await shown(() => page.locator("svg .node").count()).toBe(3);
	await shown(() => page.locator(".graph .count").textContent()).toBe("3/3");
	await page.getByRole("link", { name: "Timeline" }).click();
	await shown(() => page.locator(".timeline li rect:is(.ok, .bad)").count()).toBe(5);
	await shown(() => page.locator(".timeline title", { hasText: "again, attempt 1: failed" }).count()).toBe(1);
	await shown(() => page.locator(".timeline title", { hasText: "again, attempt 2: succeeded" }).count()).toBe(1);
	await page.getByRole("link", { name: "Overview" }).click();
	await shown(() => page.getByText("Ship it?").count()).toBeGreaterThan(0);
	await shown(() => page.locator("#jobs").getByText("0 of 3, 3 failed").count()).toBe(1);
	await page.getByRole("button", { name: "Approve" }).click();
	await shown(() => page.locator("#run h1").textContent()).toContain("succeeded");
	await shown(() => page.locator(".summary strong").textContent()).toBe("shipped");
	await shown(() => page.getByText("3 allowed to fail").count()).toBe(1);
	await page.getByRole("link", { name: "Timeline" }).click();
	await shown(async () => {
		await page.reload();
		return page.locator(".timeline .waited").count();
	}).toBeGreaterThan(0);
	await page.locator("#jobs").getByRole("link", { name: /ship/ }).click();
	await page.getByRole("link", { name: "Details" }).click();
	await shown(() => page.locator("dd", { hasText: "moon" }).first().textContent()).toBe("moon");
	await shown(() => page.getByText("approved by admin").count()).toBe(1);
	expect(complaints).toEqual([]);
});

test("a run of very many jobs says what its pictures leave out", async () => {
	const jobs = Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`job${index}`, { runs_on: "nosuch", steps: ["true"] }]));
	const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline: { jobs } });
	const [graph, timeline] = await Promise.all(["graph", "timeline"].map((tab) => coordinator.text(`/runs/${id}?tab=${tab}`)));
	expect([graph?.includes("The run has 201 jobs. Graphs of more than"), timeline?.includes("and 1 more job")]).toEqual([true, true]);
	await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
});

test("a run that has failed is repeated with a button, and says of which it is", async () => {
	const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline: { jobs: { a: { steps: ["true"] }, b: { steps: ["exit 1"] } } } });
	await coordinator.get(`/api/v1/runs/${id}/wait?timeout=30`);
	await page.goto(`${coordinator.url}/runs/${id}`);
	await page.getByRole("button", { name: "Rerun failed" }).click();
	await shown(() => page.getByText("rerun of an earlier run").count()).toBe(1);
	await shown(async () => page.url()).not.toContain(id);
	await page.getByText("rerun of an earlier run").click();
	await shown(() => page.getByText(/rerun as #\d+/).count()).toBe(1);
});

test("a form creates a project and shows errors; the project is changed and deleted", async () => {
	await page.getByRole("link", { name: "Projects" }).click();
	await page.locator('input[name="name"]').fill("painted");
	await page.locator('input[name="repository"]').fill("no address");
	await page.getByRole("button", { name: "Create" }).click();
	await shown(() => page.locator(".errors").textContent()).toContain("must be an address that git can clone");
	expect(await page.locator('input[name="name"]').inputValue()).toBe("painted");
	await page.locator('input[name="repository"]').fill("https://git.lan/team/painted.git");
	await page.getByRole("button", { name: "Create" }).click();
	await shown(() => page.locator("h1").textContent()).toBe("painted");
	await page.getByRole("link", { name: "Settings" }).last().click();
	await page.locator('input[name="default_branch"]').fill("trunk");
	await page.getByRole("button", { name: "Save" }).click();
	await shown(async () => (await coordinator.get<Project>("/api/v1/projects/painted")).default_branch).toBe("trunk");
	const { id } = await coordinator.post<Run>("/api/v1/runs", { run: "true", source: { git: "/none" }, project: "painted" });
	await coordinator.request("/api/v1/secrets/brush", { method: "PUT", body: JSON.stringify({ value: "a value", project: "painted" }) });
	await coordinator.get(`/api/v1/runs/${id}/wait?timeout=30`);
	await page.goto(`${coordinator.url}/projects/painted`);
	expect(await page.locator(`a[href="/runs/${id}"]`).count()).toBe(1);
	await page.getByRole("link", { name: "Secrets" }).click();
	await shown(() => page.locator(".secrets").textContent()).toContain("brush set");
	await page.getByRole("link", { name: "Settings" }).last().click();
	expect(await page.locator('input[name="default_branch"]').inputValue()).toBe("trunk");
	await page.getByRole("button", { name: "Delete the project" }).click();
	expect(await page.getByRole("heading", { level: 1 }).textContent()).toMatch(/^Delete the project .*\?$/);
	await page.getByRole("button", { name: "Delete the project" }).click();
	await shown(() => page.locator("h1").textContent()).toBe("Projects");
	await shown(() => page.getByRole("link", { name: "painted" }).count()).toBe(0);
	// A form that was refused is a 422, which the browser's console tells.
	expect(complaints.splice(0).filter((text) => !text.includes("422"))).toEqual([]);
});

test("a run by hand shows errors with their lines, then a form of the parameters", async () => {
	await page.goto(`${coordinator.url}/new`);
	await page.getByLabel("Pipeline").fill("stepz: [a]");
	await page.getByRole("button", { name: "Next" }).click();
	await shown(() => page.locator(".errors").textContent()).toContain("line 1, column 1");
	const text = `params:
  who: { required: true, description: whom }
  n: { type: integer, default: 2 }
  c: { type: choice, options: [red, blue] }
  go: { type: choice, options: ["1.21", "1.20"], default: 1.20 }
  dry: { type: boolean, default: True }
  poem: { default: "one\\ntwo" }
env: { W: "\${{ params.who }} \${{ params.n }} \${{ params.c }} \${{ params.go }} \${{ params.dry }} \${{ params.poem }}." }
steps: [echo "$W"]
`;
	await page.getByLabel("Pipeline").fill(text);
	await page.getByRole("button", { name: "Next" }).click();
	await page.getByLabel(/^who/).fill("Ada");
	await page.locator("#param-c").selectOption("blue");
	await page.getByRole("button", { name: "Run", exact: true }).click();
	await shown(() => page.locator(".params").textContent()).toContain("Ada");
	await page.locator("#jobs").getByRole("link", { name: /main/ }).click();
	await shown(() => page.locator("#log li", { hasText: "Ada 2 blue 1.20 true one" }).count()).toBe(1);
	await shown(() => page.locator("#log li", { hasText: "two." }).count()).toBe(1);
});
