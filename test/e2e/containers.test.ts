import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as resources from "../../schema/wire/resources.ts";
import { TestDocker } from "../support/docker.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { eventually, PROGRAM, type Program, type TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Jobs in containers, on a real Docker daemon. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let docker: TestDocker;
let agent: Program;
let workDir: string;
const REGISTRY = `127.0.0.1:${testPort()}`;
const PASSWORD = "s3cret-of-the-registry";
const PASSWORD_HASH = "$2b$05$HODEwJC4UBfKflbyuwwrcuCV/EFUdLdfU7JuMdF0mbAq5XpsCxIvy";
/** One that Docker gives to no container by itself. */
const DEVICE = "/dev/kmsg";
let credentials: string;
/** The configuration of the agent's own Docker. */
let dockerConfig: string;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	docker = TestDocker.prepare(atEnd);
	workDir = path.join(temporaryFolder(atEnd), "agent");
	const folder = temporaryFolder(atEnd);
	credentials = path.join(folder, "registries.yml");
	writeFileSync(path.join(folder, "password"), `${PASSWORD}\n`);
	const mistaken = `{ registry: "${REGISTRY}", username: ci, password: mistaken }`;
	writeFileSync(credentials, `team: { registry: "${REGISTRY}", username: ci, password_file: password }\nother: ${mistaken}\n`);
	dockerConfig = temporaryFolder(atEnd);
	// The agent is there before the daemon is.
	agent = await startAgent();
	await docker.up();
	docker.importBusybox();
	await untilContainers();
	await startRegistry();
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function startAgent(): Promise<Program> {
	return coordinator.agent("shipper", {
		slots: "2",
		workDir,
		args: ["--registry-credentials", credentials, "--allow-devices", DEVICE],
		environment: { DOCKER_HOST: docker.host, DOCKER_CONFIG: dockerConfig },
	});
}

async function untilContainers(): Promise<void> {
	await eventually(async () => {
		const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
		return items.some(({ name, capabilities }) => name === "shipper" && capabilities.container?.startsWith("docker"));
	}, "an agent with a container runtime");
}

async function startRegistry(): Promise<void> {
	const folder = temporaryFolder(atEnd);
	mkdirSync(path.join(folder, "data"));
	writeFileSync(path.join(folder, "users"), `ci:${PASSWORD_HASH}\n`);
	const auth = `auth: { htpasswd: { realm: test, path: "${folder}/users" } }`;
	const config = `version: 0.1\nstorage: { filesystem: { rootdirectory: ${folder}/data } }\nhttp: { addr: "${REGISTRY}" }\n${auth}\n`;
	writeFileSync(path.join(folder, "config.yml"), config);
	const registry = spawn("docker-registry", ["serve", path.join(folder, "config.yml")], { stdio: "ignore" });
	atEnd(() => void registry.kill());
	await eventually(async () => (await fetch(`http://${REGISTRY}/v2/`).catch(() => null))?.status === 401, "a registry");
}

async function submit(job: object): Promise<resources.Run> {
	return coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { jobs: { c: job } } });
}

async function ended({ id }: { id: string }): Promise<{ job: resources.Job; log: string }> {
	const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
	const job = run.jobs[0] as resources.Job;
	return { job, log: await coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`) };
}

const inContainer = async (job: object) => ended(await submit({ container: "test/busybox:1", ...job }));

describe("a job in a container", () => {
	test("runs each step in one container, with the workspace, its variables, outputs and artifacts", async () => {
		const { job, log } = await inContainer({
			env: { TEXT: `it's "quoted" $HOME\nand goes on` },
			outputs: ["answer"],
			artifacts: { save: ["made/**"] },
			steps: [
				'hostname > /tmp/first; pwd; echo "$TEXT"; echo $CI_WORKSPACE; test ! -e /root/.ssh',
				'test "$(cat /tmp/first)" = "$(hostname)"; mkdir made; echo x > made/f; echo answer=42 >> $CI_OUTPUT',
				{ run: "pwd", working_directory: "made" },
				{ run: "echo from $0", shell: "sh" },
			],
		});
		expect([job.state, job.outputs]).toEqual(["succeeded", { answer: "42" }]);
		expect(log).toContain(`/workspace\nit's "quoted" $HOME\nand goes on\n/workspace\n`);
		expect(log).toContain("/workspace/made\n");
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${job.id}/artifacts`);
		expect(items.map(({ path: name }) => name)).toEqual(["made/f"]);
		expect(docker.leftovers()).toEqual([]);
	});

	test("has conditions, retries, groups, variables and `finally` as a job on the host has", async () => {
		const { job, log } = await inContainer({
			steps: [
				{
					id: "one",
					name: "one",
					run: "echo v=1 >> $CI_OUTPUT; echo A=written >> $CI_ENV; mkdir bin; printf '#!/bin/sh\\necho mine' > bin/mine; chmod +x bin/mine; echo $PWD/bin >> $CI_PATH",
				},
				{ name: "two", run: 'mine; echo "$A $V"', env: { V: "${{ steps.one.outputs.v }}" }, if: 'steps.one.outputs.v == "1"' },
				{ name: "left", run: "sleep 500 & echo $! > pid" },
				{ name: "slow", run: "setsid sleep 501 & sleep 502", timeout: "1s", continue_on_error: true },
				{ name: "three", run: "kill -0 $(cat pid); ! ps | grep 'sleep 50[12]' | grep -v grep" },
				{
					parallel: [
						{ id: "p", run: "echo from p; echo P=1 >> $CI_ENV" },
						{ name: "q", run: "sleep 1; echo from q; exit 3", continue_on_error: true },
					],
				},
				{ name: "flaky", run: "test -e again || { touch again; exit 1; }", retry: 2 },
				{ name: "fails", run: 'test "$P" = 2' },
				{ name: "on failure", run: "echo it failed", if: "failure()" },
			],
			finally: ["echo cleaned $A"],
		});
		expect([job.state, job.reason?.text]).toEqual(["failed", 'The step "fails" failed with exit code 1.']);
		for (const text of [
			"mine\nwritten 1\n",
			"[p] from p\n",
			"[q] from q\n",
			":: attempt 2 of 2 follows\n",
			"it failed\n",
			"cleaned written\n",
		])
			expect(log).toContain(text);
		expect(job.steps.find(({ name }) => name === "slow")?.state).toBe("timed_out");
		expect(docker.leftovers()).toEqual([]);
	});

	test("has the windlass command, also as another user, without Node", async () => {
		const { job, log } = await inContainer({
			container: { image: "test/busybox:1", user: "1000:1000" },
			outputs: ["o"],
			steps: [
				"windlass mask not-to-be-seen; echo not-to-be-seen; windlass annotate --level warning --file a.c --line 2 'look here'",
				"windlass output 'o=a b'; windlass env A=1; echo x > saved.txt; windlass artifact upload saved.txt; windlass nope || echo code $?",
				'echo "A is $A"; echo "jobs: { more: { steps: [echo more] } }" | windlass pipeline upload -',
			],
		});
		expect([job.state, job.outputs]).toEqual(["succeeded", { o: "a b" }]);
		expect(job.attempts[0]?.annotations).toMatchObject([{ level: "warning", file: "a.c", line: 2, text: "look here" }]);
		expect(log).not.toContain("\nnot-to-be-seen\n");
		for (const text of ["***\n", "saved saved.txt", "code 2\n", "A is 1\n", "added 1 job: more\n"]) expect(log).toContain(text);
	});

	test.each(["0", "1000:1000"])("begins with the cache that another container has left, as user %s", async (user) => {
		const cache = { key: `of ${user}`, paths: ["deps"] };
		const container = { image: "test/busybox:1", user };
		const first = await inContainer({
			container,
			cache,
			steps: ["mkdir -p deps/in; echo 1 > deps/in/a; chmod 0500 deps/in; ln -s in/a deps/l"],
		});
		expect([first.job.state, first.job.attempts[0]?.caches[0]?.result]).toEqual(["succeeded", "miss"]);
		const second = await inContainer({ container, cache, steps: ["cat deps/l; echo 2 > deps/in/b"] });
		expect([second.job.state, second.job.attempts[0]?.caches]).toEqual([
			"succeeded",
			[expect.objectContaining({ result: "hit", from: "agent" })],
		]);
		expect(docker.leftovers()).toEqual([]);
	});

	test("runs the steps of `finally` in its container after a cancel", async () => {
		const run = await submit({
			container: "test/busybox:1",
			steps: ["echo waiting; sleep 300 & sleep 301"],
			finally: ["ps | grep -c 'sleep 30[0-9]' || echo all have ended; hostname > f; echo cleaned"],
		});
		const logText = () => coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`);
		await eventually(async () => (await logText()).includes("waiting\n"), "a running step");
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		const { job, log } = await ended(run);
		expect([job.state, log]).toEqual(["cancelled", expect.stringContaining("all have ended\ncleaned\n")]);
		expect(docker.leftovers()).toEqual([]);
	});

	test("is measured as a job on the host is: CPU by its container, also of ended processes", async () => {
		const burn = "sh -c 'end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do :; done'";
		const { job } = await inContainer({ steps: [{ name: "burn", run: burn }] });
		const usage = job.attempts[0]?.usage;
		expect([job.state, (usage?.cpu.length ?? 0) >= 2]).toEqual(["succeeded", true]);
		expect(Math.max(...(usage?.cpu ?? []))).toBeGreaterThan(200);
		expect(usage?.peak_memory).toBeGreaterThan(100_000);
		const page = await coordinator.text(`/jobs/${job.id}?tab=resources`);
		for (const part of ["<code>burn</code>", "Memory", "cores"]) expect(page).toContain(part);
	});

	test("gets its secrets by no command line and by no file, and they are hidden", async () => {
		const value = "a-secret-in-a-container";
		await coordinator.request("/api/v1/secrets/in_container", { method: "PUT", body: JSON.stringify({ value }) });
		const run = await submit({
			container: "test/busybox:1",
			secrets: { S: "in_container" },
			steps: ['printf "%s\\n" "$S"; printf "%s" "$S" | wc -c; sleep 3', 'cat; echo "${S%-*}"'],
		});
		await eventually(
			async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`)).includes("\n23\n"),
			"the first step to be at work",
		);
		// In brackets, lest grep finds itself.
		const findable = value.replace(/r$/, "[r]");
		for (const where of [[workDir], ["/proc", "--include=cmdline"]])
			expect(spawnSync("grep", ["-rl", findable, ...where], { encoding: "utf8" }).stdout).toBe("");
		const { job, log } = await ended(run);
		expect([job.state, log]).toEqual(["succeeded", expect.stringContaining("***\n23\n")]);
		expect(log).toContain("\na-secret-in-a\n");
		expect(log).not.toContain(value);
	});

	test("as another user, in another folder, with options; its files are the agent's afterwards", async () => {
		const run = await submit({
			container: {
				image: "test/busybox:1",
				user: "node",
				workdir: "/src",
				env: { E: "e" },
				volumes: ["test-cache:/cache", "test-cache:/frozen:ro"],
				devices: [DEVICE],
				options: { network: "none", memory: "64m", cpus: "0.5", shm_size: "8m", init: true, read_only: true },
			},
			steps: [
				"id -u; pwd; echo $E; ls /sys/class/net; cat /proc/1/comm",
				`test -c ${DEVICE}; df -k /dev/shm | awk 'NR == 2 { print $2 }'`,
				"awk '$2 ~ \"^/(cache|frozen|src|)$\" { print $2, substr($4, 1, 2) }' /proc/mounts | sort",
				"cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us",
				"touch mine; until test -e seen; do sleep 0.1; done",
			],
		});
		// The folder of the job is gone when it is over; what has a second name stays.
		const workspace = await eventually(() => {
			const folders = readdirSync(path.join(workDir, "jobs")).map((name) => path.join(workDir, "jobs", name, "workspace"));
			return folders.find((folder) => existsSync(path.join(folder, "mine")));
		}, "the last step");
		const kept = path.join(path.dirname(workDir), "kept");
		linkSync(path.join(workspace, "mine"), kept);
		expect(statSync(kept).uid).toBe(1000);
		writeFileSync(path.join(workspace, "seen"), "");
		const { job, log } = await ended(run);
		expect([job.state, job.steps.at(-1)?.state]).toEqual(["succeeded", "succeeded"]);
		const said = log.split("\n").filter((line) => line !== "" && !line.startsWith(":: "));
		const mounts = ["/ ro", "/cache rw", "/frozen ro", "/src rw"];
		const shares = [String(64 * 1024 * 1024), expect.stringMatching(/^50000\b/)];
		expect(said).toEqual(["1000", "/src", "e", "lo", "docker-init", "8192", ...mounts, ...shares]);
		expect([statSync(kept).uid, statSync(kept).gid]).toEqual([process.getuid?.(), process.getgid?.()]);
		docker.run("volume", "rm", "test-cache");
	});

	test("cannot lead the agent to files of its own by links", async () => {
		const { job, log } = await inContainer({
			outputs: ["x"],
			reports: { coverage: { go: "cover" } },
			steps: [
				"cd /windlass/files; rm -f output summary; ln -s /etc/passwd output; ln -s /etc/passwd summary; ln -s /tmp/windlass-written tests.json; ln -s /etc/passwd $CI_WORKSPACE/cover",
				{ name: "image", build: { dockerfile: "cover", tags: "x" } },
			],
		});
		expect(job).toMatchObject({
			state: "failed",
			outputs: {},
			reason: { code: "build_failed", text: "The file cover is not in the workspace." },
		});
		expect(log).toContain("The report cover is not a file in the workspace.");
		expect(log).not.toContain("root:x:0:0:root:/root:/bin/bash");
		expect((await coordinator.request(`/api/v1/jobs/${job.id}/summary`)).status).toBe(404);
	});

	test("has a limit of processes and gains no new rights, unless whoever runs the agent allows it", async () => {
		const look = "grep NoNewPrivs /proc/self/status; cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max";
		const web = {
			image: "test/busybox:1",
			command: ["sh", "-c", `(${look}) > /index.html; httpd -f -p 80 -h /`],
			health: "test -s /index.html",
		};
		const job = { services: { web }, steps: [look, "wget -q -O- http://web/index.html"] };
		const limitsIn = (log: string) => log.split("\n").filter((line) => /^(NoNewPrivs|\d+$)/.test(line));
		expect(limitsIn((await inContainer(job)).log)).toEqual(["NoNewPrivs:\t1", "4096", "NoNewPrivs:\t1", "4096"]);
		const liberal = await coordinator.agent("liberal", {
			args: ["--labels", "liberal", "--allow-new-privileges", "--max-processes", "77"],
			environment: { DOCKER_HOST: docker.host, DOCKER_CONFIG: dockerConfig },
		});
		const allowed = await inContainer({ ...job, runs_on: ["liberal"] });
		liberal.signal("SIGTERM");
		await liberal.exited;
		expect(limitsIn(allowed.log), allowed.log).toEqual(["NoNewPrivs:\t0", "77", "NoNewPrivs:\t0", "77"]);
	});

	test("that keeps swapping its folders for links to the agent's own gets none of them into an image", async () => {
		const secrets = temporaryFolder();
		writeFileSync(path.join(secrets, "Dockerfile"), "FROM test/busybox:1\nRUN echo the secret of the agent\n");
		writeFileSync(path.join(secrets, "secret"), "the secret of the agent");
		const make = "mkdir context; printf 'FROM test/busybox:1\\nCOPY . /c\\nRUN cat /c/*\\n' > context/Dockerfile; echo mine > context/mine";
		const swap = `ln -s ${secrets} out; (while :; do mv context kept; mv out context; mv context out; mv kept context; usleep 20000; done) > /dev/null 2>&1 &`;
		const build = { name: "image", build: { context: "context", tags: "swapped" } };
		const other = { name: "image", build: { context: ".", dockerfile: "context/Dockerfile", tags: "swapped" } };
		const jobs = { c: { matrix: { n: [1, 2, 3, 4, 5, 6] }, container: "test/busybox:1", steps: [make, build, swap, other, build, build] } };
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { jobs } });
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
		const logs = await Promise.all(run.jobs.map((job) => coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`)));
		expect(run.jobs.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => expect.stringMatching(/^(succeeded|failed)$/)));
		// Those before the folders are swapped.
		expect(logs.join("\n")).toContain("\nmine\n");
		expect(logs.join("\n")).not.toContain("the secret of the agent");
	}, 120_000);

	test("builds an image of what its context holds: without what is ignored, with links, modes and a Dockerfile from elsewhere", async () => {
		const { job, log } = await inContainer({
			steps: [
				"mkdir -p c/d docker; echo a > c/a; echo b > c/b; printf '#!/bin/sh\\necho I run\\n' > c/run; chmod 755 c/run; ln -s run c/link; mkfifo c/fifo",
				"printf 'b\\n' > c/.dockerignore; printf 'FROM test/busybox:1\\nCOPY . /c\\nRUN ls -A /c && /c/link && ls -ln /c/run\\n' > docker/Dockerfile",
				{ name: "image", build: { context: "c", dockerfile: "docker/Dockerfile", tags: "whole" } },
			],
		});
		expect([job.state, log], log).toEqual(["succeeded", expect.stringContaining("\na\nd\nlink\nrun\nI run\n-rwxr-xr-x    1 0        0 ")]);
		expect(log).toContain(":: not sent to the build, as neither file, folder nor link: fifo");
		const missing = await inContainer({ steps: [{ name: "image", build: { context: "nowhere", tags: "x" } }] });
		expect(missing.job.reason).toEqual({ code: "no_such_folder", text: expect.stringContaining("nowhere") });
		const empty = await inContainer({ steps: [{ name: "image", build: { tags: "x" } }] });
		expect(empty.job.reason).toEqual({ code: "build_failed", text: "Dockerfile does not exist." });
	});

	test("must have the tools that it asks for, in the versions that it asks for", async () => {
		const tool = "printf '#!/bin/sh\\necho tool 3.12.1\\n' > /bin/tool; chmod +x /bin/tool";
		const make = `mkdir context; printf 'FROM test/busybox:1\\nRUN ${tool.replaceAll("'", `'"'"'`).replaceAll("\\n", "\\\\n").replaceAll("%", "%%")}\\n' > context/Dockerfile`;
		const built = await ended(await submit({ steps: [make, { build: { context: "context", tags: "test/tooled:1" } }] }));
		expect([built.job.state, built.log]).toEqual(["succeeded", expect.any(String)]);
		const withTools = async (tools: object) => (await inContainer({ container: { image: "test/tooled:1", tools }, steps: ["tool"] })).job;
		expect((await withTools({ tool: ">=3.12" })).state).toBe("succeeded");
		const older = await withTools({ tool: "<3" });
		expect([older.state, older.reason]).toEqual([
			"errored",
			{ code: "image_unsuitable", text: "The image test/tooled:1 has tool 3.12.1, not <3." },
		]);
		expect((await withTools({ python: "*" })).reason?.text).toBe("The image test/tooled:1 has no python: `python3 --version` failed.");
	});

	test("fails with the exit code of its step, and without a shell that is asked for", async () => {
		expect((await inContainer({ steps: ["exit 9"] })).job).toMatchObject({ state: "failed", exit_code: 9 });
		const { job } = await inContainer({ steps: [{ run: "true", shell: "node" }] });
		expect([job.state, job.exit_code]).toEqual(["failed", 127]);
		expect(job.reason?.text).toContain("The shell node was not found in the image test/busybox:1. Install node, or set another shell.");
		const meant = await inContainer({ steps: [{ run: "1", shell: "python3", env: { PATH: "/opt/bin:$PATH" } }] });
		expect(meant.job.reason?.text).toContain('export PATH="/opt/bin:$PATH"');
	});

	test("ends at the first command of a pipe that fails if its sh supports pipefail", async () => {
		expect((await inContainer({ steps: [{ run: "false | true", shell: "sh" }] })).job).toMatchObject({ state: "failed", exit_code: 1 });
	});

	test("without chown says that the workspace cannot be given to its user", async () => {
		docker.importBare();
		const { job } = await inContainer({ container: { image: "test/bare:1", user: "1000" }, steps: ["true"] });
		expect(job.reason).toEqual({
			code: "container_failed",
			text: "The image test/bare:1 has no chown, which gives the workspace to user 1000. Use an image that has it, or set container.user to 0.",
		});
	});

	test("has git that takes the workspace for safe, credentials of the repository, and a home and a folder for any user", async () => {
		docker.importGit();
		const password = "pass-of-a-repository";
		const server = await GitHttp.start(temporaryFolder(), `ci:${password}`, atEnd);
		const repository = server.add("team/git.git", { f: "x" });
		await coordinator.request("/api/v1/secrets/git_git", { method: "PUT", body: JSON.stringify({ value: `ci:${password}` }) });
		await coordinator.post("/api/v1/projects", { name: "git", repository, credentials: "git_git" });
		const { host } = new URL(repository);
		const ask = (at: string) => `printf 'protocol=http\\nhost=${host}\\npath=${at}\\n\\n' | GIT_TERMINAL_PROMPT=0 git credential fill`;
		const steps = [
			"git log -1 --format=%s; git status --short",
			`${ask("team/git.git")} | sed -n 's/^password=//p' | wc -c`,
			`${ask("team/other.git")} 2>/dev/null || echo no credentials`,
			'touch "$HOME/x" "$TMPDIR/y"; cat .git/config | grep -c helper || true',
		];
		const users = ["0", "node", "4711"];
		const jobs = Object.fromEntries(
			users.map((user) => [`as-${user}`, { container: { image: "test/git:1", user, options: { read_only: true } }, steps }]),
		);
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { project: "git", pipeline: { jobs } });
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
		for (const job of run.jobs) {
			const log = await coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`);
			const said = log.split("\n").filter((line) => line !== "" && !line.startsWith(":: "));
			expect([job.name, job.state, said]).toEqual([job.name, "succeeded", ["Change", String(password.length + 1), "no credentials", "0"]]);
		}
		expect(docker.leftovers()).toEqual([]);
	});

	test("gets a signal at its end, and is killed when it does not honor the signal", async () => {
		const run = await submit({ container: "test/busybox:1", steps: ["trap 'echo heard; exit 0' TERM; echo up; sleep 60 & wait"] });
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).includes("up"), "the step");
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		const heard = await ended(run);
		expect([heard.job.state, heard.log]).toEqual(["cancelled", expect.stringContaining("heard")]);
		const stubborn = await inContainer({ timeout: "3s", steps: ["trap '' TERM; while :; do sleep 1; done"] });
		expect(stubborn.job).toMatchObject({ state: "timed_out", reason: { code: "timed_out" } });
		const step = await inContainer({ steps: [{ run: "sleep 60", timeout: "1s" }] });
		expect(step.job).toMatchObject({ state: "timed_out", reason: { code: "step_timed_out" } });
		expect(docker.leftovers()).toEqual([]);
	});

	test.each([
		["an image that cannot be had", { container: "127.0.0.1:1/no/such:image" }, "image_unavailable", "cannot be pulled"],
		["one that must not be got", { container: { image: "nosuch:1", pull: "never" } }, "image_unavailable", "pull: never"],
		["a device that is not allowed", { container: { image: "test/busybox:1", devices: ["/dev/kvm"] } }, "device_rejected", "/dev/kvm"],
		[
			"a container that cannot be",
			{ container: { image: "test/busybox:1", user: "nosuch" } },
			"container_failed",
			"unable to find user nosuch",
		],
		[
			"a container that ends under its step",
			{ container: "test/busybox:1", steps: ["kill -TERM 1; sleep 30"] },
			"container_lost",
			"ended while a step ran",
		],
	])("%s is not the job's own fault", async (_, job, code, text) => {
		const { job: result } = await ended(await submit({ steps: ["true"], ...job }));
		expect([result.state, result.reason?.code, result.reason?.text]).toEqual(["errored", code, expect.stringContaining(text)]);
		expect(docker.leftovers()).toEqual([]);
	});
});

describe("services", () => {
	const web = {
		image: "test/busybox:1",
		command: ["sh", "-c", "sleep 1; mkdir /www; echo $GREETING > /www/index.html; httpd -f -p 80 -h /www"],
		env: { GREETING: "hello" },
		health: { command: "wget -q -O- http://127.0.0.1/index.html", interval: "200ms" },
	};

	const onHost = async (job: object) => ended(await submit(job));
	const reach = 'curl -fsS "http://$CI_SERVICE_WEB_HOST:$CI_SERVICE_WEB_PORT/index.html"';

	test("of a job on the host are reached at free ports of this machine, also in `finally`", async () => {
		const job = { services: { web: { ...web, ports: [80, 81] } }, steps: [reach, "env | grep ^CI_SERVICE_ | sort"], finally: [reach] };
		const found = await Promise.all([onHost(job), onHost(job)]);
		const ports = found.map(({ job: { state }, log }) => {
			expect(state).toBe("succeeded");
			expect(log.match(/^hello$/gm)).toHaveLength(2);
			expect(log).toContain("\nCI_SERVICE_WEB_HOST=localhost\n");
			const [, first] = /^CI_SERVICE_WEB_PORT=(\d+)$/m.exec(log) ?? [];
			expect(log).toContain(`\nCI_SERVICE_WEB_PORT_80=${first}\n`);
			return [first, /^CI_SERVICE_WEB_PORT_81=(\d+)$/m.exec(log)?.[1]];
		});
		expect(new Set(ports.flat()).size).toBe(4);
		expect(docker.leftovers()).toEqual([]);
	});

	test("are at the port that a job asks for; a second job that asks for it ends with the reason", async () => {
		const port = testPort();
		const job = { services: { web: { ...web, ports: [`${port}:80`] } } };
		const first = await submit({ ...job, steps: [`${reach}; echo "at $CI_SERVICE_WEB_PORT"; sleep 60`] });
		await eventually(
			async () => (await coordinator.text(`/api/v1/jobs/${first.jobs[0]?.id}/log`)).includes(`at ${port}\n`),
			"the first job to run",
		);
		const { job: second } = await onHost({ ...job, steps: ["true"] });
		expect([second.state, second.reason?.code]).toEqual(["errored", "service_failed"]);
		expect(second.reason?.text).toMatch(/port is already allocated|address already in use/);
		await coordinator.post(`/api/v1/runs/${first.id}/cancel`, {});
		expect((await ended(first)).job.state).toBe("cancelled");
		expect(docker.leftovers()).toEqual([]);
	});

	test("of a job on the host that are not healthy end the job", async () => {
		const broken = { image: "test/busybox:1", command: ["false"], ports: [80] };
		const { job } = await onHost({ services: { web: broken }, steps: ["true"] });
		expect([job.state, job.reason?.code]).toEqual(["errored", "service_failed"]);
		expect(docker.leftovers()).toEqual([]);
	});

	test("tell their names and ports to a job in a container, too", async () => {
		const step = 'wget -q -O- "http://$CI_SERVICE_WEB_HOST:$CI_SERVICE_WEB_PORT/index.html"; env | grep ^CI_SERVICE_';
		const { job, log } = await inContainer({ services: { web: { ...web, ports: [80] } }, steps: [step] });
		expect([job.state, log]).toEqual(["succeeded", expect.stringContaining("hello\n")]);
		expect(log).toContain("CI_SERVICE_WEB_HOST=web\n");
	});

	test("are reached by their names, once they are healthy", async () => {
		const { job, log } = await inContainer({ services: { web }, steps: ["wget -q -O- http://web/index.html"] });
		expect([job.state, log]).toEqual(["succeeded", expect.stringContaining("hello\n")]);
		expect(docker.leftovers()).toEqual([]);
	});

	test("one that never gets healthy, one that ends: the end of its log is shown", async () => {
		const sick = { ...web, command: ["sh", "-c", "echo I am sick; sleep 60"], health: { command: "false", interval: "100ms", retries: 3 } };
		const unhealthy = await inContainer({ services: { web: sick }, steps: ["true"] });
		expect([unhealthy.job.reason?.code, unhealthy.log]).toEqual(["service_unhealthy", expect.stringContaining("I am sick")]);
		const short = await inContainer({
			services: { web: { image: "test/busybox:1", command: ["sh", "-c", "echo bye; exit 3"], health: "true" } },
			steps: ["sleep 2"],
		});
		expect([short.job.reason?.code, short.log]).toEqual(["service_failed", expect.stringContaining("bye")]);
		expect(docker.leftovers()).toEqual([]);
	});
});

describe("an image of a registry", () => {
	const image = `${REGISTRY}/team/app`;
	const build = {
		context: "context",
		dockerfile: "Dockerfile.app",
		tags: [`${image}:\${{ params.version }}`, `${image}:latest`],
		push: true,
		args: { GREETING: "made here" },
		cache: [`${image}:latest`],
		credentials: "team",
	};
	const dockerfile = "FROM test/busybox:1\\nARG GREETING\\nRUN echo $GREETING > /greeting\\n";
	const pipeline = {
		params: { version: { default: "1.2" } },
		jobs: {
			build: { steps: [`printf '${dockerfile}' > Dockerfile.app; mkdir context`, { name: "image", build }] },
			use: {
				needs: "build",
				container: { image: `${image}:\${{ params.version }}`, pull: "always", credentials: "team" },
				services: { side: { image: `${image}:latest`, pull: "always", command: ["sleep", "60"], credentials: "team" } },
				steps: ["cat /greeting"],
			},
		},
	};
	const inRegistry = (name?: string) => ({ container: { image: `${image}:latest`, pull: "always", ...(name && { credentials: name }) } });
	let run: resources.Run;
	let logs: string[];
	beforeAll(async () => {
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline });
		run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
		logs = await Promise.all(run.jobs.map((job) => coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`)));
	}, 90_000);

	test("is built, pushed with credentials of the agent, and used by the next job", async () => {
		expect([run.state, logs[1]], logs.join("\n")).toEqual(["succeeded", expect.stringContaining("made here")]);
		expect(logs.join("\n")).not.toContain(PASSWORD);
		const headers = { Authorization: `Basic ${btoa(`ci:${PASSWORD}`)}` };
		expect(await (await fetch(`http://${REGISTRY}/v2/team/app/tags/list`, { headers })).json()).toMatchObject({
			tags: expect.arrayContaining(["1.2", "latest"]),
		});
	});

	test.each([
		["without credentials", undefined, "image_unavailable", "no basic auth credentials"],
		["with a wrong password", "other", "image_unavailable", "unauthorized"],
		["with credentials that the agent does not have", "nobodys", "credentials_unavailable", "it has team, other"],
	])("is not pulled %s", async (_, name, code, text) => {
		const { job } = await ended(await submit({ steps: ["true"], ...inRegistry(name) }));
		expect([job.state, job.reason?.code, job.reason?.text]).toEqual(["errored", code, expect.stringContaining(text)]);
	});

	test.each([
		["with a wrong password", "other", "push_failed"],
		["with credentials that the agent does not have", "nobodys", "credentials_unavailable"],
	])("is not pushed %s", async (_, name, code) => {
		const pushed = { tags: `${image}:mine`, push: true, credentials: name };
		const steps = ["echo FROM test/busybox:1 > Dockerfile", { build: pushed }];
		expect((await ended(await submit({ steps }))).job.reason?.code).toBe(code);
	});

	test("fails its job when its Dockerfile fails", async () => {
		const { job } = await ended(await submit({ steps: ["echo 'FROM test/busybox:1\nRUN exit 3' > Dockerfile", { build: { tags: "x" } }] }));
		expect(job).toMatchObject({ state: "failed", reason: { code: "build_failed" } });
	});

	// Last: while a command holds up this process, its idle connections are closed by the other side.
	test("is used by exec with the registry credentials that it is given", () => {
		const here = temporaryFolder(atEnd);
		execFileSync("git", ["init", "-q", here]);
		const local = { ...inRegistry("team"), steps: ["cat /greeting"] };
		writeFileSync(path.join(here, ".windlass.yml"), JSON.stringify({ jobs: { local } }));
		const exec = (...args: string[]) =>
			spawnSync(process.execPath, [PROGRAM, "exec", ...args], {
				cwd: here,
				encoding: "utf8",
				env: { ...process.env, DOCKER_HOST: docker.host },
			});
		expect(exec("--registry-credentials", credentials)).toMatchObject({ status: 0, stdout: expect.stringContaining("made here") });
		expect(exec()).toMatchObject({ status: 125, stdout: expect.stringContaining("no registry credentials team;") });
		expect(exec("--registry-credentials", "/nosuch")).toMatchObject({ status: 2, stderr: expect.stringContaining("/nosuch") });
	});
});

test("an untrusted run gets no credentials, devices or volumes of the project's own runs, and leaves nothing for them", async () => {
	const image = `${REGISTRY}/team/private:1`;
	writeFileSync(
		path.join(dockerConfig, "config.json"),
		JSON.stringify({ auths: { [REGISTRY]: { auth: Buffer.from(`ci:${PASSWORD}`).toString("base64") } } }),
	);
	docker.run("tag", "test/busybox:1", image);
	docker.run("--config", dockerConfig, "push", image);
	const ofLogin = { container: { image, pull: "always" }, steps: ["true"] };
	expect((await ended(await submit(ofLogin))).job.state).toBe("succeeded");
	const volumes = ["team-cache:/cache"];
	const kept = await inContainer({ container: { image: "test/busybox:1", volumes }, steps: ["echo kept > /cache/ours"] });
	expect(kept.job.state).toBe("succeeded");
	const jobs = {
		of_login: ofLogin,
		named: { container: { image: "test/busybox:1", credentials: "team" }, steps: ["true"] },
		device: { container: { image: "test/busybox:1", devices: [DEVICE] }, steps: ["true"] },
		build: { steps: ["printf 'FROM test/busybox:1\\nRUN touch /theirs' > Dockerfile", { build: { tags: "test/busybox:1" } }] },
		volume: {
			container: { image: "test/busybox:1", volumes: [...volumes, "team-cache:/again:ro"] },
			steps: ["ls /cache /again; echo poison > /cache/theirs"],
		},
	};
	const busybox = docker.run("image", "inspect", "--format", "{{.Id}}", "test/busybox:1");
	const git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	const repository = git.add("team/web.git", { ".windlass.yml": JSON.stringify({ on: { pull_request: {} }, jobs }) });
	await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: "secret-of-the-hook" }) });
	const project = await coordinator.post<{ id: string }>("/api/v1/projects", { name: "open", repository, hook_secret: "hook" });
	const sha = git.commit("team/web.git", {});
	git.ref("team/web.git", "refs/pull/7/head", sha);
	const delivery = githubDelivery("pull_request", githubPullRequest({ sha, fork: true }), "secret-of-the-hook");
	const answer = await coordinator.request(`/hooks/${project.id}`, { method: "POST", token: null, ...delivery });
	const { run_id } = (await answer.json()) as { run_id: string };
	const plan = await coordinator.get<resources.Run>(`/api/v1/runs/${run_id}/wait?timeout=60`);
	const id = plan.jobs[0]?.outputs?.[".windlass.yml"];
	await coordinator.post(`/api/v1/runs/${id}/approve`, {});
	const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
	const told = Object.fromEntries(run.jobs.map(({ key, state, reason }) => [key, [state, reason?.code ?? null]]));
	expect(told, JSON.stringify(run.jobs.map(({ reason }) => reason?.text))).toEqual({
		of_login: ["errored", "image_unavailable"],
		named: ["errored", "credentials_unavailable"],
		device: ["errored", "device_rejected"],
		build: ["succeeded", null],
		volume: ["succeeded", null],
	});
	const log = await coordinator.text(`/api/v1/jobs/${run.jobs.find(({ key }) => key === "volume")?.id}/log?format=clean`);
	expect(log).not.toContain("ours");
	const after = await inContainer({ container: { image: "test/busybox:1", volumes }, steps: ["ls /cache"] });
	expect(after.log).toMatch(/\nours\n/);
	expect(after.log).not.toContain("theirs");
	expect(docker.run("image", "inspect", "--format", "{{.Id}}", "test/busybox:1")).toBe(busybox);
	docker.run("volume", "rm", "team-cache");
	expect(docker.run("volume", "ls", "--quiet")).toBe("");
});

describe("after a crash", () => {
	test("of the agent, what it has left is removed by its next life", async () => {
		const run = await submit({
			container: "test/busybox:1",
			services: { s: { image: "test/busybox:1", command: ["sleep", "600"] } },
			steps: ["echo up; sleep 600"],
		});
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).includes("up"), "the step");
		await agent.kill();
		const left = docker.leftovers();
		expect(left.length).toBeGreaterThan(0);
		agent = await startAgent();
		await untilContainers();
		// The next attempt of the job may have begun, under a name of its own.
		expect(docker.leftovers().filter((name) => left.includes(name))).toEqual([]);
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {}).catch(() => undefined);
	});

	test("of the daemon, the job ends with a reason, and the next job gets the reason that there is no daemon", async () => {
		const run = await submit({ container: "test/busybox:1", steps: ["echo up; sleep 600"] });
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).includes("up"), "the step");
		await docker.kill();
		expect((await ended(run)).job).toMatchObject({ state: "errored", reason: { code: "container_lost" } });
		const { job } = await inContainer({ steps: ["true"] });
		expect(job).toMatchObject({ state: "errored", reason: { code: "container_runtime_unavailable" } });
	});
});
