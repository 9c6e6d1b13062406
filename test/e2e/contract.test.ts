import { createHash, randomUUID } from "node:crypto";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { packTar } from "modern-tar";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Finish, Offer } from "../../schema/wire/protocol.ts";
import type { Artifact, Event, Run } from "../../schema/wire/resources.ts";
import { genericDelivery, githubDelivery, githubPullRequest } from "../support/forge.ts";
import { ADMIN_TOKEN, TestCoordinator } from "../support/processes.ts";
import { result } from "../support/protocol_agent.ts";

/**
 * The document is true: every operation in it is called, and every answer, good or bad, is what it
 * says.
 */

interface Described {
	parameters?: { name: string; in: string }[];
	responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
interface Document {
	openapi: string;
	paths: Record<string, Record<string, Described>>;
	components: { schemas: Record<string, object> };
}

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
let document: Document;
let validator: Ajv2020;
const called = new Map<string, Set<number>>();
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd: (clean) => void cleanups.push(clean) });
	document = await coordinator.get<Document>("/openapi.json");
	validator = new Ajv2020({ strict: false, allErrors: true });
	validator.addSchema({ $id: "document", ...document });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const schemas = new Map<string, ValidateFunction>();

function validate(pointer: string, body: unknown): void {
	const check = schemas.get(pointer) ?? validator.compile({ $ref: `document${pointer}` });
	schemas.set(pointer, check);
	expect(check(body), `${pointer}: ${validator.errorsText(check.errors)}\n${JSON.stringify(body).slice(0, 500)}`).toBe(true);
}

interface Call {
	token?: string | null;
	body?: unknown;
	headers?: Record<string, string>;
}

/**
 * Calls an operation and holds the answer against the document. Gives the answer's JSON, or its
 * text.
 */
async function call(
	operation: string,
	values: Record<string, string> = {},
	{ token = ADMIN_TOKEN, body, headers = {} }: Call = {},

	// biome-ignore lint/suspicious/noExplicitAny: answers of every shape; each is checked against its schema
): Promise<any> {
	const [method = "", template = ""] = operation.split(" ");
	const [path = "", query] = template.split("?");
	const described = document.paths[path]?.[method.toLowerCase()];
	if (!described) throw new Error(`${operation} is not in the document`);
	const address = path.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "") + (query === undefined ? "" : `?${query}`);
	const response = await coordinator.request(address, {
		method,
		token,
		headers,
		...(body === undefined
			? {}
			: {
					body: (body instanceof Uint8Array || body instanceof FormData || typeof body === "string"
						? body
						: JSON.stringify(body)) as string,
				}),
	});
	const key = `${method} ${path}`;
	called.set(key, (called.get(key) ?? new Set()).add(response.status));
	const known = String(response.status) in described.responses ? String(response.status) : "default";
	if (known === "default") expect(response.status, `${operation} answered ${response.status}`).toBeGreaterThanOrEqual(400);
	const { content } = described.responses[known] ?? {};
	const type = response.headers.get("Content-Type")?.split(";")[0] ?? "";
	const text = await response.text();
	if (!content) expect([operation, text]).toEqual([operation, ""]);
	else expect([operation, type, Object.keys(content)]).toEqual([operation, type, expect.arrayContaining([type])]);
	if (type !== "application/json") return text;
	const escaped = path.replace(/~/g, "~0").replace(/\//g, "~1");
	const parsed = JSON.parse(text);
	validate(`#/paths/${encodeURIComponent(escaped)}/${method.toLowerCase()}/responses/${known}/content/application~1json/schema`, parsed);
	return parsed;
}

/** An agent that says what the document says it can. */
async function joined(name: string) {
	const { token } = await call("POST /api/v1/agent-tokens", {}, { body: { uses: 1, expires_in: "10m", labels: [] } });
	const agent = await call("POST /api/v1/agents", {}, { token, body: { registration_key: randomUUID(), name } });
	const facts = { version: "test", slots: 5, labels: [name], facts: {} };
	await call(
		"POST /api/v1/agents/self/hello",
		{},
		{ token: agent.token, body: { protocol: 2, session: 1, instance: randomUUID(), running: [], facts } },
	);
	let seq = 0;
	const poll = async (): Promise<Offer> => {
		for (;;) {
			seq += 1;
			const { offers } = await call(
				"POST /api/v1/agents/self/poll",
				{},
				{ token: agent.token, body: { protocol: 2, session: 1, seq, slots_free: 1, running: [] } },
			);
			if (offers[0]) return offers[0];
		}
	};
	return { token: agent.token as string, poll };
}

/** A run in which one job fetches what another has saved, and two wait at gates. */
const fetching = {
	pipeline: {
		defaults: { runs_on: "speaker" },
		jobs: {
			give: { artifacts: { save: "f" }, steps: ["x"] },
			take: { needs: "give", artifacts: { fetch: { job: "give", into: "in" } }, steps: ["x"] },
			gate1: { approval: true, runs_on: "nobody", steps: ["x"] },
			gate2: { approval: true, steps: ["x"] },
		},
	},
};

describe("the OpenAPI document", () => {
	let agent: Awaited<ReturnType<typeof joined>>;
	let bundle: Uint8Array;
	let run: Run;
	let jobId: string;
	let again: Run;
	const sha256 = createHash("sha256").update("content").digest("hex");
	const line = "2026-01-02T03:04:05.678Z :: make\n2026-01-02T03:04:05.679Z found it\n";
	const step = {
		name: "make",
		state: "running",
		exit_code: null,
		started_at: new Date().toISOString(),
		finished_at: null,
		log_offset: 0,
		log_line: 0,
	};
	/** What the agent has of the run's only attempt. */
	let id: { id: string };
	let lease: { token: string };

	test("is true for probes, an agent that joins, and an uploaded source", async () => {
		for (const probe of ["GET /healthz", "GET /readyz", "GET /version", "GET /api/v1/version", "GET /openapi.json"])
			await call(probe, {}, { token: null });
		agent = await joined("speaker");
		bundle = await packTar([{ header: { name: "a.txt", size: 1, type: "file" }, body: "a" }]);
		const source = await call("PUT /api/v1/sources", {}, { body: bundle });
		await call("GET /api/v1/sources/{id}", { id: source.id });
	});

	test("is true for submissions in one request", async () => {
		const lines = '{"run": "true", "runs_on": ["nobody"]}\n{"run": "false", "runs_on": ["nobody"]}\n';
		const { items } = await call("POST /api/v1/runs/batch", {}, { body: lines });
		expect(items).toHaveLength(2);
		for (const { id } of items) await call("POST /api/v1/runs/{id}/cancel", { id });
	});

	test("is true for an offer that the agent declines, and a job that a person cancels", async () => {
		const unwanted = (await call("POST /api/v1/runs", {}, { body: { run: "true", runs_on: ["speaker"] } })) as Run;
		const refusedOffer = await agent.poll();
		await call("POST /api/v1/attempts/{id}/release", { id: refusedOffer.attempt_id }, { token: refusedOffer.lease_token, body: {} });
		const [job] = unwanted.jobs;
		await call("GET /api/v1/jobs/{id}/explain", { id: job?.id ?? "" });
		await call("GET /api/v1/runs/{id}/estimate", { id: unwanted.id });
		await call("POST /api/v1/runs?dry_run=1", {}, { body: { run: "true", runs_on: ["speaker"] } });
		await call("POST /api/v1/jobs/{id}/cancel", { id: job?.id ?? "" });
	});

	test("is true for an attempt: its source, commit, log, steps and lease", async () => {
		const form = new FormData();
		form.set("pipeline", "name: whole\njobs: { make: { steps: [make], runs_on: [speaker], artifacts: { save: ['*'] } } }");
		form.set("source", new Blob([Buffer.from(bundle)]), "src.tar");
		run = (await call("POST /api/v1/runs", {}, { body: form })) as Run;
		jobId = run.jobs[0]?.id ?? "";
		const offer = await agent.poll();
		lease = { token: offer.lease_token };
		id = { id: offer.attempt_id };
		await call("POST /api/v1/attempts/{id}/start", id, { ...lease, body: {} });
		expect(await call("GET /api/v1/attempts/{id}/source", id, lease)).toContain("a.txt");
		const commit = { sha: "a".repeat(40), branch: "main", tag: null, message: "m", author: "a" };
		await call("POST /api/v1/attempts/{id}/commit", id, { ...lease, body: commit });
		await call("PATCH /api/v1/attempts/{id}/log", id, { ...lease, body: line, headers: { "Upload-Offset": "0" } });
		await call("PATCH /api/v1/attempts/{id}/log", id, { ...lease, body: line, headers: { "Upload-Offset": "7" } });
		await call("POST /api/v1/attempts/{id}/steps", id, { ...lease, body: { steps: [step] } });
		await call("POST /api/v1/attempts/{id}/pipeline", id, {
			...lease,
			body: "jobs: { more: { if: 'run.branch == \"never\"', steps: [x] } }",
		});
		await call("GET /api/v1/jobs/{id}", { id: jobId });
		await call("POST /api/v1/agents/self/renew", {}, { token: agent.token, body: { session: 1, seq: 1, running: [offer.attempt_id] } });
		await call("GET /api/v1/agents");
	});

	test("is true for uploads of an attempt, and for its result", async () => {
		const requested = await call("POST /api/v1/attempts/{id}/artifacts", id, {
			...lease,
			body: { files: [{ path: "a b.txt", size: 7, sha256 }] },
		});
		const [file] = requested.files;
		await call(
			"PUT /api/v1/parts/{token}",
			{ token: file.parts[0].url.split("/").at(-1) },
			{ token: null, body: "content", headers: { "X-Content-SHA256": sha256 } },
		);
		await caches();
		await call("GET /api/v1/runs/{id}/wait?timeout=0", { id: run.id });
		const finished = { ...step, state: "succeeded", exit_code: 0, finished_at: new Date().toISOString() };
		const cases = JSON.stringify([{ suite: "s", name: "t", state: "passed", duration_ms: 1, file: null, message: null, output: null }]);
		const own = { summary: "# Made", tests: cases };
		const artifacts: Finish["artifacts"] = [
			{ path: "a b.txt", size: 7, sha256, executable: false, key: file.key, kind: "file", entry: null },
		];
		for (const [kind, text] of Object.entries(own)) {
			const about = { path: `windlass:${kind}`, size: text.length, sha256: createHash("sha256").update(text).digest("hex") };
			const uploads = await call("POST /api/v1/attempts/{id}/artifacts", id, { ...lease, body: { files: [about] } });
			const token = uploads.files[0].parts[0].url.split("/").at(-1);
			await call("PUT /api/v1/parts/{token}", { token }, { token: null, body: text, headers: { "X-Content-SHA256": about.sha256 } });
			artifacts.push({ ...about, executable: false, key: uploads.files[0].key, kind: kind as "summary" | "tests", entry: null });
		}
		const finish = result({
			log: { bytes: line.length, sha256: createHash("sha256").update(line).digest("hex"), incomplete: false },
			steps: [finished] as never,
			artifacts,
			tests: { passed: 1, failed: 0, skipped: 0, duration_ms: 1, truncated: false },
			coverage: { covered: 1, lines: 2 },
		});
		await call("POST /api/v1/attempts/{id}/finish", id, { ...lease, body: finish });
		await call("POST /api/v1/attempts/{id}/finish", id, { ...lease, body: { ...finish, exit_code: 3 } });
	});

	/** A cache that the attempt finds, saves, reads and checks, and a person looks at and deletes. */
	async function caches(): Promise<void> {
		const wanted = { key: "k", scope: "branch", variant: sha256 };
		const find = { ...lease, body: { caches: [{ ...wanted, restore_keys: ["k"] }] } };
		expect((await call("POST /api/v1/attempts/{id}/caches/find", id, find)).caches).toEqual([{ found: null, refused: null }]);
		const saves = await call("POST /api/v1/attempts/{id}/caches", id, { ...lease, body: { caches: [wanted] } });
		const save = { token: saves.caches[0].url.split("/").at(-1), number: "1" };
		const manifest = { content: sha256, parts: [{ sha256, size: 7 }], files: 1, unpacked_bytes: 7, paths: ["deps"], platform: "linux-x64" };
		await call("POST /api/v1/caches/saves/{token}", save, { token: null, body: manifest });
		const part = { token: null, body: "content", headers: { "X-Content-SHA256": sha256 } };
		await call("PUT /api/v1/caches/saves/{token}/{number}", save, part);
		await call("PUT /api/v1/caches/saves/{token}/{number}", { ...save, number: "0" }, part);
		const saved = await call("POST /api/v1/caches/saves/{token}", save, { token: null, body: manifest });
		expect(await call("POST /api/v1/caches/saves/{token}", save, { token: null, body: manifest })).toEqual({
			id: saved.id,
			is_first: true,
		});
		const { found } = (await call("POST /api/v1/attempts/{id}/caches/find", id, find)).caches[0];
		expect(found).toMatchObject({ id: saved.id, key: "k", is_exact: true });
		const content = { token: found.url.split("/").at(-1), number: "1" };
		expect(await call("GET /api/v1/caches/contents/{token}/{number}", content, { token: null })).toBe("content");
		await call("GET /api/v1/caches/contents/{token}/{number}", { ...content, number: "2" }, { token: null });
		expect(await call("POST /api/v1/attempts/{id}/caches/{cache}/check", { ...id, cache: saved.id }, lease)).toEqual({ is_damaged: false });
		const warm = { token: agent.token, body: { count: 3, platform: "linux-x64" } };
		expect(await call("GET /api/v1/agents/self/mirrors", {}, { token: agent.token })).toEqual({ mirrors: [] });
		expect((await call("POST /api/v1/agents/self/caches", {}, warm)).caches).toMatchObject([{ id: saved.id, paths: ["deps"] }]);
		const of = { name: "adhoc", cache: saved.id };
		expect((await call("GET /api/v1/projects/{name}/caches?limit=1", of)).items).toMatchObject([{ id: saved.id, hits: 1, size: 7 }]);
		await call("GET /api/v1/projects/{name}/caches/{cache}", of);
		expect(await call("GET /api/v1/projects/{name}/cache-usage", of)).toMatchObject({ count: 1, bytes: 7 });
		await call("DELETE /api/v1/projects/{name}/caches/{cache}", of);
		await call("GET /api/v1/projects/{name}/caches/{cache}", of);
		expect(await call("POST /api/v1/attempts/{id}/caches/{cache}/check", { ...id, cache: saved.id }, lease)).toEqual({ is_damaged: true });
	}

	test("is true for the caches of build tools", async () => {
		await call("POST /api/v1/runs", {}, { body: { pipeline: { runs_on: "speaker", build_caches: ["turbo"], steps: ["x"] } } });
		const { attempt_id, lease_token } = await agent.poll();
		const { build_cache } = await call("POST /api/v1/attempts/{id}/start", { id: attempt_id }, { token: lease_token, body: {} });
		const job = { token: build_cache.token as string };
		const of = { tool: "turbo", path: "v8/artifacts/k" };
		expect(await call("GET /api/v1/build-caches/turbo/v8/artifacts/status", {}, job)).toEqual({ status: "enabled" });
		const results = { name: "adhoc", tool: "turbo" };
		await call("DELETE /api/v1/projects/{name}/build-caches/{tool}", results);
		await call("DELETE /api/v1/projects/{name}/build-caches/{tool}", { ...results, tool: "make" });
		await call("POST /api/v1/build-caches/turbo/v8/artifacts/events", {}, { ...job, body: [] });
		await call("GET /api/v1/build-caches/{tool}/{path}", of, job);
		await call("PUT /api/v1/build-caches/{tool}/{path}", of, { ...job, body: "result" });
		expect(await call("GET /api/v1/build-caches/{tool}/{path}", of, job)).toBe("result");
		await call("GET /api/v1/build-caches/{tool}/{path}", of, { token: null });
		await call("GET /api/v1/build-caches/{tool}/{path}", { ...of, tool: "make" }, job);
		await call("DELETE /api/v1/build-caches/{tool}/{path}", of, job);
		await call("POST /api/v1/attempts/{id}/finish", { id: attempt_id }, { token: lease_token, body: result() });
	});

	test("is true for a job that fetches the files of another, and for two jobs that wait for an approval", async () => {
		again = (await call("POST /api/v1/runs", {}, { body: fetching })) as Run;
		const [giver, taker] = [await agent.poll(), agent.poll];
		const giving = { token: giver.lease_token };
		await call("POST /api/v1/attempts/{id}/start", { id: giver.attempt_id }, { ...giving, body: {} });
		const small = await call(
			"POST /api/v1/attempts/{id}/artifacts",
			{ id: giver.attempt_id },
			{ ...giving, body: { files: [{ path: "f", size: 7, sha256 }] } },
		);
		const partToken = small.files[0].parts[0].url.split("/").at(-1);
		await call(
			"PUT /api/v1/parts/{token}",
			{ token: partToken },
			{ token: null, body: "content", headers: { "X-Content-SHA256": sha256 } },
		);
		const gives = result({ artifacts: [{ path: "f", size: 7, sha256, executable: false, key: small.files[0].key }] });
		await call("POST /api/v1/attempts/{id}/finish", { id: giver.attempt_id }, { ...giving, body: gives });
		const taken = await taker();
		await call("POST /api/v1/attempts/{id}/start", { id: taken.attempt_id }, { token: taken.lease_token, body: {} });
		const needed = await call("GET /api/v1/attempts/{id}/downloads", { id: taken.attempt_id }, { token: taken.lease_token });
		expect(needed.items).toMatchObject([{ job: "give", path: "in/f", size: 7, executable: false }]);
		expect(await call("GET /api/v1/files/{token}", { token: needed.items[0].url.split("/").at(-1) }, { token: null })).toBe("content");
		const gates = again.jobs.filter(({ name }) => name.startsWith("gate"));
		await call("POST /api/v1/jobs/{id}/approve", { id: gates[0]?.id ?? "" });
		await call("POST /api/v1/jobs/{id}/decline", { id: gates[1]?.id ?? "" }, { body: { comment: "no" } });
		await call("POST /api/v1/runs/{id}/cancel", { id: again.id });
		await call("POST /api/v1/attempts/{id}/finish", { id: taken.attempt_id }, { token: taken.lease_token, body: result() });
	});

	test("is true for validation, and for a run that is over: its events, tests and reruns", async () => {
		await call("POST /api/v1/pipelines/validate", {}, { body: "steps: [a]" });
		await call("POST /api/v1/pipelines/validate", {}, { body: "stepz: [a]" });
		await call("GET /schema/pipeline.json", {}, { token: null });
		expect((await call("GET /api/v1/runs/{id}/wait?timeout=20", { id: run.id })).state).toBe("succeeded");
		expect(await call("GET /api/v1/runs/{id}/log", { id: run.id })).toMatch(/found it\n::exit 0\n$/);
		const { items: transitions } = (await call("GET /api/v1/runs/{id}/events?limit=100", { id: run.id })) as { items: Event[] };
		const told = transitions
			.filter(({ job_id }) => job_id === null || job_id === jobId)
			.map(({ job_id, to }) => `${job_id === jobId ? "job" : "run"} ${to}`);
		expect(told).toEqual(["run queued", "job queued", "job leased", "job running", "run running", "job succeeded", "run succeeded"]);
		await call("GET /api/v1/runs/{id}", { id: run.id });
		await call("GET /api/v1/runs?limit=1&project=adhoc");
		expect(await call("GET /api/v1/jobs/{id}/summary", { id: jobId })).toBe("# Made");
		await call("GET /api/v1/runs/{id}/tests?state=passed", { id: run.id });
		await call("GET /api/v1/runs/{id}/failure", { id: run.id });
		const broken = (await call("POST /api/v1/runs", {}, { body: { steps: ["false"] } })) as Run;
		const taken = await agent.poll();
		await call("POST /api/v1/attempts/{id}/start", { id: taken.attempt_id }, { token: taken.lease_token, body: {} });
		const failed = result({ state: "failed", exit_code: 1, reason: { code: "step_failed", text: "The step failed." } });
		await call("POST /api/v1/attempts/{id}/finish", { id: taken.attempt_id }, { token: taken.lease_token, body: failed });
		expect((await call("GET /api/v1/runs/{id}/failure", { id: broken.id })).cause).toBe("main: exit code 1.");
		await call("GET /api/v1/tests/history?pipeline=whole&suite=s&name=t");
		await call("POST /api/v1/runs/{id}/rerun", { id: run.id }, { body: { only: "failed" } });
		const repeated = (await call("POST /api/v1/runs/{id}/rerun", { id: run.id }, { body: {} })) as Run;
		await call("POST /api/v1/runs/{id}/cancel", { id: repeated.id });
	});

	test("is true for the log and the artifacts of a job", async () => {
		await call("GET /api/v1/jobs?state=succeeded");
		await call("GET /api/v1/jobs/{id}/log?format=clean", { id: jobId });
		await call("GET /api/v1/jobs/{id}/log", { id: jobId }, { headers: { Range: "bytes=0-9" } });
		await call("GET /api/v1/jobs/{id}/log/lines?from=0&count=2", { id: jobId });
		expect((await call("GET /api/v1/jobs/{id}/log/search?q=FOUND", { id: jobId })).items).toEqual([{ line: 1, text: "found it" }]);
		const { items } = (await call("GET /api/v1/jobs/{id}/artifacts", { id: jobId })) as { items: Artifact[] };
		const etag = `"${items[0]?.sha256}"`;
		expect(await call("GET /api/v1/jobs/{id}/artifacts/{path}", { id: jobId, path: "a%20b.txt" })).toBe("content");
		await call("GET /api/v1/jobs/{id}/artifacts/{path}", { id: jobId, path: "a%20b.txt" }, { headers: { "If-None-Match": etag } });
		await call("GET /api/v1/jobs/{id}/artifacts/{path}", { id: jobId, path: "a%20b.txt" }, { headers: { Range: "bytes=1-2" } });
		await call("GET /api/v1/jobs/{id}/artifacts.zip", { id: jobId });
	});

	test("is true for the queue, retention, projects, agents and stored pipelines", async () => {
		await call("POST /api/v1/queue/pause", {}, { body: { reason: "because" } });
		await call("GET /api/v1/queue");
		await call("POST /api/v1/queue/resume");
		await call("POST /api/v1/retention/sweep");
		await call("POST /api/v1/projects", {}, { body: { name: "contracted", repository: "https://git.test/team/web.git" } });
		expect((await call("GET /api/v1/projects")).items).toMatchObject([{ name: "contracted", default_branch: "main", credentials: null }]);
		await call("PATCH /api/v1/projects/{name}", { name: "contracted" }, { body: { credentials: "token" } });
		expect(await call("GET /api/v1/projects/{name}", { name: "contracted" })).toMatchObject({ credentials: "token" });
		await repositories(agent.poll);
		await managedAgent();
		await call("POST /api/v1/agents/self/bye", {}, { token: agent.token, body: { session: 1 } });
		await keptPipelines();
		await call("DELETE /api/v1/projects/{name}", { name: "contracted" });
	});

	test("is true for a command that signs in", async () => {
		const asked = await call("POST /api/v1/logins", {}, { token: null, body: { machine: "laptop" } });
		const claim = { token: null, body: { secret: asked.secret } };
		expect(await call("POST /api/v1/logins/claim", {}, claim)).toEqual({ state: "waiting", token: null });
		const form = new URLSearchParams({ code: asked.code, decision: "allow", role: "viewer" }).toString();
		const opened = await coordinator.request("/sign-in", {
			...{ method: "POST", token: null, redirect: "manual", headers: { Origin: coordinator.url } },
			body: new URLSearchParams({ token: ADMIN_TOKEN }).toString(),
		});
		const session = { Origin: coordinator.url, Cookie: opened.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
		await coordinator.request("/login", { method: "POST", token: null, headers: session, body: form });
		await coordinator.request("/sign-out", { method: "POST", token: null, redirect: "manual", headers: session });
		const { token } = await call("POST /api/v1/logins/claim", {}, claim);
		expect(token).toMatchObject({ kind: "service", name: "laptop", role: "viewer" });
		await call("POST /api/v1/logins/claim", {}, claim);
		await call("GET /.well-known/jwks.json");
		const { refresh_token } = token;
		await call("POST /api/v1/logins/refresh", {}, { token: null, body: { refresh_token } });
		await call("POST /api/v1/logins/refresh", {}, { token: null, body: { refresh_token } });
		await call("DELETE /api/v1/tokens/{id}", { id: token.id });
	});

	test("is true for people", async () => {
		const body = { name: "ada", role: "viewer" };
		const { url } = await call("POST /api/v1/people", {}, { body });
		const form = { code: new URL(url).searchParams.get("code") ?? "", password: "a long password", again: "a long password" };
		const headers = { Origin: coordinator.url };
		await coordinator.request("/join", {
			method: "POST",
			token: null,
			redirect: "manual",
			headers,
			body: new URLSearchParams(form).toString(),
		});
		await call("POST /api/v1/people", {}, { body });
		const { id } = (await call("GET /api/v1/people")).items[0];
		expect(await call("PATCH /api/v1/people/{id}", { id }, { body: { role: "admin" } })).toMatchObject({
			id,
			role: "admin",
			last_seen: {},
		});
		expect(await call("POST /api/v1/people/{id}/reset", { id })).toMatchObject({
			name: "ada",
			url: expect.stringContaining("/join?code="),
		});
		expect((await call("GET /api/v1/invitations")).items).toMatchObject([{ name: "ada", role: "admin", is_reset: true }]);
		await call("DELETE /api/v1/invitations/{name}", { name: "ada" });
		await call("DELETE /api/v1/invitations/{name}", { name: "ada" });
		await call("POST /api/v1/projects", {}, { body: { name: "granted" } });
		const place = { name: "granted", person: "ada" };
		expect(await call("PUT /api/v1/projects/{name}/roles/{person}", place, { body: { role: "admin" } })).toMatchObject({ person: "ada" });
		await call("PUT /api/v1/projects/{name}/roles/{person}", place, { body: { role: "operator" } });
		await call("GET /api/v1/projects/{name}/roles", place);
		await call("DELETE /api/v1/projects/{name}/roles/{person}", place);
		await call("DELETE /api/v1/projects/{name}/roles/{person}", place);
		await call("DELETE /api/v1/projects/{name}", place);
		await call("POST /api/v1/people/{id}/sign-out", { id });
		await call("DELETE /api/v1/people/{id}", { id });
		await call("DELETE /api/v1/people/{id}", { id });
	});

	test("is true for metrics", async () => {
		await call("GET /metrics");
	});

	test("is true for teams", async () => {
		const body = { slug: "contracted", name: "By contract", admin: "ada" };
		expect(await call("POST /api/v1/teams", {}, { body })).toMatchObject({ slug: "contracted", people: 0 });
		await call("POST /api/v1/teams", {}, { body });
		expect((await call("GET /api/v1/teams")).items.map(({ slug }: { slug: string }) => slug)).toContain("contracted");
		expect(await call("PATCH /api/v1/teams/{slug}", { slug: "contracted" }, { body: { name: "Renamed" } })).toMatchObject({
			name: "Renamed",
		});
	});

	test("is true for quotas", async () => {
		await call("GET /api/v1/quotas");
		expect(await call("PATCH /api/v1/quotas", {}, { body: { running_jobs: 100 } })).toMatchObject({ quotas: { running_jobs: 100 } });
		await call("PATCH /api/v1/quotas", {}, { body: { running_jobs: null } });
	});

	test("is true for identity providers", async () => {
		const body = { kind: "gitea", url: "http://127.0.0.1:9", client_id: "windlass", client_secret: "s3cret" };
		await call("PUT /api/v1/identity-providers/{name}", { name: "company" }, { body: {} });
		await call("PUT /api/v1/identity-providers/{name}", { name: "company" }, { body });
		await call("GET /api/v1/identity-providers");
		await call("DELETE /api/v1/identity-providers/{name}", { name: "company" });
	});

	test("is true for tokens", async () => {
		expect(await call("GET /api/v1/whoami")).toMatchObject({ name: "admin", role: "operator", projects: null, expires_at: null });
		const body = { name: "bot", role: "viewer", expires_in: "1d" };
		const made = await call("POST /api/v1/tokens", {}, { body });
		expect((await call("GET /api/v1/audit")).items[0]).toMatchObject({ event: "own.tokens", details: { token: made.id } });
		expect(await call("GET /api/v1/audit/export")).toContain(made.id);
		expect((await call("GET /api/v1/tokens", {}, { token: made.token })).items).toMatchObject([{ name: "bot", is_current: true }]);
		await call("POST /api/v1/tokens", {}, { body });
		await call("POST /api/v1/tokens", {}, { token: made.token, body });
		const rotated = await call("POST /api/v1/tokens/{id}/rotate", { id: made.id }, { body: { expires_in: "2d" } });
		expect(rotated.token).not.toBe(made.token);
		await call("DELETE /api/v1/tokens/{id}", { id: made.id });
		await call("DELETE /api/v1/tokens/{id}", { id: made.id });
	});

	test("is true for secrets and sessions", async () => {
		for (const value of ["a first value", "a second value"]) await call("PUT /api/v1/secrets/{name}", { name: "s" }, { body: { value } });
		expect((await call("GET /api/v1/secrets")).items).toMatchObject([{ name: "s", project: null }]);
		await call("POST /api/v1/secrets/rotate");
		const signIn = { method: "POST", token: null, redirect: "manual", headers: { Origin: coordinator.url } } as const;
		for (let index = 0; index < 2; index += 1) await coordinator.request("/sign-in", { ...signIn, body: `token=${ADMIN_TOKEN}` });
		const { items: sessions } = await call("GET /api/v1/sessions");
		expect(sessions).toHaveLength(2);
		await call("DELETE /api/v1/sessions/{id}", { id: sessions[0].id });
		await call("DELETE /api/v1/sessions/{id}", { id: sessions[0].id });
		await call("DELETE /api/v1/sessions");
		await call("DELETE /api/v1/secrets/{name}", { name: "s" });
	});

	test("is true for the end of a run, and for the stream of events", async () => {
		await call("POST /api/v1/runs/{id}/cancel", { id: run.id });
		await call("DELETE /api/v1/runs/{id}", { id: run.id });
		await call("GET /api/v1/runs/{id}", { id: run.id });
		// A stream that does not end by itself: its head is all there is to check.
		const controller = new AbortController();
		const stream = await coordinator.request("/api/v1/events", { signal: controller.signal });
		expect(stream.headers.get("Content-Type")).toMatch(/^text\/event-stream/);
		controller.abort();
		called.set("GET /api/v1/events", new Set([stream.status]));
	});

	test("describes the operations that the tests above call, and no other", () => {
		const described = Object.entries(document.paths).flatMap(([path, operations]) =>
			Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
		);
		expect([...called.keys()].sort()).toEqual(described.sort());
	});

	test("names every query parameter that a route takes, and no other", async () => {
		for (const [path, operations] of Object.entries(document.paths)) {
			for (const [method, { parameters = [] }] of Object.entries(operations)) {
				if (!path.startsWith("/api/v1/") || !/runs|jobs|queue|retention|agents$|sources|events/.test(path) || method === "patch") continue;
				const address = path.replace("{id}", await idFor(path)).replace("{path}", "x");
				const response = await coordinator.request(`${address}?no_such_parameter=1`, {
					method: method.toUpperCase(),
					...(method === "put" ? { body: "x" } : {}),
				});
				if (response.status !== 422) continue;
				const { suggestions } = (await response.json()) as { suggestions: string[] };
				const known = /^Known parameters: (.*)\.$/.exec(suggestions[0] ?? "")?.[1]?.split(", ") ?? [];
				const described = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
				expect([method, path, described.sort()]).toEqual([method, path, known.sort()]);
				checked.add(`${method} ${path}`);
			}
		}
		expect(checked.size).toBeGreaterThan(12);
	}, 30_000);
});

/** All that people do with an agent and with registration tokens. */
async function managedAgent(): Promise<void> {
	const agent = await joined("managed");
	const { items } = await call("GET /api/v1/agents");
	const { id } = items.find(({ name }: { name: string }) => name === "managed");
	await call("GET /api/v1/agents/{id}", { id });
	expect((await call("PATCH /api/v1/agents/{id}", { id }, { body: { projects: ["contracted"], runs: "trusted" } })).runs).toBe("trusted");
	expect((await call("POST /api/v1/agents/{id}/disable", { id }, { body: { running: "cancel" } })).disabled.by).toBe("admin");
	expect((await call("POST /api/v1/agents/{id}/enable", { id })).disabled).toBe(null);
	expect((await call("POST /api/v1/agents/{id}/drain", { id })).drain.by).toBe("admin");
	expect((await call("POST /api/v1/agents/{id}/rotate", { id })).rotation.by).toBe("admin");
	await call("POST /api/v1/agents/self/rotate", {}, { token: agent.token, body: { rotation_key: randomUUID() } });
	await call("DELETE /api/v1/agents/{id}", { id });
	await call("DELETE /api/v1/agents/{id}", { id });
	const made = await call("POST /api/v1/agent-tokens", {}, { body: { labels: ["a"], projects: ["contracted"], runs: "untrusted" } });
	expect((await call("GET /api/v1/agent-tokens")).items[0].id).toBe(made.id);
	await call("DELETE /api/v1/agent-tokens/{id}", { id: made.id });
}

/** What a forge delivers, what is planned of it, and what is run by the clock. */
async function repositories(poll: () => Promise<Offer>): Promise<void> {
	const secret = "a secret of the hook";
	for (const one of ["hook", "token"])
		await call("PUT /api/v1/secrets/{name}", { name: one }, { body: { value: secret, project: "contracted" } });
	const name = { name: "contracted" };
	const { id } = await call("PATCH /api/v1/projects/{name}", name, { body: { hook_secret: "hook" } });
	const made = genericDelivery({ ref: "refs/heads/main", after: "a".repeat(40) }, secret);
	const taken = await call("POST /hooks/{id}", { id }, { token: null, body: made.body, headers: made.headers });
	await call("POST /hooks/{id}", { id }, { token: null, body: made.body });
	expect((await call("GET /api/v1/projects/{name}/deliveries", name)).items).toMatchObject([{ id: taken.id, outcome: "accepted" }]);
	await call("GET /api/v1/deliveries/{id}", { id: taken.id });
	const replayed = await call("POST /api/v1/deliveries/{id}/replay", { id: taken.id });
	const manual = await call("POST /api/v1/projects/{name}/trigger", name, { body: { branch: "main" } });
	const comparing = await call("POST /api/v1/projects/{name}/compare", name);
	expect((await call("GET /api/v1/projects/{name}", name)).comparison).toMatchObject({ run_id: comparing.id, compared_at: null });
	for (const one of [replayed, manual, comparing]) await call("POST /api/v1/runs/{id}/cancel", { id: one.id });
	// The agent finds a pipeline that comes from nobody whom one knows; somebody lets it pass, and
	// turns another away.
	const pull = githubDelivery("pull_request", githubPullRequest({ sha: "b".repeat(40), fork: true }), secret);
	await call("POST /api/v1/runs/{id}/cancel", { id: taken.run_id });
	const { run_id: planId } = await call("POST /hooks/{id}", { id }, { token: null, body: pull.body, headers: pull.headers });
	let offer = await poll();
	// What was offered and is cancelled meanwhile is no more to be had.
	for (; offer.job_id !== (await call("GET /api/v1/runs/{id}", { id: planId })).jobs[0].id; offer = await poll());
	const lease = { token: offer.lease_token };
	const started = await call("POST /api/v1/attempts/{id}/start", { id: offer.attempt_id }, { ...lease, body: {} });
	expect(started.discovery).toEqual({ config: null, changes: { target: "main" }, projects: [] });
	const text = "on: pull_request\nnotify: { slack: nobody }\nsteps: [x]";
	const files = ["one", "two"].map((file) => ({ path: `.windlass/${file}.yml`, text }));
	await call(
		"POST /api/v1/attempts/{id}/finish",
		{ id: offer.attempt_id },
		{ ...lease, body: { ...result(), discovery: { files, changed: [] } } },
	);
	const plan = (await call("GET /api/v1/runs/{id}/wait?timeout=20", { id: planId })) as Run;
	const [one = "", two = ""] = Object.values(plan.jobs[0]?.outputs ?? {});
	await call("POST /api/v1/runs/{id}/approve", { id: one });
	await call("POST /api/v1/runs/{id}/decline", { id: two }, { body: { comment: "no" } });
	await call("POST /api/v1/runs/{id}/notify", { id: one });
	await call("POST /api/v1/runs/{id}/cancel", { id: one });
	const own = await call("POST /api/v1/runs", {}, { body: { pipeline: text, project: "contracted", runs_on: ["nobody"] } });
	expect(await call("POST /api/v1/runs/{id}/notify", { id: own.id })).toEqual({ notified: 1 });
	// The commit's statuses may be among them still: nobody waits for those.
	expect((await call("GET /api/v1/projects/{name}/undelivered", name)).items).toContainEqual(
		expect.objectContaining({ kind: "notify", run_id: own.id, what: "failure" }),
	);
	await call("POST /api/v1/runs/{id}/cancel", { id: own.id });
	const schedule = await call("POST /api/v1/projects/{name}/schedules", name, { body: { cron: "0 3 * * *", timezone: "Europe/Berlin" } });
	expect((await call("GET /api/v1/projects/{name}/schedules", name)).items).toHaveLength(1);
	await call("GET /api/v1/schedules/{id}", { id: schedule.id });
	expect(await call("GET /api/v1/schedules/{id}/health", { id: schedule.id })).toMatchObject({ status: "nothing expected" });
	expect((await call("PATCH /api/v1/schedules/{id}", { id: schedule.id }, { body: { paused: true } })).paused_by).toBe("admin");
	await call("DELETE /api/v1/schedules/{id}", { id: schedule.id });
	expect(await call("GET /badge/{name}", { name: "contracted.svg" })).toContain("<svg");
	await call("GET /badge/{name}", { name: "contracted.svg" }, { token: null });
}

/** A pipeline that is kept here, through its versions. */
async function keptPipelines(): Promise<void> {
	const kept = await call("POST /api/v1/pipelines", {}, { body: { name: "nightly", yaml: "steps: [one]" } });
	const id = { id: kept.id };
	await call("PUT /api/v1/pipelines/{id}", id, { body: { yaml: "steps: [two]", version: 1 } });
	await call("PUT /api/v1/pipelines/{id}", id, { body: { yaml: "steps: [three]", version: 1 } });
	expect((await call("GET /api/v1/pipelines")).items).toMatchObject([{ name: "nightly", version: 2 }]);
	expect((await call("GET /api/v1/pipelines/{id}", id)).yaml).toBe("steps: [two]");
	expect((await call("GET /api/v1/pipelines/{id}/versions", id)).items.map(({ number }: { number: number }) => number)).toEqual([2, 1]);
	expect(await call("GET /api/v1/pipelines/{id}/versions/{number}", { ...id, number: "1" })).toBe("steps: [one]");
	expect(await call("GET /api/v1/pipelines/{id}/versions/{number}/diff", { ...id, number: "2" })).toContain("+steps: [two]");
	await call("POST /api/v1/pipelines/{id}/versions/{number}/restore", { ...id, number: "1" });
	const form = new FormData();
	form.set("yaml", "steps: [four]");
	form.set("name", "nightly");
	expect((await call("POST /api/v1/pipelines/upload", {}, { body: form })).version).toBe(4);
	await call("POST /api/v1/pipelines/upload", {}, { body: "steps: [five]" });
	const run = await call("POST /api/v1/pipelines/{id}/trigger", id, { body: { runs_on: ["nobody"] } });
	await call("POST /api/v1/runs/{id}/cancel", { id: run.id });
	await call("DELETE /api/v1/pipelines/{id}", id);
}

const checked = new Set<string>();

async function idFor(path: string): Promise<string> {
	known ??= coordinator.post<Run>("/api/v1/runs", { run: "true", runs_on: ["nobody"] });
	const { id, jobs } = await known;
	return path.includes("/jobs/") ? (jobs[0]?.id ?? "") : id;
}
let known: Promise<Run> | undefined;
