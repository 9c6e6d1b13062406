import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import { githubDelivery } from "../support/forge.ts";
import {
	ADMIN_TOKEN,
	eventually,
	isMemoryTold,
	PROGRAM,
	residentMib,
	TestCoordinator,
	temporaryFolder,
	workerdsOf,
} from "../support/processes.ts";
import { ProtocolAgent, result, send } from "../support/protocol_agent.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd: (clean) => void cleanups.push(clean) });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

interface Asked {
	/** The address that the connection comes from: this machine has all of 127.0.0.0/8. */
	from: string;
	method?: string;
	headers?: Record<string, string>;
	body?: string;
}

/** Asks from another address of this machine. */
function askFrom(
	url: string,
	{ from, method = "GET", headers = {}, body }: Asked,
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
	return new Promise((resolve, reject) => {
		const asked = httpRequest(url, { localAddress: from, method, headers }, async (response) => {
			let text = "";
			for await (const chunk of response) text += chunk;
			resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
		});
		asked.on("error", reject);
		asked.end(body);
	});
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

describe("wrong credentials", () => {
	test("are slowed and then answered 429, by the address that they come from; valid ones are not held back", async () => {
		const runs = `${coordinator.url}/api/v1/runs`;
		const statuses: number[] = [];
		for (let index = 0; index < 40; index += 1)
			statuses.push((await askFrom(runs, { from: "127.0.0.50", headers: bearer(`wlu_wrong_number_${index}_of_many_tokens`) })).status);
		expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
		expect(new Set(statuses.slice(-10))).toEqual(new Set([429]));
		expect(statuses).toEqual([...statuses].sort());
		const blocked = await askFrom(runs, { from: "127.0.0.50", headers: bearer("short") });
		expect([blocked.status, JSON.parse(blocked.text)]).toMatchObject([429, { error: "rate_limited", details: { address: "127.0.0.50" } }]);
		expect(Number(blocked.headers["retry-after"])).toBeGreaterThan(0);
		// A cookie that is none, and an address that is none, are credentials as well.
		const cookie = await askFrom(runs, { from: "127.0.0.50", headers: { Cookie: `windlass_session=${"0".repeat(64)}` } });
		expect([cookie.status, String(cookie.headers["set-cookie"])]).toEqual([429, expect.stringMatching(/^windlass_session=; .*Max-Age=0/)]);
		expect((await askFrom(`${coordinator.url}/api/v1/files/e30.e30.x`, { from: "127.0.0.50" })).status).toBe(429);
		// Sign-in is the same door.
		const own = { Origin: coordinator.url, "Content-Type": "application/x-www-form-urlencoded" };
		const signIn = { from: "127.0.0.50", method: "POST", headers: own };
		expect((await askFrom(`${coordinator.url}/sign-in`, { ...signIn, body: "token=guess" })).status).toBe(429);
		// What nobody can guess is looked at all the same: others behind this address go on.
		expect((await askFrom(runs, { from: "127.0.0.50", headers: bearer(ADMIN_TOKEN) })).status).toBe(200);
		expect((await askFrom(`${coordinator.url}/sign-in`, { ...signIn, body: `token=${ADMIN_TOKEN}` })).status).toBe(303);
		expect((await askFrom(runs, { from: "127.0.0.51", headers: bearer("short") })).status).toBe(401);
		// No header says that it was somebody else.
		const forged = { "X-Forwarded-For": "192.0.2.9", "CF-Connecting-IP": "192.0.2.9", "MF-CF-Blob": '{"clientIp":"192.0.2.9:1"}' };
		expect((await askFrom(runs, { from: "127.0.0.50", headers: { ...bearer("short"), ...forged } })).status).toBe(429);
		const logged = coordinator.program.output.split("\n").filter((line) => line.includes('"address":"127.0.0.50"'));
		expect(logged[0]).toMatch(/"level":"warn".*"a credential was wrong".*"credential":"token [0-9a-f]{12}","route":"\/api\/v1\/runs"/);
		expect(logged.some((line) => line.includes("too many credentials were wrong"))).toBe(true);
		expect(logged.join()).not.toMatch(/wlu_|short|guess/);
	});

	test("are counted by what they claim to be, too, wherever they come from; the agent itself goes on", async () => {
		const agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "guessed-at");
		const [prefix, team, id] = agent.token.split(".");
		const statuses: number[] = [];
		for (let index = 0; index < 40; index += 1) {
			const from = `127.0.1.${index + 1}`;
			const body = JSON.stringify({ session: 1, seq: 1, running: [] });
			const headers = bearer([prefix, team, id, "0".repeat(64)].join("."));
			statuses.push((await askFrom(`${coordinator.url}/api/v1/agents/self/renew`, { from, method: "POST", headers, body })).status);
		}
		expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
		expect((await agent.say("POST", "/api/v1/agents/self/renew", { session: 1, seq: 1, running: [] })).status).toBe(200);
	});

	test("are rejected before a body is read or validated", async () => {
		const agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "big-talker");
		const [prefix, team, id] = agent.token.split(".");
		const wrong = [prefix, team, id, "1".repeat(64)].join(".");
		let host = 0;
		const large = `{"session": 1, "running": ["${"x".repeat(200_000)}`;
		for (const action of ["hello", "poll", "renew", "bye"]) {
			const at = `/api/v1/agents/self/${action}`;
			for (const body of [large, "{", "[1]", '{"unknown": 1}']) {
				// A block is no matter of this test: each try has an address of its own.
				host += 1;
				const from = `127.0.2.${host}`;
				const answer = await askFrom(coordinator.url + at, { from, method: "POST", headers: bearer(wrong), body });
				expect([at, body.slice(0, 20), [401, 429].includes(answer.status)]).toEqual([at, body.slice(0, 20), true]);
			}
			expect((await agent.say("POST", at, "{")).status).toBe(400);
			expect((await agent.say("POST", at, `${large}${"x".repeat(100_000)}`)).status).toBe(413);
		}
		const unknown = "wlr.default.0000000000000000000000000000000000000000";
		expect((await send(coordinator.url, "POST", "/api/v1/agents", unknown, "{")).status).toBe(401);
		expect((await send(coordinator.url, "POST", "/api/v1/agents", await coordinator.registrationToken(), "{")).status).toBe(400);
	});

	test("of deliveries cost little: unsigned bodies of 24 MB, six at once, and a signed one beside them is taken", async () => {
		const { id } = await coordinator.post<Project>("/api/v1/projects", { name: "flooded", hook_secret: "hook" });
		await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: "the-secret-of-the-hook" }) });
		const [workerd = 0] = workerdsOf(coordinator.data);
		const headers = { "X-GitHub-Event": "push", "X-Hub-Signature-256": `sha256=${"0".repeat(64)}` };
		const body = Buffer.alloc(24_000_000, " ");
		const flood = (length: number) =>
			Promise.all(
				Array.from({ length }, async (_, index) => {
					const from = `127.0.3.${index + 1}`;
					return (await askFrom(`${coordinator.url}/hooks/${id}`, { from, method: "POST", headers, body: body.toString("latin1") })).status;
				}),
			);
		// What a first large body takes for good does not count.
		await flood(2);
		const before = residentMib(workerd);
		let most = before;
		const watch = setInterval(() => {
			most = Math.max(most, residentMib(workerd));
		}, 20);
		const flooding = flood(6);
		const ping = githubDelivery("ping", { zen: "z" }, "the-secret-of-the-hook");
		const taken = await askFrom(`${coordinator.url}/hooks/${id}`, { from: "127.0.3.50", method: "POST", ...ping });
		expect([taken.status, JSON.parse(taken.text).reason]).toEqual([202, "pong"]);
		const statuses = await flooding;
		clearInterval(watch);
		expect(statuses.every((status) => status === 401 || status === 429)).toBe(true);
		if (isMemoryTold) expect(most - before).toBeLessThan(150);
		// GitLab sends the secret itself: where it is wrong, nothing is read at all.
		const gitlab = { "X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "wrong", "Content-Length": "24000000" };
		const unread = await new Promise<number>((resolve, reject) => {
			const asked = httpRequest(
				`${coordinator.url}/hooks/${id}`,
				{ method: "POST", headers: gitlab, localAddress: "127.0.3.100" },
				(answer) => resolve(answer.statusCode ?? 0),
			);
			asked.on("error", reject);
			asked.write("{");
			onTestFinished(() => void asked.destroy());
		});
		expect(unread).toBe(401);
	});
});

describe("behind a proxy that is trusted", () => {
	test("its client counts, and the scheme that it used; of several addresses the last that is no proxy", async () => {
		const trusting = await TestCoordinator.start({ args: ["--trusted-proxies", "127.0.0.60, 10.0.0.0/8"] });
		const runs = `${trusting.url}/api/v1/runs`;
		const addressOf = async (from: string, forwarded: string) => {
			const answer = await askFrom(runs, { from, headers: { ...bearer("wrong"), "X-Forwarded-For": forwarded } });
			return eventually(
				() => new RegExp(`"request_id":"${answer.headers["x-request-id"]}","address":"([^"]+)"`).exec(trusting.program.output)?.[1],
				"the line of the log",
			);
		};
		expect(await addressOf("127.0.0.60", "192.0.2.1")).toBe("192.0.2.1");
		expect(await addressOf("127.0.0.60", "6.6.6.6, 192.0.2.2, 10.1.2.3")).toBe("192.0.2.2");
		expect(await addressOf("127.0.0.60", "2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
		expect(await addressOf("127.0.0.60", "no address")).toBe("127.0.0.60");
		expect(await addressOf("127.0.0.61", "192.0.2.1")).toBe("127.0.0.61");
		const host = new URL(trusting.url).host;
		const signIn = (from: string, origin: string) =>
			askFrom(`${trusting.url}/sign-in`, {
				from,
				method: "POST",
				headers: { Origin: origin, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "User-Agent": "a browser" },
				body: `token=${ADMIN_TOKEN}`,
			});
		const signedIn = await signIn("127.0.0.60", `https://${host}`);
		expect([signedIn.status, String(signedIn.headers["set-cookie"])]).toEqual([
			303,
			expect.stringMatching(/^__Host-windlass_session=.*; Secure$/),
		]);
		expect((await signIn("127.0.0.60", `http://${host}`)).status).toBe(403);
		expect((await signIn("127.0.0.61", `https://${host}`)).status).toBe(403);
		const { items } = await trusting.get<{ items: Session[] }>("/api/v1/sessions");
		expect(items).toMatchObject([{ name: "admin", user_agent: "a browser", address: "192.0.2.7", is_current: false }]);
		const cli = (...args: string[]) =>
			spawnSync(process.execPath, [PROGRAM, "sessions", ...args, "--server", trusting.url], {
				encoding: "utf8",
				env: { PATH: process.env.PATH, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" },
			});
		expect(cli("ls").stdout).toContain("192.0.2.7");
		expect([cli("end").status, cli("end", "--all").stdout]).toEqual([2, "All sessions have ended.\n"]);
		expect(cli("ls").stdout).toBe("No browser is signed in.\n");
	});

	test("an option that is no proxy's address is rejected by name", async () => {
		await expect(TestCoordinator.start({ args: ["--trusted-proxies", "nginx"] })).rejects.toThrow(
			'--trusted-proxies: "nginx" is not a valid entry. Use loopback, private, an address (10.0.0.1) or a network (10.0.0.0/8).',
		);
	});
});

describe("on the coordinator's host", () => {
	test("a preset admin token has 32 characters; a shorter one that is in use already is warned of at each start", async () => {
		await expect(TestCoordinator.start({ environment: { WINDLASS_ADMIN_TOKEN: "a".repeat(31) } })).rejects.toThrow(
			"WINDLASS_ADMIN_TOKEN must have at least 32 characters",
		);
		const first = await TestCoordinator.start();
		first.program.signal("SIGTERM");
		await first.program.exited;
		const short = "short-but-used-since-long";
		// An earlier version took it.
		spawnSync("python3", [
			"-c",
			"import sqlite3,sys,glob,hashlib\nfor f in glob.glob(sys.argv[1]+'/storage/d1/*/*.sqlite'):\n  d=sqlite3.connect(f)\n  try: d.execute('UPDATE tokens SET hash=?',(hashlib.sha256(sys.argv[2].encode()).hexdigest(),)); d.commit()\n  except sqlite3.OperationalError: pass",
			first.data,
			short,
		]);
		const again = await TestCoordinator.start({ data: first.data, environment: { WINDLASS_ADMIN_TOKEN: short } });
		await again.program.says(/"level":"warn","message":"WINDLASS_ADMIN_TOKEN has fewer than 32 characters and can be guessed/);
		expect((await again.request("/api/v1/runs", { token: short })).status).toBe(200);
	});

	test("a data folder that somebody has made beforehand becomes private, and so is all that is written into it; a later exposure is reported", async () => {
		const data = path.join(temporaryFolder(), "data");
		mkdirSync(data, { mode: 0o755 });
		chmodSync(data, 0o755);
		const first = await TestCoordinator.start({ data });
		await first.post("/api/v1/projects", { name: "private" });
		expect(statSync(data).mode & 0o777).toBe(0o700);
		const found = spawnSync("find", [data, "-perm", "/077", "-not", "-type", "l"], { encoding: "utf8" }).stdout;
		expect(found).toBe("");
		first.program.signal("SIGTERM");
		await first.program.exited;
		chmodSync(data, 0o755);
		const second = await TestCoordinator.start({ data });
		await second.program.says(/"level":"warn","message":"the data folder \S+ has mode 755: other users of this machine can read keys/);
	});

	test("what the agent beside it runs has the umask of whoever started it, not the coordinator's", async () => {
		const data = path.join(temporaryFolder(), "data");
		const script = `umask 022; exec ${process.execPath} ${PROGRAM} serve --port 0 --data ${data}`;
		const { url, stop } = await shellProgram(script);
		onTestFinished(stop);
		const run = await fetch(`${url}/api/v1/runs?follow=1`, { method: "POST", headers: bearer(ADMIN_TOKEN), body: '{"run": "umask"}' });
		expect(await run.text()).toMatch(/\n0022\n/);
	});

	test("windlass keys rotate: jobs that run keep their leases, new ones get those of the new key, and the old key opens nothing else", async () => {
		const first = await TestCoordinator.start();
		const agent = await ProtocolAgent.join(first.url, await first.registrationToken(), "long-runner");
		const run = await first.post<Run>("/api/v1/runs", { run: "make", runs_on: ["long-runner"] });
		const offer = await agent.nextOffer();
		await agent.start(offer);
		const rotate = () => spawnSync(process.execPath, [PROGRAM, "keys", "rotate", "--data", first.data], { encoding: "utf8" });
		expect([rotate().status, rotate().stderr]).toEqual([
			2,
			expect.stringMatching(/^windlass: Another coordinator .* uses the data folder/),
		]);
		first.program.signal("SIGTERM");
		await first.program.exited;
		const keyFile = path.join(first.data, "keys.json");
		const before = JSON.parse(readFileSync(keyFile, "utf8"));
		expect([rotate().status, statSync(keyFile).mode & 0o777]).toEqual([0, 0o600]);
		expect([rotate().status, rotate().stderr]).toEqual([2, expect.stringContaining("Leases of the former signing key are valid until")]);
		const elsewhere = spawnSync(process.execPath, [PROGRAM, "keys", "rotate", "--data", temporaryFolder()], { encoding: "utf8" });
		expect([elsewhere.status, elsewhere.stderr]).toEqual([2, expect.stringContaining("is not the data folder of a coordinator")]);
		const after = JSON.parse(readFileSync(keyFile, "utf8"));
		expect(after).toMatchObject({ signing: expect.stringMatching(/^[0-9a-f]{64}$/), before: { signing: before.signing } });
		expect(after.signing).not.toBe(before.signing);
		const second = await TestCoordinator.start({ data: first.data, port: first.port });
		// The same agent with the same token, and the lease of the old key.
		expect((await agent.log(offer, 0, "2026-01-02T03:04:05.678Z still here\n")).status).toBe(204);
		// Whoever has stolen the old key does not know a lease.
		const claims = JSON.parse(Buffer.from(offer.lease_token.split(".")[2] ?? "", "base64url").toString());
		const forged = await signedWith(before.signing, { ...claims, leaseId: "00000000-0000-4000-8000-000000000000" });
		const log = `/api/v1/attempts/${offer.attempt_id}/log`;
		expect((await send(second.url, "PATCH", log, forged, "x", { "Upload-Offset": "37" })).status).toBe(401);
		const body = result({ log: { bytes: 0, sha256: null, incomplete: false } });
		expect((await agent.attempt(offer, "POST", "finish", body)).status).toBe(200);
		expect((await second.get<Run>(`/api/v1/runs/${run.id}/wait`)).state).toBe("succeeded");
		await second.post<Run>("/api/v1/runs", { run: "make", runs_on: ["long-runner"] });
		await agent.hello(2);
		const next = await agent.nextOffer();
		expect(await agent.start(next)).toMatchObject({ number: 1 });
		// Its time over, the old key is nothing.
		second.program.signal("SIGTERM");
		await second.program.exited;
		writeFileSync(keyFile, JSON.stringify({ ...after, before: { ...after.before, until: Date.now() - 1 } }));
		const third = await TestCoordinator.start({ data: first.data, port: first.port });
		expect((await agent.log(offer, 0, "")).status).toBe(401);
		expect((await third.get<Job>(`/api/v1/jobs/${next.job_id}`)).state).toBe("running");
	});
});

/** A lease token of another key. */
async function signedWith(key: string, claims: Record<string, unknown>): Promise<string> {
	const { SignJWT } = await import("jose");
	const { exp, aud, ...own } = claims as { exp: number; aud: string } & Record<string, unknown>;
	const token = new SignJWT(own).setProtectedHeader({ alg: "HS256" }).setAudience(aud).setExpirationTime(exp);
	return `wll.${await token.sign(new TextEncoder().encode(key))}`;
}

/** A coordinator with an agent beside it, started by a shell. */
async function shellProgram(script: string): Promise<{ url: string; stop(): Promise<void> }> {
	const { spawn } = await import("node:child_process");
	const child = spawn("sh", ["-c", script], { env: { PATH: process.env.PATH, HOME: process.env.HOME, WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN } });
	const exited = new Promise((resolve) => child.once("exit", resolve));
	let output = "";
	child.stdout.on("data", (chunk) => {
		output += chunk;
	});
	const url = await eventually(() => /status page +(http\S+)/.exec(output)?.[1], "the coordinator");
	return {
		url,
		stop: async () => {
			child.kill("SIGTERM");
			child.kill("SIGTERM");
			await exited;
		},
	};
}
