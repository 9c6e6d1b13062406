import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Offer, ResultBody } from "../../schema/wire/protocol.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, TestCoordinator } from "../support/processes.ts";
import { ProtocolAgent, result, send } from "../support/protocol_agent.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd: (clean) => void cleanups.push(clean) });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

let names = 0;
/** A fresh agent, a run that only it can take, and the offer of it. */
async function offered() {
	names += 1;
	const name = `agent-${names}`;
	const agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), name);
	const run = await coordinator.post<Run>("/api/v1/runs", { run: "echo hi", runs_on: [name] });
	return { agent, run, job: run.jobs[0] as Job, offer: await agent.nextOffer(), name };
}

const stamped = (text: string) => `2026-01-02T03:04:05.678Z ${text}\n`;

describe("attempts", () => {
	test("offer, start, log, finish; every repeat gives the first answer", async () => {
		const { agent, offer, job } = await offered();
		expect(offer.assignment).toMatchObject({ attempt_id: offer.attempt_id, number: 1, job: { id: job.id } });
		const first = await agent.start(offer);
		expect(first).toMatchObject({ number: 1, steps: [{ run: "echo hi", shell: "bash" }], job: { id: job.id } });
		expect(await agent.start(offer)).toMatchObject({ attempt_id: first.attempt_id, number: 1 });
		const log = stamped("hi");
		expect((await agent.log(offer, 0, log)).status).toBe(204);
		const body = result({ log: { bytes: log.length, sha256: null, incomplete: false } });
		const finished = await agent.attempt(offer, "POST", "finish", body);
		expect([finished.status, finished.body]).toEqual([200, { attempt_state: "succeeded" }]);
		const again = await agent.attempt(offer, "POST", "finish", body);
		expect([again.status, again.body]).toEqual([200, finished.body]);
		const other = await agent.attempt(offer, "POST", "finish", result({ state: "failed", exit_code: 1 }));
		expect([other.status, other.body.error]).toEqual([409, "conflict"]);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({ state: "succeeded", exit_code: 0 });
	});

	test("a log chunk at a wrong offset, a repeated one, and one after the close of the log", async () => {
		const { agent, offer, job } = await offered();
		await agent.start(offer);
		const log = stamped("one");
		expect((await agent.log(offer, 0, log)).headers.get("Upload-Offset")).toBe(String(log.length));
		for (const offset of [0, 5, 1000]) {
			const wrong = await agent.log(offer, offset, log);
			expect([wrong.status, wrong.body.error, wrong.headers.get("Upload-Offset")]).toEqual([
				409,
				"log_offset_mismatch",
				String(log.length),
			]);
		}
		expect(await coordinator.text(`/api/v1/jobs/${job.id}/log`)).toBe(log);
		await agent.attempt(offer, "POST", "finish", result({ log: { bytes: log.length, sha256: null, incomplete: false } }));
		await eventually(async () => (await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).attempts[0]?.log.sha256, "the sealed log");
		const late = await agent.log(offer, log.length, log);
		expect([late.status, late.body.error]).toEqual([410, "attempt_finished"]);
		expect(await coordinator.text(`/api/v1/jobs/${job.id}/log`)).toBe(log);
	});

	test("bytes that were declared and never come: the log is kept as far as it is, and known to be incomplete", async () => {
		const { agent, offer, job } = await offered();
		await agent.start(offer);
		const log = stamped("all there is");
		await agent.log(offer, 0, log);
		await agent.attempt(offer, "POST", "finish", result({ log: { bytes: log.length + 100, sha256: null, incomplete: false } }));
		const archived = async () => (await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).attempts[0]?.log;
		const done = await eventually(async () => ((await archived())?.sha256 ? archived() : null), "the archived log");
		expect(done).toMatchObject({ bytes: log.length, incomplete: true });
		expect(await coordinator.text(`/api/v1/jobs/${job.id}/log`)).toBe(log);
	});

	test("bytes that were declared may follow the finish", async () => {
		const { agent, offer, job } = await offered();
		await agent.start(offer);
		const log = stamped("late");
		await agent.attempt(offer, "POST", "finish", result({ log: { bytes: log.length, sha256: null, incomplete: false } }));
		expect((await agent.log(offer, 0, log)).status).toBe(204);
		const done = await eventually(async () => {
			const { attempts } = await coordinator.get<Job>(`/api/v1/jobs/${job.id}`);
			return attempts[0]?.log.sha256 ? attempts[0] : null;
		}, "the archived log");
		expect(done.log).toMatchObject({ bytes: log.length, incomplete: false });
	});

	test("another attempt's token, another agent's, and a made-up one change nothing", async () => {
		const a = await offered();
		const b = await offered();
		await a.agent.start(a.offer);
		await b.agent.start(b.offer);
		const path = `/api/v1/attempts/${a.offer.attempt_id}/finish`;
		const foreign = await send(coordinator.url, "POST", path, b.offer.lease_token, result());
		expect([foreign.status, foreign.body.error]).toEqual([403, "forbidden"]);
		const agents = await send(coordinator.url, "POST", path, a.agent.token, result());
		expect([agents.status, agents.body.error]).toEqual([401, "authentication_required"]);
		const forged = await send(coordinator.url, "POST", path, `${a.offer.lease_token.slice(0, -4)}AAAA`, result());
		expect([forged.status, forged.body.error]).toEqual([401, "authentication_required"]);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${a.job.id}`)).toMatchObject({ state: "running" });
	});

	test("an old attempt's token is rejected by name and cannot touch the new attempt", async () => {
		const { agent, offer, job, name } = await offered();
		await agent.start(offer);
		// A new session that does not list the attempt gives it up.
		agent.session = 2;
		const facts = { version: "test", slots: 1, labels: ["test", name], facts: {} };
		const hello = await agent.say("POST", "/api/v1/agents/self/hello", {
			protocol: 2,
			session: 2,
			instance: "another-process",
			running: [offer.attempt_id],
			facts,
		});
		expect(Object.keys(hello.body as object).sort()).toEqual(["ignored_labels", "intervals", "labels"]);
		agent.session = 3;
		await agent.say("POST", "/api/v1/agents/self/hello", { protocol: 2, session: 3, instance: "a-third-process", running: [], facts });
		const next = await agent.nextOffer();
		expect(next.job_id).toBe(job.id);
		await agent.start(next);
		for (const [action, body] of [
			["finish", result()],
			["start", {}],
			["artifacts", { files: [{ path: "a", size: 1, sha256: "0".repeat(64) }] }],
		] as const) {
			const refused = await agent.attempt(offer, "POST", action, body);
			expect([action, refused.status, refused.body.error]).toEqual([action, 409, "attempt_superseded"]);
		}
		await agent.attempt(next, "POST", "finish", result());
		expect((await agent.attempt(offer, "POST", "finish", result())).body.error).toBe("attempt_finished");
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({ state: "succeeded", attempt: 2 });
	});

	test("a result of the wrong shape is rejected with the name of the field", async () => {
		const { agent, offer } = await offered();
		await agent.start(offer);
		const bad = await agent.attempt(offer, "POST", "finish", { ...result(), state: "wonderful", extra: 1 });
		expect([bad.status, bad.body.error]).toEqual([422, "validation_failed"]);
		expect(JSON.stringify(bad.body.details)).toContain('"path":"state"');
		const missing = await agent.attempt(
			offer,
			"POST",
			"finish",
			result({ artifacts: [{ path: "x", size: 1, sha256: "0".repeat(64), executable: false, key: "k" }] }),
		);
		expect([missing.status, missing.body.error]).toEqual([422, "validation_failed"]);
	});
});

describe("offers", () => {
	test("handed back: the job waits on, and the agent gets it again only after a pause", async () => {
		const { agent, offer, job } = await offered();
		expect((await agent.attempt(offer, "POST", "release")).status).toBe(204);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({ state: "queued", attempt: 0 });
		const explained = await coordinator.get<{ agents: { name: string; reason: string }[] }>(`/api/v1/jobs/${job.id}/explain`);
		expect(explained.agents.find(({ name }) => job.runs_on.labels.includes(name))?.reason).toMatch(
			/declined the job or let its offer expire/,
		);
		expect((await agent.attempt(offer, "POST", "start")).body.error).toBe("attempt_superseded");
	});

	test("that carry the whole job may have begun: a cancel goes by way of the agent", async () => {
		const { agent, offer, run, job } = await offered();
		expect(await coordinator.post<Run>(`/api/v1/runs/${run.id}/cancel`, {})).toMatchObject({ state: "cancelling" });
		const { results } = await agent.deliver([carried(offer, "", { state: "succeeded" })]);
		expect(results).toEqual([{ attempt_id: offer.attempt_id, state: "cancelled", error: null }]);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({ state: "cancelled" });
	});

	test("that the next poll does not name did not reach the agent: the job comes again, and its first attempt is the next", async () => {
		const { agent, offer, job } = await offered();
		const again = await agent.nextOffer();
		expect(again.job_id).toBe(job.id);
		expect(again.attempt_id).not.toBe(offer.attempt_id);
		expect(again.assignment?.number).toBe(1);
		expect((await agent.attempt(offer, "POST", "start")).body.error).toBe("attempt_superseded");
	});
});

/** A result for a poll, with its whole log. */
function carried({ attempt_id, lease_token }: Offer, log: string, overrides: Partial<ResultBody> = {}): ResultBody {
	const { artifacts: _, discovery: __, refs: ___, ...plain } = result({ log: { bytes: log.length, sha256: null, incomplete: false } });
	const log_text = log === "" ? null : Buffer.from(log).toString("base64");
	return { ...plain, attempt_id, lease_token, log_text, ...overrides };
}

describe("results in a poll", () => {
	test("end the job, with the log that they carry; every repeat gives the first answer, and another result none", async () => {
		const { agent, offer, job } = await offered();
		const log = stamped("all of it");
		const accepted = [{ attempt_id: offer.attempt_id, state: "succeeded", error: null }];
		expect((await agent.deliver([carried(offer, log)])).results).toEqual(accepted);
		expect(await coordinator.text(`/api/v1/jobs/${job.id}/log`)).toBe(log);
		expect((await agent.deliver([carried(offer, log)])).results).toEqual(accepted);
		const finished = await agent.attempt(offer, "POST", "finish", result({ log: { bytes: log.length, sha256: null, incomplete: false } }));
		expect(finished.body).toEqual({ attempt_state: "succeeded" });
		const [other] = (await agent.deliver([carried(offer, log, { state: "failed", exit_code: 1 })])).results;
		expect([other?.state, other?.error?.error]).toEqual([null, "conflict"]);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({
			state: "succeeded",
			attempts: [{ log: { bytes: log.length } }],
		});
	});

	test("bring the next job with their answer", async () => {
		const { agent, offer, name } = await offered();
		const next = await coordinator.post<Run>("/api/v1/runs", { run: "echo next", runs_on: [name] });
		const { results, offers } = await agent.deliver([carried(offer, "")], 1);
		expect([results[0]?.state, offers[0]?.job_id]).toEqual(["succeeded", next.jobs[0]?.id]);
	});

	const OPEN = {
		name: "step",
		state: "running",
		exit_code: null,
		started_at: null,
		finished_at: null,
		log_offset: null,
		log_line: null,
	} as const;
	const REJECTED: Record<string, [string, (offer: Offer) => ResultBody]> = {
		"the lease token of nobody": ["forbidden", (offer) => carried(offer, "", { lease_token: "wll.made.up" })],
		"an attempt of another lease": ["forbidden", (offer) => carried({ ...offer, attempt_id: "att_01ARZ3NDEKTSV4RRFFQ69G5FAV" }, "")],
		"a step that has not ended": ["validation_failed", (offer) => carried(offer, "", { steps: [OPEN] })],
		"a log of another length": [
			"validation_failed",
			(offer) => carried(offer, stamped("short"), { log: { bytes: 1_000, sha256: null, incomplete: false } }),
		],
	};
	test.each(Object.entries(REJECTED))("with %s are rejected alone, and the others are accepted", async (_, [code, spoilt]) => {
		const { agent, offer, job } = await offered();
		const { results } = await agent.deliver([spoilt(offer), carried(offer, "")]);
		expect(results.map(({ state, error }) => state ?? error?.error)).toEqual([code, "succeeded"]);
		expect(await coordinator.get<Job>(`/api/v1/jobs/${job.id}`)).toMatchObject({ state: "succeeded" });
	});
});

describe("identity", () => {
	test("a second process under the same identity is rejected", async () => {
		const { agent, name } = await offered();
		const facts = { version: "test", slots: 1, labels: [name], facts: {} };
		const twin = await agent.say("POST", "/api/v1/agents/self/hello", {
			protocol: 2,
			session: 1,
			instance: "another-process",
			running: [],
			facts,
		});
		expect([twin.status, twin.body.error]).toEqual([409, "session_superseded"]);
		const old = await agent.say("POST", "/api/v1/agents/self/poll", { protocol: 2, session: 99, seq: 50, slots_free: 1, running: [] });
		expect([old.status, old.body.error]).toEqual([409, "session_superseded"]);
	});

	test("a token's labels are pinned to its agents, and it works as often as it says", async () => {
		const { token, uses, labels } = await coordinator.post<{ token: string; uses: number; labels: string[] }>("/api/v1/agent-tokens", {
			uses: 2,
			expires_in: "10m",
			labels: ["pinned"],
		});
		expect([uses, labels]).toEqual([2, ["pinned"]]);
		for (const name of ["pinned-1", "pinned-2"]) await ProtocolAgent.join(coordinator.url, token, name);
		const { items } = await coordinator.get<{ items: { name: string; labels: string[] }[] }>("/api/v1/agents");
		expect(items.find(({ name }) => name === "pinned-2")?.labels).toContain("pinned");
		const third = await send(coordinator.url, "POST", "/api/v1/agents", token, { name: "pinned-3", registration_key: "k".repeat(20) });
		expect(third.status).toBe(401);
		for (const body of [{ uses: 0 }, { expires_in: "soon" }, { labels: [""] }, { used: 1 }]) {
			expect((await send(coordinator.url, "POST", "/api/v1/agent-tokens", ADMIN_TOKEN, body)).body.error).toBe("validation_failed");
		}
	});

	test("a name in use is rejected with what to do; a registration token works once", async () => {
		const { name } = await offered();
		const token = await coordinator.registrationToken();
		const taken = await send(coordinator.url, "POST", "/api/v1/agents", token, { name, registration_key: "k".repeat(20) });
		expect([taken.status, taken.body.error]).toEqual([409, "conflict"]);
		await ProtocolAgent.join(coordinator.url, token, `${name}-b`);
		const used = await send(coordinator.url, "POST", "/api/v1/agents", token, { name: `${name}-c`, registration_key: "c".repeat(20) });
		expect([used.status, used.body.error]).toEqual([401, "authentication_required"]);
	});

	test("a registration whose answer was lost gives the same agent, and a protocol of another time is named", async () => {
		const token = await coordinator.registrationToken();
		const body = { name: "lost-answer", registration_key: "lost-answer-key-0123" };
		const first = await send(coordinator.url, "POST", "/api/v1/agents", token, body);
		const second = await send(coordinator.url, "POST", "/api/v1/agents", token, body);
		expect([first.status, second.status, second.body.id]).toEqual([201, 201, first.body.id]);
		const facts = { version: "test", slots: 1, labels: [], facts: {} };
		const old = await send(coordinator.url, "POST", "/api/v1/agents/self/hello", second.body.token as string, {
			protocol: 7,
			session: 1,
			instance: "instance-1",
			running: [],
			facts,
		});
		expect([old.status, old.body.error]).toEqual([426, "protocol_unsupported"]);
	});
});
