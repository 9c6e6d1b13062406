import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, PROGRAM, Program, TestCoordinator, temporaryFolder } from "../support/processes.ts";

/** Pages whose lines a newcomer types, run as they stand. */

const DOCS = path.resolve(import.meta.dirname, "../../docs");

/** The lines of a page that are marked to be run. */
function scriptOf(page: string): string {
	const text = readFileSync(path.join(DOCS, page), "utf8");
	const blocks = [...text.matchAll(/<!-- The tests run these lines. -->\n```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines);
	expect(blocks.length).toBeGreaterThan(0);
	return blocks.join("\n");
}

/** Runs the marked lines in one shell, in a home of its own with `windlass` on its PATH. @returns what they print */
function run(page: string, { url }: TestCoordinator, variables: Record<string, string> = {}): string {
	const home = temporaryFolder();
	const bin = path.join(home, ".local/bin");
	mkdirSync(bin, { recursive: true });
	writeFileSync(path.join(bin, "windlass"), `#!/bin/sh\nexec "${process.execPath}" "${PROGRAM}" "$@"\n`);
	chmodSync(path.join(bin, "windlass"), 0o755);
	return execFileSync("bash", ["--norc", "-euo", "pipefail", "-c", `exec 2>&1\n${scriptOf(page)}`], {
		cwd: home,
		encoding: "utf8",
		env: { HOME: home, PATH: `${bin}:${process.env.PATH}`, WINDLASS_SERVER: url, WINDLASS_API_TOKEN: ADMIN_TOKEN, ...variables },
	});
}

test("the lines of the README", async () => {
	const coordinator = await TestCoordinator.start();
	await coordinator.agent("one");
	const output = run("../README.md", coordinator);
	expect(output).toContain("GNU Make");
	expect(output.match(/\badhoc .*\brun_[0-9A-Z]{26}/g)).toHaveLength(2);
});

describe("the guide", () => {
	test("1: the first run", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const output = run("guide/1-first-run.md", coordinator);
		expect(output).toMatch(/\.windlass\.yml.*2 jobs/);
		expect(output).toMatch(/testing on \w+/);
		expect(output).toMatch(/ \d\d:\d\d:\d\d /);
		expect(output.trimEnd()).toMatch(/exit code 3$/);
	});

	test("3: an agent with a label, and a job that waits", async () => {
		const coordinator = await TestCoordinator.start();
		const token = path.join(temporaryFolder(), "token.txt");
		const created = execFileSync(
			process.execPath,
			[PROGRAM, "agent-tokens", "create", "--labels", "gpu", "--server", coordinator.url, "--api-token", ADMIN_TOKEN],
			{ encoding: "utf8" },
		);
		writeFileSync(token, created, { mode: 0o600 });
		const work = path.join(temporaryFolder(), "work");
		const agent = new Program(["agent", "--server", coordinator.url, "--token-file", token, "--name", "builder-1", "--work-dir", work]);
		onTestFinished(() => agent.kill());
		const output = run("guide/3-agent.md", coordinator);
		expect(output).toContain("builder-1");
		expect(output).toMatch(/builder-1 .*no-such-label/);
		expect(output.trimEnd()).toMatch(/cancelled {2}run_\w+$/);
	});

	test("4: a secret that one job gets", async () => {
		const coordinator = await TestCoordinator.start();
		await coordinator.agent("one");
		const output = run("guide/4-secrets.md", coordinator);
		expect(output).toContain("the key is ***");
		expect(output).toContain("here it is empty []");
		expect(output).not.toContain("correct horse");
	});
});

test("a program's webhook, signed as the page about webhooks says, is accepted", async () => {
	const coordinator = await TestCoordinator.start();
	const [secret, commit] = ["a secret of the webhook", "0123456789abcdef0123456789abcdef01234567"];
	const repository = "https://git.lan/team/web.git";
	const { hook_url } = await coordinator.post<Project>("/api/v1/projects", { name: "web", repository, hook_secret: "hook" });
	await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: secret, project: "web" }) });
	const output = run("how-to/webhooks.md", coordinator, { SECRET: secret, COMMIT: commit, HOOK: hook_url });
	expect(JSON.parse(output)).toMatchObject({ outcome: "accepted" });
	const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/web/deliveries");
	expect(items.map(({ outcome, event }) => [outcome, event])).toEqual([["accepted", "push"]]);
});

test("the configurations of nginx and Caddy are valid", () => {
	const folder = temporaryFolder();
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
