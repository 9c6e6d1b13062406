import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { eventually, type Program, type TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const IDENTITY = { GIT_AUTHOR_NAME: "Ada", GIT_AUTHOR_EMAIL: "a@x.test", GIT_COMMITTER_NAME: "Ada", GIT_COMMITTER_EMAIL: "a@x.test" };

function git(cwd: string, ...args: string[]): string {
	return execFileSync("git", ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", ...args], {
		cwd,
		encoding: "utf8",
		env: { ...process.env, ...IDENTITY },
	}).trim();
}

function repository(folder: string, files: Record<string, string>): string {
	mkdirSync(folder, { recursive: true });
	git(folder, "init", "--quiet");
	for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
	git(folder, "add", "--all");
	git(folder, "commit", "--quiet", "--message=First");
	return folder;
}

/** Repositories over the git protocol, as a server far away would give them. */
async function gitServer(base: string): Promise<{ url: string; stop(): void }> {
	const port = testPort();
	const daemon = spawn("git", ["daemon", "--export-all", `--base-path=${base}`, `--port=${port}`, "--listen=127.0.0.1", "--reuseaddr"], {
		stdio: "ignore",
		detached: true,
	});
	const stop = () => {
		try {
			process.kill(-(daemon.pid as number), "SIGKILL");
		} catch {
			// It has been stopped already.
		}
	};
	cleanups.push(stop);
	await eventually(
		() =>
			new Promise<boolean>((resolve) => {
				const socket = connect(Number(port), "127.0.0.1", () => {
					socket.destroy();
					resolve(true);
				});
				socket.on("error", () => resolve(false));
			}),
		"the git server",
	);
	return { url: `git://127.0.0.1:${port}`, stop };
}

/** An agent of its own for a test, that only jobs with its name as label reach. */
async function ownAgent(name: string, options: Parameters<TestCoordinator["agent"]>[1] = {}): Promise<Program> {
	return coordinator.agent(name, { ...options, args: ["--labels", name, ...(options.args ?? [])] });
}

async function run(label: string, pipeline: object): Promise<{ run: resources.Run; job: resources.Job; log: string }> {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { runs_on: [label], ...pipeline } });
	const over = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`));
	const job = over.jobs[0] as resources.Job;
	return { run: over, job, log: await coordinator.text(`/api/v1/jobs/${job.id}/log?format=raw`) };
}

describe("a checkout", () => {
	test("comes by way of a mirror: the second one asks the server for nothing that is there", async () => {
		const base = temporaryFolder();
		const source = repository(path.join(base, "app"), { "file.txt": "one" });
		const server = await gitServer(base);
		const workDir = path.join(temporaryFolder(), "agent");
		await ownAgent("mirror", { workDir });
		const pipeline = { source: { git: `${server.url}/app`, ref: "main" }, steps: ["cat file.txt", "git log --oneline | wc -l"] };
		const first = await run("mirror", pipeline);
		expect([first.run.state, first.run.branch, first.log]).toEqual(["succeeded", "main", expect.stringContaining("\none")]);
		const [mirror = ""] = readdirSync(path.join(workDir, "mirrors"));
		writeFileSync(path.join(source, "file.txt"), "two");
		git(source, "commit", "--quiet", "--all", "--message=Second");
		expect((await run("mirror", pipeline)).log).toContain("\ntwo");
		expect(readdirSync(path.join(workDir, "mirrors"))).toEqual([mirror]);
		// The commit is in the mirror: of the server only the names of its refs are asked for.
		const sha = git(source, "rev-parse", "HEAD");
		const trace = path.join(temporaryFolder(), "trace");
		await ownAgent("tracing", {
			workDir: path.join(temporaryFolder(), "agent"),
			environment: { GIT_TRACE2_EVENT: trace },
			args: ["--pass-env", "GIT_TRACE2_EVENT"],
		});
		expect((await run("tracing", pipeline)).run.commit?.sha).toBe(sha);
		const fetches = () =>
			readFileSync(trace, "utf8")
				.split("\n")
				.filter((line) => line.includes('"start"') && line.includes('"fetch"') && line.includes("origin")).length;
		expect(fetches()).toBe(1);
		expect((await run("tracing", pipeline)).run.state).toBe("succeeded");
		expect(fetches()).toBe(1);
		// A mirror that something has left half written is made anew.
		const [broken = ""] = readdirSync(path.join(workDir, "mirrors"));
		writeFileSync(path.join(workDir, "mirrors", broken, "shallow.lock"), "");
		writeFileSync(path.join(source, "file.txt"), "three");
		git(source, "commit", "--quiet", "--all", "--message=Third");
		expect((await run("mirror", pipeline)).log).toContain("\nthree");
	});

	test("tries three times where the server cannot be reached, and says so", async () => {
		const base = temporaryFolder();
		repository(path.join(base, "app"), { "file.txt": "x" });
		const server = await gitServer(base);
		server.stop();
		await ownAgent("unreachable");
		const { job, log } = await run("unreachable", { source: { git: `${server.url}/app` }, steps: ["true"] });
		expect([job.state, job.reason?.code]).toEqual(["errored", "checkout_failed"]);
		expect(job.reason?.text).toMatch(/git ls-remote failed: .*onnection refused.*\(tried 3 times\)/i);
		expect(log.match(/trying again in/g)).toHaveLength(2);
	});

	test.each([
		[
			"a repository that is not there",
			"/app-that-is-not",
			undefined,
			/git ls-remote failed: .*(not exported|does not appear|denied|access)/i,
		],
		["a ref that is gone", "/app", "vanished", /The repository has no branch, tag or commit vanished. Branches: main./],
		[
			"a commit that is gone",
			"/app",
			"0123456789012345678901234567890123456789",
			/The commit 0123456789012345678901234567890123456789 is not in the repository/,
		],
	])("fails clearly, and at once, for %s", async (_, address, ref, message) => {
		const base = temporaryFolder();
		repository(path.join(base, "app"), { "file.txt": "x" });
		const server = await gitServer(base);
		const name = `clear-${Math.random().toString(36).slice(2, 8)}`;
		await ownAgent(name);
		const { job, log } = await run(name, { source: { git: server.url + address, ...(ref ? { ref } : {}) }, steps: ["true"] });
		expect([job.state, job.reason?.code, job.reason?.text]).toEqual(["errored", "checkout_failed", expect.stringMatching(message)]);
		expect(log).not.toContain("trying again");
	});

	test("fails clearly where git is not installed", async () => {
		const folder = temporaryFolder();
		mkdirSync(path.join(folder, "bin"));
		for (const tool of ["sh", "bash"])
			execFileSync("ln", ["-s", execFileSync("which", [tool], { encoding: "utf8" }).trim(), path.join(folder, "bin", tool)]);
		await ownAgent("gitless", { environment: { PATH: path.join(folder, "bin") } });
		const { job } = await run("gitless", { source: { git: "https://example.test/x.git" }, steps: ["true"] });
		expect([job.state, job.reason?.text]).toEqual(["errored", "git is not installed on this agent. Install git there."]);
	});

	test("brings submodules and large files along", async () => {
		const base = temporaryFolder();
		repository(path.join(base, "inner"), { "inner.txt": "from the submodule" });
		const outer = repository(path.join(base, "outer"), { "outer.txt": "outer" });
		const server = await gitServer(base);
		git(outer, "submodule", "--quiet", "add", `${server.url}/inner`, "deps/inner");
		git(outer, "commit", "--quiet", "--message=Submodule");
		const large = repository(path.join(base, "large"), { ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n" });
		git(large, "lfs", "install", "--local");
		writeFileSync(path.join(large, "big.bin"), "a large file");
		git(large, "add", "--all");
		git(large, "commit", "--quiet", "--message=Large");
		expect(git(large, "show", "HEAD:big.bin")).toMatch(/^version https:\/\/git-lfs/);
		await ownAgent("complete");
		const submodule = await run("complete", { source: { git: `${server.url}/outer` }, steps: ["cat deps/inner/inner.txt"] });
		expect([submodule.run.state, submodule.log]).toEqual(["succeeded", expect.stringContaining("\nfrom the submodule")]);
		const lfs = await run("complete", { source: { git: large }, steps: ["cat big.bin"] });
		expect([lfs.run.state, lfs.log]).toEqual(["succeeded", expect.stringContaining("\na large file")]);
	});
});

describe("an agent behind TLS and proxies", () => {
	test("trusts the certificates it is given, and only those", async () => {
		const folder = temporaryFolder();
		const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
		execFileSync(
			"openssl",
			[
				"req",
				"-x509",
				"-newkey",
				"rsa:2048",
				"-nodes",
				"-keyout",
				key,
				"-out",
				cert,
				"-days",
				"2",
				"-subj",
				"/CN=localhost",
				"-addext",
				"subjectAltName=IP:127.0.0.1",
			],
			{ stdio: "ignore" },
		);
		const front = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, outgoing) => {
			const onward = httpRequest(
				new URL(incoming.url ?? "/", coordinator.url),
				{ method: incoming.method ?? "GET", headers: incoming.headers },
				(answer) => {
					outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
					answer.pipe(outgoing);
				},
			);
			onward.on("error", () => outgoing.destroy());
			incoming.pipe(onward);
		});
		onTestFinished(() => void front.close());
		await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
		const url = `https://127.0.0.1:${(front.address() as { port: number }).port}`;
		await ownAgent("trusting", { args: ["--server", url, "--ca-file", cert] });
		expect((await run("trusting", { steps: ["echo $CI_SERVER_URL"] })).run.state).toBe("succeeded");
		const { program } = await startAgent(["--server", url, "--name", "mistrusting"]);
		await program.says(/self-signed certificate/);
	});

	test("goes through the proxy that HTTP_PROXY names", async () => {
		const seen: string[] = [];
		const sockets = new Set<Socket>();
		const proxy = createServer((incoming, outgoing) => {
			const target = new URL(incoming.url ?? "/");
			seen.push(target.hostname);
			const onward = httpRequest(
				new URL(target.pathname + target.search, coordinator.url),
				{ method: incoming.method ?? "GET", headers: incoming.headers },
				(answer) => {
					outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
					answer.pipe(outgoing);
				},
			);
			onward.on("error", () => outgoing.destroy());
			incoming.pipe(onward);
		});
		proxy.on("connect", (incoming, socket: Socket) => {
			seen.push((incoming.url ?? "").split(":")[0] ?? "");
			const onward = connect(Number(coordinator.port), "127.0.0.1", () => {
				socket.write("HTTP/1.1 200 OK\r\n\r\n");
				socket.pipe(onward).pipe(socket);
			});
			for (const one of [socket, onward]) {
				sockets.add(one);
				one.on("error", () => undefined);
			}
		});
		onTestFinished(() => {
			for (const socket of sockets) socket.destroy();
			proxy.close();
		});
		await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
		const address = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
		await ownAgent("proxied", { args: ["--server", `http://coordinator.test:${coordinator.port}`], environment: { HTTP_PROXY: address } });
		expect((await run("proxied", { steps: ["true"] })).run.state).toBe("succeeded");
		expect(new Set(seen)).toEqual(new Set(["coordinator.test"]));
	});
});

/** An agent that need not get ready. */
async function startAgent(args: string[], environment: Record<string, string> = {}): Promise<{ program: Program }> {
	const { Program } = await import("../support/processes.ts");
	const program = new Program(["agent", "--work-dir", path.join(temporaryFolder(), "agent"), ...args], {
		WINDLASS_TOKEN: await coordinator.registrationToken(),
		...environment,
	});
	onTestFinished(() => program.kill());
	return { program };
}

describe("what an agent accepts and reports", () => {
	test("--pass-env: a job sees the named variables, and no others", async () => {
		await ownAgent("passing", { args: ["--pass-env", "SITE,MISSING"], environment: { SITE: "berlin", OTHER: "hidden" } });
		const { log } = await run("passing", { steps: ["env | sort"] });
		expect(log).toMatch(/\nSITE=berlin\n/);
		expect(log).not.toMatch(/OTHER|MISSING/);
	});

	test.each([
		[["--pass-env", "WINDLASS_TOKEN"], /pass-env: .*jobs do not inherit WINDLASS_\*/],
		[["--pass-env", "A-B"], /pass-env: .*is not the name of a variable/],
		[["--ca-file", "/nowhere.pem"], /ca-file: \/nowhere.pem cannot be read/],
		[["--health-port", "0"], /health-port/],
		[["--spool-limit", "1k"], /spool-limit: 1k is not a size of at least 1 MiB/],
	])("refuses %j", async (args, message) => {
		const { program } = await startAgent(["--server", coordinator.url, ...args]);
		expect([await program.exited, program.output]).toEqual([2, expect.stringMatching(message)]);
	});

	test("--health-port: healthy, ready, and what it runs", async () => {
		const port = testPort();
		const program = await ownAgent("healthy", { args: ["--health-port", port] });
		const ask = async (address: string) => {
			const response = await fetch(`http://127.0.0.1:${port}${address}`);
			return { status: response.status, body: (await response.json()) as { status: string; jobs: { run: string }[] } };
		};
		expect(await ask("/readyz")).toMatchObject({ status: 200, body: { status: "ready", jobs: [] } });
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { runs_on: ["healthy"], steps: ["sleep 3"] } });
		await eventually(async () => (await ask("/healthz")).body.jobs[0]?.run === id, "the job");
		program.signal("SIGTERM");
		await eventually(async () => (await ask("/readyz")).status === 503, "draining");
		expect(await ask("/healthz")).toMatchObject({ status: 200, body: { status: "draining" } });
		expect((await ask("/other")).status).toBe(404);
		expect(await program.exited).toBe(0);
	});
});

describe("processes that try to get away", () => {
	const ESCAPE = "env -i setsid sh -c 'cd /; exec sleep 987' </dev/null >/dev/null 2>&1 & sleep 0.3; echo left";
	const sleepers = () => execFileSync("sh", ["-c", "pgrep -f '^sleep 987$' || true"], { encoding: "utf8" }).split("\n").filter(Boolean);

	test("without environment, session and folder: a control group holds them where there is one; where not, the job says so", async () => {
		await ownAgent("holding");
		const agents = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
		const isHeld = agents.items.find(({ name }) => name === "holding")?.facts.processes === "held in control groups";
		const { log } = await run("holding", { steps: [ESCAPE] });
		if (isHeld) expect(sleepers()).toEqual([]);
		else {
			expect(log).toMatch(/^:: this agent has no control groups: a detached process may outlive the job$/m);
			for (const pid of sleepers()) process.kill(Number(pid), "SIGKILL");
		}
	});

	test("those that stay in the workspace are found without a control group, too", async () => {
		await ownAgent("finding");
		await run("finding", { steps: ["env -i setsid sleep 986 </dev/null >/dev/null 2>&1 & sleep 0.3"] });
		expect(execFileSync("sh", ["-c", "pgrep -f '^sleep 986$' || true"], { encoding: "utf8" })).toBe("");
	});

	test("a step that ends its process group ends nothing of an earlier step", async () => {
		await ownAgent("grouping");
		const group = "trap : TERM; kill 0; true";
		const { run: ended, log } = await run("grouping", {
			steps: ["sleep 985 >/dev/null & echo $! > pid", group, "kill -0 $(cat pid) && echo alive"],
		});
		expect([ended.state, log]).toEqual(["succeeded", expect.stringMatching(/^alive$/m)]);
	});
});

test("an agent looks again for its tools when it is asked to", async () => {
	const folder = temporaryFolder((clean) => void cleanups.push(clean));
	const probe = path.join(folder, "made-later");
	const agent = await ownAgent("curious", { args: ["--probes", `later=${probe}`] });
	const tools = async () => {
		const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
		return items.find(({ name }) => name === "curious")?.capabilities;
	};
	await eventually(async () => (await tools())?.looking_for.length === 0, "the first detection to end");
	expect((await tools())?.tools.later).toBeUndefined();
	writeFileSync(probe, "#!/bin/sh\necho version 1.2.3\n", { mode: 0o755 });
	agent.signal("SIGUSR2");
	await eventually(async () => (await tools())?.tools.later === "1.2.3", "the new tool to be known");
	const { run: ended } = await run("curious", { runs_on: { labels: ["curious"], tools: { later: ">=1.2" } }, steps: ["true"] });
	expect(ended.state).toBe("succeeded");
});

describe("a disk that is full", () => {
	// A disk that is small enough to fill can only be mounted as root.
	test.skipIf(process.getuid?.() !== 0)("costs the log what did not fit, says so, and delivers the result", async () => {
		const mount = temporaryFolder((clean) => void cleanups.push(clean));
		execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", mount]);
		cleanups.push(() => void execFileSync("umount", ["-l", mount]));
		await ownAgent("cramped", { workDir: path.join(mount, "agent") });
		const fill = `head -c 100000000 /dev/zero > ${mount}/fill || true; seq 300000; rm ${mount}/fill; echo the end`;
		const { job, log } = await run("cramped", { steps: [fill] });
		expect([job.state, job.attempts.length]).toEqual(["succeeded", 1]);
		const attempt = (await coordinator.get<resources.Job>(`/api/v1/jobs/${job.id}`)).attempts[0];
		expect(attempt?.log.incomplete).toBe(true);
		expect(job.reason).toEqual({ code: "log_incomplete", text: expect.stringMatching(/to its disk: ENOSPC.*The log says where/) });
		expect(log).toMatch(/:: \S+ (bytes|KiB|MiB)? ?are left out here: the agent could not write them to its disk\n/);
		expect(log).toMatch(/the end\n$/);
		await eventually(() => !existsSync(path.join(mount, "agent/jobs", attempt?.id ?? "")), "the folder of the job to be removed");
		expect(statSync(mount).isDirectory()).toBe(true);
	});
});
