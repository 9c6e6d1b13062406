import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ErrorBody } from "../../schema/wire/errors.ts";
import type { Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { Caller } from "../../schema/wire/tokens.ts";
import { CookieBrowser } from "../support/cookie_browser.ts";
import { Program, temporaryFolder, testPort } from "../support/processes.ts";
import { projectCopy } from "../support/project_copy.ts";

/** The coordinator under wrangler: on the machine of somebody who develops Workers, and on its way to Cloudflare. */

const NODE = process.execPath;

function started(folder: string, script: string, args: string[], environment: Record<string, string> = {}): Program {
	const program = new Program(args, { CI: "1", ...environment }, [NODE, path.join(folder, script)]);
	onTestFinished(async () => {
		program.signal("SIGTERM");
		await program.exited;
	});
	return program;
}

describe("npm run dev", () => {
	test("brings the database, the secrets and a link; agents run jobs; a bare wrangler dev says to run it", {
		timeout: 180_000,
	}, async () => {
		const folder = projectCopy(onTestFinished);
		const bare = testPort();
		const plain = started(folder, "node_modules/wrangler/bin/wrangler.js", ["dev", "--port", bare, "--cwd", folder]);
		await plain.says(/Ready on/);
		const page = await fetch(`http://localhost:${bare}/`, { headers: { Accept: "text/html" } });
		expect([page.status, await page.text()]).toEqual([503, expect.stringContaining("npm run dev")]);
		const registration = await fetch(`http://localhost:${bare}/api/v1/agents`, {
			...{ method: "POST", headers: { Authorization: "Bearer wlr.default.x.y" } },
			body: "{}",
		});
		expect([registration.status, ((await registration.json()) as ErrorBody).suggestions]).toEqual([
			...[503, expect.arrayContaining([expect.stringContaining("npm run dev")])],
		]);
		plain.signal("SIGTERM");
		await plain.exited;

		const port = testPort();
		const url = `http://localhost:${port}`;
		const dev = started(folder, "deploy/dev.ts", ["--port", port]);
		const [, link = ""] = await dev.says(/sign in +(http\S+)/);
		const variables = readFileSync(path.join(folder, ".dev.vars"), "utf8");
		expect(statSync(path.join(folder, ".dev.vars")).mode & 0o777).toBe(0o600);
		const [, token = ""] = /^ADMIN_TOKEN=(.+)$/m.exec(variables) ?? [];
		const browser = new CookieBrowser();
		await browser.open(link);
		await browser.submit(`${url}/sign-in`, { code: new URL(link).searchParams.get("code") ?? "" });
		const ask = async <Body>(address: string, init: RequestInit = {}, bearer = token) => {
			const answer = await fetch(url + address, {
				...init,
				headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" },
			});
			return { status: answer.status, body: (await answer.json()) as Body };
		};
		const whoami = await fetch(`${url}/api/v1/whoami`, { headers: browser.headers(url) });
		expect((await whoami.json()) as Caller).toMatchObject({ name: "admin", role: "operator", team: "default" });
		const made = await ask<{ token: string }>("/api/v1/agent-tokens", { method: "POST", body: "{}" });
		const agent = new Program(["agent", "--server", url, "--name", "edge", "--work-dir", path.join(folder, "agent-of-test")], {
			WINDLASS_TOKEN: made.body.token,
		});
		onTestFinished(() => agent.kill());
		await agent.says(/is ready at/);
		const secret = await fetch(`${url}/api/v1/secrets/word`, {
			...{ method: "PUT", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" } },
			body: JSON.stringify({ value: "sesame" }),
		});
		expect(secret.status).toBeLessThan(300);
		const { body } = await ask<SubmittedRun>("/api/v1/runs", {
			method: "POST",
			body: JSON.stringify({ pipeline: { name: "edge", steps: ["echo from the edge > file"], artifacts: { save: ["file"] } } }),
		});
		const run = await ask<Run>(`/api/v1/runs/${body.id}/wait?timeout=60`);
		expect(run.body.state).toBe("succeeded");
		const artifact = await fetch(`${url}/api/v1/jobs/${run.body.jobs[0]?.id}/artifacts/file`, {
			headers: { Authorization: `Bearer ${token}` },
		});
		expect(await artifact.text()).toBe("from the edge\n");
		await agent.kill();
		dev.signal("SIGTERM");
		await dev.exited;

		// Another token takes the place of the former one; the data stays.
		const next = `wlu_${"n".repeat(40)}`;
		writeFileSync(path.join(folder, ".dev.vars"), variables.replace(token, next));
		const again = started(folder, "deploy/dev.ts", ["--port", port]);
		await again.says(/sign in +(http\S+)/);
		expect((await ask("/api/v1/whoami", {}, token)).status).toBe(401);
		expect((await ask<Run>(`/api/v1/runs/${body.id}`, {}, next)).body.state).toBe("succeeded");
		expect((await fetch(`${url}/api/v1/whoami`, { headers: browser.headers(url) })).status).toBe(401);
		again.signal("SIGTERM");
		await again.exited;

		// A token that was revoked stays so: it may have leaked.
		writeFileSync(path.join(folder, ".dev.vars"), variables);
		const former = started(folder, "deploy/dev.ts", ["--port", port]);
		await former.says(/ADMIN_TOKEN was revoked/);
		expect((await ask("/api/v1/whoami", {}, token)).status).toBe(401);
	});
});

describe("npm run deploy", () => {
	test("says with a dry run what it would do, and bundles what it would deploy", { timeout: 120_000 }, async () => {
		const folder = projectCopy(onTestFinished);
		const program = started(folder, "deploy/cloudflare.ts", ["--name", "build", "--dry-run", "--public-url", "https://ci.example.com"]);
		expect([await program.exited, program.output]).toEqual([0, expect.stringContaining("Nothing was changed at Cloudflare.")]);
		const config = readFileSync(path.join(folder, "wrangler.build.dry-run.toml"), "utf8");
		expect(config).toMatch(/^name = "build"$/m);
		expect(config).toMatch(/^PUBLIC_URL = "https:\/\/ci.example.com"$/m);
		expect(existsSync(path.join(folder, ".windlass-deploy/build-bundle/index.js"))).toBe(true);
	});

	test.each([
		[["--name", "Über"], "--name Über"],
		[["--name", "ci"], "--name ci"],
		[[], "--name is missing"],
		[["--name", "build", "--public-url", "http://ci"], "--public-url http://ci"],
		[["--name", "build", "--nam", "x"], "Usage"],
	])("rejects %j", async (args, message) => {
		const program = started(path.resolve(import.meta.dirname, "../.."), "deploy/cloudflare.ts", args);
		expect([await program.exited, program.output]).toEqual([1, expect.stringContaining(message)]);
	});

	test("makes what is missing once, goes on after a failure with the same keys, and upgrades", async () => {
		const folder = projectCopy(onTestFinished, ["wrangler"]);
		mkdirSync(path.join(folder, "node_modules/wrangler/bin"), { recursive: true });
		cpSync(
			path.resolve(import.meta.dirname, "../support/cloudflare_account.mjs"),
			path.join(folder, "node_modules/wrangler/bin/wrangler.js"),
		);
		writeFileSync(path.join(folder, "node_modules/wrangler/package.json"), '{"type": "module"}');
		const account = path.join(temporaryFolder(), "account.json");
		const read = () => JSON.parse(readFileSync(account, "utf8"));
		const deployed = async (environment: Record<string, string> = {}, ...more: string[]) => {
			const program = started(folder, "deploy/cloudflare.ts", ["--name", "build", ...more], { ACCOUNT: account, ...environment });
			return { code: await program.exited, output: program.output };
		};
		expect(await deployed({ FAILS_AT: "deploy" })).toMatchObject({
			code: 1,
			output: expect.stringContaining("A request to the Cloudflare API failed."),
		});
		const kept = JSON.parse(readFileSync(path.join(folder, ".windlass-deploy/build.json"), "utf8"));
		const first = await deployed();
		expect([first.code, first.output]).toEqual([
			0,
			expect.stringContaining("https://build.example.workers.dev/sign-in with the token wlu_"),
		]);
		expect(read().workers.build).toEqual({ secrets: kept, versions: 1, database: read().databases[0].uuid, bucket: "build" });
		expect(read()).toMatchObject({ migrated: read().databases[0].uuid, databases: [{ name: "build" }], buckets: ["build"] });
		expect(first.output).toContain(kept.ADMIN_TOKEN);
		expect(readdirSync(path.join(folder, ".windlass-deploy"))).toEqual(["build.json"]);
		const second = await deployed();
		expect([second.code, second.output.includes("wlu_")]).toEqual([0, false]);
		expect(read().workers.build).toMatchObject({ secrets: kept, versions: 2 });
		const order = read()
			.calls.slice(-2)
			.map((call: string) => call.split(" ")[0]);
		expect([order, read().databases.length, read().buckets.length]).toEqual([["d1", "deploy"], 1, 1]);
		// An upgrade keeps the address that an earlier deployment was given.
		await deployed({}, "--public-url", "https://ci.example.com");
		await deployed();
		expect(readFileSync(path.join(folder, "wrangler.build.toml"), "utf8")).toMatch(/^PUBLIC_URL = "https:\/\/ci.example.com"$/m);
	});
});
