import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { pollAnswer } from "../../schema/wire/protocol.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";
import {
	ADMIN_TOKEN,
	eventually,
	LEASE_TTL_MS,
	Program,
	processesWith,
	TestCoordinator,
	temporaryFolder,
	workerdsOf,
} from "../support/processes.ts";
import { ProtocolAgent } from "../support/protocol_agent.ts";

/** Writes 200 numbered lines over about six seconds: every one must be in the log, once. */
const COUNTING = "for i in $(seq 1 200); do echo line $i; sleep 0.03; done";
const COUNTED = Array.from({ length: 200 }, (_, index) => `line ${index + 1}`);

async function submitted(coordinator: TestCoordinator, run: string): Promise<{ runId: string; jobId: string }> {
	const { id, jobs } = await coordinator.post<Run>("/api/v1/runs", { run });
	return { runId: id, jobId: (jobs[0] as Job).id };
}

function waitFor(coordinator: TestCoordinator, runId: string): Promise<Run> {
	return coordinator.get<Run>(`/api/v1/runs/${runId}/wait?timeout=60`);
}

async function linesOf(coordinator: TestCoordinator, jobId: string, attempt = 1): Promise<string[]> {
	const text = await coordinator.text(`/api/v1/jobs/${jobId}/log?format=raw&attempt=${attempt}`);
	return text
		.trimEnd()
		.split("\n")
		.filter((line) => !line.startsWith("::"));
}

/** Waits until the live log of a job has got this far. */
async function reached(coordinator: TestCoordinator, jobId: string, line: string): Promise<void> {
	await eventually(async () => (await coordinator.text(`/api/v1/jobs/${jobId}/log`).catch(() => "")).includes(line), `${line} in the log`);
}

describe("a run outlives what it runs on", () => {
	test("workerd is killed in mid-job: one attempt, no line lost or repeated", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const { runId, jobId } = await submitted(coordinator, COUNTING);
		await reached(coordinator, jobId, "line 20");
		coordinator.killWorkerd();
		await coordinator.program.says(/workerd had stopped/);
		await reached(coordinator, jobId, "line 80");
		coordinator.killWorkerd();
		const run = await eventually(() => waitFor(coordinator, runId).catch(() => null), "the end of the run", 60_000);
		expect(run.state).toBe("succeeded");
		expect(run.jobs[0]?.attempts).toHaveLength(1);
		expect(await linesOf(coordinator, jobId)).toEqual(COUNTED);
	});

	test("the host is killed and started again in mid-job: one attempt, no line lost or repeated, also where it is followed", async () => {
		const first = await TestCoordinator.start();
		await first.agent("one");
		const { runId, jobId } = await submitted(first, `${COUNTING}; exit 3`);
		const follow = (id: string) => {
			const program = new Program(["logs", "-f", id], { WINDLASS_SERVER: first.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
			onTestFinished(() => program.kill());
			return program;
		};
		const [ofRun, ofJob, interrupted] = [follow(runId), follow(jobId), follow(runId)];
		for (const program of [ofRun, ofJob, interrupted]) await program.says(/line 20\n/);
		interrupted.signal("SIGINT");
		expect([await interrupted.exited, interrupted.output]).toEqual([130, expect.stringContaining("The run continues")]);
		const second = await first.restartAfterKill();
		const run = await waitFor(second, runId);
		expect(run.jobs[0]).toMatchObject({ state: "failed", exit_code: 3 });
		expect(run.jobs[0]?.attempts).toHaveLength(1);
		expect(await linesOf(second, jobId)).toEqual(COUNTED);
		for (const program of [ofRun, ofJob]) {
			expect([await program.exited, program.output.split("\n").filter((line) => line.startsWith("line "))]).toEqual([3, COUNTED]);
		}
	});

	test("a planned stop that lasts longer than the lease kills no build", async () => {
		const first = await TestCoordinator.start();
		await first.agent("one");
		const { runId, jobId } = await submitted(first, "echo begins; sleep 16; echo ends");
		await reached(first, jobId, "begins");
		first.program.signal("SIGTERM");
		expect(await first.program.exited).toBe(0);
		await new Promise((resolve) => setTimeout(resolve, LEASE_TTL_MS + 2_000));
		const second = await TestCoordinator.start({ data: first.data, port: first.port });
		const run = await waitFor(second, runId);
		expect(run.state).toBe("succeeded");
		expect(run.jobs[0]?.attempts).toHaveLength(1);
		expect(await linesOf(second, jobId)).toEqual(["begins", "ends"]);
	});

	test("an agent that is between two polls when a stop is planned hears of it all the same", async () => {
		const coordinator = await TestCoordinator.start();
		const agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "slow");
		await coordinator.post("/api/v1/runs", { run: "true", runs_on: ["slow"] });
		const offer = await agent.nextOffer();
		await agent.start(offer);
		coordinator.program.signal("SIGTERM");
		await new Promise((resolve) => setTimeout(resolve, 1_000));
		const poll = { protocol: 2, session: 1, seq: 1_000, slots_free: 0, running: [offer.attempt_id] };
		const { renewed } = pollAnswer.parse((await agent.say("POST", "/api/v1/agents/self/poll", poll)).body);
		expect(renewed).toEqual([{ attempt_id: offer.attempt_id, ttl_ms: expect.any(Number) }]);
		expect(renewed[0]?.ttl_ms).toBeGreaterThan(9 * 60_000);
		expect(await coordinator.program.exited).toBe(0);
	});

	test("an agent that sleeps through a planned stop and beyond its lease gives the job back as soon as it wakes", async () => {
		const first = await TestCoordinator.start();
		const agent = await first.agent("one");
		const gate = path.join(temporaryFolder(), "gate");
		const { runId, jobId } = await submitted(first, `test -e ${gate} && exit 0; touch ${gate}; echo begins; sleep 60`);
		await reached(first, jobId, "begins");
		agent.signal("SIGSTOP");
		const sleptFrom = Date.now();
		first.program.signal("SIGTERM");
		expect(await first.program.exited).toBe(0);
		const second = await TestCoordinator.start({ data: first.data, port: first.port });
		await new Promise((resolve) => setTimeout(resolve, sleptFrom + LEASE_TTL_MS - Date.now()));
		expect((await second.get<Job>(`/api/v1/jobs/${jobId}`)).state).toBe("running");
		agent.signal("SIGCONT");
		const run = await waitFor(second, runId);
		expect([run.state, run.jobs[0]?.attempts.map(({ state, reason }) => [state, reason?.code ?? null])]).toEqual([
			"succeeded",
			[
				["expired", "agent_lost"],
				["succeeded", null],
			],
		]);
	});

	test("an agent is killed in mid-job: another one takes over within the lease and a second, both logs can be read", async () => {
		const coordinator = await TestCoordinator.start();
		const first = await coordinator.agent("first");
		const gate = path.join(temporaryFolder(), "gate");
		const { runId, jobId } = await submitted(coordinator, `echo attempt $CI_ATTEMPT; test -e ${gate} && exit 0; touch ${gate}; sleep 60`);
		await reached(coordinator, jobId, "attempt 1");
		await coordinator.agent("second");
		const killedAt = Date.now();
		await first.kill();
		await eventually(async () => (await coordinator.get<Job>(`/api/v1/jobs/${jobId}`)).attempt === 2, "the second attempt");
		expect(Date.now() - killedAt).toBeLessThan(LEASE_TTL_MS + 1_000);
		const run = await waitFor(coordinator, runId);
		expect(run.state).toBe("succeeded");
		const job = await coordinator.get<Job>(`/api/v1/jobs/${jobId}`);
		expect(job.attempts.map(({ number, state, reason, agent }) => [number, state, reason?.code ?? null, agent.name])).toEqual([
			[1, "expired", "agent_lost", "first"],
			[2, "succeeded", null, "second"],
		]);
		expect(await linesOf(coordinator, jobId, 1)).toEqual(["attempt 1"]);
		expect(await linesOf(coordinator, jobId, 2)).toEqual(["attempt 2"]);
		expect(job.attempts[0]?.log.incomplete).toBe(true);
	});

	test("a coordinator that cannot be reached for longer than the lease: the agent ends the job before it could run twice", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const gate = path.join(temporaryFolder(), "gate");
		const { runId, jobId } = await submitted(coordinator, `test -e ${gate} && exit 0; touch ${gate}; echo begins; sleep 60`);
		await reached(coordinator, jobId, "begins");
		const { attempts } = await coordinator.get<Job>(`/api/v1/jobs/${jobId}`);
		const mark = `WINDLASS_ATTEMPT=${attempts[0]?.id}`;
		const [workerd = 0] = workerdsOf(coordinator.data);
		process.kill(workerd, "SIGSTOP");
		const stoppedAt = Date.now();
		await eventually(() => processesWith(mark).length === 0, "the end of the job's processes");
		expect(Date.now() - stoppedAt).toBeLessThan(LEASE_TTL_MS);
		await new Promise((resolve) => setTimeout(resolve, stoppedAt + LEASE_TTL_MS + 2_000 - Date.now()));
		process.kill(workerd, "SIGCONT");
		const run = await waitFor(coordinator, runId);
		expect([run.state, run.jobs[0]?.attempts.map(({ state, reason }) => [state, reason?.code ?? null])]).toEqual([
			"succeeded",
			[
				["expired", "agent_lost"],
				["succeeded", null],
			],
		]);
	});

	test("everything is restarted with a queue of waiting jobs: all of them run", async () => {
		const first = await TestCoordinator.start();
		const runs = await Promise.all(Array.from({ length: 20 }, (_, index) => submitted(first, `echo job ${index}`)));
		const second = await first.restartAfterKill();
		await second.agent("late", { slots: "4" });
		for (const [index, { runId, jobId }] of runs.entries()) {
			expect((await waitFor(second, runId)).state).toBe("succeeded");
			expect(await linesOf(second, jobId)).toEqual([`job ${index}`]);
		}
	});

	test("an agent that is restarted gives its job back at once", async () => {
		const coordinator = await TestCoordinator.start();
		const workDir = path.join(temporaryFolder(), "agent");
		const first = await coordinator.agent("one", { workDir });
		const { runId, jobId } = await submitted(coordinator, "echo attempt $CI_ATTEMPT; test $CI_ATTEMPT = 2 || sleep 60");
		await reached(coordinator, jobId, "attempt 1");
		await first.kill();
		await coordinator.agent("one", { workDir });
		const run = await waitFor(coordinator, runId);
		expect(run.state).toBe("succeeded");
		expect(run.jobs[0]?.attempts[0]?.reason?.code).toBe("agent_restarted");
		expect(await coordinator.get<{ items: unknown[] }>("/api/v1/agents")).toMatchObject({ items: [{ name: "one", status: "online" }] });
	});
});

describe("cancel", () => {
	test("a step that ignores SIGTERM and has forked twice: cancelled, and no process is left", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const folder = temporaryFolder();
		mkdirSync(folder, { recursive: true });
		const script = path.join(folder, "stubborn.sh");
		writeFileSync(
			script,
			`trap '' TERM\n(trap '' TERM; setsid bash -c "trap '' TERM; echo escaped; while :; do sleep 1; done" &) &\necho ready\nwhile :; do sleep 1; done\n`,
		);
		const { runId, jobId } = await submitted(coordinator, `bash ${script}`);
		await reached(coordinator, jobId, "escaped");
		const { attempts } = await coordinator.get<Job>(`/api/v1/jobs/${jobId}`);
		const mark = `WINDLASS_ATTEMPT=${attempts[0]?.id}`;
		expect(processesWith(mark).length).toBeGreaterThan(1);
		await coordinator.post(`/api/v1/runs/${runId}/cancel`, {});
		const run = await waitFor(coordinator, runId);
		expect(run.state).toBe("cancelled");
		expect(run.jobs[0]?.reason?.text).toBe("Cancelled by admin.");
		expect(processesWith(mark)).toEqual([]);
	});

	test("a job whose agent is gone: cancelled by its own deadline", async () => {
		const coordinator = await TestCoordinator.start();
		const agent = await coordinator.agent("one");
		const { runId, jobId } = await submitted(coordinator, "echo begins; sleep 60");
		await reached(coordinator, jobId, "begins");
		await agent.kill();
		await coordinator.post(`/api/v1/jobs/${jobId}/cancel`, {});
		const run = await waitFor(coordinator, runId);
		expect(run.state).toBe("cancelled");
	});

	test("a job that waits is cancelled at once", async () => {
		const coordinator = await TestCoordinator.start();
		const { runId } = await submitted(coordinator, "echo never");
		const run = await coordinator.post<Run>(`/api/v1/runs/${runId}/cancel`, {});
		expect([run.state, run.jobs[0]?.state]).toEqual(["cancelled", "cancelled"]);
		const again = await coordinator.request(`/api/v1/runs/${runId}/cancel`, { method: "POST" });
		expect([again.status, ((await again.json()) as Run).state]).toEqual([200, "cancelled"]);
	});
});

describe("timeouts", () => {
	test("of a job and of a step: timed out, the rest skipped, no process left", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one", { slots: "2" });
		const { id } = await coordinator.post<Run>("/api/v1/runs", {
			pipeline: {
				jobs: {
					whole: { timeout: "1s", steps: ["sleep 30", "echo never"] },
					step: { steps: [{ name: "slow", run: "sleep 30", timeout: "1s" }, "echo never"] },
				},
			},
		});
		const run = await waitFor(coordinator, id);
		expect(run.state).toBe("timed_out");
		expect(run.jobs.map((job) => [job.key, job.state, job.reason?.code, job.steps.map((step) => step.state)])).toEqual([
			["whole", "timed_out", "timed_out", ["timed_out", "skipped"]],
			["step", "timed_out", "step_timed_out", ["timed_out", "skipped"]],
		]);
		for (const job of run.jobs) expect(processesWith(`WINDLASS_ATTEMPT=${job.attempts[0]?.id}`)).toEqual([]);
	});
});
