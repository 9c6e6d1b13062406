import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent, Run } from "../../schema/wire/resources.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import type { TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let browser: Browser;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	browser = await openBrowser(atEnd);
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const agents = async () => (await coordinator.get<{ items: Agent[] }>("/api/v1/agents")).items;

describe("the pages of agents", () => {
	test("make a registration token that is shown once, show what an agent may take, and change all of it", async () => {
		const { page, complaints } = await signedIn(browser, coordinator.url);
		await page.goto(`${coordinator.url}/agents`);
		await page.getByLabel("Labels").fill("prod");
		await page.getByLabel("Projects").fill("web, api");
		await page.getByLabel("Runs").selectOption("trusted");
		await page.getByLabel("Valid for").fill("91d");
		await page.getByRole("button", { name: "Create token" }).click();
		await shown(() => page.getByText("too long for a registration token").count()).toBe(1);
		expect(await page.getByLabel("Projects").inputValue()).toBe("web, api");
		await page.getByLabel("Valid for").fill("30d");
		await page.getByRole("button", { name: "Create token" }).click();
		await shown(() => page.locator("pre.token").count()).toBe(1);
		const command = (await page.locator("pre.token").textContent()) ?? "";
		const [, token = ""] = /^WINDLASS_TOKEN=(\S+) windlass agent --server /.exec(command) ?? [];
		await page.goto(`${coordinator.url}/agents`);
		expect(await page.content()).not.toContain(token);
		await shown(() => page.locator("#agent-tokens").getByText("only jobs of web, api; only trusted runs").count()).toBe(1);

		// Its agent shows up by itself.
		await coordinator.agent("builder", { environment: { WINDLASS_TOKEN: token }, args: ["--labels", "staging"] });
		await shown(() => page.getByText("The labels staging are ignored, because its registration token does not allow them.").count()).toBe(
			1,
		);
		await page.getByRole("link", { name: "builder" }).click();
		await page.getByLabel("Projects").fill("Not A Project!");
		await page.getByRole("button", { name: "Save" }).click();
		await shown(() => page.getByText("is lower-case letters").count()).toBeGreaterThan(0);
		await page.getByLabel("Projects").fill("");
		await page.getByLabel("Runs").selectOption("any");
		await page.getByRole("button", { name: "Save" }).click();
		await shown(async () => (await agents())[0]).toMatchObject({ projects: [], runs: "any" });
		const run = await coordinator.post<Run>("/api/v1/runs", { run: "sleep 600", runs_on: ["prod"] });
		await shown(async () => (await coordinator.get<Run>(`/api/v1/runs/${run.id}`)).state).toBe("running");
		await page.getByRole("button", { name: "Disable and cancel its jobs" }).click();
		await shown(() => page.locator("#agent .state.disabled").count()).toBe(1);
		expect((await coordinator.get<Run>(`/api/v1/runs/${run.id}/wait`)).state).toBe("cancelled");
		await page.getByRole("button", { name: "Enable" }).click();
		await shown(() => page.locator("#agent .state.disabled").count()).toBe(0);
		await page.getByRole("button", { name: "Rotate token" }).click();
		await shown(async () => (await agents())[0]?.rotated_at).not.toBe(null);
		await page.getByRole("button", { name: "Drain" }).click();
		await shown(() => page.locator("#agent .state.offline").count()).toBe(1);
		await page.getByRole("button", { name: "Delete agent" }).click();
		await shown(() => page.getByText("No agents yet.").count()).toBe(1);
		await page.locator("#agent-tokens summary").click();
		const card = page.locator("#agent-tokens li", { hasText: "only jobs of web, api" });
		await card.getByRole("button", { name: "Revoke" }).click();
		await shown(() => card.count()).toBe(0);
		// The form that was not taken is the one thing that the console has seen.
		expect(complaints.filter((one) => !one.includes("422"))).toEqual([]);
	});

	test.each([390, 1440])("fit a window of %i pixels", async (width) => {
		const labels = Array.from({ length: 12 }, (_, index) => `a-rather-long-label-${index}`);
		const { token } = await coordinator.post<{ token: string }>("/api/v1/agent-tokens", { labels, projects: ["web", "api"] });
		await coordinator.agent(`wide-${width}`, { environment: { WINDLASS_TOKEN: token }, args: ["--labels", "ignored-one,ignored-two"] });
		const { page } = await signedIn(browser, coordinator.url);
		await page.setViewportSize({ width, height: 900 });
		for (const address of ["/agents", `/agents/${(await agents())[0]?.id}`]) {
			await page.goto(coordinator.url + address);
			expect([address, await page.evaluate<number>("document.documentElement.scrollWidth")]).toEqual([address, width]);
		}
	});
});
