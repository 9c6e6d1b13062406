import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type * as resources from "../../schema/wire/resources.ts";
import {
	eventually,
	isMemoryTold,
	PROGRAM,
	Program,
	QUICK_PATH,
	residentMib,
	type TestCoordinator,
	temporaryFolder,
	testPort,
} from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What jobs can read of the processes that run them. */

const BOOTSTRAP = path.resolve(import.meta.dirname, "../../cli/bootstrap.mjs");

/** A process and all that it has started, by what /proc says. */
function treeOf(root: number): number[] {
	const parents = new Map<number, number>();
	for (const pid of readdirSync("/proc").map(Number).filter(Boolean)) {
		const [, parent] = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? [];
		parents.set(pid, Number(parent));
	}
	const isBelow = (pid: number): boolean => pid === root || (pid > 1 && isBelow(parents.get(pid) ?? 0));
	return [...parents.keys()].filter(isBelow);
}

function read(file: string): string {
	try {
		return readFileSync(file, "latin1");
	} catch {
		return "";
	}
}

/** Which processes of a tree show a text in what they were started with. */
function showing(root: number, text: string): string[] {
	return treeOf(root).flatMap((pid) =>
		["environ", "cmdline"].map((name) => `/proc/${pid}/${name}`).filter((file) => read(file).includes(text)),
	);
}

async function isRegistered(coordinator: TestCoordinator, name: string): Promise<boolean> {
	const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
	return items.some((agent) => agent.name === name);
}

describe("the registration token", () => {
	test.each<[string, (token: string) => { args: string[]; environment?: Record<string, string>; input?: string }]>([
		["a variable", (token) => ({ args: [], environment: { WINDLASS_TOKEN: token } })],
		["an argument", (token) => ({ args: ["--token", token] })],
		["an argument in one word", (token) => ({ args: [`--token=${token}`] })],
		["standard input", (token) => ({ args: ["--token", "-"], input: `${token}\n` })],
		[
			"a file",
			(token) => {
				const file = path.join(temporaryFolder(), "token");
				writeFileSync(file, `${token}\n`);
				return { args: ["--token-file", file] };
			},
		],
	])("that comes by %s is in no process of the agent's tree once it has registered", async (_, given) => {
		const coordinator = await borrowCoordinator();
		const token = await coordinator.registrationToken();
		const { args, environment = {}, input } = given(token);
		const workDir = path.join(temporaryFolder(), "agent");
		const agent = spawn(
			process.execPath,
			[BOOTSTRAP, "agent", "--server", coordinator.url, "--name", "quiet", "--work-dir", workDir, ...args],
			{
				env: { PATH: QUICK_PATH, HOME: workDir, ...environment },
				stdio: ["pipe", "ignore", "ignore"],
			},
		);
		const ended = new Promise((resolve) => agent.once("exit", resolve));
		onTestFinished(async () => {
			agent.kill("SIGTERM");
			await ended;
		});
		agent.stdin.end(input);
		await eventually(() => isRegistered(coordinator, "quiet"), "the registration");
		const run = await coordinator.post<resources.Run>("/api/v1/runs", { run: 'echo "home $HOME"; sleep 20' });
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).includes("home "), "the job");
		// Other variables have not changed.
		expect(await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`)).toContain(`\nhome ${workDir}\n`);
		// The bootstrap, the agent, the shell and the step.
		expect(treeOf(agent.pid as number).length).toBeGreaterThanOrEqual(3);
		expect(showing(agent.pid as number, token)).toEqual([]);
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		await coordinator.get(`/api/v1/runs/${run.id}/wait`);
	});

	test.each([
		[["--token-file", "/nowhere"], /token-file: \/nowhere cannot be read/],
		[["--token-file", "/dev/null"], /token-file: \/dev\/null is empty/],
		[["--token", "-"], /token: Standard input is empty/],
	])("%s is rejected with one sentence", async (args, message) => {
		const program = new Program(["agent", "--server", "http://127.0.0.1:1", "--work-dir", temporaryFolder(), ...args]);
		expect([await program.exited, program.output]).toEqual([2, expect.stringMatching(message)]);
	});

	test("may be gone once the agent is registered: it comes back without", async () => {
		const coordinator = await borrowCoordinator();
		const file = path.join(temporaryFolder(), "token");
		writeFileSync(file, await coordinator.registrationToken());
		const args = ["agent", "--server", coordinator.url, "--name", "lasting", "--work-dir", temporaryFolder(), "--token-file", file];
		const first = new Program(args);
		onTestFinished(() => first.kill());
		await first.says(/lasting is ready at/);
		first.signal("SIGTERM");
		expect(await first.exited).toBe(0);
		rmSync(file);
		const second = new Program(args);
		onTestFinished(() => second.kill());
		await second.says(/lasting is ready at/);
	});
});

test("jobs of the agent beside the coordinator find none of its secrets in the processes above and beside them", async () => {
	const adminToken = "the-admin-token-of-this-very-coordinator-0123456789";
	const masterKey = Buffer.alloc(32, 7).toString("base64");
	const data = path.join(temporaryFolder(), "data");
	const serve = new Program(["serve", "--port", testPort(), "--data", data], {
		WINDLASS_ADMIN_TOKEN: adminToken,
		WINDLASS_MASTER_KEY: masterKey,
	});
	onTestFinished(async () => {
		serve.signal("SIGTERM");
		await serve.exited;
	});
	const [, url] = await serve.says(/status page +(http\S+)/);
	const headers = { Authorization: `Bearer ${adminToken}` };
	await eventually(() => existsSync(path.join(data, "agent/agent.json")), "the agent");
	// In pieces, lest it finds itself.
	const search = `cd /proc; for f in [0-9]*/environ [0-9]*/cmdline; do for s in 'the-admin-token-of-this''-very' 'BwcHBwcHBw''cHBwcHBwc'; do grep -al -- "$s" $f 2>/dev/null || true; done; done; echo searched`;
	const answer = await fetch(`${url}/api/v1/runs?follow=1`, { method: "POST", headers, body: JSON.stringify({ run: search }) });
	const text = await answer.text();
	expect(text).toMatch(/\nsearched\n/);
	expect(text).not.toMatch(/\n\d+\/(environ|cmdline)\n/);
	for (const secret of [adminToken, masterKey, "wlr."]) expect(showing(serve.pid, secret)).toEqual([]);
	expect(read(`/proc/${serve.pid}/cmdline`)).toContain(PROGRAM);
});

test("what a job leaves in the place of files, and is none, blocks nothing and is read by nobody", async () => {
	const coordinator = await borrowCoordinator();
	const agent = await coordinator.agent("careful");
	const before = residentMib(agent.pid);
	const job = {
		outputs: ["x"],
		reports: { junit: ["*.xml"], tap: ["tap/**"] },
		artifacts: { save: ["fifo", "made/**"] },
		steps: [
			"mkfifo pipe.xml fifo; ln -s /dev/zero endless.xml; mkdir made tap; mkfifo made/fifo; echo x > made/file; ln -s file made/link",
			"ln -s /proc/self/environ tap/environment; rm $CI_OUTPUT $CI_SUMMARY; mkfifo $CI_OUTPUT; ln -s /dev/zero $CI_SUMMARY",
		],
	};
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { jobs: { j: job } } });
	const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const [ended] = run.jobs as [resources.Job];
	expect(ended).toMatchObject({ state: "failed", outputs: {}, reason: { code: "report_unreadable" } });
	const log = await coordinator.text(`/api/v1/jobs/${ended.id}/log?format=clean`);
	expect(log).toContain("The report endless.xml is not a file in the workspace.");
	expect(log).toContain("The report tap/environment is not a file in the workspace.");
	const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${ended.id}/artifacts`);
	expect(items.map(({ path: name }) => name)).toEqual(["made/file", "made/link"]);
	if (isMemoryTold) expect(residentMib(agent.pid) - before).toBeLessThan(100);
});
