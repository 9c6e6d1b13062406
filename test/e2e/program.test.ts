import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Agent, Job, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import {
	ADMIN_TOKEN,
	eventually,
	LEASE_TTL_MS,
	PROGRAM,
	Program,
	processesNaming,
	TestCoordinator,
	temporaryFolder,
	testPort,
	workerdsOf,
} from "../support/processes.ts";

/** How a command that cannot work ends: one sentence, and its exit code. */
async function failure(args: string[], environment: Record<string, string> = {}): Promise<{ code: number | null; lines: string[] }> {
	const program = new Program(args, environment);
	const code = await program.exited;
	return { code, lines: program.output.trim().split("\n") };
}

describe("windlass serve", () => {
	test("a busy port, a folder in use, a folder that cannot be written to, settings that cannot work: one sentence, exit code 2", async () => {
		const blocker = createServer().listen(0, "127.0.0.1");
		onTestFinished(() => void blocker.close());
		await new Promise((resolve) => blocker.once("listening", resolve));
		const { port } = blocker.address() as { port: number };
		const folder = temporaryFolder();
		expect(await failure(["serve", "--port", String(port), "--data", path.join(folder, "a")])).toEqual({
			code: 2,
			lines: [`windlass: Port ${port} on 127.0.0.1 is in use by another program. Choose another with --port.`],
		});
		const coordinator = await TestCoordinator.start();
		expect(await failure(["serve", "--port", "0", "--data", coordinator.data])).toEqual({
			code: 2,
			lines: [
				`windlass: Another coordinator (pid ${coordinator.program.pid}) uses the data folder ${coordinator.data}. Stop it, or choose another folder with --data.`,
			],
		});
		writeFileSync(path.join(folder, "file"), "");
		const unwritable = await failure(["serve", "--port", "0", "--data", path.join(folder, "file", "data")]);
		expect([unwritable.code, unwritable.lines]).toEqual([2, [expect.stringContaining("is not writable")]]);
		for (const args of [
			["--port", "seven"],
			["--lease-ttl", "soon"],
			["--lease-ttl", "10s"],
			["--public-url", "ci"],
			["--agent-slots", "0"],
			["--prot", "1"],
		]) {
			const { code, lines } = await failure(["serve", "--data", path.join(folder, "b"), ...args]);
			expect([args, code, lines[0]]).toEqual([args, 2, expect.stringContaining(args[0] as string)]);
		}
	});

	test("listens on the given address, and warns when that is beyond this machine without TLS", async () => {
		const coordinator = await TestCoordinator.start({ args: ["--host", "127.0.0.2"] });
		expect((await fetch(`http://127.0.0.2:${coordinator.port}/healthz`)).status).toBe(200);
		await expect(fetch(`http://127.0.0.1:${coordinator.port}/healthz`)).rejects.toThrow();
		await coordinator.program.says(/without TLS/);
	});

	test("on all addresses, prints those of the machine, too, each with its sign-in link", async () => {
		const present = () => Object.values(os.networkInterfaces()).flatMap((all) => all ?? []);
		const before = present().map(({ address }) => address);
		const { program, port, signInUrl } = await TestCoordinator.start({ args: ["--host", "0.0.0.0"] });
		const { search } = new URL(signInUrl);
		// Each line of the welcome is written by itself.
		await program.says(/Try it in another terminal/);
		// A Docker daemon that starts or stops meanwhile adds or removes addresses.
		const addresses = present().filter(({ address }) => before.includes(address));
		for (const { address, family, internal } of addresses) {
			const isShown = family === "IPv4" && (!internal || address === "127.0.0.1");
			for (const link of [`http://${address}:${port}\n`, `http://${address}:${port}/sign-in${search}`])
				expect([link, program.output.includes(link)]).toEqual([link, isShown]);
		}
	});

	test("keeps its keys to itself, and no token in clear anywhere", async () => {
		const coordinator = await TestCoordinator.start();
		const agentFolder = path.join(temporaryFolder(), "agent");
		await coordinator.agent("one", { workDir: agentFolder });
		expect(statSync(path.join(coordinator.data, "keys.json")).mode & 0o777).toBe(0o600);
		expect(statSync(path.join(agentFolder, "agent.json")).mode & 0o777).toBe(0o600);
		const { token } = JSON.parse(readFileSync(path.join(agentFolder, "agent.json"), "utf8")).identity;
		coordinator.program.signal("SIGTERM");
		await coordinator.program.exited;
		const files = readdirSync(coordinator.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
		for (const file of files) {
			const content = readFileSync(path.join(file.parentPath, file.name), "latin1");
			expect([file.name, content.includes(token.split(".").at(-1)), content.includes(ADMIN_TOKEN)]).toEqual([file.name, false, false]);
		}
	});

	test("shows the admin token once; reset-admin makes another and revokes the first", async () => {
		const data = path.join(temporaryFolder(), "data");
		const start = async () => {
			const program = new Program(["serve", "--no-agent", "--port", "0", "--data", data]);
			onTestFinished(async () => {
				program.signal("SIGTERM");
				await program.exited;
			});
			const [, url = ""] = await program.says(/status page +(http\S+)/);
			await program.says(/Try it/);
			return { program, url, token: /admin token +(\S+)/.exec(program.output)?.[1] ?? null };
		};
		const status = async (url: string, token: string) =>
			(await fetch(`${url}/api/v1/runs`, { headers: { Authorization: `Bearer ${token}` } })).status;
		const first = await start();
		expect(await status(first.url, first.token ?? "")).toBe(200);
		const inUse = await failure(["token", "reset-admin", "--data", data]);
		expect(inUse.code).toBe(2);
		first.program.signal("SIGTERM");
		await first.program.exited;
		expect(workerdsOf(data)).toEqual([]);
		const { code, lines } = await failure(["token", "reset-admin", "--data", data]);
		expect([code, lines]).toEqual([0, [expect.stringMatching(/^wlu_\S+$/)]]);
		const second = await start();
		expect(second.token).toBeNull();
		expect([await status(second.url, first.token ?? ""), await status(second.url, lines[0] ?? "")]).toEqual([401, 200]);
	});

	test("takes its settings from the environment, too, and runs an agent beside it that outlives it", async () => {
		const data = path.join(temporaryFolder(), "data");
		const environment = {
			WINDLASS_PORT: "0",
			WINDLASS_DATA: data,
			WINDLASS_AGENT_SLOTS: "3",
			WINDLASS_PUBLIC_URL: "https://ci.example.com",
			WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN,
			WINDLASS_HOST: "127.0.0.1",
		};
		const program = new Program(["serve"], environment);
		onTestFinished(() => program.kill());
		const [, url = ""] = await program.says(/WINDLASS_SERVER=(http:\S+)/);
		await program.says(/local is ready at .*: 3 slots/);
		expect(program.output).toContain("https://ci.example.com/sign-in?code=");
		const ask = async <Body>(address: string, body?: unknown) => {
			const init = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, ...(body ? { method: "POST", body: JSON.stringify(body) } : {}) };
			return (await (await fetch(url + address, init)).json()) as Body;
		};
		const { id, jobs } = await ask<Run>("/api/v1/runs", { run: "echo begins; sleep 6; echo ends" });
		await eventually(async () => (await ask<Job>(`/api/v1/jobs/${jobs[0]?.id}`)).state === "running", "the job to run");
		await program.kill();
		const next = new Program(["serve"], { ...environment, WINDLASS_PORT: new URL(url).port });
		onTestFinished(async () => {
			next.signal("SIGTERM");
			await next.exited;
		});
		await next.says(/Try it/);
		const run = await ask<Run>(`/api/v1/runs/${id}/wait?timeout=30`);
		expect([run.state, run.jobs[0]?.attempts.length, run.url]).toEqual(["succeeded", 1, `https://ci.example.com/runs/${id}`]);
	});
});

describe("Ctrl-C", () => {
	test("reaches workerd, too: the agents hear of the stop all the same, and no build is lost", async () => {
		const first = await TestCoordinator.start();
		await first.agent("one");
		const { id, jobs } = await first.post<Run>("/api/v1/runs", { run: "sleep 14" });
		await eventually(async () => (await first.get<Job>(`/api/v1/jobs/${jobs[0]?.id}`)).state === "running", "the job to run");
		for (const pid of workerdsOf(first.data)) process.kill(pid, "SIGINT");
		first.program.signal("SIGINT");
		expect([await first.program.exited, workerdsOf(first.data)]).toEqual([0, []]);
		expect(first.program.output).not.toContain("Error");
		await new Promise((resolve) => setTimeout(resolve, LEASE_TTL_MS));
		const second = await TestCoordinator.start({ data: first.data, port: first.port });
		const run = await second.get<Run>(`/api/v1/runs/${id}/wait?timeout=30`);
		expect([run.state, run.jobs[0]?.attempts.length]).toEqual(["succeeded", 1]);
	});
});

describe("windlass demo", () => {
	test("runs the example to its end and leaves nothing behind", async () => {
		const before = readdirSync(os.tmpdir()).filter((name) => name.startsWith("windlass-demo-"));
		const { code, lines } = await failure(["demo"]);
		expect([code, lines]).toEqual([
			0,
			expect.arrayContaining(["::exit 0", expect.stringMatching(/^ {2}build +✓ succeeded/), "    Hello, Ada and Grace."]),
		]);
		expect(readdirSync(os.tmpdir()).filter((name) => name.startsWith("windlass-demo-"))).toEqual(before);
	});
});

describe("windlass agent", () => {
	test("settings: flags over environment over file; what is wrong is said in one sentence", async () => {
		const file = path.join(temporaryFolder(), "agent.yml");
		writeFileSync(file, "server: http://127.0.0.1:1\nslotz: 2\n");
		expect(await failure(["agent", "--config", file])).toEqual({
			code: 2,
			lines: [`windlass: Unknown setting \`slotz\` in ${file}. Did you mean \`slots\`?`],
		});
		expect((await failure(["agent"])).lines[0]).toContain("--server");
		expect(await failure(["agent", "--server", "nowhere"])).toMatchObject({ code: 2 });
		expect(await failure(["agent", "--server", "http://127.0.0.1:1"], { WINDLASS_TOKEN_FILE: "/nonexistent" })).toMatchObject({ code: 2 });
		const coordinator = await TestCoordinator.start();
		writeFileSync(file, `server: ${coordinator.url}\nname: from-file\nslots: 2\nlabels: [blue, green]\n`);
		const tokenFile = path.join(path.dirname(file), "token");
		writeFileSync(tokenFile, `${await coordinator.registrationToken()}\n`);
		const program = new Program(["agent", "--slots", "5"], {
			WINDLASS_CONFIG: file,
			WINDLASS_NAME: "from-environment",
			WINDLASS_TOKEN_FILE: tokenFile,
			WINDLASS_WORK_DIR: path.join(temporaryFolder(), "w"),
		});
		onTestFinished(() => program.kill());
		await program.says(/is ready at/);
		const { items } = await coordinator.get<{ items: { name: string; slots: number; labels: string[] }[] }>("/api/v1/agents");
		expect(items).toMatchObject([
			{ name: "from-environment", slots: 5, labels: expect.arrayContaining(["blue", "green", os.platform(), os.arch()]) },
		]);
	});

	test("is online and takes jobs while it still cleans up its containers and looks for tools", async () => {
		const folder = temporaryFolder();
		const released = path.join(folder, "released");
		const script = `#!/bin/sh\ncase "$1" in version|--version) echo 27.0;; *) while [ ! -e ${released} ]; do sleep 0.1; done;; esac\n`;
		writeFileSync(path.join(folder, "docker"), script, { mode: 0o755 });
		onTestFinished(() => writeFileSync(released, ""));
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one", { environment: { PATH: `${folder}:${process.env.PATH}` } });
		const contained = await coordinator.post<SubmittedRun>("/api/v1/runs", {
			pipeline: { jobs: { main: { container: "busybox", steps: ["true"] } } },
		});
		expect(contained.notices).toEqual([]);
		const { id } = await coordinator.post<Run>("/api/v1/runs", { run: "true" });
		expect((await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=30`)).state).toBe("succeeded");
		expect(await coordinator.get(`/api/v1/jobs/${contained.jobs[0]?.id}/explain`)).toMatchObject({
			summary: "Waits for an agent that is still looking at its machine: one has not said yet whether it has a container runtime.",
		});
		await coordinator.post(`/api/v1/runs/${contained.id}/cancel`, {});
		writeFileSync(released, "");
		const agent = async () => (await coordinator.get<{ items: Agent[] }>("/api/v1/agents")).items[0]?.capabilities;
		await eventually(async () => (await agent())?.looking_for.length === 0, "the end of the looking");
		expect(await agent()).toMatchObject({ container: "docker 27.0", tools: { git: expect.any(String) } });
	});

	test("--once ends after one job, --idle-exit after idleness; both say goodbye", async () => {
		const coordinator = await TestCoordinator.start();
		for (let index = 0; index < 2; index += 1) await coordinator.post("/api/v1/runs", { run: "true" });
		const once = await coordinator.agent("once", { args: ["--once"] });
		expect(await once.exited).toBe(0);
		const states = async () =>
			(await coordinator.get<{ items: Job[] }>("/api/v1/jobs")).items
				.map((job) => job.state)
				.sort()
				.join();
		await eventually(async () => (await states()) === "queued,succeeded", "one job to be done and one to wait");
		const idle = await coordinator.agent("idle", { args: ["--idle-exit", "1s"] });
		expect(await idle.exited).toBe(0);
		const after = await coordinator.get<{ items: { name: string; status: string }[] }>("/api/v1/agents");
		expect(after.items.map(({ name, status }) => [name, status])).toEqual([
			["idle", "offline"],
			["once", "offline"],
		]);
	});

	test("SIGTERM lets the job finish and takes no other; a second one gives it back", async () => {
		const coordinator = await TestCoordinator.start();
		const agent = await coordinator.agent("one");
		const first = await coordinator.post<Run>("/api/v1/runs", { run: "echo begins; sleep 3" });
		const state = async (run: Run) => (await coordinator.get<Run>(`/api/v1/runs/${run.id}`)).jobs[0];
		await eventually(async () => (await state(first))?.state === "running", "the first job to run");
		agent.signal("SIGTERM");
		await agent.says(/draining: 1 job runs/);
		const second = await coordinator.post<Run>("/api/v1/runs", { run: "sleep 30" });
		expect(await agent.exited).toBe(0);
		expect([(await state(first))?.state, (await state(second))?.state]).toEqual(["succeeded", "queued"]);
		const other = await coordinator.agent("two");
		await eventually(async () => (await state(second))?.state === "running", "the second job to run");
		other.signal("SIGTERM");
		await other.says(/draining/);
		other.signal("SIGTERM");
		expect(await other.exited).toBe(0);
		expect((await state(second))?.attempts[0]?.reason?.code).toBe("agent_stopped");
		expect((await state(second))?.state).toMatch(/queued|blocked/);
	});

	test("comes back as itself, cleans up what it has left, and two on one folder are not possible", async () => {
		const coordinator = await TestCoordinator.start();
		const workDir = path.join(temporaryFolder(), "agent");
		const first = await coordinator.agent("one", { workDir });
		expect(await failure(["agent", "--server", coordinator.url, "--work-dir", workDir])).toEqual({
			code: 2,
			lines: [`windlass: Another process (pid ${first.pid}) uses the folder ${workDir}. Stop it, or use another folder.`],
		});
		const { jobs } = await coordinator.post<Run>("/api/v1/runs", { run: "touch left; sleep 60" });
		await eventually(() => readdirSync(path.join(workDir, "jobs")).length === 1, "the folder of the job");
		await first.kill();
		expect(readdirSync(path.join(workDir, "jobs"))).toHaveLength(1);
		await coordinator.post(`/api/v1/jobs/${jobs[0]?.id}/cancel`, {});
		await coordinator.agent("one", { workDir });
		const { items } = await coordinator.get<{ items: unknown[] }>("/api/v1/agents");
		expect(items).toHaveLength(1);
		await eventually(() => readdirSync(path.join(workDir, "jobs")).length === 0, "an empty jobs folder");
	});

	test("one that the coordinator does not know says what to do", async () => {
		const coordinator = await TestCoordinator.start();
		const workDir = path.join(temporaryFolder(), "agent");
		const { code, lines } = await failure(["agent", "--server", coordinator.url, "--work-dir", workDir]);
		expect([code, lines.join()]).toEqual([1, expect.stringContaining("This agent is not registered and has no registration token.")]);
		expect(existsSync(workDir)).toBe(true);
	});
});

const root = path.resolve(import.meta.dirname, "../..");

describe("npm", () => {
	test("passes SIGTERM on to the coordinator and to an agent: both stop as planned, and a job survives the restart", async () => {
		const npm: [string, ...string[]] = ["npm", "--prefix", root];
		const folder = temporaryFolder();
		const data = path.join(folder, "data");
		const port = testPort();
		const environment = { WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN };
		const start = async () => {
			const program = new Program(["start", "--", "--data", data, "--no-agent", "--port", port], environment, npm);
			onTestFinished(async () => {
				for (const pid of [...processesNaming(data), ...workerdsOf(data)]) process.kill(pid, "SIGKILL");
				await program.exited;
			});
			await program.says(/Try it/);
			return program;
		};
		const url = `http://127.0.0.1:${port}`;
		const ask = async <Body>(address: string, body?: unknown) => {
			const init = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, ...(body ? { method: "POST", body: JSON.stringify(body) } : {}) };
			return (await (await fetch(url + address, init)).json()) as Body;
		};
		const first = await start();
		const token = path.join(folder, "token");
		writeFileSync(token, (await ask<{ token: string }>("/api/v1/agent-tokens", {})).token);
		const work = path.join(folder, "agent");
		// These tests may have been started by npm themselves.
		const own = ["/first", ...(process.env.PATH ?? "").split(":").filter((one) => !/\/node_modules\/|node-gyp-bin/.test(one))].join(":");
		const agent = new Program(
			["run", "windlass", "--", "agent", "--server", url, "--token-file", token, "--work-dir", work],
			{ PATH: own },
			npm,
		);
		onTestFinished(async () => {
			for (const pid of processesNaming(work)) process.kill(pid, "SIGKILL");
			await agent.exited;
		});
		const stopped = path.join(folder, "stopped");
		const job = `echo "path $PATH"; while [ ! -e ${stopped} ]; do sleep 0.1; done`;
		const { id, jobs } = await ask<Run>("/api/v1/runs", { run: job });
		await eventually(async () => (await ask<Job>(`/api/v1/jobs/${jobs[0]?.id}`)).state === "running", "the job to run");
		const signaled = performance.now();
		first.signal("SIGTERM");
		expect([await first.exited, workerdsOf(data), processesNaming(data)]).toEqual([0, [], []]);
		expect(performance.now() - signaled).toBeLessThan(5_000);
		await start();
		agent.signal("SIGTERM");
		await agent.says(/draining: 1 job runs/);
		writeFileSync(stopped, "");
		expect([await agent.exited, processesNaming(work)]).toEqual([0, []]);
		const run = await ask<Run>(`/api/v1/runs/${id}`);
		expect([run.state, run.jobs[0]?.attempts.length]).toEqual(["succeeded", 1]);
		const log = await fetch(`${url}/api/v1/jobs/${jobs[0]?.id}/log?format=clean`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
		// Neither what npm prepends nor the Node that Windlass brings along; only the folder of its command.
		expect(await log.text()).toMatch(new RegExp(`^path [^:]+/agent/bin:${own}$`, "m"));
	}, 60_000);
});

describe("the systemd units", () => {
	test("are valid, start Node itself, and leave the jobs' control groups to the agent", () => {
		const folder = temporaryFolder();
		const units = ["coordinator", "agent"].map((service) => {
			const args = ["service", "install", service, "--print", "--set", 'WINDLASS_LABELS=a b, "c" $HOME %h'];
			return { service, text: execFileSync(process.execPath, [PROGRAM, ...args], { encoding: "utf8" }) };
		});
		const files = units.map(({ service, text }) => {
			const file = path.join(folder, `windlass-${service}.service`);
			writeFileSync(file, text);
			return file;
		});
		expect(spawnSync("systemd-analyze", ["verify", ...files], { encoding: "utf8" })).toMatchObject({ status: 0, stdout: "", stderr: "" });
		for (const { text } of units) {
			for (const setting of [/^\[Install\]$/m, /^User=./m, /^After=network-online\.target/m, /^LimitNOFILE=\d+$/m, /^KillMode=mixed$/m])
				expect(text).toMatch(setting);
			expect(text).toContain('Environment="WINDLASS_LABELS=a b, \\"c\\" $$HOME %%h"');
			const [, line = ""] = /^ExecStart=(.*)$/m.exec(text) ?? [];
			const [program = "", ...args] = line.split(" ");
			expect(execFileSync(program, [...args.slice(0, 2), "--help"], { encoding: "utf8" })).toContain("Usage: windlass");
		}
		expect(units[1]?.text).toMatch(/^Delegate=yes$/m);
		// The coordinator is among the best that systemd knows: 0 is the best, and 10 the worst.
		const rating = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=25", files[0] as string], { encoding: "utf8" });
		expect([rating.status, /Overall exposure level[^\n]*/.exec(rating.stdout)?.[0]]).toEqual([0, expect.stringMatching(/ OK /)]);
		for (const [args, message] of [
			[["install", "coordinator", "--server", "http://x"], "are for the agent"],
			[["install", "agent", "--user", "no user"], "is not the name of a user"],
			[["install", "agent", "--folder", "relative"], "does not begin with a slash"],
			[["install", "both"], "Allowed choices"],
			[["uninstall", "agent"], "systemd does not run"],
		] as const) {
			const { status, stderr } = spawnSync(process.execPath, [PROGRAM, "service", ...args], { encoding: "utf8" });
			if (message !== "systemd does not run" || !existsSync("/run/systemd/system"))
				expect([args, status, stderr]).toEqual([args, 2, expect.stringContaining(message)]);
		}
	});
});

describe("the documentation", () => {
	test("every line of docs/how-to/curl.md runs as it stands, and prints what it says", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const text = readFileSync(path.join(root, "docs/how-to/curl.md"), "utf8");
		const blocks = [...text.matchAll(/```sh\n(.*?)```\n(?:\n```text\n(.*?)```)?/gs)].map(([, script = "", expected = ""]) => ({
			script,
			expected,
		}));
		expect(blocks.length).toBeGreaterThan(7);
		const script = blocks.map((block) => `${block.script}\necho; echo '=====';`).join("\n");
		const output = execFileSync("bash", ["-euo", "pipefail", "-c", script], {
			cwd: temporaryFolder(),
			encoding: "utf8",
			env: { ...process.env, SERVER: coordinator.url, TOKEN: ADMIN_TOKEN },
		});
		// An agent without control groups says so in every log.
		const printed = output.replace(/^.*:: this agent has no control group.*\n/gm, "").split("\n=====\n");
		for (const [index, { expected }] of blocks.entries()) {
			const pattern = expected
				.split("…")
				.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
				.join("[^\n]*");
			expect(printed[index]).toMatch(new RegExp(`^${pattern}$`));
		}
	}, 60_000);
});
