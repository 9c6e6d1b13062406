import { describe, expect, test } from "vitest";
import { pollHoldFor, silenceFor } from "../../schema/wire/poll_rule.ts";
import { type Capabilities, NO_CAPABILITIES } from "../../schema/wire/requirements.ts";
import { closeSession, openSession, registerAgent } from "../../worker/queue/core/agents/agents.ts";
import { type AgentChange, changeAgent, removeAgent } from "../../worker/queue/core/agents/lifecycle.ts";
import {
	createRegistrationToken,
	listRegistrationTokens,
	revokeRegistrationToken,
} from "../../worker/queue/core/agents/registration_tokens.ts";
import { issueNextToken } from "../../worker/queue/core/agents/tokens.ts";
import { renewLeases, requestsTo } from "../../worker/queue/core/leases/polls.ts";
import { findAgent } from "../../worker/queue/core/rows.ts";
import { approveRun } from "../../worker/queue/core/runs/approvals.ts";
import { explainJob, explainQueued, unmetForever } from "../../worker/queue/core/runs/explain.ts";
import { SUBMITTED } from "../../worker/queue/core/runs/submit.ts";
import { CLAIMED, Queue, refusalOf, SETTINGS } from "../support/queue.ts";

/** What an agent may be given, and what people can do with it. */

const FORK = { ...SUBMITTED, isTrusted: false, approvedBy: "somebody" };
const ANY = "{ steps: [a] }";
const asking = (label: string) => `{ runs_on: ${label}, steps: [a] }`;
const change = (queue: Queue, agent: string, what: AgentChange) => changeAgent(queue.core, agent, what, "somebody");
const isOffered = (queue: Queue, agent: string, run: string) =>
	queue.poll(agent, 5).some(({ job_id }) => queue.jobs(run).some(({ id }) => id === job_id));

describe("labels", () => {
	const given = { labels: ["test"] };

	test("that a registration token gives bound what its agents declare", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { labels: ["prod", "test"], given });
		const [prod, own] = [queue.submit(asking("prod")), queue.submit(asking("test"))];
		expect(isOffered(queue, agent, prod)).toBe(false);
		expect(isOffered(queue, agent, own)).toBe(true);
		expect(findAgent(queue.core, agent)).toMatchObject({ labels: '["test"]', ignored_labels: '["prod"]' });
		expect(explainJob(queue.core, queue.job(prod).id)?.agents).toMatchObject([{ fits: false, reason: "has no label prod" }]);
	});

	test("that a registration token gives need not be declared", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { labels: [], given });
		expect(isOffered(queue, agent, queue.submit(asking("test")))).toBe(true);
	});

	test("count as they are declared where the registration token gives none", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { labels: ["prod"] });
		expect(isOffered(queue, agent, queue.submit(asking("prod")))).toBe(true);
		expect(findAgent(queue.core, agent)?.ignored_labels).toBe("[]");
	});

	test("of the machine are no way around: a known system that the agent runs counts, a made-up one does not", () => {
		const queue = new Queue();
		const capabilities = { os: "prod", arch: "x64", tools: { prod: "1" }, gpus: ["prod"], container: "prod" };
		const agent = queue.agent("one", { labels: ["prod", "x64", "arm64"], capabilities, given });
		expect(findAgent(queue.core, agent)).toMatchObject({ labels: '["test","x64"]', ignored_labels: '["prod","arm64"]' });
		expect(isOffered(queue, agent, queue.submit(asking("prod")))).toBe(false);
	});

	test("that come with a second hello are bound as well, and take back what was offered for others", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { labels: ["a"] });
		const run = queue.submit("{ runs_on: a, secrets: { TOKEN: token }, steps: [a] }");
		const [offer] = queue.poll(agent);
		const facts = { version: "1", slots: 1, labels: ["b"], facts: {}, capabilities: {} as never };
		openSession(queue.core, agent, "one", {
			protocol: 2,
			session: 1,
			instance: "instance",
			running: [],
			facts: { ...facts, capabilities: NO_CAPABILITIES },
		});
		expect(queue.job(run).state).toBe("queued");
		expect(refusalOf(() => offer && queue.start(offer))).toBe("attempt_superseded");
	});
});

describe("an agent that is still looking at its machine", () => {
	const looking = ["tools", "gpus", "container"] as const;
	const said = (queue: Queue, agent: string, capabilities: Partial<Capabilities>) =>
		openSession(queue.core, agent, "one", {
			protocol: 2,
			session: 1,
			instance: "instance",
			running: [],
			facts: { version: "1", slots: 9, labels: [], facts: {}, capabilities: { ...NO_CAPABILITIES, ...capabilities } },
		});

	test("takes what needs nothing of that at once, and the rest is not declared impossible until it has said what it has", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 9, capabilities: { cores: 2, looking_for: [...looking] } });
		const wishes = { go: "{ tools: { go: '*' } }", gpu: "{ gpus: 1 }", container: "{ container: true }", cores: "{ cores: 4 }" };
		const plain = queue.submit(ANY);
		const [go, gpu, container, cores] = Object.values(wishes).map((wish) => queue.submit(`{ runs_on: ${wish}, steps: [a] }`));
		expect(queue.poll(agent, 9).map(({ job_id }) => job_id)).toEqual([queue.job(plain).id]);
		const summary = (run = "") => explainJob(queue.core, queue.job(run).id)?.summary;
		expect([go, gpu, container].map((run) => [unmetForever(queue.core, run ?? ""), summary(run)])).toEqual(
			["which tools it has", "which GPUs it has", "whether it has a container runtime"].map((what) => [
				[],
				`Waits for an agent that is still looking at its machine: one has not said yet ${what}.`,
			]),
		);
		// What it has said already counts.
		expect(unmetForever(queue.core, cores ?? "")).toEqual(["The job main cannot start: no agent has 4 cores (one has 2 of 4 cores)."]);
		said(queue, agent, { tools: { go: "1.22" }, looking_for: ["container"] });
		expect(isOffered(queue, agent, go ?? "")).toBe(true);
		expect(unmetForever(queue.core, gpu ?? "")).toEqual(["The job main cannot start: no agent has 1 GPUs (one has 0 of 1 GPUs)."]);
		expect([isOffered(queue, agent, container ?? ""), unmetForever(queue.core, container ?? "")]).toEqual([false, []]);
		said(queue, agent, { container: "docker 27" });
		expect(isOffered(queue, agent, container ?? "")).toBe(true);
	});

	test("does not keep a job's hope up once it is gone", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { capabilities: { looking_for: [...looking] } });
		const run = queue.submit("{ runs_on: { tools: { go: '*' } }, steps: [a] }");
		closeSession(queue.core, agent, "one", 1);
		expect(unmetForever(queue.core, run)).toEqual([
			"The job main cannot start: no agent has go (one has not said yet which tools it has).",
		]);
	});
});

describe("a silent agent", () => {
	test.each([
		["the usual lease", 60_000, 75_000],
		["a short lease, with which polls come back sooner", 10_000, 30_000],
		["a long lease", 600_000, 75_000],
	])("with %s is shown as offline when its next poll is overdue", (_, lease, expected) => {
		const queue = new Queue(undefined, { ...SETTINGS, leaseTtlMs: lease, agentSilentMs: silenceFor(pollHoldFor(55_000, lease)) });
		const agent = queue.agent("one");
		queue.poll(agent);
		const status = () => findAgent(queue.core, agent)?.status;
		queue.pass(expected - 1_000);
		expect(status()).toBe("online");
		queue.pass(1_000);
		expect(status()).toBe("offline");
	});
});

describe("a restriction", () => {
	test("to projects keeps the jobs of others away, and the reasons say so", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { given: { projects: ["web", "api"] } });
		const [web, other] = [queue.submit(ANY, "web"), queue.submit(ANY, "other")];
		expect(isOffered(queue, agent, other)).toBe(false);
		expect(isOffered(queue, agent, web)).toBe(true);
		const why = "takes only jobs of the projects web, api";
		const { summary, agents } = explainJob(queue.core, queue.job(other).id) ?? {};
		expect([summary, agents]).toMatchObject([`Waits for an agent that may take it: one ${why}.`, [{ fits: false, reason: why }]]);
		expect(Object.values(explainQueued(queue.core, other))).toEqual([summary]);
		expect(unmetForever(queue.core, other)).toEqual([`The job main cannot start: no agent may take it (one ${why}).`]);
		expect(unmetForever(queue.core, web)).toEqual([]);
	});

	test("to trusted runs keeps those of forks away, also once somebody has approved them", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 9, given: { runs: "trusted" } });
		const fork = queue.submit(ANY, "web", { origin: { ...FORK, approvedBy: null } });
		approveRun(queue.core, fork, { name: "somebody", isAdmin: true } as never);
		const own = queue.submit(ANY, "web");
		expect([isOffered(queue, agent, fork), isOffered(queue, agent, own)]).toEqual([false, true]);
		expect(explainJob(queue.core, queue.job(fork).id)?.agents[0]?.reason).toBe("takes only trusted runs; this run comes from a fork");
	});

	test("to untrusted runs keeps all others away", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 9, given: { runs: "untrusted" } });
		const [own, fork] = [queue.submit(ANY, "web"), queue.submit(ANY, "web", { origin: FORK })];
		expect([isOffered(queue, agent, own), isOffered(queue, agent, fork)]).toEqual([false, true]);
		expect(explainJob(queue.core, queue.job(own).id)?.agents[0]?.reason).toBe("takes only runs from forks; this run is trusted");
	});

	test("that is set between offer and claim takes the offer back, without blame", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const run = queue.submit(CLAIMED, "web");
		const [offer] = queue.poll(agent);
		change(queue, agent, { kind: "restrict", projects: ["api"] });
		expect(refusalOf(() => offer && queue.start(offer))).toBe("attempt_superseded");
		expect(queue.job(run).state).toBe("queued");
		expect(queue.poll(agent)).toEqual([]);
		change(queue, agent, { kind: "restrict", projects: [] });
		expect(queue.poll(agent)).toHaveLength(1);
	});

	test("lets what runs go on, and changes only what is given", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { given: { projects: ["web"] } });
		queue.submit(ANY, "web");
		const lease = queue.take(agent);
		change(queue, agent, { kind: "restrict", runs: "untrusted" });
		expect(findAgent(queue.core, agent)).toMatchObject({ projects: '["web"]', runs: "untrusted" });
		expect(queue.finish(lease)).toBe("succeeded");
	});
});

describe("an agent", () => {
	test("that is disabled gets nothing new, finishes what it runs, and gets jobs again once it is enabled", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { slots: 2 });
		queue.submit(ANY);
		const lease = queue.take(agent);
		const waiting = queue.submit(CLAIMED);
		const [offer] = queue.poll(agent);
		change(queue, agent, { kind: "disable", cancel: false });
		change(queue, agent, { kind: "disable", cancel: false });
		expect(refusalOf(() => offer && queue.start(offer))).toBe("attempt_superseded");
		expect(queue.poll(agent)).toEqual([]);
		expect(explainJob(queue.core, queue.job(waiting).id)).toMatchObject({
			summary: "Waits for one of one (disabled).",
			agents: [{ reason: "is disabled by somebody" }],
		});
		expect(queue.finish(lease)).toBe("succeeded");
		openSession(queue.core, agent, "one", { ...HELLO, session: 2 });
		expect(findAgent(queue.core, agent)?.disabled_by).toBe("somebody");
		closeSession(queue.core, agent, "one", 2);
		openSession(queue.core, agent, "one", { ...HELLO, session: 3 });
		change(queue, agent, { kind: "enable" });
		expect(findAgent(queue.core, agent)?.disabled_by).toBe(null);
	});

	test("that is disabled with its jobs has them cancelled, under the reason", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		const run = queue.submit(ANY);
		const lease = queue.take(agent);
		change(queue, agent, { kind: "disable", cancel: true });
		expect(queue.job(run)).toMatchObject({ state: "cancelling", reason_code: "agent_disabled" });
		queue.finish(lease, { state: "cancelled" });
		expect(queue.job(run).reason_text).toBe("Cancelled: agent one was disabled by somebody.");
	});

	test("is drained in its present process only", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		queue.submit(ANY);
		change(queue, agent, { kind: "drain" });
		expect(queue.poll(agent)).toEqual([]);
		expect(requestsTo(queue.core, agent)).toMatchObject({ drain: true });
		openSession(queue.core, agent, "one", { ...HELLO, session: 2 });
		expect(requestsTo(queue.core, agent)).toMatchObject({ drain: false });
		closeSession(queue.core, agent, "one", 2);
		expect(refusalOf(() => change(queue, agent, { kind: "drain" }))).toBe("conflict");
	});

	test("that is removed is known no more, and its job runs elsewhere once its lease is over", () => {
		const queue = new Queue();
		const [one, two] = [queue.agent("one"), queue.agent("two")];
		const run = queue.submit(ANY);
		const lease = queue.take(one);
		expect(removeAgent(queue.core, one, "somebody")).toBe("one");
		expect(refusalOf(() => renewLeases(queue.core, one, "one", { session: 1, seq: 1, running: [] }))).toBe("authentication_required");
		expect(refusalOf(() => queue.finish(lease))).toBe("attempt_superseded");
		expect(queue.attempts(queue.job(run).id)).toMatchObject([{ state: "expired", reason_code: "agent_removed", agent_name: "one" }]);
		expect(queue.poll(two)).toEqual([]);
		queue.pass(SETTINGS.leaseTtlMs);
		expect(queue.poll(two)).toHaveLength(1);
		expect(queue.agent("one", { given: { hash: "token-one" } })).not.toBe(one);
		expect(refusalOf(() => removeAgent(queue.core, one, "somebody"))).toBe("not_found");
	});

	test("that is unknown can be changed in no way", () => {
		const queue = new Queue();
		for (const kind of ["enable", "drain", "rotate", "restrict"] as const)
			expect(refusalOf(() => change(queue, "agt_x", { kind }))).toBe("not_found");
	});

	test("that takes over a name takes over no rights: it has what its own token gives, and stays disabled", () => {
		const queue = new Queue();
		const agent = queue.agent("one", { labels: ["prod"] });
		change(queue, agent, { kind: "rotate" });
		change(queue, agent, { kind: "disable", cancel: false });
		queue.pass(10 * 60_000);
		const token = { hash: "t", uses: 1, expiresAt: queue.now + 1_000, labels: ["test"], projects: ["web"], runs: "untrusted" as const };
		createRegistrationToken(queue.core, token, "test");
		expect(registerAgent(queue.core, { tokenHash: "t", registrationHash: "k", name: "one", secretHash: "s" })).toBe(agent);
		expect(findAgent(queue.core, agent)).toMatchObject({
			labels: '["test"]',
			projects: '["web"]',
			runs: "untrusted",
			disabled_by: "somebody",
			rotation_at: null,
		});
	});
});

const HELLO = {
	protocol: 2,
	session: 1,
	instance: "instance",
	running: [],
	facts: {
		version: "1",
		slots: 2,
		labels: [],
		facts: {},
		capabilities: NO_CAPABILITIES,
	},
};

describe("the token of an agent", () => {
	const renew = (queue: Queue, agent: string, secret: string) =>
		refusalOf(() => renewLeases(queue.core, agent, secret, { session: 1, seq: queue.now, running: [] }));

	test("is rotated: both are valid until the next one was used, then that one alone", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		change(queue, agent, { kind: "rotate" });
		expect(requestsTo(queue.core, agent).rotate).toBe(true);
		issueNextToken(queue.core, agent, "one", "next");
		// The answer was lost.
		issueNextToken(queue.core, agent, "one", "next");
		expect(renew(queue, agent, "one")).toBe("none");
		expect(renew(queue, agent, "next")).toBe("none");
		expect(renew(queue, agent, "one")).toBe("authentication_required");
		expect(refusalOf(() => issueNextToken(queue.core, agent, "one", "third"))).toBe("authentication_required");
		expect(findAgent(queue.core, agent)).toMatchObject({ secret_hash: "next", rotation_at: null, rotated_at: queue.now });
	});

	test("opens nothing but the next one ten minutes after that was given out", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		change(queue, agent, { kind: "rotate" });
		issueNextToken(queue.core, agent, "one", "next");
		queue.pass(10 * 60_000 + 1);
		expect(renew(queue, agent, "one")).toBe("authentication_required");
		issueNextToken(queue.core, agent, "one", "next");
		expect(renew(queue, agent, "one")).toBe("authentication_required");
		expect(renew(queue, agent, "next")).toBe("none");
	});

	test("is not rotated unless somebody has asked for it, nor with a wrong token", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		expect(refusalOf(() => issueNextToken(queue.core, agent, "one", "next"))).toBe("conflict");
		change(queue, agent, { kind: "rotate" });
		expect(refusalOf(() => issueNextToken(queue.core, agent, "guess", "next"))).toBe("authentication_required");
	});

	test("that was rotated cannot be had again with the registration key", () => {
		const queue = new Queue();
		const agent = queue.agent("one");
		change(queue, agent, { kind: "rotate" });
		issueNextToken(queue.core, agent, "one", "next");
		renew(queue, agent, "next");
		const again = { tokenHash: "token-one", registrationHash: "key-one", name: "one", secretHash: "one" };
		expect(refusalOf(() => registerAgent(queue.core, again))).toBe("conflict");
	});
});

describe("registration tokens", () => {
	const token = { hash: "h", uses: 2, expiresAt: 1_060_000, labels: ["a"], projects: ["web", "web"], runs: "trusted" as const };

	test("are listed without what they are made of, and until they expire", () => {
		const queue = new Queue();
		const id = createRegistrationToken(queue.core, token, "somebody");
		registerAgent(queue.core, { tokenHash: "h", registrationHash: "k", name: "one", secretHash: "s" });
		expect(listRegistrationTokens(queue.core)).toMatchObject([
			{ id, uses: 2, uses_left: 1, labels: '["a"]', projects: '["web"]', runs: "trusted", created_by: "somebody" },
		]);
		queue.pass(60_000);
		expect(listRegistrationTokens(queue.core)).toEqual([]);
	});

	test("that are revoked let nobody join; agents that have joined stay", () => {
		const queue = new Queue();
		const id = createRegistrationToken(queue.core, token, "somebody");
		const agent = registerAgent(queue.core, { tokenHash: "h", registrationHash: "k", name: "one", secretHash: "s" });
		revokeRegistrationToken(queue.core, id, "somebody");
		const another = { tokenHash: "h", registrationHash: "l", name: "two", secretHash: "s" };
		expect(refusalOf(() => registerAgent(queue.core, another))).toBe("authentication_required");
		expect(findAgent(queue.core, agent)?.name).toBe("one");
		expect(refusalOf(() => revokeRegistrationToken(queue.core, id, "somebody"))).toBe("not_found");
	});
});
