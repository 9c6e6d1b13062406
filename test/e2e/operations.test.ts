import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import { errorBody } from "../../schema/wire/errors.ts";
import { logLine } from "../../schema/wire/log_line.ts";
import type { Project } from "../../schema/wire/projects.ts";
import * as resources from "../../schema/wire/resources.ts";
import { genericDelivery } from "../support/forge.ts";
import { ADMIN_TOKEN, eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { ProtocolAgent } from "../support/protocol_agent.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const PIPELINE = { steps: ["echo some output; echo saved > file.txt"], artifacts: { save: ["file.txt"] } };

/** A run that is over. */
async function finished(coordinator: TestCoordinator, submission: object = { pipeline: PIPELINE }): Promise<resources.Run> {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", submission);
	await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`);
	return coordinator.get(`/api/v1/runs/${id}`);
}

const jobOf = (run: resources.Run) => run.jobs[0] as resources.Job;

async function refused(response: Response) {
	return { status: response.status, ...errorBody.parse(await response.json()) };
}

/** How many objects R2 holds on disk. */
function objects(coordinator: TestCoordinator): number {
	const folder = path.join(coordinator.data, "storage/r2");
	return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
		(entry) => entry.isFile() && entry.parentPath.includes("blobs"),
	).length;
}

describe("retention", () => {
	let coordinator: TestCoordinator;
	beforeAll(async () => {
		const cleanups: (() => void | Promise<void>)[] = [];
		const environment = { WINDLASS_KEEP_RUNS: "5s", WINDLASS_KEEP_LOGS: "3s", WINDLASS_KEEP_ARTIFACTS: "3s" };
		coordinator = await TestCoordinator.start({ environment, atEnd: (clean) => void cleanups.push(clean) });
		await coordinator.agent("one", { slots: "3" });
		return async () => {
			for (const clean of cleanups.reverse()) await clean();
		};
	});

	test("logs and artifacts go when their time is over, runs later; what is gone says so", async () => {
		await coordinator.post("/api/v1/projects", { name: "lasting", keep_runs: "1d" });
		const run = await finished(coordinator, { pipeline: PIPELINE, project: "lasting" });
		const jobId = jobOf(run).id;
		expect(await coordinator.post("/api/v1/retention/sweep", {})).toEqual({
			...{ runs: 0, logs: 0, artifacts: 0, sources: 0, orphans: 0, caches: 0 },
		});
		expect(await coordinator.text(`/api/v1/jobs/${jobId}/log`)).toContain("some output");
		await eventually(() => objects(coordinator) === 2, "log and artifact");
		// Their times may end between two sweeps.
		const removed = { runs: 0, logs: 0, artifacts: 0 };
		await eventually(async () => {
			const swept = await coordinator.post<typeof removed>("/api/v1/retention/sweep", {});
			for (const kind of ["runs", "logs", "artifacts"] as const) removed[kind] += swept[kind];
			return removed.logs > 0 && removed.artifacts > 0;
		}, "the time");
		expect(removed).toEqual({ runs: 0, logs: 1, artifacts: 1 });
		expect(objects(coordinator)).toBe(0);
		const job = await coordinator.get<resources.Job>(`/api/v1/jobs/${jobId}`);
		expect(job.attempts[0]?.log.expired_at).not.toBeNull();
		for (const address of [`/api/v1/jobs/${jobId}/log`, `/api/v1/jobs/${jobId}/log/lines`, `/api/v1/jobs/${jobId}/artifacts/file.txt`]) {
			expect(await refused(await coordinator.request(address))).toMatchObject({
				status: 410,
				error: "gone",
				message: expect.stringContaining("expired and was deleted at"),
			});
		}
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${jobId}/artifacts`);
		expect(items[0]?.expired_at).not.toBeNull();
		const page = await coordinator.text(`/jobs/${jobId}`);
		expect(page).toContain("The log expired and was deleted");
		expect(await coordinator.text(`/jobs/${jobId}?tab=artifacts`)).toContain("<s ");
	});

	test("a run goes with all that is its own", async () => {
		const run = await finished(coordinator, { pipeline: PIPELINE, project: "passing" });
		await eventually(async () => (await coordinator.post<{ runs: number }>("/api/v1/retention/sweep", {})).runs === 1, "the sweep");
		expect((await coordinator.request(`/api/v1/runs/${run.id}`)).status).toBe(404);
		expect(objects(coordinator)).toBe(0);
		expect(await coordinator.get("/api/v1/runs?project=passing")).toMatchObject({ items: [] });
	});

	test("a project keeps what is its own for as long as it says, shorter or longer than others do", async () => {
		const files = { keep_logs: "1d", keep_artifacts: "1d" };
		const keeping = { short: { keep_logs: "1s", keep_artifacts: "1s" }, long: { ...files, keep_runs: "1d" }, usual: files };
		for (const [name, terms] of Object.entries(keeping)) await coordinator.post("/api/v1/projects", { name, ...terms });
		const pipeline = { steps: ["echo some output; echo x > f"], artifacts: { save: "f" } };
		const runs = await Promise.all(
			["short", "long", "usual"].map(async (project) => {
				const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline, project });
				return coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=30`);
			}),
		);
		const [short, long, usual] = runs.map((run) => ({ run: run.id, job: jobOf(run).id })) as { run: string; job: string }[];
		const status = async (address: string) => (await coordinator.request(`/api/v1/${address}`)).status;
		const swept = { runs: 0, logs: 0, artifacts: 0 };
		await eventually(async () => {
			const now = await coordinator.post<typeof swept>("/api/v1/retention/sweep", {});
			for (const kind of ["runs", "logs", "artifacts"] as const) swept[kind] += now[kind];
			return swept.runs === 2;
		}, "the two runs are removed");
		expect(swept).toEqual({ runs: 2, logs: 1, artifacts: 1 });
		expect([await status(`runs/${short?.run}`), await status(`runs/${usual?.run}`), await status(`runs/${long?.run}`)]).toEqual([
			404, 404, 200,
		]);
		expect(await coordinator.text(`/api/v1/jobs/${long?.job}/log`)).toContain("some output");
	});
});

describe("DELETE /runs/:id", () => {
	test("removes the run, its log and its artifacts; 409 while it lives", async () => {
		const coordinator = await borrowCoordinator();
		await coordinator.agent("one");
		const before = objects(coordinator);
		const kept = await finished(coordinator);
		const run = await finished(coordinator);
		await eventually(() => objects(coordinator) === before + 4, "two logs and two artifacts");
		const gone = await coordinator.request(`/api/v1/runs/${run.id}`, { method: "DELETE" });
		expect(gone.status).toBe(204);
		for (const address of [
			`/api/v1/runs/${run.id}`,
			`/api/v1/jobs/${jobOf(run).id}`,
			`/api/v1/jobs/${jobOf(run).id}/log`,
			`/api/v1/runs/${run.id}/events`,
		]) {
			expect([address, (await coordinator.request(address)).status]).toEqual([address, 404]);
		}
		expect((await coordinator.request(`/api/v1/runs/${run.id}`, { method: "DELETE" })).status).toBe(404);
		expect(objects(coordinator)).toBe(before + 2);
		expect(await coordinator.text(`/api/v1/jobs/${jobOf(kept).id}/log`)).toContain("some output");

		const live = await coordinator.post<resources.Run>("/api/v1/runs", { run: "sleep 30" });
		expect(await refused(await coordinator.request(`/api/v1/runs/${live.id}`, { method: "DELETE" }))).toMatchObject({
			status: 409,
			error: "conflict",
		});
		await coordinator.post(`/api/v1/runs/${live.id}/cancel`, {});
		await coordinator.get(`/api/v1/runs/${live.id}/wait`);
		// At once after its end: the deletion waits for the end to be recorded.
		expect((await coordinator.request(`/api/v1/runs/${live.id}`, { method: "DELETE" })).status).toBe(204);
	});
});

describe("pausing", () => {
	test("the queue keeps what waits, finishes what runs, takes submissions, says who and why; also across a restart", async () => {
		const first = await TestCoordinator.start();
		await first.agent("one");
		const running = await first.post<resources.Run>("/api/v1/runs", { run: "sleep 2; echo finished" });
		await eventually(async () => (await first.get<resources.Run>(`/api/v1/runs/${running.id}`)).state === "running", "the first run");
		expect(resources.queueState.parse(await first.post("/api/v1/queue/pause", { reason: "moving house" }))).toMatchObject({
			paused: true,
			paused_by: "admin",
			reason: "moving house",
		});
		const waiting = await first.post<resources.Run>("/api/v1/runs", { run: "true" });
		expect((await first.get<resources.Run>(`/api/v1/runs/${running.id}/wait`)).state).toBe("succeeded");
		expect(await first.get(`/api/v1/jobs/${jobOf(waiting).id}/explain`)).toMatchObject({
			state: "queued",
			summary: "The queue is paused by admin: moving house.",
		});
		expect(await first.text("/")).toContain("The queue is paused by admin");
		const second = await first.restartAfterKill();
		expect(await second.get("/api/v1/queue")).toMatchObject({ paused: true });
		expect((await second.request(`/api/v1/runs/${waiting.id}/wait?timeout=1`)).status).toBe(202);
		expect(resources.queueState.parse(await second.post("/api/v1/queue/resume", {})).paused).toBe(false);
		expect((await second.get<resources.Run>(`/api/v1/runs/${waiting.id}/wait?timeout=60`)).state).toBe("succeeded");
	});
});

describe("GET /runs/:id/events", () => {
	test("lists every transition: from, to, why, who, when; the same while the run lives and afterwards", async () => {
		const coordinator = await borrowCoordinator();
		const agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "teller");
		const run = await coordinator.post<resources.Run>("/api/v1/runs", {
			pipeline: { jobs: { a: { steps: ["true"] }, b: { needs: "a", steps: ["true"] } } },
		});
		await agent.start(await agent.nextOffer());
		const events = async () => {
			const { items } = await coordinator.get<{ items: unknown[] }>(`/api/v1/runs/${run.id}/events`);
			return items.map((item) => resources.event.parse(item));
		};
		const [a, b] = run.jobs.map(({ id }) => id);
		const told = (list: resources.Event[]) =>
			list.map(({ job_id, from, to, actor, reason }) => [job_id, from, to, actor, reason?.code ?? null]);
		const live = await events();
		expect(told(live)).toEqual([
			[null, null, "queued", "admin", null],
			[a, "blocked", "queued", "admin", null],
			[a, "queued", "leased", "the queue", "offered"],
			[a, "leased", "running", "teller", null],
			[null, "queued", "running", "teller", null],
		]);
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		expect(told((await events()).slice(live.length))).toEqual([
			[a, "running", "cancelling", "admin", "cancelled"],
			[null, "running", "cancelling", "admin", null],
			[b, "blocked", "cancelled", "admin", "cancelled"],
		]);
		await eventually(async () => (await events()).length === live.length + 3, "the record");
		expect((await events()).slice(0, live.length)).toEqual(live);
		const page = await coordinator.get<{ items: unknown[]; next_cursor: string }>(`/api/v1/runs/${run.id}/events?limit=2`);
		const next = await coordinator.get<{ items: resources.Event[] }>(`/api/v1/runs/${run.id}/events?limit=2&cursor=${page.next_cursor}`);
		expect([...page.items, ...next.items]).toEqual((await events()).slice(0, 4));
	});
});

describe("the coordinator's log", () => {
	test("is one JSON object per line, by level, with request and run, and never a credential", async () => {
		const coordinator = await TestCoordinator.start({ environment: { WINDLASS_LOG_LEVEL: "trace" } });
		await coordinator.agent("one");
		const run = await finished(coordinator);
		await coordinator.request(coordinator.signInUrl);
		await coordinator.request("/api/v1/runs?nonsense=secret-in-a-query");
		const response = await coordinator.request(`/api/v1/runs/${run.id}`);
		const requestId = response.headers.get("X-Request-Id") as string;
		await eventually(() => coordinator.program.output.includes(requestId), "the line of a request");
		const lines = coordinator.program.output
			.split("\n")
			.filter((line) => line.startsWith("{"))
			.map((line) => JSON.parse(line));
		for (const line of lines)
			expect(line).toMatchObject({
				time: expect.stringMatching(/^\d{4}-.*Z$/),
				level: expect.stringMatching(/^(error|warn|info|debug|trace)$/),
				message: expect.any(String),
			});
		expect(lines.find((line) => line.request_id === requestId)).toMatchObject({
			level: "debug",
			message: "request",
			method: "GET",
			route: "/api/v1/runs/:id",
			run: run.id,
			status: 200,
		});
		expect(lines.find((line) => line.message === "run accepted")).toMatchObject({ level: "debug", run: run.id, actor: "admin" });
		expect(lines.some((line) => line.level === "trace")).toBe(true);
		const logged = lines.map((line) => JSON.stringify(line)).join("\n");
		expect(logged).not.toMatch(/wlu_|wlr\.|wla\.|wll\.|wlh\.|code=|secret-in-a-query|eyJ/);
		expect(logged).not.toContain(ADMIN_TOKEN);
	});

	test("every line has no field but those of the reference, from the start to the end, at the lowest level", async () => {
		const coordinator = await TestCoordinator.start({ args: ["--log-level", "trace"] });
		const agent = await coordinator.agent("one");
		await coordinator.post("/api/v1/projects", { name: "web" });
		await coordinator.request("/api/v1/secrets/word", { method: "PUT", body: JSON.stringify({ value: "sesame" }) });
		const run = await finished(coordinator, { pipeline: PIPELINE, project: "web" });
		const [{ id = "" } = {}] = (await coordinator.get<{ items: { id: string }[] }>("/api/v1/agents")).items;
		await coordinator.request(`/api/v1/agents/${id}`, { method: "PATCH", body: JSON.stringify({ projects: ["web"], runs: "trusted" }) });
		for (const change of ["disable", "enable", "drain"])
			await coordinator.request(`/api/v1/agents/${id}/${change}`, { method: "POST", body: "{}" });
		await coordinator.post("/api/v1/agent-tokens", { labels: ["linux"], projects: ["web"] });
		await coordinator.post(`/api/v1/runs/${run.id}/rerun`, {});
		await coordinator.request("/api/v1/runs", { token: "wlu_wrong" });
		await coordinator.request("/api/v1/projects/web", { method: "DELETE" });
		await agent.kill();
		coordinator.program.signal("SIGTERM");
		await coordinator.program.exited;
		const lines = coordinator.program.output.split("\n").filter((line) => line.startsWith("{"));
		const parsed = lines.map((line) => JSON.parse(line) as { message: string });
		expect(parsed.filter((line) => !logLine.safeParse(line).success)).toEqual([]);
		expect([...new Set(parsed.map(({ message }) => message))]).toEqual(
			expect.arrayContaining([
				...["request", "recorded", "statements", "project created", "secret set", "registration token created"],
				...["agent restricted", "agent disabled", "agent drain requested", "run repeated", "a credential was wrong", "project deleted"],
			]),
		);
	});

	test("--log-level leaves out less important lines, and an unknown level is rejected", async () => {
		const coordinator = await TestCoordinator.start({ environment: { WINDLASS_LOG_LEVEL: "error" } });
		await coordinator.post("/api/v1/runs", { run: "true" });
		expect(coordinator.program.output).not.toMatch(/"level":/);
		await expect(TestCoordinator.start({ args: ["--log-level", "loud"] })).rejects.toThrow(
			/Allowed choices are error, warn, info, debug, trace/,
		);
	});
});

describe("a disk that is nearly full", () => {
	// A disk that is small enough to fill can only be mounted as root.
	test.skipIf(process.getuid?.() !== 0)(
		"takes no submission until there is room again, and finishes what it has",
		async () => {
			const mount = temporaryFolder();
			execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", mount]);
			const coordinator = await TestCoordinator.start({ data: path.join(mount, "data"), args: ["--min-free-disk", "30MiB"] });
			try {
				await coordinator.agent("one");
				const hook = { value: "a secret of the hook" };
				await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify(hook) });
				const settings = { name: "web", repository: "https://git.test/web.git", hook_secret: "hook" };
				const project = await coordinator.post<Project>("/api/v1/projects", settings);
				const cache = { key: "k", paths: "deps" };
				const pipeline = { cache, steps: ["mkdir deps; echo 1 > deps/a; sleep 12; echo finished"] };
				const before = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline });
				execFileSync("sh", ["-c", `head -c 40000000 /dev/zero > ${mount}/fill`]);
				const refusal = await eventually(async () => {
					const response = await coordinator.request("/api/v1/runs", { method: "POST", body: '{"run": "true"}' });
					return response.ok ? null : response;
				}, "a refusal");
				expect(refusal.headers.get("Retry-After")).toBe("60");
				expect(await refused(refusal)).toMatchObject({
					status: 503,
					error: "unavailable",
					message: expect.stringMatching(
						/disk is nearly full: \S+ MiB are free\. The coordinator accepts nothing new until 30 MiB are free/,
					),
				});
				expect((await coordinator.request("/api/v1/sources", { method: "PUT", body: Buffer.alloc(1024) })).status).toBe(503);
				// What a forge delivers meanwhile is kept: it does not come again by itself.
				const pushed = genericDelivery({ ref: "refs/heads/main", after: "a".repeat(40) }, "a secret of the hook");
				const delivered = await coordinator.request(`/hooks/${project.id}`, { method: "POST", token: null, ...pushed });
				expect(delivered.status).toBe(503);
				expect((await coordinator.get<resources.Run>(`/api/v1/runs/${before.id}/wait?timeout=60`)).state).toBe("succeeded");
				expect(await coordinator.text(`/api/v1/jobs/${before.jobs[0]?.id}/log?format=clean`)).toContain(
					"cache k: not saved: The coordinator's disk has no room for more.",
				);
				execFileSync("rm", [`${mount}/fill`]);
				await eventually(
					async () => (await coordinator.request("/api/v1/runs", { method: "POST", body: '{"run": "true"}' })).ok,
					"room again",
				);
				await eventually(async () => {
					const { items } = await coordinator.get<resources.Page<Delivery>>("/api/v1/projects/web/deliveries");
					return items[0]?.outcome === "accepted" && items[0].run_id;
				}, "the delivery goes on");
			} finally {
				await coordinator.program.kill();
				execFileSync("umount", ["-l", mount]);
			}
		},
		90_000,
	);

	test("settings that make no sense are rejected by name", async () => {
		for (const [args, message] of [
			[["--min-free-disk", "many"], /--min-free-disk must be a share like 5% or a size like 10GiB, not many/],
			[["--log-limit", "12"], /--log-limit must be a size from 64 KiB to 16 GiB/],
			[["--keep-logs", "forever"], /--keep-logs must be a duration/],
			[["--allow-outbound", "http://git.lan"], /--allow-outbound: "http:\/\/git\.lan" is not a valid entry\. Use external/],
		] as const) {
			await expect(TestCoordinator.start({ args: [...args] })).rejects.toThrow(message);
		}
	});
});

test("files of R2 that belong to no object are gone after a start; the others are not", async () => {
	const first = await TestCoordinator.start();
	await first.agent("one");
	const { id } = await first.post<resources.Run>("/api/v1/runs", {
		pipeline: { steps: ["echo kept > kept.txt"], artifacts: { save: ["kept.txt"] } },
	});
	const run = await first.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const blobs = path.join(first.data, "storage/r2/windlass/blobs");
	const orphan = path.join(blobs, `${"0".repeat(64)}000001a1ffdad1f5`);
	writeFileSync(orphan, "half an object");
	const second = await first.restartAfterKill();
	expect(existsSync(orphan)).toBe(false);
	expect(await second.text(`/api/v1/jobs/${run.jobs[0]?.id}/artifacts/kept.txt`)).toBe("kept\n");
});
