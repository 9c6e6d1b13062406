import { env, exports } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import type { Offer, PollAnswer } from "../../schema/wire/protocol.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { applyRetention } from "../../worker/retention/retention.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** The logs that come with results: held by the queue, then many in one object. */

/** One pack has this many logs. */
const PACK = 200;
const YEARS_MS = 10 * 365 * 24 * 60 * 60_000;

withAdmin();

async function send(method: string, path: string, body: unknown = undefined, token = ADMIN): Promise<Response> {
	const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
	const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

const answered = async <Answer>(response: Response) => {
	expect(response.status).toBeLessThan(300);
	return (await response.json()) as Answer;
};

/** An agent that takes only jobs of a project of its own, and has as many slots as a pack has logs. */
class Agent {
	readonly label: string;
	#token = "";
	#seq = 0;

	constructor(label: string) {
		this.label = label;
	}

	async join(): Promise<this> {
		const { token } = await answered<{ token: string }>(await send("POST", "/api/v1/agent-tokens", { projects: [this.label] }));
		const identity = { name: this.label, registration_key: this.label.padEnd(40, "k") };
		this.#token = (await answered<{ token: string }>(await send("POST", "/api/v1/agents", identity, token))).token;
		const facts = { version: "1", slots: PACK, labels: [this.label], facts: {} };
		const hello = { protocol: 2, session: 1, instance: "instance-1", running: [], facts };
		await answered(await send("POST", "/api/v1/agents/self/hello", hello, this.#token));
		return this;
	}

	async poll(running: string[], results: object[] = []): Promise<PollAnswer> {
		this.#seq += 1;
		const poll = { protocol: 2, session: 1, seq: this.#seq, slots_free: PACK - running.length, running, results };
		return answered(await send("POST", "/api/v1/agents/self/poll", poll, this.#token));
	}

	async submit(count: number): Promise<Run[]> {
		const runs: Run[] = [];
		for (let n = 0; n < count; n += 1) runs.push(await answered(await send("POST", "/api/v1/runs", { run: "x", project: this.label })));
		return runs;
	}

	/** Runs jobs to their ends, each with the log that `logOf` gives it. */
	async runAll(runs: readonly Run[], logOf: (jobId: string) => string): Promise<void> {
		const { offers } = await this.poll([]);
		expect(offers).toHaveLength(runs.length);
		let running = offers;
		for (let at = 0; at < offers.length; at += 32) {
			const ended = offers.slice(at, at + 32);
			const { results } = await this.poll(
				running.map(({ attempt_id }) => attempt_id),
				ended.map((offer) => resultOf(offer, logOf(offer.job_id))),
			);
			expect(results.every(({ state }) => state === "succeeded")).toBe(true);
			running = running.filter((offer) => !ended.includes(offer));
		}
	}
}

function resultOf({ attempt_id, lease_token }: Offer, text: string, declared = text): object {
	const log = { bytes: declared.length, sha256: createHash("sha256").update(declared).digest("hex"), incomplete: false };
	const plain = { state: "succeeded", exit_code: 0, reason: null, steps: [], outputs: {} };
	return { ...plain, attempt_id, lease_token, log, log_text: btoa(text) };
}

const jobOf = (run: Run) => run.jobs[0]?.id ?? "";
const STAMP = "2026-11-30T12:00:00.000Z ";
const textOf = (jobId: string) => `${STAMP}the log of ${jobId}\n${STAMP}its second line\n`;
const readLog = (run: Run, headers: Record<string, string> = {}) =>
	exports.default.fetch(
		new Request(`http://windlass.test/api/v1/jobs/${jobOf(run)}/log`, { headers: { Authorization: `Bearer ${ADMIN}`, ...headers } }),
	);

async function packs(): Promise<string[]> {
	return (await env.BUCKET.list({ prefix: "packs/" })).objects.map(({ key }) => key);
}

interface Place {
	job_id: string;
	log_offset: number;
	log_bytes: number;
}

async function places(): Promise<Place[]> {
	return (await env.DB.prepare("SELECT * FROM attempts WHERE log_offset IS NOT NULL ORDER BY log_key, log_offset").all<Place>()).results;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
	while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

let agents = 0;
let agent: Agent;
beforeEach(async () => {
	agents += 1;
	agent = await new Agent(`packer-${agents}`).join();
	await env.DISPATCHER.getByName("team:default").dropHeldLogs(
		(await env.DB.prepare("SELECT id FROM attempts").all<{ id: string }>()).results.map(({ id }) => id),
	);
	for (const key of await packs()) await env.BUCKET.delete(key);
	await env.DB.prepare("UPDATE attempts SET log_key = NULL, log_offset = NULL").run();
});

test("a log that comes with its result is read at once, before it is anywhere but in the queue", async () => {
	const [run] = await agent.submit(1);
	if (!run) throw new Error("no run");
	await agent.runAll([run], textOf);
	const whole = textOf(jobOf(run));
	expect(await (await readLog(run)).text()).toBe(whole);
	const part = await readLog(run, { Range: "bytes=4-6" });
	expect([part.status, await part.text()]).toEqual([206, whole.slice(4, 7)]);
	const lines = await answered<{ lines: string[] }>(await send("GET", `/api/v1/jobs/${jobOf(run)}/log/lines?from=1`));
	expect(lines.lines).toEqual([`${STAMP}its second line`]);
	expect((await env.BUCKET.list({ prefix: "logs/" })).objects.filter(({ key }) => key.includes(run.id))).toEqual([]);
});

test("two hundred small logs are one object, and each is read as before", async () => {
	const runs = await agent.submit(PACK);
	await agent.runAll(runs, textOf);
	await until(async () => (await places()).length === PACK);
	expect(await packs()).toHaveLength(1);
	for (const run of [runs[0], runs[99], runs[PACK - 1]] as Run[]) {
		const whole = textOf(jobOf(run));
		expect(await (await readLog(run)).text()).toBe(whole);
		const part = await readLog(run, { Range: "bytes=-12" });
		expect([part.headers.get("Content-Range"), await part.text()]).toEqual([
			`bytes ${whole.length - 12}-${whole.length - 1}/${whole.length}`,
			whole.slice(-12),
		]);
		const found = await answered<{ items: unknown[] }>(await send("GET", `/api/v1/jobs/${jobOf(run)}/log/search?q=SECOND`));
		expect(found.items).toHaveLength(1);
	}
});

test("nothing remains of the log of a deleted run, and the others of its pack stay", async () => {
	const runs = await agent.submit(PACK);
	await agent.runAll(runs, textOf);
	await until(async () => (await places()).length === PACK);
	const [key = ""] = await packs();
	const deleted = runs[7] as Run;
	expect((await send("DELETE", `/api/v1/runs/${deleted.id}`)).status).toBe(204);
	const content = await (await env.BUCKET.get(key))?.text();
	expect(content).not.toContain(jobOf(deleted));
	for (const { job_id, log_offset, log_bytes } of await places())
		expect(content?.slice(log_offset, log_offset + log_bytes)).toBe(textOf(job_id));
});

test("a pack goes when the time of its logs is over", async () => {
	const runs = await agent.submit(PACK);
	await agent.runAll(runs, textOf);
	await until(async () => (await places()).length === PACK);
	await applyRetention(env, Date.now() + YEARS_MS);
	expect(await packs()).toEqual([]);
	expect(await places()).toEqual([]);
});

test("a log that the queue holds goes with its run", async () => {
	const [run] = await agent.submit(1);
	if (!run) throw new Error("no run");
	await agent.runAll([run], textOf);
	const attempt = (await answered<Job>(await send("GET", `/api/v1/jobs/${jobOf(run)}`))).attempts[0]?.id ?? "";
	expect((await send("DELETE", `/api/v1/runs/${run.id}`)).status).toBe(204);
	expect((await readLog(run)).status).toBe(404);
	expect(await env.DISPATCHER.getByName("team:default").readHeldLog(attempt)).toBeNull();
});

test("who follows a log gets it when it comes with the result", async () => {
	const [run] = await agent.submit(1);
	if (!run) throw new Error("no run");
	const [offer] = (await agent.poll([])).offers;
	if (!offer) throw new Error("no offer");
	await agent.poll([offer.attempt_id]);
	const followed = send("GET", `/api/v1/jobs/${jobOf(run)}/log?follow=true`).then((response) => response.text());
	await agent.poll([offer.attempt_id], [resultOf(offer, "late but whole\n")]);
	expect(await followed).toContain("late but whole\n");
});

test("a log that is not what its result declares is rejected with its result", async () => {
	const [run] = await agent.submit(1);
	if (!run) throw new Error("no run");
	const [offer] = (await agent.poll([])).offers;
	if (!offer) throw new Error("no offer");
	const { results } = await agent.poll([offer.attempt_id], [resultOf(offer, "changed on its way\n", "as it was written!\n")]);
	expect(results).toMatchObject([{ state: null, error: { error: "validation_failed" } }]);
});
