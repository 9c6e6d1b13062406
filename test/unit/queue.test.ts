import { describe, expect, test } from "vitest";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { NO_CAPABILITIES } from "../../schema/wire/requirements.ts";
import { JOB_STATES } from "../../schema/wire/states.ts";
import { closeSession, openSession, registerAgent } from "../../worker/queue/core/agents/agents.ts";
import { changeAgent, removeAgent } from "../../worker/queue/core/agents/lifecycle.ts";
import { createRegistrationToken } from "../../worker/queue/core/agents/registration_tokens.ts";
import { type Core, command } from "../../worker/queue/core/core.ts";
import type { Discovered } from "../../worker/queue/core/discovery/discovery_jobs.ts";
import {
	addSchedule,
	adoptSchedules,
	deleteSchedules,
	expectedSchedules,
	type FileSchedule,
	findSchedule,
	listSchedules,
	pauseSchedule,
	recordScheduled,
	recordScheduleError,
	removeSchedule,
} from "../../worker/queue/core/discovery/schedules.ts";
import {
	deadEffects,
	type PendingEffect,
	queuesDue,
	recordOutcomes,
	retryStatuses,
	takeEffects,
	undeliveredOf,
} from "../../worker/queue/core/effects/effects.ts";
import { testNotifications } from "../../worker/queue/core/effects/notifications.ts";
import { keepHouse, scheduleHousekeeping } from "../../worker/queue/core/housekeeping.ts";
import {
	failAttempt,
	finishAttempt,
	pinCommit,
	releaseOffer,
	snoozeAttempt,
	startAttempt,
} from "../../worker/queue/core/leases/attempts.ts";
import { assignWaiting } from "../../worker/queue/core/leases/offers.ts";
import { recordPoll, renewLeases } from "../../worker/queue/core/leases/polls.ts";
import { recordWarmed, warmProjectsOf } from "../../worker/queue/core/leases/warm_agents.ts";
import { readChanges } from "../../worker/queue/core/reads.ts";
import { acknowledgeBatch, buryEntry, nextBatch, type OutboxBatch, outboxDepth } from "../../worker/queue/core/record/outbox.ts";
import { findAgent } from "../../worker/queue/core/rows.ts";
import { type Approver, approveJob, approveRun, declineJob, declineRun } from "../../worker/queue/core/runs/approvals.ts";
import { cancelJobById, cancelRun } from "../../worker/queue/core/runs/cancel.ts";
import { explainJob } from "../../worker/queue/core/runs/explain.ts";
import { CANCEL_BY, runStateOf } from "../../worker/queue/core/runs/progress.ts";
import { SUBMITTED } from "../../worker/queue/core/runs/submit.ts";
import { JOB_TRANSITIONS, type JobCommand } from "../../worker/queue/core/runs/transitions.ts";
import { prepareStop, recordOpening, sweep } from "../../worker/queue/core/sweep.ts";
import { result } from "../support/protocol_agent.ts";
import { CLAIMED, Queue, refusalOf, SETTINGS } from "../support/queue.ts";

const FOREIGN = { class: "external", project: "web" } as const;
const FAILED = { state: "failed", exit_code: 1, reason: { code: "step_failed", text: "no" } } as const;

describe("the table of states", () => {
	const COMMANDS: JobCommand[] = ["queue", "offer", "requeue", "start", "cancel", "finish", "lose", "skip", "abandon"];

	test("has every cell", () => {
		for (const state of JOB_STATES) expect(Object.keys(JOB_TRANSITIONS[state]).sort()).toEqual([...COMMANDS].sort());
	});

	test("leads nowhere from a terminal state", () => {
		for (const state of ["succeeded", "failed", "errored", "timed_out", "cancelled", "skipped"] as const) {
			for (const command of COMMANDS) expect(JOB_TRANSITIONS[state][command]).not.toHaveProperty("to");
		}
	});

	test("of ended runs: the aggregate state, or cancelled where the run was cancelled as a whole", () => {
		const stateWhen = (cancelRequested: number, ...states: (typeof JOB_STATES)[number][]) =>
			runStateOf(
				states.map((outcome) => ({ outcome, reason_code: null })),
				cancelRequested,
			);
		const state = (...states: (typeof JOB_STATES)[number][]) => stateWhen(CANCEL_BY.nobody, ...states);
		expect(state("succeeded", "errored", "timed_out", "failed", "cancelled")).toBe("failed");
		expect(stateWhen(CANCEL_BY.person, "succeeded", "failed", "cancelled")).toBe("cancelled");
		expect(stateWhen(CANCEL_BY.person, "succeeded", "failed")).toBe("failed");
		expect(stateWhen(CANCEL_BY.timeout, "failed", "cancelled")).toBe("timed_out");
		expect(state("succeeded", "errored", "timed_out", "failed")).toBe("failed");
		expect(state("succeeded", "errored", "timed_out")).toBe("timed_out");
		expect(state("succeeded", "errored")).toBe("errored");
		expect(state("succeeded", "skipped")).toBe("succeeded");
		expect(state("skipped")).toBe("skipped");
		expect(state("succeeded", "queued")).toBe("running");
		expect(state("blocked", "queued", "leased")).toBe("queued");
	});
});

describe("offers", () => {
	test("that an agent names in its next poll wait for the claim, which gives the first attempt its number", () => {
		const queue = new Queue();
		const runId = queue.submit(CLAIMED);
		const agent = queue.agent("one");
		const [first] = queue.poll(agent);
		expect(queue.poll(agent, 0, [first?.attempt_id ?? ""])).toEqual([]);
		expect(queue.job(runId)).toMatchObject({ state: "leased", attempt: 0 });
		queue.start(first as never);
		expect(queue.job(runId)).toMatchObject({ state: "running", attempt: 1 });
		expect(queue.run(runId).state).toBe("running");
	});

	test("that an agent does not name in its next poll did not reach it: they cost nothing once, and count as declined from then on", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const [first] = queue.poll(agent);
		const [second] = queue.poll(agent);
		expect(second?.job_id).toBe(first?.job_id);
		expect(second?.attempt_id).not.toBe(first?.attempt_id);
		expect(queue.poll(agent)).toEqual([]);
		queue.pass(15_000);
		expect(queue.start(queue.poll(agent)[0] as never).jobId).toBe(first?.job_id);
		expect(queue.job(runId)).toMatchObject({ state: "running", attempt: 1 });
		expect(refusalOf(() => queue.start(first as never))).toBe("attempt_superseded");
	});

	test("expire when nobody claims, leave no attempt, and pass that agent over for a time that doubles", () => {
		const queue = new Queue();
		const runId = queue.submit(CLAIMED);
		const agent = queue.agent("one");
		for (const pause of [15_000, 30_000]) {
			expect(queue.poll(agent)).toHaveLength(1);
			queue.pass(SETTINGS.claimWindowMs);
			expect(queue.job(runId)).toMatchObject({ state: "queued", attempt: 0 });
			queue.pass(pause - 2_000);
			expect(queue.poll(agent)).toEqual([]);
			queue.pass(2_000);
		}
		expect(queue.attempts(queue.job(runId).id)).toEqual([]);
	});

	test("an agent that let an offer expire gets none until it polls again", () => {
		const queue = new Queue();
		queue.submit(CLAIMED);
		const [sick, well] = [queue.agent("sick"), queue.agent("well")];
		queue.poll(sick);
		queue.pass(SETTINGS.claimWindowMs);
		expect(
			explainJob(queue.core, queue.jobs(queue.submit("steps: [b]"))[0]?.id ?? "")?.agents.find(({ id }) => id === sick)?.reason,
		).toMatch(/busy/);
		expect(queue.poll(well)).toHaveLength(1);
	});

	test("after ten declined offers the job ends as errored, with the reason that it never started", () => {
		const queue = new Queue();
		const runId = queue.submit("jobs: { a: { steps: [x] }, b: { needs: a, steps: [x] } }");
		const agents = Array.from({ length: 10 }, (_, index) => queue.agent(`agent-${index}`));
		for (const agent of agents) {
			const [offer] = queue.poll(agent);
			if (offer) releaseOffer(queue.core, { attemptId: offer.attempt_id, leaseId: offer.lease_id, jobId: offer.job_id, agentId: agent });
		}
		expect(queue.job(runId, "a")).toMatchObject({ state: "errored", reason_code: "never_started" });
		expect(queue.job(runId, "b")).toMatchObject({ state: "skipped", reason_code: "need_failed" });
		expect(queue.run(runId).state).toBe("errored");
	});

	test("never more than the agent's slots, whatever it says", () => {
		const queue = new Queue();
		for (let index = 0; index < 5; index += 1) queue.submit("steps: [a]");
		expect(queue.poll(queue.agent("one", { slots: 2 }), 4)).toHaveLength(2);
	});

	test("highest priority first, then the project with the fewest running, then the oldest", () => {
		const queue = new Queue();
		const order = [
			["low", queue.submit("priority: -1\nsteps: [a]")],
			["a1", queue.submit("steps: [a]", "a")],
			["a2", queue.submit("steps: [a]", "a")],
			["b1", queue.submit("steps: [a]", "b")],
			["high", queue.submit("priority: 5\nsteps: [a]", "c")],
		] as const;
		const names = new Map(order.map(([name, runId]) => [queue.job(runId).id, name]));
		const taken = order.map((_, index) => names.get(queue.take(queue.agent(`agent-${index}`)).jobId));
		expect(taken).toEqual(["high", "a1", "b1", "a2", "low"]);
	});

	describe("of a project whose repository or caches an agent has", () => {
		const CACHED = "steps: [a]\ncache: { key: k, paths: p }";
		const stage = (text = CACHED, project = "web") => {
			const queue = new Queue();
			queue.submit(text, project);
			const warm = queue.agent("warm");
			queue.finish(queue.take(warm));
			return { queue, warm, cold: queue.agent("cold") };
		};
		const reason = (queue: Queue, runId: string) => explainJob(queue.core, queue.job(runId).id);

		test("go to it first, and say so", () => {
			const { queue, warm, cold } = stage();
			expect(queue.poll(cold)).toEqual([]);
			expect(queue.poll(warm)).toEqual([]);
			const runId = queue.submit(CACHED, "web");
			assignWaiting(queue.core, [cold, warm]);
			expect(queue.job(runId)).toMatchObject({
				state: "leased",
				reason_text: "Offered to agent warm, which ran a job of this project before.",
			});
		});

		test("also after the wait, of two that are free", () => {
			const { queue, warm, cold } = stage();
			queue.poll(cold);
			queue.poll(warm);
			const runId = queue.submit(CACHED, "web");
			queue.now += 5_000;
			assignWaiting(queue.core, [cold, warm]);
			expect(queue.job(runId).reason_text).toContain("agent warm,");
		});

		test("wait for it for a second while it is busy, and then go to any", () => {
			const { queue, warm, cold } = stage();
			queue.submit(CACHED, "web");
			queue.take(warm);
			const runId = queue.submit(CACHED, "web");
			queue.now += 400;
			expect(queue.poll(cold)).toEqual([]);
			expect(reason(queue, runId)).toMatchObject({
				summary: "Waits for one of cold, warm. For a second only warm, which ran a job of this project before.",
				agents: [
					{ name: "cold", reason: "is free" },
					{ name: "warm", reason: "is busy: all of its 1 slots are taken; ran a job of this project before, so it goes first" },
				],
			});
			queue.now += 600;
			sweep(queue.core);
			assignWaiting(queue.core, [cold]);
			expect(queue.job(runId).reason_text).toBe("Offered to agent cold.");
		});

		test("are kept from nobody for an agent that is disabled, offline, declined them, or does not fit", () => {
			const gone: ((queue: Queue, warm: string) => void)[] = [
				(queue, warm) => changeAgent(queue.core, warm, { kind: "disable", cancel: false }, "test"),
				(queue, warm) => changeAgent(queue.core, warm, { kind: "restrict", projects: ["other"] }, "test"),
				(queue, warm) => void removeAgent(queue.core, warm, "test"),
				(queue) => queue.pass(SETTINGS.agentSilentMs),
			];
			for (const leave of gone) {
				const { queue, warm, cold } = stage();
				leave(queue, warm);
				queue.submit(CACHED, "web");
				expect(queue.poll(cold)).toHaveLength(1);
			}
		});

		test("do not wait with a clock that was stepped back", () => {
			const { queue, warm, cold } = stage();
			queue.submit(CACHED, "web");
			queue.take(warm);
			queue.submit(CACHED, "web");
			queue.now -= 60_000;
			expect(queue.poll(cold)).toHaveLength(1);
		});

		test("are not passed by a lower priority meanwhile", () => {
			const { queue, warm, cold } = stage();
			queue.submit(CACHED, "web");
			queue.take(warm);
			queue.submit(`priority: 1\n${CACHED}`, "web");
			queue.submit("steps: [a]", "other");
			expect(queue.poll(cold)).toEqual([]);
			queue.submit("priority: 1\nsteps: [a]", "other");
			expect(queue.poll(cold)).toHaveLength(1);
		});

		test("are those with a repository or a cache, of projects only", () => {
			for (const [text, project] of [
				["steps: [a]", "web"],
				[CACHED, "adhoc"],
			] as const) {
				const { queue, warm, cold } = stage(text, project);
				queue.submit(text, project);
				queue.take(warm);
				queue.submit(text, project);
				expect(queue.poll(cold)).toHaveLength(1);
			}
			const { queue, warm, cold } = stage("source: { git: 'https://git.test/web' }\nsteps: [a]");
			queue.submit(CACHED, "web");
			queue.take(warm);
			queue.submit(CACHED, "web");
			expect(queue.poll(cold)).toEqual([]);
		});

		test("and an agent that fetched the caches of a project before its first job", () => {
			const queue = new Queue();
			const [cold, warm] = [queue.agent("cold"), queue.agent("warm")];
			recordWarmed(queue.core, warm, ["web", "web"]);
			recordWarmed(queue.core, "agt_gone", ["web"]);
			queue.submit(CACHED, "web");
			expect(queue.poll(cold)).toEqual([]);
			expect(queue.poll(warm)).toHaveLength(1);
		});

		test("whose repositories only such an agent keeps warm, if it may take their trusted runs", () => {
			const { queue, warm, cold } = stage();
			const projectsOf = (agentId: string) => warmProjectsOf(queue.core, { agentId, secretHash: queue.nameOf(agentId) });
			expect([projectsOf(warm), projectsOf(cold)]).toEqual([["web"], []]);
			expect(refusalOf(() => warmProjectsOf(queue.core, { agentId: warm, secretHash: "other" }))).toBe("authentication_required");
			for (const [restriction, projects] of [
				[{ projects: ["other"] }, []],
				[{ projects: ["web"], runs: "untrusted" }, []],
				[{ projects: [], runs: "trusted" }, ["web"]],
			] as const) {
				changeAgent(queue.core, warm, { kind: "restrict", ...restriction, projects: [...restriction.projects] }, "test");
				expect(projectsOf(warm)).toEqual(projects);
			}
			changeAgent(queue.core, warm, { kind: "disable", cancel: false }, "test");
			expect(projectsOf(warm)).toEqual([]);
		});

		test("until it has run none for thirty days", () => {
			const { queue, warm, cold } = stage();
			scheduleHousekeeping(queue.core);
			for (let day = 0; day < 30; day += 1) {
				queue.now += 24 * 60 * 60_000;
				queue.poll(warm);
			}
			queue.submit(CACHED, "web");
			expect(queue.poll(cold)).toHaveLength(1);
		});
	});

	test("only to agents that have every label", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]\nruns_on: [linux, gpu]");
		const plain = queue.agent("plain", { labels: ["linux"] });
		expect(queue.poll(plain)).toEqual([]);
		expect(explainJob(queue.core, queue.job(runId).id)).toMatchObject({
			agents: [{ name: "plain", fits: false, reason: "has no label gpu" }],
		});
		expect(queue.poll(queue.agent("gpu", { labels: ["gpu", "linux"] }))).toHaveLength(1);
	});
});

describe("assigned jobs", () => {
	const COMMIT = { sha: "1".repeat(40), branch: "main", tag: null, message: "a change", author: "somebody", tag_object: null };
	/** Another process of the agent. */
	const HELLO = {
		protocol: 2,
		session: 2,
		instance: "another",
		running: [],
		facts: { version: "1", slots: 1, labels: [], facts: {}, capabilities: NO_CAPABILITIES },
	};

	/** A queue with one job that was assigned to an agent, and not heard of since. */
	function assigned(text = "steps: [a]") {
		const queue = new Queue();
		const runId = queue.submit(text);
		const agent = queue.agent("one");
		const [offer] = queue.poll(agent);
		const id = offer?.attempt_id ?? "";
		return {
			queue,
			runId,
			agent,
			id,
			lease: { attemptId: id, leaseId: offer?.lease_id ?? "", jobId: offer?.job_id ?? "", agentId: agent },
		};
	}

	const WORDS: Record<string, (given: ReturnType<typeof assigned>) => unknown> = {
		"a poll that names it": ({ queue, agent, id }) => queue.poll(agent, 0, [id]),
		"a renewal that names it": ({ queue, agent, id }) => queue.renew(agent, [id]),
		"a request under its lease": ({ queue, lease }) => pinCommit(queue.core, lease, COMMIT),
	};
	test.each(Object.entries(WORDS))("begin with %s", (_, say) => {
		const given = assigned();
		expect(given.queue.job(given.runId)).toMatchObject({ state: "leased", attempt: 0 });
		say(given);
		expect(given.queue.job(given.runId)).toMatchObject({ state: "running", attempt: 1 });
		expect(given.queue.finish(given.lease)).toBe("succeeded");
	});

	test("begin and end with their result, if that is the first that the queue hears", () => {
		const { queue, runId, lease } = assigned();
		expect(queue.finish(lease)).toBe("succeeded");
		expect(queue.job(runId)).toMatchObject({ state: "succeeded", attempt: 1 });
		expect(queue.attempts(lease.jobId)).toMatchObject([{ number: 1, state: "succeeded" }]);
	});

	test("may have run when nothing is heard for the time of a lease: they count as lost, and the agent gets none until it polls", () => {
		const { queue, runId, lease } = assigned();
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		expect(queue.job(runId).state).toBe("leased");
		queue.pass(1_000);
		expect(queue.attempts(lease.jobId)).toMatchObject([{ number: 1, state: "expired", reason_code: "agent_lost" }]);
		expect(queue.job(runId)).toMatchObject({ state: "queued", attempt: 1 });
		expect(refusalOf(() => queue.finish(lease))).toBe("attempt_superseded");
	});

	test("of an agent that comes back as another process count as lost, or a job that kills its agent would come back for ever", () => {
		const { queue, runId, agent, lease } = assigned();
		openSession(queue.core, agent, "one", HELLO);
		expect(queue.attempts(lease.jobId)).toMatchObject([{ state: "expired", reason_code: "agent_restarted" }]);
		expect(queue.job(runId)).toMatchObject({ state: "queued", attempt: 1 });
	});

	test("of an agent that says goodbye never reached it, and count for nothing", () => {
		const { queue, runId, agent, lease } = assigned();
		closeSession(queue.core, agent, "one", 1);
		expect(queue.job(runId)).toMatchObject({ state: "queued", attempt: 0 });
		expect(queue.attempts(lease.jobId)).toEqual([]);
	});

	test("are cancelled by way of their agent, which may have begun", () => {
		const { queue, runId, agent, id, lease } = assigned();
		cancelRun(queue.core, runId, "test");
		expect(queue.job(runId)).toMatchObject({ state: "cancelling", attempt: 1 });
		expect(queue.renew(agent, [id]).cancel).toEqual([id]);
		expect(queue.finish(lease, FAILED)).toBe("cancelled");
		expect(queue.run(runId).state).toBe("cancelled");
	});

	test("that did not reach their agent end with the cancel at its next poll", () => {
		const { queue, runId, agent } = assigned();
		cancelRun(queue.core, runId, "test");
		recordPoll(queue.core, agent, "one", { protocol: 2, session: 1, seq: 99, slots_free: 1, running: [], draining: false });
		expect(queue.job(runId).state).toBe("cancelled");
	});

	test("are never those with secrets, and never those of a project's repository", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 9 });
		const repository = "source: { git: 'https://git.test/a.git' }\nsteps: [a]";
		queue.submit(CLAIMED);
		queue.submit(repository, "web");
		queue.submit(repository);
		expect(queue.poll(agent, 9).map(({ is_assigned }) => is_assigned)).toEqual([0, 0, 1]);
	});
});

describe("leases", () => {
	test("hold while they are renewed and expire when they are not; the job goes back to the head of its queue partition", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		for (let minute = 0; minute < 10; minute += 1) {
			queue.pass(30_000);
			expect(queue.renew(agent, [lease.attemptId])).toEqual({
				renewed: [{ attempt_id: lease.attemptId, ttl_ms: SETTINGS.leaseTtlMs }],
				cancel: [],
				lost: [],
			});
		}
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		expect(queue.job(runId).state).toBe("running");
		queue.pass(1_000);
		expect(queue.job(runId)).toMatchObject({ state: "queued", attempt: 1 });
		expect(queue.renew(agent, [lease.attemptId])).toEqual({ renewed: [], cancel: [], lost: [lease.attemptId] });
		expect(refusalOf(() => queue.finish(lease))).toBe("attempt_superseded");
		const second = queue.take(queue.agent("two"));
		queue.finish(second);
		expect(queue.attempts(lease.jobId).map(({ number, state }) => [number, state])).toEqual([
			[1, "expired"],
			[2, "succeeded"],
		]);
	});

	test("a third loss is the last: errored, agent_lost", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		for (const name of ["one", "two", "three"]) {
			queue.take(queue.agent(name));
			queue.pass(SETTINGS.leaseTtlMs + 5_000);
		}
		expect(queue.job(runId)).toMatchObject({ state: "errored", reason_code: "agent_lost", attempt: 3 });
		expect(queue.run(runId).state).toBe("errored");
	});

	test("a coordinator that was not there expires nothing: every lease gets one full term", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		queue.take(queue.agent("one"));
		queue.absence(10 * SETTINGS.leaseTtlMs);
		expect(queue.job(runId).state).toBe("running");
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		expect(queue.job(runId).state).toBe("running");
		queue.pass(1_000);
		expect(queue.job(runId).state).toBe("queued");
	});

	test("a new start of the host grants the same grace, once", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		queue.take(queue.agent("one"));
		recordOpening(queue.core, "boot-1");
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		recordOpening(queue.core, "boot-1");
		queue.pass(1_000);
		expect(queue.job(runId).state).toBe("queued");
		queue.take(queue.agent("two"));
		queue.pass(SETTINGS.leaseTtlMs - 2_000);
		recordOpening(queue.core, "boot-2");
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		expect(queue.job(runId).state).toBe("running");
	});

	test("a planned stop keeps them for ten minutes; a clock that was stepped back does not keep them for hours", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		queue.take(queue.agent("one"));
		prepareStop(queue.core);
		queue.pass(9 * 60_000);
		expect(queue.job(runId).state).toBe("running");
		queue.pass(60_000);
		expect(queue.job(runId).state).toBe("queued");
		queue.take(queue.agent("two"));
		queue.now -= 5 * 60 * 60_000;
		queue.pass(1_000);
		queue.pass(10 * 60_000 + SETTINGS.leaseTtlMs);
		expect(queue.job(runId).state).not.toBe("running");
	});

	test("an absence in which nothing else fell due is noticed, too", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		queue.pass(1_000);
		queue.renew(agent, [lease.attemptId]);
		queue.absence(SETTINGS.leaseTtlMs - 2_000);
		queue.pass(SETTINGS.leaseTtlMs - 1_000);
		expect(queue.job(runId).state).toBe("running");
		queue.pass(1_000);
		expect(queue.job(runId).state).toBe("queued");
	});

	test("after an absence an agent can still report its result, claim its offer and honor its cancel", () => {
		const queue = new Queue();
		const overdue = queue.submit("timeout: 10s\nsteps: [a]");
		const lease = queue.take(queue.agent("one"));
		const cancelled = queue.submit("steps: [b]");
		const stubborn = queue.take(queue.agent("two"));
		cancelRun(queue.core, cancelled, "somebody");
		queue.submit("steps: [c]");
		const [offer] = queue.poll(queue.agent("three"));
		queue.absence(60 * 60_000);
		expect([queue.job(overdue).state, queue.job(cancelled).state]).toEqual(["running", "cancelling"]);
		expect(queue.finish(lease)).toBe("succeeded");
		expect(queue.finish(stubborn, FAILED, "other")).toBe("cancelled");
		expect(offer && queue.start(offer).attemptId).toBe(offer?.attempt_id);
	});

	test("a clock that is stepped back holds up no offer, no pause and no lease", () => {
		const queue = new Queue();
		const paused = queue.submit("retry: { attempts: 2 }\nsteps: [a]");
		queue.finish(queue.take(queue.agent("one")), FAILED);
		const offered = queue.submit(CLAIMED);
		queue.poll(queue.agent("two"));
		queue.pass(500);
		queue.now -= 24 * 60 * 60_000;
		queue.pass(2_000);
		expect(queue.job(paused).state).toBe("queued");
		expect(queue.job(offered).state).toBe("leased");
		queue.pass(SETTINGS.claimWindowMs);
		expect(queue.job(offered).state).toBe("queued");
	});

	test("a renewal that was overtaken extends nothing", () => {
		const queue = new Queue();
		queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		queue.renew(agent, [lease.attemptId]);
		queue.sql.all("UPDATE agents SET renew_seq = 1000");
		expect(queue.renew(agent, [lease.attemptId]).renewed).toEqual([]);
	});
});

describe("the end of a job", () => {
	test("replays are answered as before, another result is rejected, a terminal state stays", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const lease = queue.take(queue.agent("one"));
		expect(queue.finish(lease, {}, "d1")).toBe("succeeded");
		expect(queue.finish(lease, {}, "d1")).toBe("succeeded");
		expect(refusalOf(() => queue.finish(lease, FAILED, "d2"))).toBe("conflict");
		expect(refusalOf(() => startAttempt(queue.core, lease))).toBe("attempt_finished");
		expect(refusalOf(() => cancelJobById(queue.core, lease.jobId, "test"))).toBe("conflict");
		expect([queue.job(runId).state, queue.run(runId).state]).toEqual(["succeeded", "succeeded"]);
	});

	test("needs: a job starts when all have succeeded; a failure skips what needs it, in turn", () => {
		const queue = new Queue();
		const runId = queue.submit(
			"jobs:\n  a: { steps: [x] }\n  b: { steps: [x] }\n  c: { needs: [a, b], steps: [x] }\n  d: { needs: c, steps: [x] }\n  e: { needs: a, steps: [x] }",
		);
		const agent = queue.agent("one");
		queue.finish(queue.take(agent));
		expect(queue.jobs(runId).map(({ state }) => state)).toEqual(["succeeded", "queued", "blocked", "blocked", "queued"]);
		queue.finish(queue.take(agent), FAILED);
		expect(queue.jobs(runId).map(({ state }) => state)).toEqual(["succeeded", "failed", "skipped", "skipped", "queued"]);
		expect(queue.run(runId).state).toBe("running");
		queue.finish(queue.take(agent));
		expect(queue.run(runId)).toMatchObject({ state: "failed", reason_code: "step_failed", reason_text: "b: no" });
	});

	test("retry: a pause that doubles, no cascade in it, numbers that grow", () => {
		const queue = new Queue();
		const runId = queue.submit("jobs: { a: { retry: { attempts: 3 }, steps: [x] }, b: { needs: a, steps: [x] } }");
		const agent = queue.agent("one");
		for (const pause of [1_000, 2_000]) {
			queue.finish(queue.take(agent), FAILED, `digest-${pause}`);
			expect(queue.job(runId, "a")).toMatchObject({ state: "blocked", reason_code: "backoff" });
			expect(queue.job(runId, "b").state).toBe("blocked");
			expect(explainJob(queue.core, queue.job(runId, "a").id)?.retry_at).toBe(new Date(queue.now + pause).toISOString());
			queue.pass(pause);
			expect(queue.job(runId, "a").state).toBe("queued");
		}
		queue.finish(queue.take(agent), FAILED);
		expect(queue.job(runId, "a")).toMatchObject({ state: "failed", attempt: 3 });
		expect(queue.job(runId, "b").state).toBe("skipped");
	});

	test("the job's own time ends it when its agent does not", () => {
		const queue = new Queue();
		const runId = queue.submit("timeout: 1m\nsteps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		for (let at = 0; at < 120_000; at += 10_000) {
			queue.pass(10_000);
			queue.renew(agent, [lease.attemptId]);
		}
		expect(queue.job(runId)).toMatchObject({ state: "timed_out", reason_code: "timed_out" });
	});
});

describe("cancel", () => {
	test("of what does not run ends it at once, whatever was offered", () => {
		const queue = new Queue();
		const runId = queue.submit("jobs: { a: { secrets: { TOKEN: token }, steps: [x] }, b: { needs: a, steps: [x] } }");
		const [offer] = queue.poll(queue.agent("one"));
		cancelRun(queue.core, runId, "test");
		expect(queue.jobs(runId).map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
		expect(queue.run(runId).state).toBe("cancelled");
		expect(refusalOf(() => queue.start(offer as never))).toBe("attempt_finished");
	});

	test("wins over every result that comes after it, and the result is kept on the attempt", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		cancelRun(queue.core, runId, "test");
		expect([queue.job(runId).state, queue.run(runId).state]).toEqual(["cancelling", "cancelling"]);
		expect(queue.renew(agent, [lease.attemptId]).cancel).toEqual([lease.attemptId]);
		// The agent is told so, also when it asks once more.
		expect([queue.finish(lease), queue.finish(lease)]).toEqual(["cancelled", "cancelled"]);
		expect([queue.job(runId).state, queue.attempts(lease.jobId)[0]?.state, queue.run(runId).state]).toEqual([
			"cancelled",
			"succeeded",
			"cancelled",
		]);
	});

	test("ends by its own deadline, which a second cancel does not move, though the lease is renewed all the while", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		cancelRun(queue.core, runId, "test");
		for (let at = 0; at < 4; at += 1) {
			queue.pass(9_000);
			queue.renew(agent, [lease.attemptId]);
			cancelRun(queue.core, runId, "test");
		}
		queue.pass(4_000);
		expect(queue.job(runId).state).toBe("cancelled");
	});

	test("during the pause before a retry", () => {
		const queue = new Queue();
		const runId = queue.submit("retry: { attempts: 2 }\nsteps: [a]");
		queue.finish(queue.take(queue.agent("one")), FAILED);
		cancelRun(queue.core, runId, "test");
		queue.pass(60_000);
		expect(queue.job(runId)).toMatchObject({ state: "cancelled", attempt: 1 });
	});
});

describe("what the coordinator itself cannot give", () => {
	const reason = { code: "secrets", text: "Cannot be read." };

	test("snoozes the job: it waits, is queued again, and the attempt does not count", () => {
		const queue = new Queue();
		const runId = queue.submit("retry: { attempts: 2, on: [failed] }\nsteps: [a]");
		const agent = queue.agent("one");
		for (let turn = 1; turn <= 4; turn += 1) {
			const lease = queue.take(agent);
			snoozeAttempt(queue.core, lease, reason);
			expect(queue.job(runId)).toMatchObject({ state: "blocked", reason_code: "secrets", attempt: turn });
			expect(refusalOf(() => snoozeAttempt(queue.core, lease, reason))).toBe("attempt_superseded");
			expect(queue.poll(agent)).toEqual([]);
			queue.pass(15_000 * 2 ** (turn - 1) - 1_000);
			expect(queue.job(runId).state).toBe("blocked");
			queue.pass(1_000);
		}
		queue.finish(queue.take(agent), FAILED);
		expect(queue.job(runId)).toMatchObject({ state: "blocked", reason_code: "backoff" });
		// The pause of a first attempt.
		queue.pass(1_000);
		queue.finish(queue.take(agent), FAILED, "another");
		expect(queue.job(runId)).toMatchObject({ state: "failed", attempt: 6 });
	});

	test("a job that is snoozed while it is cancelled is over", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const lease = queue.take(queue.agent("one"));
		cancelRun(queue.core, runId, "test");
		snoozeAttempt(queue.core, lease, reason);
		expect([queue.job(runId).state, queue.run(runId).state]).toEqual(["cancelled", "cancelled"]);
	});

	test("rejects the attempt: the job ends, and is tried again only where its retry rule says so", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const once = queue.submit("retry: { attempts: 3, on: [failed, lost] }\nsteps: [a]");
		failAttempt(queue.core, queue.take(agent), { code: "secret_unavailable", text: "None." });
		expect(queue.job(once)).toMatchObject({ state: "errored", reason_code: "secret_unavailable" });
		const again = queue.submit("retry: { attempts: 3, on: [errored] }\nsteps: [a]");
		failAttempt(queue.core, queue.take(agent), { code: "secret_unavailable", text: "None." });
		expect(queue.job(again).state).toBe("blocked");
	});
});

describe("sessions", () => {
	const facts = { version: "1", slots: 1, labels: [], facts: {}, capabilities: NO_CAPABILITIES };
	const hello = (queue: Queue, agent: string, session: number, instance: string, running: string[] = []) =>
		openSession(queue.core, agent, "one", { protocol: 2, session, instance, running, facts });

	test("a new one adopts what it lists and gives up what it does not", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		hello(queue, agent, 2, "b", [lease.attemptId, "att_other"]);
		expect(queue.job(runId).state).toBe("running");
		hello(queue, agent, 3, "c");
		expect(queue.attempts(lease.jobId)[0]).toMatchObject({ state: "expired", reason_code: "agent_restarted" });
		expect(queue.job(runId).state).toBe("queued");
	});

	test("what a poll does not list was given up, however far its lease was moved; a poll that was overtaken says nothing", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const poll = (seq: number, running: string[]) =>
			recordPoll(queue.core, agent, "one", { protocol: 2, session: 1, seq, slots_free: 0, running, draining: false });
		const lease = queue.take(agent);
		prepareStop(queue.core);
		poll(20, [lease.attemptId]);
		poll(19, []);
		expect(queue.job(runId).state).toBe("running");
		poll(21, []);
		expect(queue.attempts(lease.jobId)[0]).toMatchObject({ state: "expired", reason_code: "agent_lost" });
		expect(queue.job(runId).state).toBe("queued");
	});

	test("an agent that says goodbye runs nothing any more", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const agent = queue.agent("one");
		const lease = queue.take(agent);
		expect(refusalOf(() => closeSession(queue.core, agent, "one", 7))).toBe("session_superseded");
		expect(queue.job(runId).state).toBe("running");
		closeSession(queue.core, agent, "one", 1);
		expect(queue.attempts(lease.jobId)[0]).toMatchObject({ state: "expired", reason_code: "agent_stopped" });
		expect(queue.job(runId).state).toBe("queued");
	});

	test("what an agent had said before its goodbye, and comes late, brings it not back: it is offered nothing", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		hello(queue, agent, 2, "a");
		closeSession(queue.core, agent, "one", 2);
		closeSession(queue.core, agent, "one", 2);
		const runId = queue.submit("steps: [a]");
		const late = { session: 2, seq: 9, running: [] };
		const poll = { protocol: 2, slots_free: 1, draining: false };
		expect(refusalOf(() => recordPoll(queue.core, agent, "one", { ...late, ...poll }))).toBe("session_superseded");
		expect(refusalOf(() => renewLeases(queue.core, agent, "one", late))).toBe("session_superseded");
		expect(refusalOf(() => hello(queue, agent, 2, "a"))).toBe("session_superseded");
		expect([findAgent(queue.core, agent)?.status, queue.job(runId).state]).toEqual(["offline", "queued"]);
		hello(queue, agent, 3, "b");
		expect([findAgent(queue.core, agent)?.status, recordPoll(queue.core, agent, "one", { ...late, ...poll, session: 3 }).isNewest]).toEqual(
			["online", true],
		);
	});

	test("a lower number, and the same one from another process, are rejected; the same one from the same process is not", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		hello(queue, agent, 5, "a");
		hello(queue, agent, 5, "a");
		expect(refusalOf(() => hello(queue, agent, 5, "b"))).toBe("session_superseded");
		expect(refusalOf(() => hello(queue, agent, 4, "a"))).toBe("session_superseded");
	});

	test("a name is kept for an agent that was here in the last ten minutes, and is free after", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const again = () => {
			const hash = `t${queue.now}`;
			const token = { hash, uses: 1, expiresAt: queue.now + 60_000, labels: [], projects: [], runs: "any" as const };
			createRegistrationToken(queue.core, token, "test");
			return registerAgent(queue.core, { tokenHash: hash, registrationHash: "another", name: "one", secretHash: "x" });
		};
		expect(refusalOf(again)).toBe("conflict");
		queue.pass(10 * 60_000);
		expect(again()).toBe(agent);
	});

	test("an agent is deleted after thirty days, but not for an absence of the coordinator itself", () => {
		const queue = new Queue();
		scheduleHousekeeping(queue.core);
		const agent = queue.agent("one");
		queue.absence(40 * 24 * 60 * 60_000);
		expect(queue.nameOf(agent)).toBe("one");
		for (let hour = 0; hour < 24; hour += 1) queue.absence(60 * 60_000);
		expect(queue.nameOf(agent)).toBe("");
	});

	test("a registration that comes twice is one, also after the first hello; its key with another token is rejected", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const again = (secretHash: string) =>
			registerAgent(queue.core, { tokenHash: "used up", registrationHash: "key-one", name: "one", secretHash });
		expect(again("one")).toBe(agent);
		expect(refusalOf(() => again("another"))).toBe("conflict");
	});
});

describe("the record", () => {
	/** Does for the outbox what D1 and the shards do. */
	function settle(queue: Queue): string[] {
		const sent: string[] = [];
		const archived = { key: null, bytes: 0, sha256: null, isIncomplete: false };
		recordOutcomes(
			queue.core,
			takeEffects(queue.core, 100, 1_000).map((pending) => ({ pending, archived, error: null })),
		);
		for (let batch = nextBatch(queue.core, 10); batch; batch = nextBatch(queue.core, 10)) {
			sent.push(...batch.entries.map(({ id }) => id));
			acknowledgeBatch(queue.core, batch);
		}
		return sent;
	}

	test("gets every row that changed, whole runs at a time; what changes meanwhile stays dirty", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const batch = nextBatch(queue.core, 10);
		expect(batch?.entries.map(({ id }) => id).sort()).toEqual([queue.job(runId).id, runId].sort());
		const lease = queue.take(queue.agent("one"));
		acknowledgeBatch(queue.core, batch as never);
		expect(
			nextBatch(queue.core, 10)
				?.entries.map(({ id }) => id)
				.sort(),
		).toEqual([queue.job(runId).id, runId, lease.attemptId].sort());
		queue.finish(lease);
		expect(settle(queue)).toContain(lease.attemptId);
		expect(outboxDepth(queue.core)).toEqual({ waiting: 0, dead: 0 });
	});

	test("tries again what was set aside: at a new start of the host, and every hour", () => {
		const queue = new Queue();
		queue.submit("steps: [a]");
		scheduleHousekeeping(queue.core);
		const bury = () => {
			const batch = nextBatch(queue.core, 10) as OutboxBatch;
			for (const entry of batch.entries) buryEntry(queue.core, entry, "refused");
			acknowledgeBatch(queue.core, { ...batch, entries: [] });
		};
		bury();
		expect(outboxDepth(queue.core)).toEqual({ waiting: 0, dead: 2 });
		recordOpening(queue.core, "boot-1");
		expect(outboxDepth(queue.core)).toEqual({ waiting: 1, dead: 0 });
		bury();
		queue.pass(60 * 60_000);
		expect(outboxDepth(queue.core)).toEqual({ waiting: 1, dead: 0 });
	});

	test("tries again what it has given up: an effect that failed thirty times", () => {
		const queue = new Queue();
		queue.submit("steps: [a]");
		queue.finish(queue.take(queue.agent("one")), { log: { bytes: 5, sha256: null, incomplete: false } });
		for (let tries = 0; tries < 30; tries += 1) {
			const due = takeEffects(queue.core, 10, 1_000);
			recordOutcomes(
				queue.core,
				due.map((pending) => ({ pending, archived: null, error: "no shard" })),
			);
			queue.pass(60_000);
		}
		expect(deadEffects(queue.core)).toBe(1);
		recordOpening(queue.core, "boot-1");
		expect(deadEffects(queue.core)).toBe(0);
		expect(takeEffects(queue.core, 10, 1_000).map(({ effect }) => effect.kind)).toEqual(["archive_log", "compare_all"]);
	});

	test("lets a run leave the queue when all of it is done with, and nothing of it stays", () => {
		const queue = new Queue();
		const runId = queue.submit("jobs: { a: { steps: [x] }, b: { needs: a, steps: [x] } }");
		const agent = queue.agent("one");
		const since = queue.core.rev;
		queue.finish(queue.take(agent));
		settle(queue);
		expect(queue.run(runId)).toBeDefined();
		queue.finish(queue.take(agent));
		settle(queue);
		for (const table of ["runs", "jobs", "attempts", "needs", "definitions", "outbox", "effects", "offers"])
			expect([table, queue.sql.all(`SELECT * FROM ${table}`)]).toEqual([table, []]);
		expect(readChanges(queue.core, since).hasDeparted).toBe(true);
	});

	test("gives each change a higher revision, and the feed what is newer", () => {
		const queue = new Queue();
		const runId = queue.submit("steps: [a]");
		const before = readChanges(queue.core, 0);
		expect(before.runs.map(({ id }) => id)).toEqual([runId]);
		queue.take(queue.agent("one"));
		const after = readChanges(queue.core, before.rev);
		expect([after.runs[0]?.state, after.jobs[0]?.job.state, after.agents[0]?.agent.name]).toEqual(["running", "running", "one"]);
		expect(readChanges(queue.core, after.rev)).toMatchObject({ runs: [], jobs: [], agents: [] });
	});
});

describe("discovery jobs", () => {
	const planned = (runId: string, name: string): Discovered => ({
		files: [
			{
				file: `${name}.yml`,
				error: null,
				submit: {
					runId,
					pipeline: parseSubmission("steps: [x]").pipeline,
					definition: name,
					project: "web",
					trigger: { kind: "push", actor: "test", delivery: null },
					commit: null,
					origin: SUBMITTED,
					rerun: null,
					idempotency: null,
				},
			},
		],
		schedules: null,
	});

	test("make their runs once, however often their result comes; a discovery job that is being cancelled makes none", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 2 });
		queue.submit("steps: [look]");
		const lease = queue.take(agent);
		for (const _ of [1, 2]) finishAttempt(queue.core, lease, result({}), "digest", [], planned("run_made", "a"));
		expect(queue.run("run_made")).toMatchObject({ state: "queued", number: 1 });
		cancelRun(queue.core, "run_made", "test");
		const cancelled = queue.submit("steps: [look]");
		const other = queue.take(agent);
		cancelRun(queue.core, cancelled, "test");
		finishAttempt(queue.core, other, result({}), "digest", [], planned("run_unwanted", "b"));
		expect([queue.run(cancelled).state, queue.run("run_unwanted")]).toEqual(["cancelled", undefined]);
	});

	test("of a fork's pull request do not yield to a newer delivery that runs nothing, as ready_for_review of the same commit may", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 2 });
		const { pipeline } = parseSubmission("source: { git: 'https://git.test/web.git' }\nsteps: [x]");
		const others = { ...pipeline, pull_request: { number: 7, target: "main" } };
		const begin = (delivery: string) => {
			const trigger = { kind: "pull_request", actor: "stranger", delivery };
			const origin = { ...SUBMITTED, isTrusted: false };
			queue.submit("", "web", { pipeline: others, trigger, origin: { ...origin, approvedBy: "test" } });
			return { lease: queue.take(agent), more: { pipeline: others, trigger, origin } };
		};
		const [opened, ready] = [begin("dlv_1"), begin("dlv_2")];
		const nothing = { files: [{ file: "a.yml", because: "it does not ask" }], schedules: null, keepsEarlier: true };
		finishAttempt(queue.core, ready.lease, result({}), "ready", [], nothing);
		const { files, schedules } = planned("run_opened", "a");
		const made = files.map((file) => ("submit" in file ? { ...file, submit: { ...file.submit, ...opened.more } } : file));
		finishAttempt(queue.core, opened.lease, result({}), "opened", [], { files: made, schedules });
		expect(queue.run("run_opened")).toMatchObject({ state: "waiting" });
	});

	test.each([
		["dlv_1", "dlv_2"],
		["dlv_2", "dlv_1"],
	] as const)(
		"of a fork's pull request yield to those of a newer delivery when %s ends before %s; approved and ended runs stay green",
		(first, second) => {
			const commit = { sha: "a".repeat(40), message: null, author: null, branch: "somebody:feature", tag: null };
			const { pipeline } = parseSubmission("source: { git: 'https://git.test/web.git' }\nsteps: [x]");
			const others = { pull_request: { number: 7, target: "main" } };
			const queue = new Queue();
			const agent = queue.agent("one", { slots: 3 });
			const told: string[] = [];
			const tell = () => {
				const due = takeEffects(queue.core, 10, 1_000, { class: "external", project: "web" });
				told.push(...due.flatMap(({ effect }) => (effect.kind === "commit_status" ? [effect.state] : [])));
				recordOutcomes(
					queue.core,
					due.map((pending) => ({ pending, archived: null, error: null })),
				);
				if (due.length > 0) tell();
			};
			const deliver = (delivery: string, files: Discovered["files"] = planned(`run_of_${delivery}`, delivery).files) => {
				const origin = { ...SUBMITTED, isTrusted: false };
				const trigger = { kind: "pull_request", actor: "stranger", delivery };
				const plan = queue.submit("", "web", { pipeline: { ...pipeline, ...others }, trigger, origin: { ...origin, approvedBy: "test" } });
				const made = files.map((file) =>
					"because" in file
						? file
						: {
								...file,
								submit: {
									...file.submit,
									pipeline: { ...pipeline, ...others },
									commit,
									trigger,
									origin: { ...origin, discoveredBy: plan },
								},
							},
				);
				const lease = queue.take(agent);
				return () => {
					finishAttempt(queue.core, lease, result({}), `digest ${delivery}`, [], { files: made, schedules: null });
					return queue.job(plan).outputs;
				};
			};
			// The jobs are taken in the order of the deliveries; they end in this one.
			const ends = { dlv_1: deliver("dlv_1"), dlv_2: deliver("dlv_2") };
			ends[first]();
			const outputs = ends[second]();
			if (second === "dlv_1") expect(outputs).toBe('{"dlv_1.yml":"not run: superseded: pull request 7 has moved on"}');
			expect([queue.run("run_of_dlv_1")?.state, queue.run("run_of_dlv_2").state]).toEqual([
				second === "dlv_1" ? undefined : "cancelled",
				"waiting",
			]);
			approveRun(queue.core, "run_of_dlv_2", { name: "ada", role: "admin", isPerson: true });
			queue.finish(queue.take(agent));
			deliver("dlv_3", [])();
			tell();
			expect([queue.run("run_of_dlv_2").state, told.at(-1)]).toEqual(["succeeded", "succeeded"]);
			expect(queue.sql.all("SELECT delivery FROM newest_deliveries")).toEqual([{ delivery: "dlv_3" }]);
		},
	);
});

describe("commit statuses", () => {
	const commit = { sha: "a".repeat(40), message: null, author: null, branch: "feature", tag: null };
	const from = (text: string) => parseSubmission(`source: { git: 'https://git.test/web.git' }\n${text}`).pipeline;
	const by = (kind: string) => ({ trigger: { kind, actor: "test", delivery: null } });
	/** Sends what is due. @returns the states that the forge has heard of since, by context */
	const told = (queue: Queue) => {
		const states: Record<string, string[]> = {};
		for (let due = take(queue); due.length > 0; due = take(queue)) {
			for (const { effect } of due)
				if (effect.kind === "commit_status") states[effect.name] = [...(states[effect.name] ?? []), effect.state];
			recordOutcomes(
				queue.core,
				due.map((pending) => ({ pending, archived: null, error: null })),
			);
		}
		return states;
	};
	const take = (queue: Queue) => takeEffects(queue.core, 10, 1_000, FOREIGN);
	const deadStatuses = (queue: Queue) => undeliveredOf(queue.core, "web", 5).filter(({ isDead }) => isDead).length;

	test("of a pull request stand beside those of the push that runs the same, as those of tags, schedules and people do; commands have none", () => {
		const queue = new Queue();
		const pipeline = from("steps: [x]");
		for (const more of [{}, { is_beside_push: true }, { is_command: true }])
			queue.submit("", "web", { pipeline: { ...pipeline, ...more }, commit });
		for (const kind of ["push", "pull_request", "tag", "schedule", "manual"]) queue.submit("", "web", { pipeline, commit, ...by(kind) });
		expect(told(queue)).toEqual({
			pipeline: ["queued", "queued", "queued"],
			"pipeline (pull request)": ["queued"],
			"pipeline (tag)": ["queued"],
			"pipeline (schedule)": ["queued"],
			"pipeline (manual)": ["queued"],
		});
	});

	test("of a run in which nothing was to be run never take the place of a result, or of a run that goes on", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const submit = (text: string) => queue.submit("", "web", { pipeline: from(text), commit, ...by("push") });
		const skipped = "jobs: { a: { if: 'false', steps: [x] } }";
		submit(skipped);
		expect(told(queue)).toEqual({ pipeline: ["skipped"] });
		submit("steps: [x]");
		const lease = queue.take(agent);
		submit(skipped);
		expect(told(queue)).toEqual({ pipeline: ["queued", "running"] });
		queue.finish(lease, { state: "failed", exit_code: 1 });
		submit(skipped);
		expect(told(queue)).toEqual({ pipeline: ["failed"] });
		// One that was shown as queued before another took its place gives the result back.
		const group = "concurrency: { group: ci, cancel_in_progress: true }\nsteps: [x]";
		const first = submit(group);
		expect(told(queue)).toEqual({ pipeline: ["queued"] });
		queue.submit("", "web", { pipeline: from(group), commit: { ...commit, sha: "b".repeat(40) }, ...by("push") });
		expect([queue.run(first).state, told(queue)]).toEqual(["cancelled", { pipeline: ["queued", "failed"] }]);
		keepHouse(queue.core, 0);
		expect(queue.sql.all("SELECT * FROM shown_statuses")).toHaveLength(2);
		queue.now += 41 * 24 * 60 * 60_000;
		keepHouse(queue.core, 0);
		expect(queue.sql.all("SELECT * FROM shown_statuses")).toEqual([]);
	});

	test("wait for an hour where the forge asks for it, all of the project together; those of another project do not", () => {
		const queue = new Queue();
		const pipeline = from("steps: [x]");
		for (const name of ["a", "b"]) queue.submit("", "web", { pipeline: { ...pipeline, name }, commit });
		queue.submit("", "other", { pipeline, commit });
		const [first] = takeEffects(queue.core, 1, 1_000, { class: "external", project: "web" });
		const hour = 60 * 60_000;
		const failed = { pending: first as PendingEffect, archived: null, error: "answers 403", retryAfterMs: hour };
		recordOutcomes(queue.core, [failed]);
		expect(queuesDue(queue.core, "external")).toEqual([{ class: "external", project: "other" }]);
		queue.now += hour - 1;
		expect(take(queue)).toEqual([]);
		queue.now += 1;
		expect(take(queue)).toHaveLength(2);
		recordOutcomes(queue.core, [{ ...failed, retryAfterMs: 1_000 * hour }]);
		queue.now += 2 * hour;
		expect(take(queue)).toHaveLength(2);
	});

	test("that the forge rejected are listed, and are sent again at once when somebody asks", () => {
		const queue = new Queue();
		const pipeline = from("steps: [x]");
		const id = queue.submit("", "web", { pipeline, commit });
		for (let tries = 0; deadStatuses(queue) === 0 && tries < 100; tries += 1) {
			recordOutcomes(
				queue.core,
				take(queue).map((pending) => ({ pending, archived: null, error: "answers 401" })),
			);
			queue.now += 60 * 60_000;
		}
		expect(undeliveredOf(queue.core, "web", 5)).toMatchObject([
			{ effect: { runId: id, state: "queued" }, error: "answers 401", isDead: true },
		]);
		expect([take(queue), undeliveredOf(queue.core, "other", 5)]).toEqual([[], []]);
		cancelRun(queue.core, id, "test");
		retryStatuses(queue.core, "web");
		expect(told(queue)).toEqual({ pipeline: ["cancelled"] });
		expect(undeliveredOf(queue.core, "web", 5)).toEqual([]);
	});

	test("of a discovery job are sent where it has failed, and once one of the same event and commit has not", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const discovery = {
			work: { config: null, changes: null, projects: [] },
			file: null,
			params: {},
			is_of_default_branch: false,
			is_replay: false,
			requires_pipeline: false,
		};
		const look = (kind: "push" | "tag", state: "failed" | "succeeded") => {
			const pipeline = from("steps: [look]");
			const trigger = { ...by(kind).trigger, ...commit, kind, ref: "", before: null, pull_request: null };
			const jobs = pipeline.jobs.map((job) => ({ ...job, discovery: { ...discovery, trigger } }));
			queue.submit("", "web", { pipeline: { ...pipeline, jobs }, commit, ...by(kind) });
			queue.finish(queue.take(agent), state === "failed" ? { state, exit_code: 1 } : {});
			return told(queue);
		};
		expect(look("push", "succeeded")).toEqual({});
		expect(look("push", "failed")).toEqual({ discovery: ["failed"] });
		expect(look("tag", "succeeded")).toEqual({});
		expect(look("push", "succeeded")).toEqual({ discovery: ["succeeded"] });
		expect(look("push", "succeeded")).toEqual({});
	});
});

describe("what others have written", () => {
	const OTHERS = { ...SUBMITTED, isTrusted: false };
	const GATE_MS = 30 * 24 * 60 * 60_000;

	test("waits for an approval, for thirty days", () => {
		const queue = new Queue();
		const waiting = queue.submit("steps: [x]", "web", { origin: OTHERS });
		const passed = queue.submit("steps: [x]", "web", { origin: OTHERS });
		approveRun(queue.core, passed, { name: "ada", role: "admin", isPerson: true });
		expect([queue.job(waiting).reason_code, queue.job(passed).state]).toEqual(["run_approval", "queued"]);
		queue.absence(GATE_MS - 1);
		expect(queue.run(waiting).state).toBe("waiting");
		queue.absence(1);
		expect([queue.run(waiting).state, queue.job(waiting).reason_code]).toEqual(["cancelled", "approval_timed_out"]);
		expect(queue.run(passed).state).toBe("queued");
	});

	test("has groups of its own: it ends no run of the project, and lets none of them begin", () => {
		const queue = new Queue();
		const group = (more: string) => `concurrency: { group: deploy${more} }\nsteps: [x]`;
		const first = queue.submit(group(""), "web");
		queue.take(queue.agent("one"));
		const second = queue.submit(group(""), "web");
		for (const more of [", cancel_in_progress: true", ", limit: 5"]) queue.submit(group(more), "web", { origin: OTHERS });
		expect([queue.run(first).state, queue.run(second).state, queue.job(second).reason_code]).toEqual(["running", "queued", "concurrency"]);
	});

	test("has groups for each pull request: one pull request ends no run of another", () => {
		const queue = new Queue();
		const pull = (number: number) => {
			const { pipeline } = parseSubmission("concurrency: { group: ci, cancel_in_progress: true }\nsteps: [x]");
			return queue.submit("", "web", { pipeline: { ...pipeline, pull_request: { number, target: "main" } }, origin: OTHERS });
		};
		const ofAlice = pull(1);
		approveRun(queue.core, ofAlice, { name: "ada", role: "admin", isPerson: true });
		queue.take(queue.agent("one"));
		const ofBob = pull(2);
		expect([queue.run(ofAlice).state, queue.run(ofBob).state]).toEqual(["running", "waiting"]);
		expect([pull(1), queue.run(ofAlice).state, queue.run(ofBob).state]).toEqual([expect.anything(), "cancelling", "waiting"]);
	});
});

describe("schedules", () => {
	const MINUTE_MS = 60_000;
	const HOUR_MS = 60 * MINUTE_MS;
	const hourly = { cron: "0 * * * *", timezone: "UTC", branch: null, file: null, pipeline: null, params: {}, expect: null };
	const ofFile = (file: string, cron = "0 * * * *"): FileSchedule => ({
		file,
		cron,
		timezone: "UTC",
		branch: null,
		params: {},
		successWithinMs: null,
	});
	const adopt = (queue: Queue, delivery: string, ...wanted: FileSchedule[]) =>
		command(queue.core, () => adoptSchedules(queue.core, "web", delivery, wanted));
	const files = (queue: Queue) => listSchedules(queue.core, "web").map(({ file }) => file);
	/** Takes the effects of schedules that came due. @returns their schedules */
	const fired = (queue: Queue) => takeEffects(queue.core, 10, 1).flatMap(({ effect }) => (effect.kind === "fire_schedule" ? [effect] : []));

	test("a repeated call makes one schedule, and its time comes once an hour", () => {
		const queue = new Queue();
		for (const _ of [1, 2]) addSchedule(queue.core, "sch_1", "web", hourly);
		expect(listSchedules(queue.core, "web")).toMatchObject([{ id: "sch_1", next_at: HOUR_MS }]);
		queue.pass(HOUR_MS - queue.now - 1);
		expect(fired(queue)).toEqual([]);
		queue.pass(1);
		expect(fired(queue)).toEqual([{ kind: "fire_schedule", scheduleId: "sch_1", at: HOUR_MS }]);
		expect(findSchedule(queue.core, "sch_1")).toMatchObject({ fired_at: HOUR_MS, next_at: 2 * HOUR_MS });
	});

	test("the times that came while the coordinator was away come once", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", hourly);
		queue.absence(5 * HOUR_MS);
		expect(fired(queue)).toEqual([{ kind: "fire_schedule", scheduleId: "sch_1", at: HOUR_MS }]);
		expect(findSchedule(queue.core, "sch_1").next_at).toBe(6 * HOUR_MS);
	});

	test("a time that the coordinator could not handle yet stands for the next one, too", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", hourly);
		queue.pass(HOUR_MS - queue.now);
		const [pending] = takeEffects(queue.core, 1, 1);
		recordOutcomes(queue.core, [{ pending: pending as PendingEffect, archived: null, error: "the disk is full" }]);
		queue.pass(HOUR_MS);
		expect(fired(queue)).toEqual([{ kind: "fire_schedule", scheduleId: "sch_1", at: HOUR_MS }]);
	});

	test("a paused schedule has no next time, and times of the pause do not come later", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", hourly);
		for (const _ of [1, 2]) expect(pauseSchedule(queue.core, "sch_1", "ada")).toMatchObject({ paused_by: "ada", next_at: null });
		queue.pass(3 * HOUR_MS);
		pauseSchedule(queue.core, "sch_1", null);
		expect([fired(queue), findSchedule(queue.core, "sch_1").next_at]).toEqual([[], 4 * HOUR_MS]);
	});

	test("a clock that is set back does not move the times of schedules", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", hourly);
		queue.pass(90 * MINUTE_MS);
		queue.absence(-HOUR_MS);
		expect(findSchedule(queue.core, "sch_1").next_at).toBe(HOUR_MS);
	});

	test("schedules follow the newest delivery of the files, and those that say the same stay as they are", () => {
		const queue = new Queue();
		adopt(queue, "dlv_2", ofFile("a.yml"), ofFile("b.yml"), ofFile("b.yml"));
		const [kept] = listSchedules(queue.core, "web");
		pauseSchedule(queue.core, kept?.id ?? "", "ada");
		adopt(queue, "dlv_3", ofFile("a.yml"), ofFile("c.yml"));
		expect([files(queue), findSchedule(queue.core, kept?.id ?? "").paused_by]).toEqual([["a.yml", "c.yml"], "ada"]);
		adopt(queue, "dlv_1");
		expect(files(queue)).toEqual(["a.yml", "c.yml"]);
		adopt(queue, "dlv_3", ofFile("a.yml", "5 * * * *"));
		expect(listSchedules(queue.core, "web")).toMatchObject([{ file: "a.yml", cron: "5 * * * *", paused_by: null }]);
	});

	test("schedules that a person made are deleted by a person, those of files only with the file or the project", () => {
		const queue = new Queue();
		adopt(queue, "dlv_1", ofFile("a.yml"));
		const [ofTheFile] = listSchedules(queue.core, "web");
		addSchedule(queue.core, "sch_1", "web", hourly);
		expect(refusalOf(() => removeSchedule(queue.core, ofTheFile?.id ?? ""))).toBe("conflict");
		removeSchedule(queue.core, "sch_1");
		expect(refusalOf(() => removeSchedule(queue.core, "sch_1"))).toBe("not_found");
		expect(files(queue)).toEqual(["a.yml"]);
		deleteSchedules(queue.core, "web");
		queue.pass(2 * HOUR_MS);
		expect([listSchedules(queue.core, "web"), fired(queue)]).toEqual([[], []]);
		adopt(queue, "dlv_0", ofFile("a.yml"));
		expect(files(queue)).toEqual(["a.yml"]);
	});

	test("a schedule shows its newest run, or why it made none", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", hourly);
		recordScheduled(queue.core, "sch_1", "run_1");
		recordScheduleError(queue.core, "sch_1", "x".repeat(1_000));
		expect(findSchedule(queue.core, "sch_1")).toMatchObject({ run_id: "run_1", error: "x".repeat(500) });
		recordScheduled(queue.core, "sch_1", "run_2");
		expect(findSchedule(queue.core, "sch_1")).toMatchObject({ run_id: "run_2", error: null });
	});

	test("a success is overdue without any run, after a failure, and again after the last success; not while it is paused", () => {
		const queue = new Queue();
		addSchedule(queue.core, "sch_1", "web", { ...hourly, expect: { success_within: "2h" } });
		const isOverdue = () => expectedSchedules(queue.core)[0]?.isOverdue;
		const runOfSchedule = (state: "succeeded" | "failed", discoveredBy: string | null = null) => {
			const trigger = { kind: "schedule", actor: "a schedule", delivery: null } as const;
			const runId = queue.submit("steps: [a]", "web", { trigger, origin: { ...SUBMITTED, discoveredBy } });
			recordScheduled(queue.core, "sch_1", discoveredBy ?? runId);
			const agent = queue.agent(`agent-${runId}`);
			const [offer] = queue.poll(agent);
			if (!offer) throw new Error("no offer");
			const lease = queue.start(offer);
			queue.finish(lease, { state, exit_code: state === "failed" ? 1 : 0 });
		};
		expect(isOverdue()).toBe(false);
		queue.pass(2 * HOUR_MS + 1);
		expect(isOverdue()).toBe(true);
		runOfSchedule("failed");
		expect(isOverdue()).toBe(true);
		// The run that a discovery run has found.
		runOfSchedule("succeeded", "run_discovery");
		expect([isOverdue(), findSchedule(queue.core, "sch_1").succeeded_at]).toEqual([false, queue.now]);
		queue.pass(2 * HOUR_MS + 1);
		expect(isOverdue()).toBe(true);
		pauseSchedule(queue.core, "sch_1", "ada");
		expect(isOverdue()).toBe(false);
		queue.pass(3 * HOUR_MS);
		pauseSchedule(queue.core, "sch_1", null);
		expect(isOverdue()).toBe(false);
		// A run of somebody else is no success of the schedule.
		queue.pass(2 * HOUR_MS + 1);
		queue.submit("steps: [a]", "web");
		expect(isOverdue()).toBe(true);
	});

	test("a project has at most 200 schedules", () => {
		const queue = new Queue();
		for (let index = 0; index < 200; index += 1) addSchedule(queue.core, `sch_${index}`, "web", hourly);
		expect(refusalOf(() => addSchedule(queue.core, "sch_more", "web", hourly))).toBe("conflict");
		expect(() => adopt(queue, "dlv_1", ofFile("a.yml"))).toThrow("a project has too many schedules");
	});
});

describe("approvals", () => {
	const ADA = { name: "ada", role: "maintainer", isPerson: true } as const;
	const untrusted = (queue: Queue, text: string) => queue.submit(text, "web", { origin: { ...SUBMITTED, isTrusted: false } });

	test.each([
		["a job", "job_none", approveJob],
		["a run", "run_none", (core: Core, id: string, by: Approver) => approveRun(core, id, by)],
	] as const)("%s that does not exist cannot be approved", (_, id, approve) => {
		expect(refusalOf(() => approve(new Queue().core, id, ADA, null))).toBe("not_found");
	});

	test.each([
		["ends", (queue: Queue, id: string) => cancelRun(queue.core, id, "test"), "cancelled"],
		["is approved", (queue: Queue, id: string) => approveRun(queue.core, id, ADA), "queued"],
		["is declined", (queue: Queue, id: string) => declineRun(queue.core, id, ADA, "not this."), "cancelled"],
	] as const)("an untrusted run that %s cannot be declined any more", (_, decide, state) => {
		const queue = new Queue();
		const run = untrusted(queue, "steps: [x]");
		decide(queue, run);
		expect([queue.run(run).state, refusalOf(() => declineRun(queue.core, run, ADA, null))]).toEqual([state, "conflict"]);
	});

	test("a declined run says who declined it and why", () => {
		const queue = new Queue();
		const run = untrusted(queue, "steps: [x]");
		declineRun(queue.core, run, ADA, "not this.");
		expect(queue.job(run)).toMatchObject({ reason_code: "declined", reason_text: "Declined by ada: not this." });
	});

	test("a trusted run and a job without an approval take neither answer", () => {
		const queue = new Queue();
		const run = queue.submit("steps: [x]");
		const { id } = queue.job(run);
		for (const decide of [
			() => approveRun(queue.core, run, ADA),
			() => declineRun(queue.core, run, ADA, null),
			() => approveJob(queue.core, id, ADA, null),
			() => declineJob(queue.core, id, ADA, null),
		])
			expect(refusalOf(decide)).toBe("conflict");
	});

	test("a job of an untrusted run waits for the approval of the run first, then for its own", () => {
		const queue = new Queue();
		const run = untrusted(queue, "jobs: { a: { if: 'failure()', steps: [x] }, b: { approval: true, steps: [x] } }");
		const { id } = queue.job(run, "b");
		expect(refusalOf(() => approveJob(queue.core, id, ADA, null))).toBe("conflict");
		for (const _ of [1, 2]) approveRun(queue.core, run, ADA);
		expect(queue.jobs(run).map(({ state, reason_code }) => [state, reason_code])).toEqual([
			["skipped", "condition"],
			["blocked", "approval"],
		]);
		approveJob(queue.core, id, ADA, null);
		expect(queue.job(run, "b").state).toBe("queued");
		expect(refusalOf(() => declineJob(queue.core, id, ADA, null))).toBe("conflict");
	});

	test("as many as the job asks for, each person once, with their words", () => {
		const queue = new Queue();
		const run = queue.submit("jobs: { a: { approval: { count: 2, message: Ship it? }, steps: [x] } }");
		const { id } = queue.job(run, "a");
		expect(queue.job(run, "a").reason_text).toBe("Waits for 2 approvals: Ship it?");
		for (const comment of ["looks good", "again"]) approveJob(queue.core, id, ADA, comment);
		expect(queue.job(run, "a")).toMatchObject({
			state: "blocked",
			reason_text: "Waits for 1 more approval after ada: Ship it?",
			approved_by: null,
		});
		expect(queue.run(run).state).toBe("waiting");
		approveJob(queue.core, id, { ...ADA, name: "bob" }, null);
		expect(queue.job(run, "a")).toMatchObject({ state: "queued", approved_by: "ada, bob" });
		expect(JSON.parse(queue.job(run, "a").approvals ?? "")).toMatchObject([
			{ by: "ada", comment: "looks good", at: new Date(queue.now).toISOString() },
			{ by: "bob", comment: null },
		]);
	});

	test("of those whom the job names, and of nobody else", () => {
		const queue = new Queue();
		const asked = (approval: string, by: Approver) => {
			const run = queue.submit(`jobs: { a: { approval: { ${approval} }, steps: [x] } }`);
			return refusalOf(() => approveJob(queue.core, queue.job(run, "a").id, by, null));
		};
		const bob: Approver = { name: "bob", role: "operator", isPerson: true };
		const program: Approver = { name: "ada", role: "operator", isPerson: false };
		expect(asked("users: [ada]", ADA)).toBe("none");
		expect(asked("users: [ada]", bob)).toBe("forbidden");
		expect(asked("users: [ada], roles: [admin]", bob)).toBe("none");
		expect(asked("roles: [admin]", ADA)).toBe("forbidden");
		expect(asked("not_author: true", ADA)).toBe("none");
		expect(asked("not_author: true", { ...bob, name: "test" })).toBe("forbidden");
		expect(asked("users: [ada], roles: [admin]", { ...program, role: "viewer" })).toBe("forbidden");
		for (const approval of ["not_author: true", "count: 2"]) expect([approval, asked(approval, program)]).toEqual([approval, "forbidden"]);
		expect(asked("roles: [operator]", program)).toBe("none");
	});

	test("that somebody declines after another has approved ends the job", () => {
		const queue = new Queue();
		const run = queue.submit("jobs: { a: { approval: { count: 2 }, steps: [x] } }");
		const { id } = queue.job(run, "a");
		approveJob(queue.core, id, ADA, null);
		declineJob(queue.core, id, { ...ADA, name: "bob" }, "not today");
		expect(queue.job(run, "a")).toMatchObject({ state: "cancelled", reason_text: "Declined by bob: not today." });
		expect(refusalOf(() => approveJob(queue.core, id, { ...ADA, name: "cora" }, null))).toBe("conflict");
	});

	test("an approval without a timeout waits for ever", () => {
		const queue = new Queue();
		const run = queue.submit("jobs: { a: { approval: true, steps: [x] } }");
		queue.absence(400 * 24 * 60 * 60_000);
		expect(queue.run(run).state).toBe("waiting");
		declineJob(queue.core, queue.job(run, "a").id, ADA, null);
		expect([queue.run(run).state, queue.job(run, "a").reason_text]).toEqual(["cancelled", "Declined by ada."]);
		expect(refusalOf(() => approveJob(queue.core, queue.job(run, "a").id, ADA, null))).toBe("conflict");
	});

	test("a run keeps its slot of a group during an approval only where the group says so", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const text = (more: string) =>
			`concurrency: { group: deploy${more} }\njobs: { a: { steps: [x] }, b: { needs: a, approval: true, steps: [x] } }`;
		const [first, second] = [queue.submit(text("")), queue.submit(text(", hold_during_approval: true"))];
		queue.finish(queue.take(agent));
		expect([queue.run(first).state, queue.job(second, "a").state]).toEqual(["waiting", "queued"]);
		const third = queue.submit(text(""));
		queue.finish(queue.take(agent));
		expect([queue.run(second).state, queue.job(third, "a").reason_code]).toEqual(["waiting", "concurrency"]);
	});
});

describe("notifications", () => {
	const text = (on: string, more = "") => `notify: { on: ${on}, slack: CHAT }\njobs: { a: { ${more} steps: [x] } }`;
	/** The events of which notifications are under way. */
	const events = (queue: Queue) =>
		takeEffects(queue.core, 10, 1, { class: "external", project: "web" }).flatMap(({ effect }) =>
			effect.kind === "notify" ? [effect.isTest ? `${effect.event} (test)` : effect.event] : [],
		);
	const run = (queue: Queue, pipeline: string, end: Parameters<Queue["finish"]>[1], more: Parameters<Queue["submit"]>[2] = {}) => {
		const id = queue.submit(pipeline, "web", more);
		queue.finish(queue.take(queue.agent(`agent of ${id}`)), end);
		return id;
	};

	test.each([
		["[start, success]", {}, ["start", "success"]],
		["[success, fixed]", {}, ["fixed"]],
		["[start, success]", FAILED, ["start"]],
		["failure", FAILED, ["failure"]],
		["failure", { state: "errored" }, ["failure"]],
		["failure", { state: "timed_out" }, ["failure"]],
		["[success, fixed, failure]", { state: "cancelled" }, []],
	] as const)("a pipeline that notifies on %s, and ends with %o, gives %o", (on, end, expected) => {
		const queue = new Queue();
		run(queue, text(on), end);
		const all: string[] = [];
		for (let due = takeEffects(queue.core, 10, 1_000, FOREIGN); due.length > 0; due = takeEffects(queue.core, 10, 1_000, FOREIGN)) {
			all.push(...due.flatMap(({ effect }) => (effect.kind === "notify" ? [effect.event] : [])));
			recordOutcomes(
				queue.core,
				due.map((pending) => ({ pending, archived: null, error: null })),
			);
		}
		expect(all).toEqual(expected);
	});

	test("an untrusted run notifies nobody, also once it is approved", () => {
		const queue = new Queue();
		run(queue, text("[start, success]"), {}, { origin: { ...SUBMITTED, isTrusted: false, approvedBy: "ada" } });
		expect(events(queue)).toEqual([]);
	});

	test("a run that goes on after an approval does not start a second time", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const id = queue.submit(
			"notify: { on: start, slack: CHAT }\njobs: { a: { steps: [x] }, b: { needs: a, approval: true, steps: [x] } }",
			"web",
		);
		queue.finish(queue.take(agent));
		approveJob(queue.core, queue.job(id, "b").id, { name: "ada", role: "admin", isPerson: true }, null);
		expect(queue.run(id).state).toBe("running");
		expect(queue.sql.all("SELECT * FROM effects WHERE kind = 'notify'")).toHaveLength(1);
	});

	test("a test goes to each address of the pipeline, whether the run is over or not", () => {
		const queue = new Queue();
		const id = queue.submit(text("[failure, success]"), "web");
		const [definition] = queue.sql.all<{ json: string }>("SELECT json FROM definitions");
		expect(testNotifications(queue.core, queue.run(id), definition?.json ?? "")).toBe(1);
		expect(events(queue)).toEqual(["failure (test)"]);
	});
});
