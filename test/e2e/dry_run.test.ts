import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, PROGRAM, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What a run would do, and runs of some jobs. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "4" });
	await eventually(async () => {
		const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
		return items[0]?.capabilities.looking_for.length === 0;
	}, "the tools of the agent");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const PIPELINE = `name: web
params: { deploy: { type: boolean, default: false } }
jobs:
  build: { outputs: [list], secrets: { TOKEN: web-token }, steps: ['echo "list=[1]" >> $CI_OUTPUT'] }
  test: { needs: build, matrix: { n: [1, 2] }, steps: [echo test] }
  each: { needs: build, matrix: "\${{ needs.build.outputs.list }}", steps: [echo each] }
  ship: { needs: test, if: params.deploy, runs_on: { os: windows }, approval: true, steps: [echo ship] }
  tell: { needs: ship, steps: [echo tell] }
  notice: { needs: test, if: failure(), steps: [echo notice] }
`;

async function plan(submission: object): Promise<resources.PlannedRun> {
	const response = await coordinator.request("/api/v1/runs?dry_run=1", {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(submission),
	});
	expect(response.status).toBe(200);
	return resources.plannedRun.parse(await response.json());
}

test("a dry run says what each job would do, which agents fit and why others do not, and what is missing; it stores nothing", async () => {
	const before = await coordinator.get<{ items: resources.RunSummary[] }>("/api/v1/runs");
	const planned = await plan({ pipeline: PIPELINE, params: { deploy: true } });
	const jobs = Object.fromEntries(planned.jobs.map((job) => [job.name, job]));
	expect(Object.keys(jobs)).toEqual(["build", "test (1)", "test (2)", "each", "ship", "tell", "notice"]);
	expect(jobs.build).toMatchObject({ outlook: "starts", needs: [], missing_secrets: ["web-token"] });
	expect(jobs["test (2)"]).toMatchObject({ outlook: "waits", needs: ["build"], matrix: { n: "2" }, missing_secrets: [] });
	expect(jobs.each).toMatchObject({ outlook: "waits", is_expanded_later: true });
	expect(jobs.ship).toMatchObject({ outlook: "waits", waits_for_approval: true, needs: ["test (1)", "test (2)"] });
	expect(jobs.notice).toMatchObject({ outlook: "waits", condition: "failure()" });
	const [any, windows] = [jobs.build, jobs.ship].map((job) => planned.requirements[job?.requirements ?? -1]);
	expect(any).toMatchObject({ wanted: [], fitting: 1, agents: [{ name: "worker", fits: true, reason: "is free" }] });
	expect(windows).toMatchObject({ wanted: ["win32"], fitting: 0, agents: [{ fits: false, reason: "runs linux, not win32" }] });
	expect(planned.notices).toEqual([
		"The job ship cannot start: no agent has win32 (worker runs linux, not win32).",
		expect.stringContaining("uses secret web-token, which does not exist"),
	]);
	const without = await plan({ pipeline: PIPELINE });
	expect(without.jobs.filter(({ outlook }) => outlook === "skipped").map(({ name, reason }) => [name, reason])).toEqual([
		["ship", "Its condition is false: params.deploy"],
		["tell", "Needs ship, which was skipped."],
	]);
	expect(await coordinator.get("/api/v1/runs")).toEqual(before);
});

test("a dry run of a form stores no source; a broken pipeline gets its errors", async () => {
	const form = new FormData();
	form.set("pipeline", "steps: [echo a]");
	form.set("source", new Blob([new Uint8Array(1024)]), "source.tar");
	const response = await coordinator.request("/api/v1/runs?dry_run=1", { method: "POST", body: form });
	expect(response.status).toBe(200);
	expect(resources.plannedRun.parse(await response.json()).jobs).toHaveLength(1);
	const broken = await coordinator.request("/api/v1/runs?dry_run=1", { method: "POST", body: "jobs: { a: { needs: b, steps: [x] } }" });
	expect([broken.status, await broken.text()]).toEqual([422, expect.stringContaining("Unknown job `b`")]);
});

function windlass(...args: string[]): { code: number | null; out: string; err: string } {
	const folder = temporaryFolder(atEnd);
	writeFileSync(path.join(folder, ".windlass.yml"), PIPELINE);
	const env = { ...process.env, WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" };
	const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { cwd: folder, env, encoding: "utf8" });
	return { code: status, out: stdout, err: stderr };
}

test("windlass run --dry-run and windlass graph print it", () => {
	const dry = windlass("run", "--no-source", "--dry-run");
	expect([dry.code, dry.err]).toEqual([0, ""]);
	expect(dry.out).toContain("web: 7 jobs. Nothing was submitted.\n");
	expect(dry.out).toContain("● build starts at once\n    1 agent can take it\n    the secret web-token is missing\n");
	expect(dry.out).toContain("○ test (1) waits for build\n");
	expect(dry.out).toContain("⊘ ship is skipped: Its condition is false: params.deploy\n");
	expect(dry.out).toContain("any agent\n  worker is free\n");
	expect(JSON.parse(windlass("run", "--no-source", "--dry-run", "-o", "json").out).jobs).toHaveLength(7);
	const graph = windlass("graph", "-p", "deploy=true");
	expect([graph.code, graph.err]).toEqual([0, ""]);
	expect(graph.out).toBe(
		[
			"  1  ● build",
			"  2  ○ test ×2  ← build",
			"     ○ each  ← build  its matrix is made of an output",
			"  3  ○ ship  ← test  waits for an approval",
			"     ○ notice  ← test",
			"  4  ○ tell  ← ship",
			"",
		].join("\n"),
	);
});

test("windlass run --job runs that job and what it needs; an unknown one is rejected with the nearest", async () => {
	const ran = windlass("run", "--no-source", "-f", "-", "--job", "test");
	expect(ran.code).toBe(2);
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
		pipeline: { jobs: { a: { steps: ["true"] }, b: { needs: "a", steps: ["true"] }, c: { needs: "b", steps: ["false"] } } },
		jobs: "b",
	});
	const ended = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	expect([ended.state, ended.jobs.map(({ key }) => key)]).toEqual(["succeeded", ["a", "b"]]);
	const unknown = windlass("run", "--no-source", "--job", "tset");
	expect(unknown.code).toBe(2);
	expect(unknown.err).toContain("The pipeline has no job `tset`.");
	expect(unknown.err).toContain("Did you mean `test`?");
	const some = windlass("run", "--no-source", "--dry-run", "--job", "each", "--job", "tell");
	expect(some.out).toContain("web: 6 jobs.");
});
