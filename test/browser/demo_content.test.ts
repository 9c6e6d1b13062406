import { existsSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { StoredPipeline } from "../../schema/wire/pipelines.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Agent, Artifact, Page, Run, RunSummary, RunTests } from "../../schema/wire/resources.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import { openBrowser } from "../support/browser.ts";
import { faultsOfPages, type Look } from "../support/every_page.ts";
import { ADMIN_TOKEN, eventually, Program, temporaryFolder, testPort } from "../support/processes.ts";

const FILL_MS = 240_000;
const DAY_MS = 24 * 60 * 60_000;

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let program: Program;
let url: string;
let folder: string;
let runs: RunSummary[];
beforeAll(async () => {
	folder = path.join(temporaryFolder(atEnd), "demo");
	program = start(testPort());
	[, url = ""] = await program.says(/status page +(http\S+)/);
	runs = await all<RunSummary>("/api/v1/runs?limit=100");
}, FILL_MS);
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function start(port: string): Program {
	const started = new Program(["demo", "--content", "--data", folder, "--port", port], { WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN });
	atEnd(async () => {
		started.signal("SIGINT");
		await started.exited;
	});
	return started;
}

async function get<Body>(address: string): Promise<Body> {
	const response = await fetch(url + address, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
	if (!response.ok) throw new Error(`GET ${address}: ${response.status} ${await response.text()}`);
	return (await response.json()) as Body;
}

async function all<Item>(address: string): Promise<Item[]> {
	const items: Item[] = [];
	for (let cursor: string | null = ""; cursor !== null; ) {
		const page: Page<Item> = await get(address + (cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`));
		items.push(...page.items);
		cursor = page.next_cursor;
	}
	return items;
}

/** The newest run that is so, with its jobs. */
async function newest(isMeant: (run: RunSummary) => boolean): Promise<Run> {
	const found = runs.find(isMeant);
	expect(found).toBeDefined();
	return get<Run>(`/api/v1/runs/${found?.id}`);
}

const ofMain = (project: string, pipeline: string) =>
	newest((run) => run.project === project && run.branch === "main" && run.pipeline === pipeline);
const ofBranch = (branch: string, pipeline: string) => newest((run) => run.branch === branch && run.pipeline === pipeline);

describe("windlass demo --content", () => {
	test("five projects with about 130 runs of thirty days, numbered in their order", async () => {
		const { items } = await get<Page<Project>>("/api/v1/projects");
		expect(items.map(({ name }) => name)).toEqual(["api", "docs-site", "infra", "mobile-app", "web"]);
		expect(items.flatMap(({ notices }) => notices)).toEqual([]);
		expect(runs.length).toBeGreaterThan(125);
		const past = runs.filter(({ trigger }) => trigger.delivery === null && trigger.kind === "push");
		expect(past.length).toBe(95);
		expect(Date.now() - Date.parse(past.at(-1)?.created_at ?? "")).toBeGreaterThan(25 * DAY_MS);
		for (const { name } of items) {
			const numbers = runs.filter(({ project }) => project === name).map(({ number }) => number);
			expect(numbers).toEqual(numbers.map((_, index) => numbers.length - index));
		}
		expect(new Set(runs.map(({ trigger }) => trigger.actor))).toEqual(new Set(["ada", "grace", "kim", "renovate", "jonas", "admin"]));
	});

	test("history has jobs, test results and logs", async () => {
		const run = await newest(({ project, number, state }) => project === "web" && number <= 30 && state === "succeeded");
		expect(run.jobs.map(({ name }) => name)).toEqual(["lint", "unit tests", "build", "end-to-end"]);
		expect(Date.parse(run.finished_at ?? "") - Date.parse(run.started_at ?? "")).toBeGreaterThan(30_000);
		const { totals } = await get<RunTests>(`/api/v1/runs/${run.id}/tests`);
		expect(totals).toMatchObject({ passed: 119, failed: 0 });
		const log = await fetch(`${url}/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`, {
			headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
		});
		expect(await log.text()).toContain("added 1184 packages");
		const web = runs.filter(({ project, number }) => project === "web" && number <= 30);
		expect(web.filter(({ state }) => state === "failed").length).toBe(5);
	});

	test("the newest state of each default branch", async () => {
		expect((await ofMain("web", "ci")).state).toBe("failed");
		expect((await ofMain("api", "ci")).state).toBe("succeeded");
		expect((await ofMain("mobile-app", "ci")).state).toBe("running");
		expect(await ofMain("infra", "deploy")).toMatchObject({
			state: "waiting",
			jobs: [{ state: "succeeded" }, { state: "succeeded" }, { state: "blocked", reason: { code: "approval" } }],
		});
		expect((await ofMain("docs-site", "site")).state).toBe("succeeded");
	});

	test("tests that fail newly, flaky tests, coverage, a summary and artifacts", async () => {
		const { id, jobs } = await ofMain("web", "ci");
		const { totals, items, coverage } = await get<RunTests>(`/api/v1/runs/${id}/tests?state=failed`);
		expect(totals).toMatchObject({ passed: 116, failed: 3 });
		expect(items.map(({ newly_failing }) => newly_failing)).toEqual([true, true, true]);
		expect(items[0]?.output).toContain("cart.test.ts");
		expect(coverage[0]?.before).not.toBeNull();
		const build = jobs.find(({ key }) => key === "build");
		const saved = await get<Page<Artifact>>(`/api/v1/jobs/${build?.id}/artifacts`);
		expect(new Set(saved.items.map(({ name }) => name))).toEqual(new Set(["web-bundle", "source-maps"]));
		const page = await fetch(`${url}/api/v1/jobs/${build?.id}/summary`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
		expect(await page.text()).toContain("## Size of the bundle");
		const flaky = await ofBranch("fix/idempotency-keys", "ci");
		expect((await get<RunTests>(`/api/v1/runs/${flaky.id}/tests`)).flaky).toEqual([
			{ suite: "tests.test_idempotency", name: "test_creates_twice" },
		]);
	});

	test("a matrix with failures, a graph of sixty jobs, a large log, and jobs that fail as real ones", async () => {
		const matrix = await ofBranch("feat/saved-carts", "browsers");
		expect([matrix.pull_request, matrix.jobs.length, matrix.jobs.filter(({ state }) => state === "failed").length]).toEqual([412, 12, 2]);
		expect(await ofBranch("release/2.14", "release").then(({ jobs }) => jobs.length)).toBe(60);
		const [requests] = (await ofBranch("perf/order-list", "load-test")).jobs;
		expect(requests?.attempts[0]?.log.bytes).toBeGreaterThan(55_000_000);
		expect(requests?.attempts[0]?.log.incomplete).toBe(false);
		for (const [branch, pipeline, text] of [
			["fix/typed-env", "ci", "error TS2322"],
			["feat/bulk-export", "ci", "Traceback (most recent call last)"],
			["feat/eu-north", "check", "Reference to undeclared module"],
		] as const) {
			const run = await ofBranch(branch, pipeline);
			expect(run.state).toBe("failed");
			const failed = run.jobs.find(({ state }) => state === "failed");
			const log = await fetch(`${url}/api/v1/jobs/${failed?.id}/log?format=clean`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
			expect((await log.text()).replaceAll(/\s+/g, " ")).toContain(text);
		}
		expect(new Set(runs.flatMap(({ reason }) => reason?.code ?? []))).toEqual(
			new Set(["superseded", "cancelled", "step_failed", "tests_failed"]),
		);
	});

	test("a job that no agent can take, a fork that waits, and agents in every state", async () => {
		const gpu = await ofBranch("feat/ranking-model", "ranking");
		expect(gpu).toMatchObject({ state: "queued", jobs: [{ runs_on: { labels: ["gpu"] } }, { state: "blocked" }] });
		expect(await ofBranch("jonas:fix-typo", "site")).toMatchObject({ state: "waiting", trusted: false });
		const items = await eventually(async () => {
			const { items: agents } = await get<Page<Agent>>("/api/v1/agents");
			return agents.some(({ status }) => status === "lost") && agents;
		}, "the lost agent is offline");
		const states = items.map(({ name, status, disabled, drain }) => [name, status, disabled !== null, drain !== null]);
		expect(states).toEqual([
			["builder-1", "online", false, false],
			["builder-2", "online", false, false],
			["mac-mini-1", "online", true, false],
			["pixel-lab-1", "lost", false, false],
			["pixel-lab-2", "online", false, false],
			["soak-1", "draining", false, true],
		]);
		const devices = await all<Run>("/api/v1/runs?project=mobile-app&limit=50");
		const found = await Promise.all(
			devices.filter(({ pipeline }) => pipeline === "devices").map(({ id }) => get<Run>(`/api/v1/runs/${id}`)),
		);
		expect(found.flatMap(({ jobs }) => jobs.flatMap(({ attempts }) => attempts.map(({ reason }) => reason?.code)))).toContain("agent_lost");
	});

	test("schedules, a stored pipeline, secrets, and a delivery with a wrong signature", async () => {
		const schedules = await get<Page<Schedule>>("/api/v1/projects/mobile-app/schedules");
		expect(schedules.items.map(({ paused_by, pipeline }) => [paused_by, pipeline !== null])).toEqual([["admin", true]]);
		const ofFile = await get<Page<Schedule>>("/api/v1/projects/web/schedules");
		expect(ofFile.items).toMatchObject([{ cron: "15 3 * * *", origin: "file" }]);
		expect((await get<Page<StoredPipeline>>("/api/v1/pipelines")).items).toMatchObject([{ name: "soak", project: "mobile-app" }]);
		expect((await get<Page<{ name: string }>>("/api/v1/secrets")).items.map(({ name }) => name)).toContain("hook");
		const deliveries = await get<Page<Delivery>>("/api/v1/projects/web/deliveries");
		expect(deliveries.items.map(({ outcome }) => outcome)).toContain("rejected");
	});

	test("serves a kept folder again", async () => {
		program.signal("SIGINT");
		expect(await program.exited).toBe(0);
		expect(existsSync(path.join(folder, "data"))).toBe(true);
		const again = start(testPort());
		[, url = ""] = await again.says(/status page +(http\S+)/);
		expect((await all<RunSummary>("/api/v1/runs?limit=100")).length).toBe(runs.length);
		await eventually(
			async () => (await get<Page<Agent>>("/api/v1/agents")).items.some(({ name, status }) => name === "builder-1" && status === "online"),
			"an agent of the kept folder",
		);
	});
});

describe("every page of this content", () => {
	let paths: string[];
	beforeAll(async () => {
		const failed = await ofMain("web", "ci");
		const release = await ofBranch("release/2.14", "release");
		const matrix = await newest(({ pipeline }) => pipeline === "browsers");
		const approval = await ofMain("infra", "deploy");
		const stuck = await newest(({ pipeline }) => pipeline === "ranking");
		const fork = await newest(({ project, trusted }) => project === "docs-site" && !trusted);
		const log = await newest(({ pipeline }) => pipeline === "load-test");
		const [agent] = (await get<Page<Agent>>("/api/v1/agents")).items;
		const [pipeline] = (await get<Page<StoredPipeline>>("/api/v1/pipelines")).items;
		const failedJob = failed.jobs.find(({ state }) => state === "failed");
		const tabs = (path: string, names: readonly string[]) => names.map((name) => `${path}?tab=${name}`);
		paths = [
			...["/", "/?state=failed", "/?text=nothing-has-this", "/queue", "/agents", `/agents/${agent?.id}`, "/tests", "/tests?project=web"],
			...[
				"/settings",
				"/sessions",
				"/tokens",
				"/people",
				"/identity-providers",
				"/quotas",
				"/audit",
				"/login",
				"/search",
				"/search?q=cart",
				"/keys",
				"/new",
				"/projects",
				"/nothing-is-here",
			],
			...[failed, release, matrix, approval, stuck, fork].map(({ id }) => `/runs/${id}`),
			...tabs(`/runs/${failed.id}`, ["graph", "timeline", "tests", "artifacts", "compare"]),
			...tabs(`/runs/${release.id}`, ["graph", "timeline"]),
			...[failedJob, log.jobs[0], stuck.jobs[0]].map((job) => `/jobs/${job?.id}`),
			...tabs(`/jobs/${failedJob?.id}`, ["tests", "waits", "details"]),
			"/projects/web",
			...tabs("/projects/web", ["branches", "pulls", "pipelines", "schedules", "deliveries", "caches", "tests", "secrets", "settings"]),
			`/pipelines/${pipeline?.id}`,
		];
	});

	test.each<Look>([
		// Colors do not depend on the width, nor widths on the colors.
		{ width: 1440, colorScheme: "dark" },
		{ width: 360, colorScheme: "light" },
	])(
		"has no violation of axe, no weak contrast and no sideways scroll: $width pixels, $colorScheme",
		async (look) => {
			const browser = await openBrowser(atEnd);
			expect(await faultsOfPages(browser, url, paths, look)).toEqual([]);
		},
		180_000,
	);
});
