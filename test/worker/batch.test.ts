import { exports } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { Run, SubmittedBatch } from "../../schema/wire/resources.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** Many submissions in one request. */

withAdmin();

function submit(lines: readonly string[], headers: Record<string, string> = {}): Promise<Response> {
	const all = { Authorization: `Bearer ${ADMIN}`, "Content-Type": "application/x-ndjson", ...headers };
	return exports.default.fetch(
		new Request("http://windlass.test/api/v1/runs/batch", { method: "POST", headers: all, body: lines.join("\n") }),
	);
}

async function read(path: string): Promise<Response> {
	return exports.default.fetch(new Request(`http://windlass.test/api/v1/${path}`, { headers: { Authorization: `Bearer ${ADMIN}` } }));
}

const inQueue = async () => {
	const runs = (await (await read("runs?limit=200")).json()) as { items: Run[] };
	return runs.items.length;
};

test("a thousand runs are accepted together, each line a run of its own", async () => {
	const lines = Array.from({ length: 1_000 }, (_, n) =>
		JSON.stringify({ run: n % 2 === 0 ? "make" : "make check", priority: n % 3, runs_on: ["nowhere"] }),
	);
	const response = await submit([...lines, ""]);
	expect(response.status).toBe(201);
	const { items, notices } = (await response.json()) as SubmittedBatch;
	expect(new Set(items.map(({ id }) => id)).size).toBe(1_000);
	expect(notices).toEqual([expect.stringMatching(/^The job main cannot start/)]);
	for (const n of [0, 1, 999]) {
		const run = (await (await read(`runs/${items[n]?.id}`)).json()) as Run;
		expect([run.state, run.priority, run.url]).toEqual(["queued", n % 3, items[n]?.url]);
	}
});

test("one line that is wrong is named, and nothing of its batch is accepted", async () => {
	const before = await inQueue();
	const response = await submit(['{"run": "make"}', "", '{"run": "make", "priorty": 1}']);
	expect(response.status).toBe(422);
	expect(await response.json()).toMatchObject({
		error: "validation_failed",
		message: expect.stringMatching(/^Line 3 of the batch: /),
		details: { batch_line: 3, errors: [{ path: "priorty", suggestion: expect.stringContaining("priority") }] },
	});
	expect((await submit(["run: make"])).status).toBe(400);
	expect((await submit([""])).status).toBe(400);
	expect(await inQueue()).toBe(before);
});

test("too many runs and too many jobs are rejected with the limit", async () => {
	const runs = await submit(Array.from({ length: 1_001 }, () => '{"run": "make"}'));
	expect([runs.status, await runs.json()]).toMatchObject([413, { details: { limit: 1_000 } }]);
	const wide = JSON.stringify({
		pipeline: { jobs: Object.fromEntries(Array.from({ length: 999 }, (_, n) => [`j${n}`, { steps: ["a"] }])) },
	});
	const jobs = await submit(Array.from({ length: 6 }, () => wide));
	expect([jobs.status, await jobs.json()]).toMatchObject([413, { details: { limit: 5_000, line: 6 } }]);
});

test("a repeated batch with the same Idempotency-Key starts nothing twice, and other content is a conflict", async () => {
	const lines = ['{"run": "one", "runs_on": ["nowhere"]}', '{"run": "two", "runs_on": ["nowhere"]}'];
	const first = (await (await submit(lines, { "Idempotency-Key": "batch-1" })).json()) as SubmittedBatch;
	const again = (await (await submit(lines, { "Idempotency-Key": "batch-1" })).json()) as SubmittedBatch;
	expect(again.items).toEqual(first.items.map((item) => ({ ...item, is_replay: true })));
	expect(
		(await submit(['{"run": "one", "runs_on": ["nowhere"]}', '{"run": "three", "runs_on": ["nowhere"]}'], { "Idempotency-Key": "batch-1" }))
			.status,
	).toBe(409);
});

test("a secret that does not exist is named once, however many lines ask for it", async () => {
	const line = JSON.stringify({ pipeline: { runs_on: ["nowhere"], secrets: { TOKEN: "none_yet" }, steps: ["a"] }, project: "batched" });
	const { notices } = (await (await submit([line, line])).json()) as SubmittedBatch;
	expect(notices.filter((notice) => notice.includes("none_yet"))).toEqual([expect.stringContaining("which does not exist")]);
});
