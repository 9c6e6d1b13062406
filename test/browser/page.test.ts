import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "../../schema/wire/resources.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import { eventually, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let browser: Browser;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("painter", { slots: "2" });
	browser = await openBrowser(atEnd);
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const PIPELINE = {
	name: "colours",
	jobs: {
		paint: {
			name: "Paint <b>it</b>",
			steps: ["printf '\\033[1;32mgreen\\033[0m <script>alert(1)</script>\\n'; for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done"],
		},
		check: { steps: ["true"] },
		frame: { needs: ["paint", "check"], steps: ["mkdir out; echo done > out/picture.txt"], artifacts: { save: ["out/*"] } },
	},
};

describe("the status page", () => {
	test("signs in by the one-time link", async () => {
		const page = await (await browser.newContext()).newPage();
		// Whatever follows links by itself, such as a chat that shows a preview, uses nothing up.
		await fetch(coordinator.signInUrl);
		await page.goto(coordinator.signInUrl);
		await page.getByRole("button", { name: "Sign in" }).click();
		await page.waitForURL(`${coordinator.url}/`);
		await shown(() => page.getByRole("heading", { name: "Runs", level: 1 }).count()).toBe(1);
		const [cookie] = await page.context().cookies();
		expect(cookie).toMatchObject({ name: "windlass_session", httpOnly: true, sameSite: "Lax" });
		await page.getByRole("link", { name: "Settings" }).click();
		await page.getByRole("link", { name: "signed-in browser" }).click();
		await shown(() => page.getByText("this browser").count()).toBe(1);
		await page.getByRole("link", { name: "Settings" }).click();
		await page.getByRole("button", { name: "Sign out admin" }).click();
		await shown(() => page.getByText("paste a token").count()).toBe(1);
		// The cookie that the browser has forgotten is nothing to anybody who has kept it.
		const kept = await fetch(`${coordinator.url}/api/v1/runs`, { headers: { Cookie: `windlass_session=${cookie?.value}` } });
		expect(kept.status).toBe(401);
	});

	test("shows a run as it goes: list, graph, live log in colours, steps, artifact", async () => {
		const { page, complaints } = await signedIn(browser, coordinator.url);
		const run = await coordinator.post<Run>("/api/v1/runs", { pipeline: PIPELINE, project: "art" });
		// The list was open before the run came: it shows up by itself.
		await page.getByRole("link", { name: /colours art #1/ }).click();
		await page.getByRole("link", { name: "Graph" }).click();
		await shown(() => page.locator("svg .node").count()).toBe(3);
		expect(await page.locator("svg .edge").count()).toBe(2);
		await page.getByRole("link", { name: "Paint <b>it</b>" }).first().click();
		await shown(() => page.locator("#log li", { hasText: "tick 1" }).count()).toBeGreaterThan(0);
		await shown(() => page.locator("#log .fg2.bold").first().textContent()).toBe("green");
		expect(await page.locator("#log script").count()).toBe(0);
		await shown(() => page.locator("#log li", { hasText: /tick 6$/ }).count()).toBe(1);
		await shown(() => page.locator("#job h1 .state.succeeded").count()).toBe(1);
		expect(await page.locator("#log li").count()).toBe(8);
		await page.goto(`${coordinator.url}/jobs/${run.jobs[0]?.id}#L3`);
		await shown(() => page.locator("#L3.target").count()).toBe(1);
		await coordinator.get(`/api/v1/runs/${run.id}/wait`);
		await page.goto(`${coordinator.url}/jobs/${run.jobs[2]?.id}?tab=artifacts`);
		const download = page.waitForEvent("download");
		await page.getByRole("link", { name: "out/picture.txt" }).click();
		expect((await download).suggestedFilename()).toBe("picture.txt");
		expect(complaints).toEqual([]);
	});

	test("shows a line that has no newline yet, and each state of it in the same place", async () => {
		const { page, complaints } = await signedIn(browser, coordinator.url);
		const sign = path.join(temporaryFolder(), "go");
		const wait = (name: string) => `while [ ! -e ${sign}.${name} ]; do sleep 0.02; done`;
		const steps = [
			`printf 'first\\n\\033[32m10%%\\r'; ${wait("more")}; printf '55%%\\r'; ${wait("end")}; printf '\\033(B\\033[mdone\\n\\033[7;38:2::255:80:80m FAIL \\033[0m x\\n'`,
		];
		const run = await coordinator.post<Run>("/api/v1/runs", {
			pipeline: { jobs: { bar: { steps: [{ name: "bar", run: steps[0] }, "printf 'Go on? '"] } } },
		});
		await page.goto(`${coordinator.url}/jobs/${run.jobs[0]?.id}`);
		const open = page.locator("#log li.partial");
		const text = () => page.locator("#log li > span").allTextContents();
		await shown(() => open.locator(".fg2").allTextContents()).toEqual(["10%"]);
		const id = await open.getAttribute("id");
		const before = await text();
		writeFileSync(`${sign}.more`, "");
		await shown(() => open.locator(".fg2").allTextContents()).toEqual(["55%"]);
		expect(await text()).toEqual([...before.slice(0, -1), "55%"]);
		writeFileSync(`${sign}.end`, "");
		await shown(() => page.locator("#log-end").textContent()).toBe("End of the log.");
		expect(await page.locator(`#log li#${id} > span`).textContent()).toBe("done");
		expect(await page.locator("#log li > span").allTextContents()).toEqual([
			...before.slice(0, -1),
			"done",
			" FAIL  x",
			":: printf 'Go on? '",
			"Go on? ",
		]);
		expect(await page.locator("#log .fginverse.bg9").allTextContents()).toEqual([" FAIL "]);
		expect(await open.count()).toBe(0);
		expect(complaints).toEqual([]);
	});

	test("can be read without JavaScript", async () => {
		const { page } = await signedIn(browser, coordinator.url, { javaScriptEnabled: false });
		const run = await coordinator.post<Run>("/api/v1/runs", { run: "echo readable" });
		await coordinator.get(`/api/v1/runs/${run.id}/wait`);
		await eventually(
			async () =>
				(await page.goto(`${coordinator.url}/jobs/${run.jobs[0]?.id}`)) &&
				(await page.locator("#log li", { hasText: "readable" }).count()) === 2,
			"the log",
		);
		await page.goto(`${coordinator.url}/agents`);
		expect(await page.getByText("painter").count()).toBe(1);
	});

	test("cancels a run, and says why a job waits", async () => {
		const { page } = await signedIn(browser, coordinator.url);
		const run = await coordinator.post<Run>("/api/v1/runs", { run: "sleep 60", runs_on: ["unicorn"] });
		await page.goto(`${coordinator.url}/jobs/${run.jobs[0]?.id}`);
		expect(await page.getByText("Waits for an agent with unicorn").count()).toBe(1);
		expect(await page.getByText("has no label unicorn").count()).toBe(1);
		await page.goto(`${coordinator.url}/runs/${run.id}`);
		await page.getByRole("button", { name: "Cancel run" }).click();
		await shown(() => page.locator("#run h1").textContent()).toContain("cancelled");
	});

	test("is light or dark as the reader likes", async () => {
		const ground = async (colorScheme: "light" | "dark") => {
			const page = await (await browser.newContext({ colorScheme })).newPage();
			await page.goto(coordinator.url);
			return page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
		};
		expect(await ground("light")).not.toBe(await ground("dark"));
	});
});
