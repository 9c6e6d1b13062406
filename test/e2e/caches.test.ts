import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cache, CacheUse } from "../../schema/wire/caches.ts";
import type { Page, Run } from "../../schema/wire/resources.ts";
import { eventually, type TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);

/** Runs a pipeline of one job called `main` to its end. */
async function run(coordinator: TestCoordinator, job: object, settings: object = {}): Promise<{ run: Run; uses: CacheUse[]; log: string }> {
	const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline: job, ...settings });
	const ended = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const log = await (await coordinator.request(`/api/v1/jobs/${ended.jobs[0]?.id}/log`)).text();
	return { run: ended, uses: ended.jobs[0]?.attempts.at(-1)?.caches ?? [], log };
}

const cachesOf = async (coordinator: TestCoordinator, project: string) =>
	(await coordinator.get<Page<Cache>>(`/api/v1/projects/${project}/caches?limit=200`)).items;

describe("a cache", () => {
	let coordinator: TestCoordinator;
	beforeAll(async () => {
		coordinator = await borrowCoordinator(atEnd);
		await coordinator.agent("one", { args: ["--labels", "one"] });
		await coordinator.post("/api/v1/projects", { name: "web" });
	});
	afterAll(async () => {
		for (const clean of cleanups.reverse()) await clean();
	});

	const make = [
		"mkdir -p deps/bin deps/empty && echo 42 > deps/lib && printf '#!/bin/sh\\necho tool' > deps/bin/tool && chmod +x deps/bin/tool",
		"ln -s bin/tool deps/link && ln -s /usr/bin/env deps/outside",
	];
	const check = [
		'test "$(cat deps/lib)" = 42 && test "$(deps/link)" = tool && test -d deps/empty && test "$(readlink deps/outside)" = /usr/bin/env',
	];

	test("is a miss, then a hit from this machine, and a hit from the coordinator on another one", async () => {
		const cache = { key: "deps-1", paths: ["deps"] };
		const first = await run(coordinator, { cache, runs_on: "one", steps: make }, { project: "web" });
		expect([first.run.state, first.uses]).toEqual([
			"succeeded",
			[expect.objectContaining({ key: "deps-1", result: "miss", restored: null })],
		]);
		expect(first.log).toMatch(/:: cache deps-1: not found\n[\s\S]*:: cache deps-1: saving deps\n/);
		const second = await run(coordinator, { cache, runs_on: "one", steps: check }, { project: "web" });
		expect([second.run.state, second.uses]).toEqual([
			"succeeded",
			[expect.objectContaining({ result: "hit", restored: "deps-1", from: "agent" })],
		]);
		const two = await coordinator.agent("two", { args: ["--labels", "two"] });
		const third = await run(coordinator, { cache, runs_on: "two", steps: check }, { project: "web" });
		expect([third.run.state, third.uses]).toEqual(["succeeded", [expect.objectContaining({ result: "hit", from: "coordinator" })]]);
		expect(third.log).toMatch(/:: cache deps-1: restored from the copy of the coordinator \(\d+ bytes in 4 files, \d/);
		// What the job has left unchanged is here from now on.
		await eventually(
			async () => (await run(coordinator, { cache, runs_on: "two", steps: check }, { project: "web" })).uses[0]?.from === "agent",
			"a copy on the second machine",
		);
		await two.kill();
		const [stored, ...others] = await cachesOf(coordinator, "web");
		expect([stored, others]).toEqual([
			expect.objectContaining({ key: "deps-1", scope: "submitted runs", files: 4, hits: expect.any(Number) }),
			[],
		]);
	});
});
