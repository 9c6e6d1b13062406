import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "../../schema/wire/resources.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import { ADMIN_TOKEN, type TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** The ways that people take through the pages, in a wide and in a narrow window. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let browser: Browser;
let failed: Run;
let waiting: Run;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("walker", { slots: "2" });
	browser = await openBrowser(atEnd);
	await coordinator.post("/api/v1/projects", { name: "shop" });
	const submit = (body: object) => coordinator.post<Run>("/api/v1/runs", { project: "shop", ...body });
	const ended = async ({ id }: Run) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	await ended(
		await submit({ pipeline: { name: "green", steps: ["echo ::group::Install; echo one; echo two; echo ::endgroup::; echo three"] } }),
	);
	failed = await ended(
		await submit({
			pipeline: {
				name: "red",
				jobs: { compile: { steps: ["echo 'main.c:3:5: error: unknown type'; exit 2"] }, after: { needs: "compile", steps: ["true"] } },
			},
		}),
	);
	waiting = await submit({
		pipeline: { name: "stuck", jobs: { a: { runs_on: ["unicorn"], steps: ["a"] }, b: { runs_on: ["unicorn"], steps: ["b"] } } },
	});
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function opened(width: number): Promise<{ page: Page; complaints: string[] }> {
	const found = await signedIn(browser, coordinator.url);
	await found.page.setViewportSize({ width, height: 900 });
	return found;
}

describe.each([1440, 390])("in a window of %s pixels", (width) => {
	let page: Page;
	let complaints: string[];
	beforeAll(async () => {
		({ page, complaints } = await opened(width));
	});

	test("the list is filtered by chips and fields, and the address has the filters", async () => {
		await page.goto(coordinator.url);
		await page.getByRole("link", { name: /Failed today 1/ }).click();
		await shown(() => page.locator(".list > li").count()).toBe(1);
		expect(page.url()).toContain("state=failed");
		await page.getByRole("link", { name: "All", exact: true }).click();
		await shown(() => page.locator(".list > li").count()).toBe(3);
		expect(await page.locator(".list .state.stuck").count()).toBe(1);
		expect(await page.getByText(/none of 1 has all of this/).count()).toBe(1);
		await page.getByText("Filter", { exact: true }).click();
		await page.getByLabel("Text", { exact: true }).fill("green");
		await page.getByRole("button", { name: "Apply" }).click();
		await shown(() => page.locator(".list > li").count()).toBe(1);
		await page.getByLabel("Text", { exact: true }).fill("no such run");
		await page.getByRole("button", { name: "Apply" }).click();
		await shown(() => page.getByText("No run matches these filters.").count()).toBe(1);
		await page.getByRole("link", { name: "Mine" }).click();
		await page.goto(`${coordinator.url}/?author=admin`);
		await shown(() => page.locator(".list > li").count()).toBe(3);
	});

	test("a failed run shows its cause first, with a link to the line of the log", async () => {
		await page.goto(`${coordinator.url}/runs/${failed.id}`);
		expect(await page.title()).toBe("✗ red #2 · Windlass");
		expect(await page.locator("link[rel=icon]").getAttribute("href")).toMatch(/icon-bad\.svg$/);
		await page.locator(".excerpt li", { hasText: "unknown type" }).getByRole("link").click();
		await shown(() => page.locator("#log li.target", { hasText: "unknown type" }).count()).toBe(1);
		await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "red #2" }).click();
		for (const view of ["Graph", "Timeline", "Compare"]) {
			await page.getByRole("link", { name: view, exact: true }).click();
			await shown(() => page.locator(".tabs [aria-current=page]").textContent()).toBe(view);
		}
		await page.getByLabel("More actions").click();
		await page.getByRole("button", { name: "Delete run" }).click();
		await shown(() => page.getByRole("heading", { name: "Delete the run?" }).count()).toBe(1);
		await page.getByRole("link", { name: "Cancel" }).click();
		await shown(() => page.locator("h1").textContent()).toContain("red #2");
	});

	test("the tools of a log: times, wrapping, groups, ranges of lines, next match", async () => {
		const [run] = (await coordinator.get<{ items: Run[] }>("/api/v1/runs?text=green")).items;
		const { jobs } = await coordinator.get<Run>(`/api/v1/runs/${run?.id}`);
		await page.goto(`${coordinator.url}/jobs/${jobs[0]?.id}`);
		const line = (text: string) => page.locator("#log li", { hasText: text });
		await shown(() => line("Install").last().getAttribute("class")).toBe("group");
		await line("Install").last().click();
		expect(await line("two").last().isVisible()).toBe(false);
		await line("Install").last().click();
		expect(await line("two").last().isVisible()).toBe(true);
		await page.getByRole("button", { name: "Times" }).click();
		expect(await page.locator("#log.no-times").count()).toBe(1);
		await page.reload();
		await shown(() => page.locator("#log.no-times").count()).toBe(1);
		await page.getByRole("button", { name: "Times" }).click();
		await page.getByRole("button", { name: "Wrap" }).click();
		await page.getByRole("button", { name: "Wrap" }).click();
		await page.locator("#L2 > a").click();
		await page.locator("#L4 > a").click({ modifiers: ["Shift"] });
		await shown(() => page.locator("#log li.target").count()).toBe(3);
		expect(page.url()).toMatch(/#L2-L4$/);
		await page.getByLabel("Search the log").fill("o");
		await page.keyboard.press("Enter");
		await shown(() => page.locator(".matches").isVisible()).toBe(true);
		await page.getByRole("button", { name: "Next match" }).click();
		await shown(() => page.locator(".matches [role=status]").textContent()).toMatch(/^1 of \d/);
	});

	test("keys search, walk through lists and go to pages", async () => {
		await page.goto(coordinator.url);
		await page.keyboard.press("j");
		await page.keyboard.press("j");
		await shown(() => page.evaluate<string>("document.activeElement.textContent")).toContain("red");
		await page.keyboard.press("k");
		await page.keyboard.press("Enter");
		await shown(() => page.locator("h1").textContent()).toContain("stuck #3");
		await page.waitForLoadState();
		await page.keyboard.press("g");
		await page.keyboard.press("a");
		await shown(() => page.locator("h1").textContent()).toBe("Agents");
		await page.waitForLoadState();
		await page.keyboard.press("/");
		await page.keyboard.type("unknown type");
		await page.keyboard.press("Enter");
		await shown(() => page.getByRole("heading", { name: "Failed logs" }).count()).toBe(1);
		await page.getByRole("link", { name: /compile/ }).click();
		await shown(() => page.locator("h1").textContent()).toContain("compile");
		await page.waitForLoadState();
		await page.keyboard.press("?");
		await shown(() => page.locator("h1").textContent()).toBe("Keys");
	});

	test("the queue shows order and reason, and moves a job to the front", async () => {
		await page.goto(`${coordinator.url}/queue`);
		const names = () => page.locator("#queue > li b").allTextContents();
		await shown(names).toEqual(["a", "b"]);
		expect(await page.locator("#queue .state.stuck").count()).toBe(2);
		await page.getByRole("button", { name: "To front" }).click();
		await shown(names).toEqual(["b", "a"]);
		await page.getByRole("button", { name: "To front" }).click();
		await shown(names).toEqual(["a", "b"]);
		await page.getByRole("button", { name: "Pause the queue" }).click();
		await page.getByRole("button", { name: "Pause the queue" }).click();
		await shown(() => page.locator(".reason", { hasText: "The queue is paused by admin" }).count()).toBe(1);
		await page.getByRole("button", { name: "Resume the queue" }).click();
		await shown(() => page.locator(".reason", { hasText: "The queue is paused by admin" }).count()).toBe(0);
	});

	test("an error page keeps the navigation", async () => {
		await page.goto(`${coordinator.url}/runs/run_01JDV9ZQ6F3K7A000000000000`);
		expect(await page.getByRole("navigation", { name: "Main" }).count()).toBe(1);
		expect(await page.locator("h1").textContent()).toContain("There is no run");
		expect(complaints.splice(0).filter((text) => !text.includes("404"))).toEqual([]);
	});
});

test("a deep link survives the sign-in, and a wrong token is reported", async () => {
	const page = await (await browser.newContext()).newPage();
	await page.goto(`${coordinator.url}/runs/${failed.id}?tab=graph`);
	await page.getByLabel("Token").fill("wlu_wrong");
	await page.getByRole("button", { name: "Use the token" }).click();
	await shown(() => page.getByText(/The token is not valid/).count()).toBe(1);
	await page.goto(`${coordinator.url}/runs/${failed.id}?tab=graph`);
	await page.getByLabel("Token").fill(ADMIN_TOKEN);
	await page.getByRole("button", { name: "Use the token" }).click();
	await page.waitForURL(`${coordinator.url}/runs/${failed.id}?tab=graph`);
	// No other server is led to.
	for (const to of ["//evil.lan/", "https://evil.lan/", "/\\evil.lan", "/\t/evil.lan", "/a/../..//evil.lan", "/sign-out"]) {
		const body = new URLSearchParams({ token: ADMIN_TOKEN, to });
		const answer = await coordinator.request("/sign-in", {
			method: "POST",
			token: null,
			redirect: "manual",
			headers: { Origin: coordinator.url },
			body,
		});
		expect([to, answer.headers.get("Location")]).toEqual([to, "/"]);
	}
});

/** The first event of the updates of a page. */
async function firstEvent(address: string): Promise<string> {
	const { body } = await coordinator.request(address, { headers: { Accept: "text/event-stream" } });
	let text = "";
	for await (const bytes of body ?? []) {
		text += new TextDecoder().decode(bytes as Uint8Array);
		if (text.includes("\n\n")) break;
	}
	return text;
}

describe("an open page", () => {
	test("takes up changes and leaves alone what the reader does: focus, typed text, open folds", async () => {
		const { page, complaints } = await opened(1440);
		await page.goto(`${coordinator.url}/runs/${waiting.id}`);
		await page.getByText("Inputs").click();
		await page.locator("header input[type=search]").fill("half a wo");
		const inputs = await page.locator("details.details").elementHandle();
		await coordinator.post(`/api/v1/jobs/${waiting.jobs[0]?.id}/cancel`, {});
		await shown(() => page.locator("#jobs [aria-label=cancelled]").count()).toBe(1);
		expect(await page.evaluate<string>("document.activeElement.value")).toBe("half a wo");
		expect(await page.locator("details.details").getAttribute("open")).not.toBeNull();
		// It is the same element, and not a copy.
		expect(await inputs?.evaluate((element: { isConnected: boolean }) => element.isConnected)).toBe(true);
		await coordinator.post(`/api/v1/runs/${waiting.id}/cancel`, {});
		await shown(() => page.title()).toBe("⊘ stuck #3 · Windlass");
		await shown(() => page.locator("#news").textContent()).toBe("⊘ stuck #3");
		// Nothing more can change: its stream is closed.
		await shown(() => page.locator("body[data-live]").count()).toBe(0);
		expect(complaints).toEqual([]);
	});

	test("keeps a part that moves to another place: jobs of a matrix that fold when one of them ends", async () => {
		const { page, complaints } = await opened(1440);
		const matrix = { name: "grid", jobs: { cell: { matrix: { n: ["1", "2", "3"] }, runs_on: ["unicorn"], steps: ["a"] } } };
		const run = await coordinator.post<Run>("/api/v1/runs", { project: "shop", pipeline: matrix });
		await page.goto(`${coordinator.url}/runs/${run.id}`);
		await shown(() => page.locator("#jobs a").count()).toBe(3);
		await coordinator.post(`/api/v1/jobs/${run.jobs[0]?.id}/cancel`, {});
		await shown(() => page.locator("#jobs summary", { hasText: "2 waiting" }).count()).toBe(1);
		expect([await page.locator("#jobs a").count(), await page.locator("#jobs template").count()]).toEqual([3, 0]);
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		await shown(() => page.locator("#jobs [aria-label=cancelled]").count()).toBeGreaterThan(2);
		expect([await page.locator("#jobs a").count(), await page.locator("#jobs template").count()]).toEqual([3, 0]);
		// A page whose run is deleted stops asking.
		await coordinator.request(`/api/v1/runs/${run.id}`, { method: "DELETE" });
		expect(complaints).toEqual([]);
	});

	test("gets first what has changed since it was loaded; one that is unknown gets everything", async () => {
		const jobs = Object.fromEntries(["first", "second"].map((name) => [name, { runs_on: ["unicorn"], steps: ["a"] }]));
		const run = await coordinator.post<Run>("/api/v1/runs", { project: "shop", pipeline: { name: "late", jobs } });
		const address = `/runs/${run.id}`;
		await shown(() => coordinator.text(`${address}?tab=overview`)).toContain("second");
		const [, signature] = /data-live="(\w+)"/.exec(await coordinator.text(address)) ?? [];
		await coordinator.post(`/api/v1/jobs/${run.jobs[0]?.id}/cancel`, {});
		await shown(() => coordinator.text(`${address}?tab=overview`)).toContain('aria-label="cancelled"');
		const partsOf = (event: string) => (JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "{}") as { parts: [string, string][] }).parts;
		const changed = partsOf(await firstEvent(`${address}?live=${signature}`)).map(([id]) => id);
		expect(changed).toContain(`j-${run.jobs[0]?.id}`);
		expect(changed).not.toContain(`j-${run.jobs[1]?.id}`);
		const all = partsOf(await firstEvent(`${address}?live=unknown`)).map(([id]) => id);
		expect(all).toEqual(expect.arrayContaining(run.jobs.map(({ id }) => `j-${id}`)));
	});

	test("of a run of sixty jobs moves less than a hundred kilobytes while all of them run", async () => {
		const { page } = await opened(1440);
		const jobs = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`job${index}`, { steps: ["sleep 0.2"] }]));
		const session = await page.context().newCDPSession(page);
		await session.send("Network.enable");
		let moved = 0;
		session.on("Network.dataReceived", ({ dataLength, encodedDataLength }) => {
			moved += encodedDataLength || dataLength;
		});
		const run = await coordinator.post<Run>("/api/v1/runs", { pipeline: { name: "sixty", jobs }, project: "shop" });
		await page.goto(`${coordinator.url}/runs/${run.id}`);
		await shown(() => page.locator("#jobs a").count()).toBe(60);
		expect(await page.evaluate<number>("document.querySelectorAll('*').length")).toBeLessThan(800);
		const before = moved;
		await coordinator.get(`/api/v1/runs/${run.id}/wait?timeout=60`);
		await shown(() => page.locator("#jobs [aria-label=succeeded]").count()).toBe(60);
		expect(moved - before).toBeLessThan(100_000);
	});
});
