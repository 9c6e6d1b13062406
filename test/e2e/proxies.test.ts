import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Artifact, Page, Run } from "../../schema/wire/resources.ts";
import { openBrowser, shown } from "../support/browser.ts";
import { ADMIN_TOKEN, eventually, PROGRAM, TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";

/** A coordinator below a path, behind the proxies of Debian: nginx strips the path and rewrites Host, Caddy keeps both. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
const [behind, nginxPort, otherPort, caddyPort] = [testPort(), testPort(), testPort(), testPort()];
const [nginx, other, caddy] = [nginxPort, otherPort, caddyPort].map((port) => `http://127.0.0.1:${port}`) as [string, string, string];
let coordinator: TestCoordinator;
let run: Run;

/** As the manual of nginx shows it: the slash after the port strips the path. Its files are all in the folder. */
const NGINX = (folder: string) => `
daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events {}
http {
	access_log off;
	${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
	server { listen 127.0.0.1:${nginxPort}; location /windlass/ { proxy_pass http://127.0.0.1:${behind}/; } }
	server { listen 127.0.0.1:${otherPort}; location /windlass/ { proxy_pass http://127.0.0.1:${behind}/; } }
}`;

const CADDY = `
{
	admin off
	auto_https off
}
http://127.0.0.1:${caddyPort} {
	reverse_proxy /windlass/* 127.0.0.1:${behind}
}`;

function proxy(command: string, args: string[], folder: string): void {
	const child = spawn(command, args, { stdio: "ignore", env: { PATH: process.env.PATH, HOME: folder } });
	const ended = new Promise((resolve) => child.once("exit", resolve));
	atEnd(async () => {
		child.kill("SIGKILL");
		await ended;
	});
}

beforeAll(async () => {
	const folder = temporaryFolder(atEnd);
	mkdirSync(path.join(folder, "nginx"));
	writeFileSync(path.join(folder, "nginx.conf"), NGINX(path.join(folder, "nginx")));
	writeFileSync(path.join(folder, "Caddyfile"), CADDY);
	proxy("/usr/sbin/nginx", ["-c", path.join(folder, "nginx.conf"), "-e", "stderr", "-p", folder], folder);
	proxy("caddy", ["run", "--config", path.join(folder, "Caddyfile"), "--adapter", "caddyfile"], folder);
	coordinator = await TestCoordinator.start({ port: behind, args: ["--public-url", `${nginx}/windlass/`], atEnd });
	for (const one of [nginx, other, caddy])
		await eventually(
			() =>
				fetch(`${one}/windlass/healthz`).then(
					({ ok }) => ok,
					() => false,
				),
			`${one} to serve`,
		);
	await coordinator.agent("one");
	const pipeline = { steps: ["echo $CI_SERVER_URL | tee out.txt"], artifacts: { save: ["out.txt"] } };
	const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline, project: "web" });
	run = await coordinator.get(`/api/v1/runs/${id}/wait?timeout=30`);
	await coordinator.post("/api/v1/projects", { name: "web", repository: "https://git.test/web.git", public_badges: true });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const ask = (address: string, init: RequestInit = {}) => fetch(address, { redirect: "manual", ...init });
const withToken = { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } };
const form = (origin: string, fields: Record<string, string>, cookie = "") =>
	({ method: "POST", headers: { Origin: origin, Accept: "text/html", Cookie: cookie }, body: new URLSearchParams(fields) }) as const;

describe.each([
	["nginx, which strips the path and rewrites Host", nginx],
	["Caddy, which keeps both", caddy],
])("--public-url with a path, behind %s", (_, origin) => {
	const base = `${origin}/windlass`;

	test("sign-in, cookie, pages, assets, forms and event streams stay below it", async () => {
		const signedIn = await ask(`${base}/sign-in`, form(origin, { token: ADMIN_TOKEN }));
		expect([signedIn.status, signedIn.headers.get("Location")]).toEqual([303, "/windlass/"]);
		const [cookie = "", ...attributes] = (signedIn.headers.get("Set-Cookie") ?? "").split("; ");
		expect(attributes).toContain("Path=/windlass");
		const job = run.jobs[0];
		for (const page of [
			"/",
			"/new",
			"/projects",
			"/projects/web",
			"/agents",
			"/sessions",
			`/runs/${run.id}`,
			`/jobs/${job?.id}`,
			"/nowhere",
		]) {
			const text = await (await ask(base + page, { headers: { Cookie: cookie, Accept: "text/html" } })).text();
			const links = [...text.matchAll(/ (?:href|action|src)="([^"#?][^"]*)"/g)].map(([, link = ""]) => link);
			expect(links.length).toBeGreaterThanOrEqual(5);
			expect([page, links.filter((link) => !link.startsWith("/windlass/"))]).toEqual([page, []]);
			for (const asset of links.filter((link) => link.includes("/assets/"))) expect((await ask(origin + asset)).status).toBe(200);
		}
		const asked = await ask(`${base}/queue/pause`, form(origin, {}, cookie));
		expect([asked.status, await asked.text()]).toEqual([200, expect.stringMatching(/action="\/windlass\/queue\/pause[?"]/)]);
		const paused = await ask(`${base}/queue/pause`, form(origin, { confirmed: "yes" }, cookie));
		expect([paused.status, paused.headers.get("Location")]).toEqual([303, "/windlass/queue"]);
		expect((await ask(`${base}/queue/resume`, form(origin, {}, cookie))).status).toBe(303);
		const stream = await ask(`${base}/api/v1/events`, { headers: { Cookie: cookie } });
		const reader = stream.body?.getReader();
		expect([stream.status, new TextDecoder().decode((await reader?.read())?.value).length > 0]).toEqual([200, true]);
		await reader?.cancel();
	});

	test("links of the API, badges, OpenAPI and the commands have it", async () => {
		const made = await ask(`${base}/api/v1/runs`, { method: "POST", body: '{"run": "true"}', ...withToken });
		expect([made.status, made.headers.get("Location")]).toEqual([201, expect.stringMatching(/^\/windlass\/api\/v1\/runs\/run_/)]);
		const json = async <Body>(address: string) => (await (await ask(base + address, withToken)).json()) as Body;
		expect(run.url).toBe(`${nginx}/windlass/runs/${run.id}`);
		const { items } = await json<Page<Artifact>>(`/api/v1/jobs/${run.jobs[0]?.id}/artifacts`);
		expect(await (await ask(origin + items[0]?.url, withToken)).text()).toBe(`${nginx}/windlass\n`);
		expect((await json<Project>("/api/v1/projects/web")).hook_url).toContain(`${nginx}/windlass/hooks/`);
		expect((await json<{ servers: unknown }>("/openapi.json")).servers).toEqual([{ url: `${nginx}/windlass` }]);
		expect((await ask(`${base}/badge/web.svg`)).status).toBe(200);
		const folder = temporaryFolder();
		execFileSync(process.execPath, [PROGRAM, "artifacts", "get", run.id, "--server", `${base}/`, "--directory", folder], {
			env: { ...process.env, WINDLASS_API_TOKEN: ADMIN_TOKEN },
			stdio: "pipe",
		});
		expect(readFileSync(path.join(folder, "out.txt"), "utf8")).toBe(`${nginx}/windlass\n`);
	});
});

test("the sign-in link works below a path, and pages keep themselves up to date there", async () => {
	const page = await (await (await openBrowser(atEnd)).newContext()).newPage();
	expect(coordinator.signInUrl).toContain(`${nginx}/windlass/sign-in?code=`);
	await page.goto(coordinator.signInUrl);
	await page.getByRole("button", { name: "Sign in" }).click();
	await page.waitForURL(`${nginx}/windlass/`);
	await coordinator.post<Run>("/api/v1/runs", {
		pipeline: { name: "late", jobs: { speak: { steps: ["echo one; sleep 1; echo two"] } } },
	});
	await page.getByRole("link", { name: /late/ }).click();
	await page.getByRole("link", { name: "speak" }).first().click();
	await shown(() => page.locator("#log").getByText("two", { exact: true }).count()).toBe(1);
});

test("a proxy that rewrites Host, and of which the coordinator does not know, gets an error that names --public-url", async () => {
	const refused = await ask(`${other}/windlass/sign-in`, form(other, { token: ADMIN_TOKEN }));
	expect(refused.status).toBe(403);
	expect(await refused.text()).toContain(`--public-url ${other}`);
});
