import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, PROGRAM, type TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** How long things usually take, and when what waits will start. */

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
	await coordinator.agent("worker");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const submit = (pipeline: object) => coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { name: "slow", ...pipeline } });
const estimate = async (run: resources.Run) =>
	resources.runEstimate.parse(await coordinator.get<unknown>(`/api/v1/runs/${run.id}/estimate`));

function show(id: string): string {
	const env = { ...process.env, WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" };
	return spawnSync(process.execPath, [PROGRAM, "show", id], { env, encoding: "utf8" }).stdout;
}

test("a run has an estimate once one before it has succeeded: in the API, in the terminal, on the page; what waits says when it starts", async () => {
	const pipeline = { params: { wait: { default: "20" } }, jobs: { one: { env: { WAIT: "${{ params.wait }}" }, steps: ["sleep $WAIT"] } } };
	const first = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { name: "slow", ...pipeline }, params: { wait: "0" } });
	expect(await estimate(first)).toEqual({ run: null, jobs: [{ id: first.jobs[0]?.id, name: "one", usual: null }] });
	await coordinator.get(`/api/v1/runs/${first.id}/wait?timeout=60`);
	await coordinator
		.post("/api/v1/runs", { pipeline: { name: "slow", ...pipeline }, params: { wait: "3" } })
		.then((run) => coordinator.get(`/api/v1/runs/${(run as resources.Run).id}/wait?timeout=60`));
	const running = await submit(pipeline);
	await eventually(
		async () => (await coordinator.get<resources.Run>(`/api/v1/runs/${running.id}`)).jobs[0]?.state === "running",
		"the run to start",
	);
	const usual = await estimate(running);
	expect(usual.run?.counted).toBe(2);
	expect(usual.run?.p90_ms).toBeGreaterThanOrEqual(3000);
	expect(usual.jobs[0]?.usual?.p50_ms).toBeLessThanOrEqual(usual.jobs[0]?.usual?.p90_ms ?? 0);
	const shown = show(running.id);
	expect(shown).toMatch(/usually \S+, nine in ten within \S+ \(of 2\)/);
	expect(shown).toMatch(/[█░]{10} (\d+ % of|longer than usual)/);
	expect(await coordinator.text(`/jobs/${running.jobs[0]?.id}`)).toMatch(/usually \S+, nine in ten within/);
	const [second, third] = [await submit(pipeline), await submit(pipeline)];
	const explained = await Promise.all(
		[second, third].map(({ jobs }) => coordinator.get<resources.Explanation>(`/api/v1/jobs/${jobs[0]?.id}/explain`)),
	);
	expect(explained.map(({ position }) => position)).toEqual([1, 2]);
	expect(explained[0]?.summary).toMatch(/^Waits for one of worker\. First in the queue, starts (soon|in about .*)\.$/);
	expect(explained[1]?.summary).toContain("Second in the queue, starts ");
	expect(explained[1]?.starts_in_ms).toBeGreaterThanOrEqual(explained[0]?.starts_in_ms ?? Number.NaN);
	for (const { id } of [third, second, running]) await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
});
