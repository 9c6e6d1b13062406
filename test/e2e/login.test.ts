import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Invitation } from "../../schema/wire/people.ts";
import type { Page } from "../../schema/wire/resources.ts";
import type { Token } from "../../schema/wire/tokens.ts";
import { ADMIN_TOKEN, Program, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let config: string;
/** The headers of somebody who has joined. */
let session: Record<string, string>;

beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	config = temporaryFolder(atEnd);
	const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "lena", role: "maintainer" });
	const code = new URL(url).searchParams.get("code") ?? "";
	const answer = await post("/join", { code, password: "a password of lena", again: "a password of lena" }, { Origin: coordinator.url });
	session = { Origin: coordinator.url, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function post(address: string, fields: Record<string, string>, headers: Record<string, string> = session): Promise<Response> {
	const body = new URLSearchParams(fields).toString();
	return coordinator.request(address, { method: "POST", token: null, redirect: "manual", headers, body });
}

function start(args: string[], environment: Record<string, string> = {}): Program {
	return new Program(args, { XDG_CONFIG_HOME: config, WINDLASS_SERVER: coordinator.url, ...environment });
}

async function windlass(args: string[], environment: Record<string, string> = {}): Promise<{ code: number | null; output: string }> {
	const program = start(args, environment);
	return { code: await program.exited, output: program.output };
}

/** Begins a sign-in of a command. @returns it, and the code of its page */
async function begin(...more: string[]): Promise<{ program: Program; code: string }> {
	const program = start(["login", "--machine", "desk", ...more]);
	const [, code = ""] = await program.says(/\/login\?code=([A-Z]{4}-[A-Z]{4})/);
	return { program, code };
}

describe("windlass login", () => {
	test("lets a command act as the person who allows it, and logout ends that", async () => {
		const { program, code } = await begin();
		const shown = await (await coordinator.request(`/login?code=${code.toLowerCase()}`, { token: null, headers: session })).text();
		expect(shown).toContain("asks to act as you, lena");
		expect((await post("/login", { code, decision: "allow", role: "developer" })).status).toBe(201);
		expect([await program.exited, program.output]).toEqual([0, expect.stringContaining("as lena/desk, developer")]);
		const file = path.join(config, "windlass", "profiles.json");
		expect(statSync(file).mode & 0o777).toBe(0o600);
		expect((await windlass(["whoami"])).output).toContain("lena, developer");
		// Without the address, too, and not at another one.
		expect((await windlass(["whoami"], { WINDLASS_SERVER: "" })).output).toContain("lena, developer");
		const { access_token: token } = JSON.parse(readFileSync(file, "utf8")).profiles.default;
		expect((await windlass(["whoami", "--server", "http://127.0.0.1:9"])).output).toContain("You are signed in to");
		const { output } = await windlass(["logout"]);
		expect(output).toContain("Signed out of");
		expect((await coordinator.request("/api/v1/whoami", { token })).status).toBe(401);
		expect((await windlass(["whoami"])).output).toContain("Run windlass login");
	});

	test("keeps a profile for each coordinator; an option and a variable come before them", async () => {
		for (const profile of ["one", "two"]) {
			const { program, code } = await begin("--profile", profile);
			await post("/login", { code, decision: "allow", role: profile === "one" ? "viewer" : "maintainer" });
			expect(await program.exited).toBe(0);
		}
		expect((await windlass(["whoami"])).output).toContain("lena, maintainer");
		expect((await windlass(["whoami", "--profile", "one"])).output).toContain("lena, viewer");
		expect((await windlass(["whoami"], { WINDLASS_PROFILE: "one" })).output).toContain("lena, viewer");
		expect((await windlass(["whoami"], { WINDLASS_API_TOKEN: ADMIN_TOKEN })).output).toContain("admin, operator");
		expect((await windlass(["whoami", "--profile", "one"], { WINDLASS_API_TOKEN: ADMIN_TOKEN })).output).toContain("lena, viewer");
		expect((await windlass(["whoami", "--profile", "three"])).output).toContain("known: one, two");
		const { items } = await coordinator.get<Page<Token>>("/api/v1/tokens");
		expect(items.flatMap(({ name }) => (name.startsWith("lena/") ? [name] : [])).sort()).toEqual(["lena/desk", "lena/desk-2"]);
		expect((await windlass(["whoami", "--profile", "one", "--api-token", ADMIN_TOKEN], { WINDLASS_SERVER: "" })).output).toContain("admin");
		for (const profile of ["one", "two"]) expect((await windlass(["logout"], { WINDLASS_PROFILE: profile })).code).toBe(0);
		expect((await windlass(["whoami"])).output).toContain("Run windlass login");
	});

	test("for a profile once more goes to its coordinator, and revokes the token that it replaces", async () => {
		const tokens: string[] = [];
		for (const environment of [{}, { WINDLASS_SERVER: "" }]) {
			const program = start(["login", "--machine", "again", "--profile", "again"], environment);
			const [, code = ""] = await program.says(/\/login\?code=([A-Z]{4}-[A-Z]{4})/);
			await post("/login", { code, decision: "allow", role: "viewer" });
			expect(await program.exited).toBe(0);
			tokens.push(JSON.parse(readFileSync(path.join(config, "windlass", "profiles.json"), "utf8")).profiles.again.access_token);
		}
		const statuses = await Promise.all(tokens.map(async (token) => (await coordinator.request("/api/v1/whoami", { token })).status));
		expect(statuses).toEqual([401, 200]);
		expect((await windlass(["logout", "--profile", "again"])).code).toBe(0);
	});

	test("ends when the person denies it, and a code works once", async () => {
		const { program, code } = await begin();
		expect((await post("/login", { code, decision: "deny", role: "viewer" })).status).toBe(201);
		expect([await program.exited, program.output]).toEqual([2, expect.stringContaining("denied")]);
		expect((await post("/login", { code, decision: "allow", role: "viewer" })).status).toBe(404);
		expect((await coordinator.request(`/login?code=${code}`, { token: null, headers: session })).status).toBe(404);
	});

	test("gives no role greater than that of the person, and nothing from another page or without a session", async () => {
		const { program, code } = await begin();
		expect((await post("/login", { code, decision: "allow", role: "operator" })).status).toBe(403);
		expect((await post("/login", { code, decision: "allow", role: "viewer" }, { ...session, Origin: "https://evil.test" })).status).toBe(
			403,
		);
		expect((await post("/login", { code, decision: "allow", role: "viewer" }, { Origin: coordinator.url })).status).toBe(401);
		// A token would make itself one that lives longer.
		const body = new URLSearchParams({ code, decision: "allow", role: "viewer" }).toString();
		expect((await coordinator.request("/login", { method: "POST", body })).status).toBe(403);
		await program.kill();
	});

	test("claims a token once, and a wrong secret nothing", async () => {
		const asked = await coordinator.post<{ secret: string; code: string }>("/api/v1/logins", { machine: "raced" });
		await post("/login", { code: asked.code, decision: "allow", role: "viewer" });
		const claim = async (secret: string) => {
			const body = JSON.stringify({ secret });
			const answer = await coordinator.request("/api/v1/logins/claim", { method: "POST", token: null, body });
			return { status: answer.status, body: (await answer.json()) as { state?: string; token?: object | null } };
		};
		const both = await Promise.all([claim(asked.secret), claim(asked.secret)]);
		expect(both.filter(({ body }) => body.state === "allowed")).toHaveLength(1);
		expect((await claim(asked.secret)).status).toBe(401);
		expect((await claim("wrong")).status).toBe(401);
	});

	test("is asked for by one address a few times at once, and again once somebody has decided", async () => {
		const ask = () => coordinator.request("/api/v1/logins", { method: "POST", token: null, body: JSON.stringify({ machine: "many" }) });
		const codes: string[] = [];
		let refused: Response | null = null;
		while (refused === null && codes.length < 100) {
			const answer = await ask();
			if (answer.status === 201) codes.push(((await answer.json()) as { code: string }).code);
			else refused = answer;
		}
		expect([refused?.status, refused?.headers.get("Retry-After")]).toEqual([429, "60"]);
		expect(codes.length).toBeLessThanOrEqual(20);
		for (const code of codes) expect((await post("/login", { code, decision: "deny", role: "viewer" })).status).toBe(201);
		expect((await ask()).status).toBe(201);
	});

	test("says what is wrong with its file", async () => {
		const folder = temporaryFolder(atEnd);
		mkdirSync(path.join(folder, "windlass"));
		writeFileSync(path.join(folder, "windlass", "profiles.json"), "{");
		expect(await windlass(["whoami"], { XDG_CONFIG_HOME: folder })).toMatchObject({
			code: 2,
			output: expect.stringContaining("is damaged"),
		});
	});
});

describe("the tokens of a sign-in", () => {
	interface Pair {
		access_token: string;
		refresh_token: string;
		expires_in: number;
		token_type: string;
	}

	/** Signs in as a program would that is no windlass command. */
	async function pair(role = "maintainer"): Promise<Pair & { id: string }> {
		const asked = await coordinator.post<{ secret: string; code: string }>("/api/v1/logins", { machine: "curl" });
		await post("/login", { code: asked.code, decision: "allow", role });
		const { token } = await coordinator.post<{ token: Pair & { id: string } }>("/api/v1/logins/claim", { secret: asked.secret });
		return token;
	}

	async function refresh(refreshToken: string): Promise<{ status: number; pair: Pair }> {
		const body = JSON.stringify({ refresh_token: refreshToken });
		const answer = await coordinator.request("/api/v1/logins/refresh", { method: "POST", token: null, body });
		return { status: answer.status, pair: (await answer.json()) as Pair };
	}

	const statusOf = async (token: string) => (await coordinator.request("/api/v1/whoami", { token })).status;

	test("are a signed one for 15 minutes, which the published keys verify, and one to get the next", async () => {
		const { access_token, expires_in, token_type, refresh_token, id } = await pair();
		expect([expires_in, token_type, refresh_token]).toEqual([900, "Bearer", expect.stringMatching(/^wlx_[0-9a-f]{64}$/)]);
		const keys = createRemoteJWKSet(new URL(`${coordinator.url}/.well-known/jwks.json`));
		const { payload, protectedHeader } = await jwtVerify(access_token, keys, {
			issuer: coordinator.url,
			audience: "windlass",
			typ: "at+jwt",
		});
		expect([payload.sub, (payload.exp ?? 0) - (payload.iat ?? 0), protectedHeader.alg]).toEqual([id, 900, "EdDSA"]);
		const { keys: published } = await coordinator.get<{ keys: object[] }>("/.well-known/jwks.json");
		expect(published).toEqual([{ kty: "OKP", crv: "Ed25519", x: expect.any(String), kid: protectedHeader.kid, alg: "EdDSA", use: "sig" }]);
		const caller = await (await coordinator.request("/api/v1/whoami", { token: access_token })).json();
		expect(caller).toMatchObject({ name: "lena", role: "maintainer", token_id: id });
	});

	test("are refreshed once; a second use ends the sign-in with all of its tokens, and is in the audit log", async () => {
		const first = await pair();
		const second = await refresh(first.refresh_token);
		expect([second.status, await statusOf(second.pair.access_token)]).toEqual([200, 200]);
		expect((await refresh(first.refresh_token)).status).toBe(401);
		expect((await refresh(second.pair.refresh_token)).status).toBe(401);
		expect([await statusOf(first.access_token), await statusOf(second.pair.access_token)]).toEqual([401, 401]);
		const { items } = await coordinator.get<Page<AuditEntry>>("/api/v1/audit?event=own.tokens&limit=50");
		expect(items).toContainEqual(
			expect.objectContaining({ outcome: "refused", what: expect.stringContaining("used twice"), via: first.id }),
		);
	});

	test("that are refreshed twice at once give one pair, and end", async () => {
		const { refresh_token } = await pair();
		const both = await Promise.all([refresh(refresh_token), refresh(refresh_token)]);
		expect(both.map(({ status }) => status).sort()).toEqual([200, 401]);
		const winner = both.find(({ status }) => status === 200)?.pair;
		expect((await refresh(winner?.refresh_token ?? "")).status).toBe(401);
	});

	test("end at once when the token is revoked, and open no pages", async () => {
		const { access_token, refresh_token, id } = await pair();
		expect((await post("/sign-in", { token: access_token }, { Origin: coordinator.url })).status).toBe(401);
		expect((await post("/sign-in", { token: refresh_token }, { Origin: coordinator.url })).status).toBe(401);
		expect(await statusOf(refresh_token)).toBe(401);
		expect((await coordinator.request(`/api/v1/tokens/${id}`, { method: "DELETE" })).status).toBe(204);
		expect([await statusOf(access_token), (await refresh(refresh_token)).status]).toEqual([401, 401]);
	});
});

describe("the commands of a sign-in", () => {
	const file = () => path.join(config, "windlass", "profiles.json");
	const profile = () => JSON.parse(readFileSync(file(), "utf8")).profiles.refreshing;
	/** As if the access token had expired a minute ago. */
	function expire(): void {
		const stored = JSON.parse(readFileSync(file(), "utf8"));
		stored.profiles.refreshing.access_until = Date.now() - 60_000;
		writeFileSync(file(), JSON.stringify(stored), { mode: 0o600 });
	}

	test("get new tokens when theirs expire, many at once, too; and say when the sign-in has ended", async () => {
		const { program, code } = await begin("--profile", "refreshing");
		await post("/login", { code, decision: "allow", role: "developer" });
		expect(await program.exited).toBe(0);
		const before = profile();
		expire();
		const many = await Promise.all(Array.from({ length: 5 }, () => windlass(["whoami", "--profile", "refreshing"])));
		expect(many.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
		expect([profile().refresh_token === before.refresh_token, profile().access_until > Date.now()]).toEqual([false, true]);
		expect(statSync(file()).mode & 0o777).toBe(0o600);
		// One that is rejected is renewed, too: the coordinator may have another key.
		const stored = JSON.parse(readFileSync(file(), "utf8"));
		stored.profiles.refreshing.access_token = stored.profiles.refreshing.access_token.replace(/.{8}$/, "AAAAAAAA");
		writeFileSync(file(), JSON.stringify(stored), { mode: 0o600 });
		expect((await windlass(["whoami", "--profile", "refreshing"])).code).toBe(0);
		// A copy of the file is used by somebody else.
		const stolen = profile().refresh_token;
		const body = JSON.stringify({ refresh_token: stolen });
		expect((await coordinator.request("/api/v1/logins/refresh", { method: "POST", token: null, body })).status).toBe(200);
		expire();
		const ended = await windlass(["whoami", "--profile", "refreshing"]);
		expect([ended.code, ended.output]).toEqual([
			2,
			expect.stringContaining("used twice, so somebody may have a copy of it. Run windlass login again"),
		]);
		expect((await windlass(["logout", "--profile", "refreshing"])).output).toContain("was invalid already");
	});

	test("go on with the token of a profile of an earlier version", async () => {
		const { token } = await coordinator.post<{ token: string }>("/api/v1/tokens", { name: "earlier", role: "viewer", expires_in: "1d" });
		const folder = temporaryFolder(atEnd);
		mkdirSync(path.join(folder, "windlass"));
		const stored = { current: "old", profiles: { old: { server: coordinator.url, token } } };
		writeFileSync(path.join(folder, "windlass", "profiles.json"), JSON.stringify(stored));
		expect((await windlass(["whoami"], { XDG_CONFIG_HOME: folder })).output).toContain("earlier, viewer");
		expect((await windlass(["logout"], { XDG_CONFIG_HOME: folder })).output).toContain("Signed out of");
	});
});
