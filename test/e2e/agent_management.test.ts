import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RegistrationToken, RegistrationTokenSummary } from "../../schema/wire/agents.ts";
import type { ErrorBody } from "../../schema/wire/errors.ts";
import type { Registered } from "../../schema/wire/protocol.ts";
import type { Agent, Explanation, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { ADMIN_TOKEN, eventually, LEASE_TTL_MS, Program, processesNaming, TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { ProtocolAgent, send } from "../support/protocol_agent.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What agents may be given, and what people do with agents: real agents, a real coordinator. */

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

type TokenRequest = Partial<{ uses: number; expires_in: string; labels: string[]; projects: string[]; runs: string }>;

const newToken = (asked: TokenRequest = {}) => coordinator.post<RegistrationToken>("/api/v1/agent-tokens", asked);

/** A real agent that joins with a token of its own. */
async function join(name: string, asked: TokenRequest = {}, options: { args?: string[]; workDir?: string } = {}): Promise<Program> {
	return coordinator.agent(name, { ...options, environment: { WINDLASS_TOKEN: (await newToken(asked)).token } });
}

async function agentCalled(name: string): Promise<Agent> {
	const found = (await coordinator.get<{ items: Agent[] }>("/api/v1/agents")).items.find((agent) => agent.name === name);
	if (!found) throw new Error(`there is no agent ${name}`);
	return found;
}

const submit = (submission: object) => coordinator.post<SubmittedRun>("/api/v1/runs", submission);
const readRun = (id: string) => coordinator.get<Run>(`/api/v1/runs/${id}`);
const ended = (id: string) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
const logOf = (id: string) => coordinator.text(`/api/v1/runs/${id}/log?format=clean`);
const explained = async (run: { jobs: readonly { id: string }[] }) =>
	coordinator.get<Explanation>(`/api/v1/jobs/${run.jobs[0]?.id}/explain`);
const running = (id: string) =>
	eventually(async () => {
		const run = await readRun(id);
		return run.jobs[0]?.state === "running" && run;
	}, `${id} runs`);

async function act(agent: string, verb: string, body: object = {}): Promise<Agent> {
	return coordinator.post<Agent>(`/api/v1/agents/${(await agentCalled(agent)).id}/${verb}`, body);
}

async function restrict(agent: string, body: object): Promise<Agent> {
	const { id } = await agentCalled(agent);
	const response = await coordinator.request(`/api/v1/agents/${id}`, { method: "PATCH", body: JSON.stringify(body) });
	expect(response.status).toBe(200);
	return (await response.json()) as Agent;
}

async function refused(method: string, address: string, body?: object): Promise<[number, string]> {
	const response = await coordinator.request(address, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
	const { error, message } = (await response.json()) as ErrorBody;
	return [response.status, `${error}: ${message}`];
}

describe("an agent whose registration token gives labels", () => {
	test("does not get a job, and no secret, for a label that it has declared itself", async () => {
		await coordinator.request("/api/v1/secrets/production", { method: "PUT", body: JSON.stringify({ value: "the production secret" }) });
		const agent = await join("pinned", { labels: ["pin-test"] }, { args: ["--labels", "pin-prod,pin-test"] });
		const pipeline = { jobs: { deploy: { runs_on: "pin-prod", secrets: { KEY: "production" }, steps: ["echo got it"] } } };
		const production = await submit({ pipeline });
		expect(production.notices).toEqual([expect.stringContaining("no agent has pin-prod (pinned has no label pin-prod)")]);
		const own = await submit({ run: "echo mine", runs_on: ["pin-test"] });
		expect((await ended(own.id)).state).toBe("succeeded");
		expect((await readRun(production.id)).jobs[0]).toMatchObject({ state: "queued", attempt: 0 });
		const shown = await agentCalled("pinned");
		expect([shown.labels.slice(0, 1), shown.ignored_labels]).toEqual([["pin-test"], ["pin-prod"]]);
		await agent.says(/ignores the labels pin-prod: the agent's registration token/);
		await coordinator.post(`/api/v1/runs/${production.id}/cancel`, {});
	});

	test("runs jobs that ask for a label which it has not declared", async () => {
		await join("given", { labels: ["only-given"] });
		const run = await submit({ run: "echo runs", runs_on: ["only-given", process.platform] });
		expect((await ended(run.id)).jobs[0]).toMatchObject({ state: "succeeded", reason: null });
		expect(await logOf(run.id)).toContain("runs");
	});

	test("cannot get others with a later hello, nor by what it says of its machine", async () => {
		const { token } = await newToken({ labels: ["bound"] });
		const agent = await ProtocolAgent.join(coordinator.url, token, "smuggler");
		const capabilities = { os: "smuggled", arch: "x64", tools: { smuggled: "1" } };
		const facts = { version: "9", slots: 1, labels: ["smuggled", "x64"], facts: { labels: "smuggled" }, capabilities };
		const hello = { protocol: 2, session: 2, instance: randomUUID(), running: [], facts };
		const { body } = await agent.say("POST", "/api/v1/agents/self/hello", hello);
		expect(body).toMatchObject({ labels: ["bound", "x64"], ignored_labels: ["smuggled"] });
		expect((await submit({ run: "true", runs_on: ["smuggled"] })).notices[0]).toContain("smuggler has no label smuggled");
	});
});

describe("a restriction", () => {
	test("of a registration token holds for its agents: jobs of other projects go past them, and the reasons say so", async () => {
		await join("webby", { labels: ["restricted"], projects: ["web", "api"] });
		const other = await submit({ run: "echo other", project: "other", runs_on: ["restricted"] });
		const why = "takes only jobs of the projects web, api";
		expect(other.notices).toEqual([expect.stringContaining(`no agent may take it (`)]);
		expect(other.notices[0]).toContain(`webby ${why}`);
		const web = await submit({ run: "echo web", project: "web", runs_on: ["restricted"] });
		expect(web.notices).toEqual([]);
		expect((await ended(web.id)).state).toBe("succeeded");
		const { summary, agents } = await explained(other);
		expect(summary).toMatch(/^Waits for an agent that may take it: /);
		expect(agents.find(({ name }) => name === "webby")).toMatchObject({ fits: false, reason: why });
		expect(await agentCalled("webby")).toMatchObject({ projects: ["web", "api"], runs: "any" });
		// Lifted, it takes the job that has waited.
		expect(await restrict("webby", { projects: [] })).toMatchObject({ projects: [], runs: "any" });
		expect((await ended(other.id)).state).toBe("succeeded");
	});

	test("to trusted runs keeps a fork's discovery job away, and one to untrusted runs keeps the rest away", async () => {
		const own = await borrowCoordinator();
		const registration = await own.post<RegistrationToken>("/api/v1/agent-tokens", { runs: "trusted" });
		const agent = await ProtocolAgent.join(own.url, registration.token, "careful");
		await own.post("/api/v1/projects", { name: "forked", repository: "https://git.test/team/web.git" });
		const secret = "a secret of the hook";
		await own.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: secret, project: "forked" }) });
		const hook = { method: "PATCH", body: JSON.stringify({ hook_secret: "hook" }) };
		const { id } = (await (await own.request("/api/v1/projects/forked", hook)).json()) as { id: string };
		const pull = githubDelivery("pull_request", githubPullRequest({ sha: "b".repeat(40), fork: true }), secret);
		const taken = await own.request(`/hooks/${id}`, { method: "POST", token: null, body: pull.body, headers: pull.headers });
		const { run_id } = (await taken.json()) as { run_id: string };
		const plan = await own.get<Run>(`/api/v1/runs/${run_id}`);
		const trusted = await own.post<Run>("/api/v1/runs", { run: "true", project: "forked" });
		// The fork's job is older: it would come first.
		expect((await agent.nextOffer()).job_id).toBe(trusted.jobs[0]?.id);
		const waits = await own.get<Explanation>(`/api/v1/jobs/${plan.jobs[0]?.id}/explain`);
		expect(waits.agents[0]?.reason).toBe("takes only trusted runs; this run comes from a fork");
		const { items } = await own.get<{ items: Agent[] }>("/api/v1/agents");
		const change = { method: "PATCH", body: JSON.stringify({ runs: "untrusted" }) };
		// The offer that it has is taken back, and the fork's job takes its place.
		expect((await own.request(`/api/v1/agents/${items[0]?.id}`, change)).status).toBe(200);
		expect((await agent.nextOffer()).job_id).toBe(plan.jobs[0]?.id);
	});

	test("that is set between an offer and its claim has the claim rejected", async () => {
		const { token } = await newToken({ labels: ["late"] });
		const agent = await ProtocolAgent.join(coordinator.url, token, "late");
		const pipeline = { runs_on: ["late"], secrets: { TOKEN: "token" }, steps: ["true"] };
		const run = await submit({ pipeline, project: "web" });
		const offer = await agent.nextOffer();
		await restrict("late", { projects: ["api"] });
		expect((await agent.attempt(offer, "POST", "start")).status).toBe(409);
		expect((await readRun(run.id)).jobs[0]).toMatchObject({ state: "queued", attempt: 0 });
	});
});

describe("an agent that is disabled", () => {
	test("finishes what it runs, and gets nothing new, also after restarts, until it is enabled", async () => {
		const own = await TestCoordinator.start();
		const workDir = path.join(temporaryFolder(), "agent");
		const agent = await own.agent("sleepy", { workDir });
		const first = await own.post<Run>("/api/v1/runs", { run: "sleep 2; echo finished" });
		await eventually(async () => (await own.get<Run>(`/api/v1/runs/${first.id}`)).jobs[0]?.state === "running", "the job runs");
		const { items } = await own.get<{ items: Agent[] }>("/api/v1/agents");
		const address = `/api/v1/agents/${items[0]?.id}`;
		expect((await own.post<Agent>(`${address}/disable`, {})).disabled).toMatchObject({ by: "admin" });
		expect((await own.post<Agent>(`${address}/disable`, { running: "finish" })).disabled).toMatchObject({ by: "admin" });
		const second = await own.post<Run>("/api/v1/runs", { run: "echo later" });
		expect((await own.get<Run>(`/api/v1/runs/${first.id}/wait`)).state).toBe("succeeded");
		agent.signal("SIGTERM");
		expect(await agent.exited).toBe(0);
		const again = await own.restartAfterKill();
		await again.agent("sleepy", { workDir });
		const waits = await again.get<Explanation>(`/api/v1/jobs/${second.jobs[0]?.id}/explain`);
		expect([waits.state, waits.agents[0]?.reason]).toEqual(["queued", "is disabled by admin"]);
		expect((await again.post<Agent>(`${address}/enable`, {})).disabled).toBe(null);
		expect((await again.get<Run>(`/api/v1/runs/${second.id}/wait`)).state).toBe("succeeded");
	});

	test("has what it runs cancelled, if that is asked", async () => {
		await join("brisk", { labels: ["brisk"] });
		const run = await submit({ run: "sleep 600", runs_on: ["brisk"] });
		await running(run.id);
		await act("brisk", "disable", { running: "cancel" });
		expect((await ended(run.id)).jobs[0]).toMatchObject({
			state: "cancelled",
			reason: { code: "agent_disabled", text: "Cancelled: agent brisk was disabled by admin." },
		});
		expect(await refused("POST", `/api/v1/agents/${(await agentCalled("brisk")).id}/disable`, { running: "kill" })).toEqual([
			422,
			expect.stringContaining("running"),
		]);
	});
});

describe("an agent that is drained", () => {
	test("finishes what it runs, takes nothing new, and ends by itself", async () => {
		const agent = await join("drained", { labels: ["drained"] });
		const run = await submit({ run: "sleep 2; echo finished", runs_on: ["drained"] });
		await running(run.id);
		expect((await act("drained", "drain")).drain).toMatchObject({ by: "admin" });
		const next = await submit({ run: "echo next", runs_on: ["drained"] });
		expect((await ended(run.id)).state).toBe("succeeded");
		expect(await agent.exited).toBe(0);
		expect(agent.output).toContain("the coordinator asks this agent to finish its jobs and end");
		expect((await readRun(next.id)).jobs[0]?.attempt).toBe(0);
		expect(await agentCalled("drained")).toMatchObject({ status: "offline", drain: null });
		expect(await refused("POST", `/api/v1/agents/${(await agentCalled("drained")).id}/drain`)).toEqual([
			409,
			expect.stringMatching(/^conflict: The agent drained has no process/),
		]);
	});
});

describe("an agent that is removed", () => {
	test("is known no more: its process ends with its job, which runs elsewhere; its token is dead and its name free", async () => {
		const workDir = path.join(temporaryFolder(), "agent");
		const agent = await join("gone", { labels: ["goner"] }, { workDir });
		const mark = `7${String(Date.now()).slice(-7)}`;
		const run = await submit({ run: `test $CI_ATTEMPT = 2 || sleep ${mark}`, runs_on: ["goner"], project: "web" });
		await running(run.id);
		await eventually(() => processesNaming(mark).length > 0, "the job sleeps");
		const { id } = await agentCalled("gone");
		const removedAt = Date.now();
		expect((await coordinator.request(`/api/v1/agents/${id}`, { method: "DELETE" })).status).toBe(204);
		const { token } = JSON.parse(readFileSync(path.join(workDir, "agent.json"), "utf8")).identity as { token: string };
		const dead = await send(coordinator.url, "POST", "/api/v1/agents/self/renew", token, { session: 1, seq: 99, running: [] });
		expect([dead.status, dead.body.error]).toEqual([401, "authentication_required"]);
		expect(await agent.exited).toBe(1);
		expect(agent.output).toContain("This agent token is not valid (any more): the agent was removed");
		expect(processesNaming(mark)).toEqual([]);
		const lost = (await readRun(run.id)).jobs[0];
		expect(lost?.attempts).toMatchObject([
			{ state: "expired", agent: { name: "gone" }, reason: { code: "agent_removed", text: "Agent gone was removed by admin." } },
		]);
		await join("gone", { labels: ["goner"] });
		const done = (await ended(run.id)).jobs[0];
		expect([done?.state, done?.attempts.map(({ agent }) => agent.name)]).toEqual(["succeeded", ["gone", "gone"]]);
		// The removed agent might have been cut off: nobody else has run its job before its lease
		// was over.
		expect(Date.parse(done?.attempts[1]?.started_at ?? "")).toBeGreaterThan(removedAt + LEASE_TTL_MS / 2);
		expect(await refused("DELETE", `/api/v1/agents/${id}`)).toEqual([404, `not_found: There is no agent ${id}.`]);
		expect(await refused("GET", `/api/v1/agents/${id}`)).toEqual([404, `not_found: There is no agent ${id}.`]);
	});
});

describe("the token of an agent", () => {
	const identityIn = (workDir: string) => JSON.parse(readFileSync(path.join(workDir, "agent.json"), "utf8")).identity as Registered;

	test("is rotated by the agent itself, while a job runs; the one before is dead then", async () => {
		const workDir = path.join(temporaryFolder(), "agent");
		await join("rotated", { labels: ["rotated"] }, { workDir });
		const before = identityIn(workDir).token;
		const run = await submit({ run: "sleep 3; echo still mine", runs_on: ["rotated"] });
		await running(run.id);
		expect((await act("rotated", "rotate")).rotation).toMatchObject({ by: "admin" });
		const shown = await eventually(async () => {
			const agent = await agentCalled("rotated");
			return agent.rotation === null && agent;
		}, "the token is rotated");
		expect(shown.rotated_at).not.toBe(null);
		expect(identityIn(workDir).token).not.toBe(before);
		expect(statSync(path.join(workDir, "agent.json")).mode & 0o777).toBe(0o600);
		const dead = await send(coordinator.url, "POST", "/api/v1/agents/self/renew", before, { session: 1, seq: 99, running: [] });
		expect(dead.status).toBe(401);
		expect((await ended(run.id)).state).toBe("succeeded");
	});

	test("whose answer was lost locks nobody out: the agent comes back with the one that it has", async () => {
		const workDir = path.join(temporaryFolder(), "agent");
		const agent = await join("unlucky", { labels: ["unlucky"] }, { workDir });
		agent.signal("SIGTERM");
		await agent.exited;
		await act("unlucky", "rotate");
		const { token } = identityIn(workDir);
		const ask = (rotation_key: string) => send(coordinator.url, "POST", "/api/v1/agents/self/rotate", token, { rotation_key });
		const key = randomUUID();
		const [once, again, other] = [await ask(key), await ask(key), await ask(randomUUID())];
		expect([once.status, again.body.token, other.status]).toEqual([200, once.body.token, 200]);
		expect(other.body.token).not.toBe(once.body.token);
		// It kept none of these.
		await coordinator.agent("unlucky", { workDir });
		await eventually(async () => (await agentCalled("unlucky")).rotation === null, "the token is rotated");
		expect(identityIn(workDir).token).not.toBe(token);
		const run = await submit({ run: "true", runs_on: ["unlucky"] });
		expect((await ended(run.id)).state).toBe("succeeded");
	});

	test("is not given to an agent that nobody has asked to rotate it", async () => {
		const agent = await ProtocolAgent.join(coordinator.url, (await newToken()).token, "eager");
		const { status } = await agent.say("POST", "/api/v1/agents/self/rotate", { rotation_key: randomUUID() });
		expect(status).toBe(409);
	});
});

describe("registration tokens", () => {
	const listed = async () => (await coordinator.get<{ items: RegistrationTokenSummary[] }>("/api/v1/agent-tokens")).items;

	test("are listed without what opens anything, and can be revoked", async () => {
		const made = await newToken({ uses: 3, labels: ["a"], projects: ["web"], runs: "trusted", expires_in: "90d" });
		const found = (await listed()).find(({ id }) => id === made.id);
		expect(found).toMatchObject({ uses: 3, uses_left: 3, labels: ["a"], projects: ["web"], runs: "trusted", created_by: "admin" });
		expect(JSON.stringify(await listed())).not.toContain(made.token.split(".")[2]);
		const register = () => ({ registration_key: randomUUID(), name: "by-token" });
		expect((await send(coordinator.url, "POST", "/api/v1/agents", made.token, register())).status).toBe(201);
		expect((await listed()).find(({ id }) => id === made.id)?.uses_left).toBe(2);
		expect((await coordinator.request(`/api/v1/agent-tokens/${made.id}`, { method: "DELETE" })).status).toBe(204);
		expect((await send(coordinator.url, "POST", "/api/v1/agents", made.token, { ...register(), name: "too-late" })).status).toBe(401);
		expect(await agentCalled("by-token")).toMatchObject({ projects: ["web"], runs: "trusted" });
		expect(await refused("DELETE", `/api/v1/agent-tokens/${made.id}`)).toEqual([
			404,
			`not_found: There is no registration token ${made.id}.`,
		]);
	});

	test.each([
		["a life of more than 90 days", { expires_in: "91d" }, "too long for a registration token"],
		["no life", { expires_in: "0s" }, "is not a duration"],
		["unknown runs", { runs: "forks" }, "runs"],
		["the name of no project", { projects: ["No Project"] }, "projects.0"],
		["a key that does nothing", { project: "web" }, "project"],
	])("are rejected with %s", async (_, asked, why) => {
		expect(await refused("POST", "/api/v1/agent-tokens", asked)).toEqual([422, expect.stringContaining(why)]);
	});

	test("and agents take no field that does nothing", async () => {
		await ProtocolAgent.join(coordinator.url, (await newToken()).token, "strict");
		const address = `/api/v1/agents/${(await agentCalled("strict")).id}`;
		for (const verb of ["enable", "drain", "rotate", "disable"])
			expect(await refused("POST", `${address}/${verb}`, { when: "now" })).toEqual([422, expect.stringContaining("when")]);
		expect(await refused("PATCH", address, { labels: ["prod"] })).toEqual([422, expect.stringContaining("labels")]);
		expect(await refused("PATCH", address, { runs: "none" })).toEqual([422, expect.stringContaining("runs")]);
	});

	test("and agents are changed by nobody but an admin, and each change is logged with who made it", async () => {
		const agent = await ProtocolAgent.join(coordinator.url, (await newToken()).token, "plain");
		const { id } = await agentCalled("plain");
		for (const [method, address] of [
			["GET", "/api/v1/agent-tokens"],
			["DELETE", `/api/v1/agents/${id}`],
			["POST", `/api/v1/agents/${id}/enable`],
		] as const)
			expect([address, (await agent.say(method, address, method === "GET" ? null : {})).status]).toEqual([address, 401]);
		await act("plain", "disable");
		await coordinator.program.says(new RegExp(`"message":"agent disabled".*"actor":"admin","agent":"${id}","name":"plain"`));
	});
});

describe("the commands", () => {
	async function windlass(...args: string[]): Promise<{ code: number | null; out: string }> {
		const environment = { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" };
		const program = new Program(args, environment);
		const code = await program.exited;
		return { code, out: program.output };
	}

	test("make, list and revoke registration tokens", async () => {
		const { out: token } = await windlass("agent-tokens", "create", "--labels", "cli-a,cli-b", "--projects", "web", "--runs", "trusted");
		expect(token).toMatch(/^wlr\.default\.\S+\n$/);
		const { out: list } = await windlass("agent-tokens", "list");
		const [, id = ""] = /(reg_\w+) +1 of 1 +cli-a, cli-b +only jobs of web; only trusted runs +admin/.exec(list) ?? [];
		expect(await windlass("agent-tokens", "revoke", id)).toEqual({ code: 0, out: `Registration token ${id} is revoked.\n` });
		expect((await windlass("agent-tokens", "-o", "json")).out).not.toContain(id);
		expect(await windlass("agent-tokens", "revoke", id)).toMatchObject({ code: 1, out: expect.stringContaining("no registration token") });
	});

	test("list, show, restrict, disable, enable, rotate, drain and remove an agent", async () => {
		const agent = await join("handled", { labels: ["handled"] }, { args: ["--labels", "extra"] });
		expect((await windlass("agents")).out).toMatch(/handled +● online +0 of 1 +handled, /);
		expect((await windlass("agents", "show", "handled")).out).toMatch(/ignored labels +extra \(its registration token/);
		const { out } = await windlass("agents", "restrict", "handled", "--projects", "web,api", "--runs", "trusted");
		expect(out).toBe("Agent handled takes only jobs of web, api; only trusted runs.\n");
		expect((await windlass("agents", "restrict", "handled")).code).toBe(2);
		expect((await windlass("agents", "restrict", "handled", "--projects", ",")).code).toBe(2);
		expect((await windlass("agents", "restrict", "handled", "--all-projects", "--runs", "any")).out).toBe(
			"Agent handled takes every job.\n",
		);
		expect((await windlass("agents", "disable", "handled", "--cancel")).out).toBe("Agent handled is disabled.\n");
		expect((await windlass("agents", "list")).out).toMatch(/handled +⊘ disabled/);
		expect((await windlass("agents", "enable", "handled")).out).toBe("Agent handled is enabled.\n");
		expect((await windlass("agents", "rotate", "handled")).out).toContain("gets a new token");
		const { id } = await agentCalled("handled");
		expect((await windlass("agents", "drain", id)).out).toContain("Agent handled ends when its running jobs have ended (0 jobs running)");
		expect(await agent.exited).toBe(0);
		expect((await windlass("agents", "remove", "handled", "--yes")).out).toBe("Agent handled is removed.\n");
		expect(await windlass("agents", "show", "handled")).toMatchObject({
			code: 1,
			out: expect.stringContaining("There is no agent handled."),
		});
	});
});
