import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Agent, Page, Run } from "../../schema/wire/resources.ts";
import { TestDocker } from "../support/docker.ts";
import { giteaDelivery, githubPush, RecordingServer } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { ADMIN_TOKEN, PROGRAM, Program, TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";

/** Pages whose lines a newcomer types, run as they stand on one coordinator. */

const DOCS = path.resolve(import.meta.dirname, "../../docs");
const MARK = "<!-- The tests run these lines. -->\n";
/** The command in the foreground stays until the end of the page. */
const START_MARK = "<!-- The tests start this program. -->\n";
/** Addresses on the pages that are other ones here. */
const LOCAL_ADDRESS = "http://127.0.0.1:7070";
const LAN_ADDRESS = "http://ci.lan:7070";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
beforeAll(async () => {
	const port = testPort();
	// The coordinator has the options of the page about repositories.
	const [, options = ""] = /^npm start -- (.*)$/m.exec(blocksOf("guide/2-repository.md", "").join("\n")) ?? [];
	const args = options.replace(LAN_ADDRESS, `http://127.0.0.1:${port}`).replace("git.lan", "127.0.0.1").split(" ");
	expect(args).toEqual(expect.arrayContaining(["--host", "--public-url", "--allow-outbound"]));
	coordinator = await TestCoordinator.start({ atEnd, port, args });
	await coordinator.agent("one", { slots: "4" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** The shell lines of a page that have this mark before them. */
function blocksOf(page: string, mark: string): string[] {
	const text = readFileSync(path.join(DOCS, page), "utf8");
	return [...text.matchAll(new RegExp(`${mark}\`\`\`sh\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, lines = ""]) => lines);
}

/** A home with `windlass` on its PATH, and with an `npm` that runs only `windlass`. */
function newHome(): string {
	const home = temporaryFolder(atEnd);
	const bin = path.join(home, ".local/bin");
	mkdirSync(bin, { recursive: true });
	mkdirSync(path.join(home, "windlass"));
	const programs = {
		windlass: `exec "${process.execPath}" "${PROGRAM}" "$@"`,
		npm: `while [ "$1" != -- ]; do shift; done\nshift\nexec "${process.execPath}" "${PROGRAM}" "$@"`,
	};
	for (const [name, lines] of Object.entries(programs)) {
		writeFileSync(path.join(bin, name), `#!/bin/sh\n${lines}\n`);
		chmodSync(path.join(bin, name), 0o755);
	}
	return home;
}

interface Surroundings {
	home?: string;
	variables?: Record<string, string>;
	/** What the person types. */
	input?: string;
	/** Words of the page that are other ones here. */
	replaced?: Record<string, string>;
}

/** The command that runs lines of a page in a home of its own, and the environment of the command. */
function shell(lines: string, { home = newHome(), variables = {}, replaced = {} }: Surroundings) {
	const words = { [LOCAL_ADDRESS]: coordinator.url, [LAN_ADDRESS]: coordinator.url, "wlu_...": ADMIN_TOKEN, ...replaced };
	const script = Object.entries(words).reduce((text, [word, ours]) => text.replaceAll(word, ours), lines);
	return {
		args: ["--norc", "-euo", "pipefail", "-c", `cd\nexec 2>&1\n${script}`],
		environment: {
			HOME: home,
			PATH: `${path.join(home, ".local/bin")}:${process.env.PATH}`,
			WINDLASS_SERVER: coordinator.url,
			WINDLASS_API_TOKEN: ADMIN_TOKEN,
			...variables,
		},
	};
}

/** Runs lines in one shell. @returns what they print */
async function run(blocks: readonly string[], surroundings: Surroundings = {}): Promise<string> {
	const { args, environment } = shell(blocks.join("\n"), surroundings);
	const running = promisify(execFile)("bash", args, { encoding: "utf8", env: environment });
	running.child.stdin?.end(surroundings.input ?? "");
	const { stdout } = await running.catch((error: { stdout: string; message: string }) => {
		throw new Error(`${error.message}\n${error.stdout}`);
	});
	return stdout;
}

const runPage = (page: string, surroundings?: Surroundings) => run(blocksOf(page, MARK), surroundings);

// One after the other: they ask for the newest run, or remove an agent.
test("the lines of the README", async () => {
	const output = await runPage("../README.md");
	expect(output).toContain("GNU Make");
	expect(output.match(/\badhoc .*\brun_[0-9A-Z]{26}/g)).toHaveLength(2);
});

// A page is a dozen commands, and each is a process of its own.
describe("the guide", { timeout: 180_000 }, () => {
	test("1: the first run", async () => {
		const output = await runPage("guide/1-first-run.md");
		expect(output).toMatch(/^one .*online/m);
		expect(output).toMatch(/\.windlass\.yml.*2 jobs/);
		expect(output).toMatch(/testing on \w+/);
		expect(output).toMatch(/ \d\d:\d\d:\d\d /);
		expect(output.trimEnd()).toMatch(/exit code 3$/);
	});

	test("3: an agent with a label, and a job that waits", async () => {
		const page = "guide/3-agent.md";
		const home = newHome();
		const [makeToken = "", ...rest] = blocksOf(page, MARK);
		await run([makeToken], { home });
		const { args, environment } = shell(blocksOf(page, START_MARK).join("\n"), { home });
		const agent = new Program(args, environment, ["bash"]);
		atEnd(() => agent.kill());
		await agent.says(/builder-1 is ready at/);
		const output = await run(rest, { home });
		expect(output).toMatch(/builder-1 .*no-such-label/);
		expect(output).toMatch(/cancelled {2}run_\w+$/m);
		const { items } = await coordinator.get<Page<Agent>>("/api/v1/agents");
		expect(items.map(({ name }) => name)).toEqual(["one"]);
		await agent.exited;
	});
});

describe.concurrent("the guide, at the same time", { timeout: 180_000 }, () => {
	test("2: a push to a repository, and its status", async () => {
		const page = "guide/2-repository.md";
		const password = "password-of-git";
		const server = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), `ci:${password}`, atEnd);
		const repository = server.add("team/web.git", { Makefile: "test:\n\techo all tests pass\n" });
		server.acceptPushes("team/web.git");
		const forge = await RecordingServer.start(atEnd);
		const home = newHome();
		const git = {
			"credential.helper": `!printf 'username=ci\\npassword=${password}\\n' #`,
			"user.name": "Ada",
			"user.email": "a@x.test",
		};
		const configuration = Object.entries(git).flatMap(([key, value], index) => [
			[`GIT_CONFIG_KEY_${index}`, key],
			[`GIT_CONFIG_VALUE_${index}`, value],
		]);
		const surroundings: Surroundings = {
			home,
			variables: { GIT_CONFIG_COUNT: String(Object.keys(git).length), ...Object.fromEntries(configuration), repository },
			input: `${password}\ntoken-of-the-forge\n`,
			replaced: { "https://git.lan/team/web.git": repository },
		};
		const blocks = blocksOf(page, MARK);
		const push = blocks.findIndex((lines) => lines.includes("git push"));
		const made = await run(blocks.slice(0, push), surroundings);
		const [, hook = ""] = /^webhook +(http\S+)/m.exec(made) ?? [];
		expect(hook).toMatch(new RegExp(`^${coordinator.url}/hooks/prj_`));
		// What the forge does: it has its API, and delivers the push.
		const settings = JSON.stringify({ forge_api: `${forge.url}/api/v1` });
		await coordinator.request("/api/v1/projects/web", { method: "PATCH", body: settings });
		expect(await run(blocks.slice(push), surroundings)).toMatch(/\.windlass\.yml: 1 job/);
		const after = server.head("team/web.git");
		const secret = readFileSync(path.join(home, "hook.txt"), "utf8").trim();
		const delivery = giteaDelivery("push", githubPush({ after, message: "ci: test each push" }), secret);
		const taken = (await (await fetch(hook, { method: "POST", ...delivery })).json()) as { run_id: string };
		const plan = await coordinator.get<Run>(`/api/v1/runs/${taken.run_id}/wait?timeout=60`);
		const [id] = Object.values(plan.jobs[0]?.outputs ?? {});
		expect(await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).toMatchObject({ state: "succeeded", project: "web" });
		await forge.until(() => forge.statuses(after)["windlass/pipeline"]?.at(-1) === "success", "the status of the push");
	});

	test("4: a secret that one job gets", async () => {
		const output = await runPage("guide/4-secrets.md");
		expect(output).toContain("the key is ***");
		expect(output).toContain("here it is empty []");
		expect(output).not.toContain("correct horse");
	});

	test("5: a job in a container", async () => {
		const page = "guide/5-containers.md";
		const docker = TestDocker.prepare(atEnd);
		await docker.up();
		docker.importBusybox();
		docker.derive("alpine:3", "test/busybox:1", "RUN echo NAME=Alpine > /etc/os-release");

		await coordinator.agent("shipper", { slots: "2", environment: { DOCKER_HOST: docker.host } });
		const output = await runPage(page, { variables: { DOCKER_HOST: docker.host } });
		expect(output).toMatch(/^Server:/m);
		expect(output).toContain("NAME=Alpine");
		expect(output).toMatch(/✓ succeeded/);
		expect(docker.leftovers()).toEqual([]);
	});

	test("a program's webhook, signed as the page about webhooks says, is accepted", async () => {
		const [secret, commit] = ["a secret of the webhook", "0123456789abcdef0123456789abcdef01234567"];
		const repository = "https://git.lan/team/signed.git";
		const { hook_url } = await coordinator.post<Project>("/api/v1/projects", { name: "signed", repository, hook_secret: "hook" });
		await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: secret, project: "signed" }) });
		const output = await runPage("how-to/webhooks.md", { variables: { SECRET: secret, COMMIT: commit, HOOK: hook_url } });
		expect(JSON.parse(output)).toMatchObject({ outcome: "accepted" });
		const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/signed/deliveries");
		expect(items.map(({ outcome, event }) => [outcome, event])).toEqual([["accepted", "push"]]);
	});
});

test("every shell line of the guide is run, apart from those that install and start a coordinator", () => {
	for (const page of readdirSync(path.join(DOCS, "guide"))) {
		const marked = [MARK, START_MARK].flatMap((mark) => blocksOf(`guide/${page}`, mark));
		const others = blocksOf(`guide/${page}`, "").filter((lines) => !marked.includes(lines));
		expect([page, others.filter((lines) => !/^npm start/m.test(lines))]).toEqual([page, []]);
	}
});

test("every pipeline of the guide is valid", () => {
	const folder = temporaryFolder(atEnd);
	const pipelines = readdirSync(path.join(DOCS, "guide")).flatMap((page) =>
		[...readFileSync(path.join(DOCS, "guide", page), "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text),
	);
	expect(pipelines.length).toBeGreaterThan(2);
	const files = pipelines.map((_, index) => path.join(folder, `${index}.yml`));
	for (const [index, file] of files.entries()) writeFileSync(file, pipelines[index] ?? "");
	expect(execFileSync(process.execPath, [PROGRAM, "lint", ...files], { encoding: "utf8" }).match(/✓/g)).toHaveLength(files.length);
});

test("the configurations of nginx and Caddy are valid", () => {
	const folder = temporaryFolder(atEnd);
	const page = readFileSync(path.join(DOCS, "how-to/tls-and-proxy.md"), "utf8");
	const blocksOf = (language: string) =>
		[...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text = ""]) => text);
	execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ci", "-keyout", "ci.key", "-out", "ci.pem"], {
		cwd: folder,
		stdio: "ignore",
	});
	const servers = blocksOf("nginx").map((text) => (text.startsWith("server") ? text : `server { listen 127.0.0.1:8080; ${text} }`));
	expect(servers.length).toBe(2);
	for (const server of servers) {
		const file = path.join(folder, "nginx.conf");
		const config = server.replaceAll("/etc/ssl/", `${folder}/`).replace("listen 443", "listen 127.0.0.1:8443");
		writeFileSync(file, `pid ${folder}/pid; events {} http { access_log off; ${config} }`);
		execFileSync("/usr/sbin/nginx", ["-t", "-q", "-c", file, "-e", "stderr", "-p", folder], { stdio: "pipe" });
	}
	const sites = blocksOf("caddy").map((text) => (text.startsWith("reverse_proxy") ? `ci.lan {\n${text}}\n` : text));
	expect(sites.length).toBe(2);
	for (const site of sites) {
		const file = path.join(folder, "Caddyfile");
		writeFileSync(file, site);
		execFileSync("caddy", ["adapt", "--config", file, "--adapter", "caddyfile"], {
			env: { PATH: process.env.PATH, HOME: folder },
			stdio: "pipe",
		});
	}
});
