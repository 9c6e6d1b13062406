import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { ErrorBody } from "../../schema/wire/errors.ts";
import type { QuotaState } from "../../schema/wire/quotas.ts";
import type { Explanation, Job, Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { ADMIN_TOKEN, Program, TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Rate limits, origins of other pages, quotas, and the greatest time of a job. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
const APP = "https://app.example.org";
let coordinator: TestCoordinator;
beforeAll(async () => {
	const limits = "read=5/h,anonymous=3/h,sign-in=2/h,webhooks=1/h,write=off";
	const args = ["--rate-limits", limits, "--cors-origins", `${APP},http://127.0.0.1:5173`, "--max-job-time", "2s"];
	coordinator = await TestCoordinator.start({ args, atEnd });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function reader(name: string): Promise<string> {
	return (await coordinator.post<CreatedToken>("/api/v1/tokens", { name, role: "viewer", expires_in: "1d" })).token;
}

describe("a rate limit", () => {
	test("counts the requests of each token, says what is left, and when the next is allowed", async () => {
		const token = await reader("often");
		const left: (string | null)[] = [];
		for (let n = 0; n < 5; n += 1) {
			const answer = await coordinator.request("/api/v1/runs", { token });
			expect([answer.status, answer.headers.get("RateLimit-Policy")]).toEqual([200, '"read";q=5;w=3600']);
			left.push(/^"read";r=(\d+);t=\d+$/.exec(answer.headers.get("RateLimit") ?? "")?.[1] ?? null);
		}
		expect(left).toEqual(["4", "3", "2", "1", "0"]);
		const refused = await coordinator.request("/api/v1/runs", { token });
		const retryAfter = Number(refused.headers.get("Retry-After"));
		expect([refused.status, retryAfter > 600 && retryAfter <= 720]).toEqual([429, true]);
		expect((await refused.json()) as ErrorBody).toMatchObject({
			...{ error: "rate_limited", message: "often has sent more than 5 requests of the class read in 3600 s." },
			...{ details: { class: "read", quota: 5, window: 3600, retry_after: retryAfter } },
		});
		expect(refused.headers.get("RateLimit")).toMatch(/^"read";r=0;t=\d+$/);
		expect((await coordinator.request("/api/v1/runs", { token: await reader("seldom") })).status).toBe(200);
	});

	test("counts an error, too, and a class that is off is not counted", async () => {
		const token = await reader("wrong");
		const answer = await coordinator.request("/api/v1/runs/nothing", { token });
		expect([answer.status, answer.headers.get("RateLimit")]).toEqual([404, expect.stringMatching(/^"read";r=4;/)]);
		const written = await coordinator.request("/api/v1/runs", { token, method: "POST", body: "{}" });
		expect([written.status, written.headers.get("RateLimit")]).toEqual([403, null]);
	});

	test("holds for an address without a token, for sign-ins and for webhooks, each by itself", async () => {
		const statuses = async (path: string, times: number, init: RequestInit = {}) => {
			const found: number[] = [];
			for (let n = 0; n < times; n += 1) found.push((await coordinator.request(path, { token: null, redirect: "manual", ...init })).status);
			return found;
		};
		expect(await statuses("/version", 4)).toEqual([200, 200, 200, 429]);
		const form = { method: "POST", headers: { Origin: coordinator.url }, body: "name=nobody&password=nothing" };
		expect(await statuses("/sign-in", 3, form)).toEqual([401, 401, 429]);
		expect(await statuses("/hooks/nothing", 2, { method: "POST", body: "{}" })).toEqual([404, 429]);
		// What a monitor asks is never refused.
		expect(await statuses("/healthz", 10)).toEqual(Array(10).fill(200));
		expect(await statuses("/readyz", 10)).toEqual(Array(10).fill(200));
	});

	test.each([
		["read=0/m", "is no limit"],
		["read=5", "is no limit"],
		["read=5/d", "is no limit"],
		["reads=5/m", "names none of read, write, anonymous, sign-in, webhooks"],
		["read=5/m=6", "names none"],
	])("%s is refused at the start", async (text, says) => {
		const program = new Program(["serve", "--rate-limits", text]);
		expect([await program.exited, program.output]).toEqual([2, expect.stringContaining(says)]);
	});
});

describe("a page of another origin", () => {
	const ask = (origin: string, path = "/api/v1/runs", method = "OPTIONS") =>
		coordinator.request(path, { token: null, method, headers: { Origin: origin, "Access-Control-Request-Method": "POST" } });

	test("that is named may call the API with a token, and reads its answers", async () => {
		const asked = await ask(APP);
		expect([asked.status, asked.headers.get("Access-Control-Allow-Origin"), asked.headers.get("Vary")]).toEqual([204, APP, "Origin"]);
		expect(asked.headers.get("Access-Control-Allow-Methods")).toBe("POST, GET");
		expect(asked.headers.get("Access-Control-Allow-Headers")).toContain("Authorization");
		expect(asked.headers.get("Access-Control-Allow-Credentials")).toBeNull();
		const answer = await coordinator.request("/api/v1/runs", { token: await reader("app"), headers: { Origin: APP } });
		expect([answer.status, answer.headers.get("Access-Control-Allow-Origin")]).toEqual([200, APP]);
		expect(answer.headers.get("Access-Control-Expose-Headers")).toContain("RateLimit");
		const error = await coordinator.request("/api/v1/runs", { token: "wrong", headers: { Origin: APP } });
		expect([error.status, error.headers.get("Access-Control-Allow-Origin")]).toEqual([401, APP]);
	});

	test("that is not named, or looks alike, may not; nor does any read pages", async () => {
		for (const origin of ["https://evil.example", `${APP}.evil.example`, "https://app.example.org:444", "http://app.example.org", "null"]) {
			const asked = await ask(origin);
			expect([origin, asked.status, asked.headers.get("Access-Control-Allow-Origin")]).toEqual([origin, 405, null]);
		}
		for (const path of ["/settings", "/sign-in"]) expect((await ask(APP, path)).headers.get("Access-Control-Allow-Origin")).toBeNull();
		expect((await ask(APP, "/api/v1/nothing")).status).toBe(404);
	});

	test.each(["https://app.example.org/", "app.example.org", "*", "https://app.example.org/path", "file:///"])(
		"%s is no origin",
		async (text) => {
			const program = new Program(["serve", "--cors-origins", text]);
			expect([await program.exited, program.output]).toEqual([2, expect.stringContaining("is not an origin")]);
		},
	);
});

describe("--max-job-time", () => {
	test("ends a job whose timeout is longer, and the reason says the time", async () => {
		await coordinator.agent("hasty");
		const pipeline = JSON.stringify({ name: "long", jobs: { a: { timeout: "1h", steps: ["sleep 60"] } } });
		const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline });
		const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect([run.state, run.jobs[0]?.reason?.text]).toEqual(["timed_out", expect.stringContaining("2.0s")]);
	});
});

describe("a quota", () => {
	let shared: TestCoordinator;
	beforeAll(async () => {
		shared = await borrowCoordinator(atEnd);
	});
	afterEach(() => change({ queued_jobs: null, running_jobs: null, stored_bytes: null, cache_bytes: null, job_ms: null, log_bytes: null }));
	const change = (quotas: object) => shared.request("/api/v1/quotas", { method: "PATCH", body: JSON.stringify(quotas) });
	const submit = (jobs: string[], extra: object = {}) => {
		const steps = ["sleep 0.1"];
		const pipeline = JSON.stringify({
			name: "q",
			jobs: Object.fromEntries(jobs.map((name) => [name, { runs_on: ["nobody-has-this"], steps }])),
		});
		return shared.request("/api/v1/runs", { method: "POST", body: JSON.stringify({ pipeline, ...extra }) });
	};
	const cancel = async (answer: Response) => {
		const { id } = (await answer.json()) as SubmittedRun;
		await shared.request(`/api/v1/runs/${id}/cancel`, { method: "POST", body: "{}" });
	};

	test("of waiting jobs refuses a run above it, says the numbers, and takes it once there is room", async () => {
		await change({ queued_jobs: 3 });
		const first = await submit(["a", "b"]);
		expect(first.status).toBe(201);
		const refused = await submit(["c", "d"]);
		expect([refused.status, await refused.json()]).toEqual([
			403,
			expect.objectContaining({
				...{ error: "quota_exceeded", details: { quota: "queued_jobs", most: 3, used: 2, asked: 2 } },
				message: "2 jobs wait for an agent. With the 2 of this run the team is above its quota of 3.",
			}),
		]);
		const third = await submit(["c"]);
		expect([third.status, (await submit(["d"])).status]).toEqual([201, 403]);
		// A submission that was accepted is answered again.
		const key = { headers: { "Idempotency-Key": "again" } };
		await cancel(first);
		const body = JSON.stringify({
			pipeline: JSON.stringify({ name: "q", jobs: { e: { runs_on: ["nobody-has-this"], steps: ["true"] } } }),
		});
		const accepted = await shared.request("/api/v1/runs", { method: "POST", body, ...key });
		await change({ queued_jobs: 1 });
		expect([accepted.status, (await shared.request("/api/v1/runs", { method: "POST", body, ...key })).status]).toEqual([201, 201]);
		await cancel(third);
		await cancel(accepted);
	});

	test("of waiting jobs refuses no delivery and no schedule, and counts of a rerun what it runs", async () => {
		const secret = "the-secret-of-the-hook";
		await shared.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: secret }) });
		const settings = { repository: "https://git.test/team/web.git", hook_secret: "hook", forge: "github" };
		const { id: project } = await shared.post<{ id: string }>("/api/v1/projects", { name: "quota", ...settings });
		const { id } = await shared.post<SubmittedRun>("/api/v1/runs", {
			pipeline: {
				name: "five",
				jobs: Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, { steps: ["true"] }]).concat([["e", { steps: ["exit 1"] }]])),
			},
		});
		const agent = await shared.agent("quota", { slots: "4" });
		expect((await shared.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).state).toBe("failed");
		// Nobody takes what waits, until the numbers are looked at.
		await agent.kill();
		await shared.post("/api/v1/queue/pause", {});
		await change({ queued_jobs: 1 });
		const rerun = await shared.request(`/api/v1/runs/${id}/rerun`, { method: "POST", body: JSON.stringify({ only: "failed" }) });
		expect(rerun.status).toBe(201);
		expect((await submit(["x"])).status).toBe(403);
		const { headers, body } = githubDelivery("pull_request", githubPullRequest({ sha: "b".repeat(40), fork: true }), secret);
		const delivered = await shared.request(`/hooks/${project}`, { method: "POST", token: null, headers, body });
		const { run_id } = (await delivered.json()) as { run_id: string };
		expect([delivered.status, run_id]).toEqual([202, expect.stringMatching(/^run_/)]);
		const { id: again } = (await rerun.json()) as SubmittedRun;
		for (const run of [again, run_id]) await shared.request(`/api/v1/runs/${run}/cancel`, { method: "POST", body: "{}" });
		await shared.post("/api/v1/queue/resume", {});
	});

	test("of running jobs gives the free place to the best job, and not to the agent that asks first", async () => {
		await change({ running_jobs: 1 });
		for (const name of ["xa", "xb"]) await shared.agent(name, { args: ["--labels", name] });
		const job = (label: string, priority: number) => ({
			...{ pipeline: { name: label, priority, runs_on: [label], steps: ["sleep 0.3"] } },
		});
		const many: string[] = [];
		for (let n = 0; n < 5; n += 1) many.push((await shared.post<SubmittedRun>("/api/v1/runs", job("xa", 0))).id);
		const { id: urgent } = await shared.post<SubmittedRun>("/api/v1/runs", job("xb", 50));
		const started = async (id: string) => Date.parse((await shared.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).started_at ?? "");
		const [first, ...times] = await Promise.all([started(urgent), ...many.map(started)]);
		expect(times.filter((time) => time < (first ?? 0)).length).toBeLessThanOrEqual(2);
	});

	test("of running jobs has others wait, and explain says so; all run in the end", async () => {
		await change({ running_jobs: 1 });
		await shared.agent("three", { slots: "3" });
		const jobs = Object.fromEntries(["a", "b", "c"].map((name) => [name, { steps: ["sleep 1"] }]));
		const { id } = await shared.post<SubmittedRun>("/api/v1/runs", { pipeline: JSON.stringify({ name: "one", jobs }) });
		const { jobs: rows } = await shared.get<Run>(`/api/v1/runs/${id}`);
		const waiting = async () => {
			const found = await Promise.all(rows.map((row) => shared.get<Explanation>(`/api/v1/jobs/${row.id}/explain`)));
			return found.filter(({ summary }) => summary.startsWith("Waits for a job of the team to end: it may run 1 at once.")).length;
		};
		await expect.poll(waiting, { timeout: 20_000 }).toBe(2);
		expect((await shared.get<QuotaState>("/api/v1/quotas")).use).toMatchObject({ running_jobs: 1, queued_jobs: 2 });
		const run = await shared.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect(run.state).toBe("succeeded");
		const spans = (await Promise.all(run.jobs.map((job) => shared.get<Job>(`/api/v1/jobs/${job.id}`)))).map(({ attempts }) => attempts[0]);
		const sorted = spans
			.map((one) => [Date.parse(one?.started_at ?? ""), Date.parse(one?.finished_at ?? "")] as const)
			.sort(([a], [b]) => a - b);
		for (const [at, [started]] of sorted.entries()) if (at > 0) expect(started).toBeGreaterThanOrEqual((sorted[at - 1]?.[1] ?? 0) - 50);
	});

	test("that is raised lets waiting jobs begin at once", async () => {
		await change({ running_jobs: 1 });
		await shared.agent("two", { slots: "2" });
		const long = { steps: ["sleep 30"] };
		const { id } = await shared.post<SubmittedRun>("/api/v1/runs", {
			pipeline: JSON.stringify({ name: "two", jobs: { a: long, b: long } }),
		});
		const running = async () => (await shared.get<Run>(`/api/v1/runs/${id}`)).jobs.filter(({ state }) => state === "running").length;
		await expect.poll(running, { timeout: 20_000 }).toBe(1);
		await change({ running_jobs: 2 });
		await expect.poll(running, { timeout: 20_000 }).toBe(2);
		await shared.request(`/api/v1/runs/${id}/cancel`, { method: "POST", body: "{}" });
	});

	test("of stored bytes refuses an upload that does not fit, with what to do", async () => {
		await change({ stored_bytes: 1_000 });
		const headers = { "Content-Type": "application/octet-stream" };
		const answer = await shared.request("/api/v1/sources", { method: "PUT", body: new Uint8Array(10_240), headers });
		expect([answer.status, await answer.json()]).toEqual([
			403,
			expect.objectContaining({
				error: "quota_exceeded",
				message: expect.stringContaining("With 10 KiB more"),
				suggestions: expect.arrayContaining([expect.stringContaining("windlass rm")]),
			}),
		]);
		await shared.agent("one");
		const job = { steps: ["head -c 4000 /dev/zero > big"], artifacts: { save: ["big"] } };
		const { id } = await shared.post<SubmittedRun>("/api/v1/runs", { pipeline: JSON.stringify({ name: "big", jobs: { a: job } }) });
		const run = await shared.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect([run.state, run.jobs[0]?.reason?.text]).toEqual(["failed", expect.stringContaining("above its quota")]);
	});

	test("of the time of a job ends it, and of its log leaves out the rest", async () => {
		await change({ job_ms: 1_500, log_bytes: 64 * 1024 });
		await shared.agent("limited", { slots: "3" });
		const { id } = await shared.post<SubmittedRun>("/api/v1/runs", {
			pipeline: {
				name: "limited",
				jobs: {
					long: { timeout: "1h", steps: ["sleep 60"] },
					cleaning: { finally: { timeout: "1h", steps: ["sleep 60"] }, steps: ["true"] },
					loud: { steps: ["yes 'a line that is repeated' | head -c 300000; echo the end"] },
				},
			},
		});
		const run = await shared.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		const [long, cleaning, loud] = run.jobs;
		expect(cleaning?.state).not.toBe("succeeded");
		expect([long?.state, long?.reason?.text]).toEqual(["timed_out", expect.stringContaining("1.5s")]);
		const { attempts } = await shared.get<Job>(`/api/v1/jobs/${loud?.id}`);
		expect(attempts[0]?.log).toMatchObject({ incomplete: true });
		expect(attempts[0]?.log.bytes).toBeLessThan(70 * 1024);
	});

	test("keeps its value to the byte when the form of the page is sent as it is", async () => {
		await change({ stored_bytes: 1_000, cache_bytes: 1_536 * 1024 ** 2 });
		const before = (await shared.get<QuotaState>("/api/v1/quotas")).quotas;
		const page = await shared.text("/quotas");
		const fields = [...page.matchAll(/<input name="(\w+)" value="([^"]*)"/g)].map(
			([, name = "", value = ""]) => [name, value] as [string, string],
		);
		expect(fields).toEqual(
			expect.arrayContaining([
				["stored_bytes", "1000"],
				["cache_bytes", "1536MiB"],
			]),
		);
		const body = new URLSearchParams(fields).toString();
		expect((await shared.request("/quotas", { method: "POST", redirect: "manual", body })).status).toBe(303);
		expect((await shared.get<QuotaState>("/api/v1/quotas")).quotas).toEqual(before);
	});

	test("is changed by an operator alone, by command and page, and the change is in the audit log", async () => {
		const { token } = await shared.post<CreatedToken>("/api/v1/tokens", { name: "an-admin", role: "admin", expires_in: "1d" });
		expect((await shared.request("/api/v1/quotas", { token, method: "PATCH", body: "{}" })).status).toBe(403);
		expect((await change({ queued_jobs: 0 })).status).toBe(422);
		expect((await change({ queued: 5 })).status).toBe(422);
		const program = new Program(["quotas", "set", "--caches", "20GiB", "--queued-jobs", "500"], {
			WINDLASS_SERVER: shared.url,
			WINDLASS_API_TOKEN: ADMIN_TOKEN,
		});
		expect([await program.exited, program.output]).toEqual([
			0,
			expect.stringMatching(/Waiting jobs\s+0\s+500[\s\S]*Caches\s+[\d.]+ \w+\s+20 GiB/),
		]);
		expect((await shared.get<QuotaState>("/api/v1/quotas")).quotas).toEqual({
			queued_jobs: 500,
			running_jobs: null,
			stored_bytes: null,
			cache_bytes: 20 * 1024 ** 3,
			job_ms: null,
			log_bytes: null,
		});
		const { items } = await shared.get<Page<AuditEntry>>("/api/v1/audit?event=quotas.change");
		expect(items.find(({ details }) => details.queued_jobs === "500")).toMatchObject({ outcome: "done", actor: "admin" });
	});
});
