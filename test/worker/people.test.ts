import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Invitation, Person } from "../../schema/wire/people.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import type { Caller, CreatedToken, Token } from "../../schema/wire/tokens.ts";
import { hashPassword, isPassword } from "../../worker/people/passwords.ts";
import { ADMIN, withAdmin } from "./admin.ts";

const OWN = { Origin: "http://windlass.test" };
const PASSWORD = "a password that is long enough";
let addresses = 0;

interface Sent {
	headers?: Record<string, string>;
	body?: object | string;
	/** Wrong passwords count against it. */
	clientIp?: string;
}

function send(method: string, path: string, { headers = { Authorization: `Bearer ${ADMIN}` }, body, clientIp = "203.0.113.1" }: Sent = {}) {
	const text = typeof body === "string" ? body : body && JSON.stringify(body);
	const init = { method, headers, redirect: "manual", cf: { clientIp }, ...(text === undefined ? {} : { body: text }) } as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function invited(name: string, role = "developer"): Promise<{ code: string }> {
	const answer = await send("POST", "/api/v1/people", { body: { name, role } });
	expect(answer.status).toBe(201);
	const { url } = await answer.json<Invitation>();
	return { code: new URL(url).searchParams.get("code") ?? "" };
}

const joinWith = (code: string, password = PASSWORD, again = password) =>
	send("POST", "/join", { headers: OWN, body: form({ code, password, again }) });

async function personalToken(headers: Record<string, string>, name = "phone"): Promise<CreatedToken> {
	const answer = await send("POST", "/api/v1/tokens", { headers, body: { name, role: "viewer", expires_in: "1d" } });
	return answer.json<CreatedToken>();
}

const cookieOf = (answer: Response) => ({ ...OWN, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" });

/** Somebody who has joined. @returns the headers of their session, and their id */
async function joined(name: string, role = "developer"): Promise<{ session: Record<string, string>; id: string }> {
	const { code } = await invited(name, role);
	const answer = await joinWith(code);
	expect([answer.status, answer.headers.get("Location")]).toEqual([303, "/"]);
	const { items } = await (await send("GET", "/api/v1/people")).json<Page<Person>>();
	return { session: cookieOf(answer), id: items.find((person) => person.name === name)?.id ?? "" };
}

function signIn(name: string, password: string, clientIp?: string) {
	addresses += 1;
	return send("POST", "/sign-in", { headers: OWN, body: form({ name, password }), clientIp: clientIp ?? `203.0.113.${addresses}` });
}

withAdmin();
beforeAll(async () => {
	await send("POST", "/api/v1/projects", { body: { name: "web" } });
});

describe("an invitation", () => {
	test("lets somebody join once, with its name and role", async () => {
		const { code } = await invited("ada", "maintainer");
		const shown = await (await send("GET", `/join?code=${code}`, { headers: {} })).text();
		expect(shown).toMatch(/<b>ada<\/b>.*role maintainer/);
		const answer = await joinWith(code);
		const session = cookieOf(answer);
		expect(await (await send("GET", "/api/v1/whoami", { headers: session })).json()).toMatchObject({ name: "ada", role: "maintainer" });
		expect((await joinWith(code)).status).toBe(401);
		expect((await send("GET", `/join?code=${code}`, { headers: {} })).status).toBe(404);
		expect((await signIn("ada", PASSWORD)).status).toBe(303);
	});

	test("is listed and withdrawn, by nobody with a lesser role than it gives", async () => {
		const { code } = await invited("withdrawn", "operator");
		const { session } = await joined("an-admin", "admin");
		const listed = await (await send("GET", "/api/v1/invitations")).json<Page<{ name: string }>>();
		expect(listed.items.map(({ name }) => name)).toContain("withdrawn");
		expect((await send("DELETE", "/api/v1/invitations/withdrawn", { headers: session })).status).toBe(403);
		const replaced = await send("POST", "/api/v1/people", { headers: session, body: { name: "withdrawn", role: "viewer" } });
		expect(replaced.status).toBe(403);
		expect((await send("DELETE", "/api/v1/invitations/withdrawn")).status).toBe(204);
		expect((await send("DELETE", "/api/v1/invitations/withdrawn")).status).toBe(404);
		expect((await joinWith(code)).status).toBe(401);
	});

	test("that is used by two at once makes one person", async () => {
		const { code } = await invited("twice");
		const statuses = (await Promise.all([joinWith(code), joinWith(code)])).map(({ status }) => status).sort();
		expect(statuses).toEqual([303, 401]);
	});

	test("is kept for a bad password, and no link changes anything by being opened", async () => {
		const { code } = await invited("bob");
		for (const [password, again] of [
			["short", "short"],
			[PASSWORD, `${PASSWORD}!`],
			["x".repeat(201), "x".repeat(201)],
		] as const)
			expect([password, (await joinWith(code, password, again)).status]).toEqual([password, 422]);
		expect((await joinWith(code)).status).toBe(303);
		expect((await joinWith("nothing")).status).toBe(401);
		const other = await send("POST", "/join", {
			headers: { Origin: "https://evil.test" },
			body: form({ code, password: PASSWORD, again: PASSWORD }),
		});
		expect(other.status).toBe(403);
	});

	test("expires, and ends with the next one for the name", async () => {
		const first = await invited("carol");
		const second = await invited("carol");
		expect((await joinWith(first.code)).status).toBe(401);
		await env.DB.prepare("UPDATE invitations SET expires_at = 1 WHERE name = 'carol'").run();
		expect((await joinWith(second.code)).status).toBe(401);
	});

	test("is stored as a digest, and gives at most the role of who makes it", async () => {
		const { code } = await invited("dora");
		const rows = await env.DB.prepare("SELECT * FROM invitations").all();
		expect(JSON.stringify(rows.results)).not.toContain(code);
		const admin = await joined("adam", "admin");
		const refused = await send("POST", "/api/v1/people", { headers: admin.session, body: { name: "eve", role: "operator" } });
		expect(refused.status).toBe(403);
		for (const name of ["adam", "admin"])
			expect([name, (await send("POST", "/api/v1/people", { body: { name, role: "viewer" } })).status]).toEqual([name, 409]);
		for (const wrong of [
			{ name: "ａda", role: "viewer" },
			{ name: "x", role: "owner" },
			{ name: "x", role: "viewer", expires_in: "31d" },
		])
			expect((await send("POST", "/api/v1/people", { body: wrong })).status).toBe(422);
	});
});

describe("a password", () => {
	test("is stored as Argon2id with a salt of its own, and what looks alike is the same", async () => {
		const [one, two] = [await hashPassword("pässword"), await hashPassword("pässword")];
		expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
		expect(one).not.toBe(two);
		expect(await isPassword("pa\u0308ssword", one)).toBe(true);
		expect(await isPassword("password", one)).toBe(false);
		expect(await isPassword("anything", null)).toBe(false);
	});

	test("is the one that other programs make of the same (RFC 9106 by the reference implementation)", async () => {
		const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
		expect(await isPassword("password", reference)).toBe(true);
		expect(await isPassword("Password", reference)).toBe(false);
	});

	test("that is wrong, and a name that nobody has, get the same answer", async () => {
		await joined("frank");
		const answerOf = async (name: string) => {
			const response = await signIn(name, "not the password of anybody");
			const { error, message, suggestions } = await response.json<{ error: string; message: string; suggestions: string[] }>();
			return [response.status, error, message, suggestions];
		};
		expect(await answerOf("frank")).toEqual(await answerOf("nobody"));
	});

	test("is not guessed: after many wrong ones from an address nothing is hashed, and nobody is locked out", async () => {
		await joined("grace");
		const guesser = "198.51.100.77";
		const statuses: number[] = [];
		for (let index = 0; index < 30; index += 1)
			statuses.push((await signIn(index % 2 ? "grace" : "nobody", `wrong ${index}`, guesser)).status);
		expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
		expect(statuses.at(-1)).toBe(429);
		expect((await signIn("grace", PASSWORD, guesser)).status).toBe(429);
		expect((await signIn("grace", PASSWORD)).status).toBe(303);
	});

	test("is changed by who knows it, which ends all sessions and personal tokens", async () => {
		const { session } = await joined("heidi");
		const { token } = await personalToken(session);
		const change = (old: string, password: string) => send("POST", "/password", { headers: session, body: form({ old, password }) });
		expect((await change("wrong", `${PASSWORD} new`)).status).toBe(422);
		expect((await change(PASSWORD, "short")).status).toBe(422);
		expect((await change(PASSWORD, `${PASSWORD} new`)).status).toBe(303);
		expect((await send("GET", "/api/v1/whoami", { headers: session })).status).toBe(401);
		expect((await send("GET", "/api/v1/whoami", { headers: bearer(token) })).status).toBe(401);
		expect((await signIn("heidi", PASSWORD)).status).toBe(401);
		expect((await signIn("heidi", `${PASSWORD} new`)).status).toBe(303);
		expect((await send("POST", "/password", { body: form({ old: "x", password: PASSWORD }) })).status).toBe(409);
	});

	test("is set anew with a link of an admin, which ends all sessions", async () => {
		const { session, id } = await joined("ivan");
		const { url } = await (await send("POST", `/api/v1/people/${id}/reset`)).json<Invitation>();
		expect((await send("GET", "/api/v1/whoami", { headers: session })).status).toBe(200);
		const code = new URL(url).searchParams.get("code") ?? "";
		expect((await joinWith(code, "another long password")).status).toBe(303);
		expect((await send("GET", "/api/v1/whoami", { headers: session })).status).toBe(401);
		expect((await signIn("ivan", "another long password")).status).toBe(303);
		const { items } = await (await send("GET", "/api/v1/people")).json<Page<Person>>();
		expect(items.filter(({ name }) => name === "ivan")).toHaveLength(1);
	});
});

describe("a person", () => {
	test("has tokens that act as them, with at most their role of that moment", async () => {
		const { session, id } = await joined("judy", "maintainer");
		const make = (more: object) =>
			send("POST", "/api/v1/tokens", { headers: session, body: { name: "laptop", role: "maintainer", expires_in: "30d", ...more } });
		const made = await (await make({})).json<CreatedToken>();
		expect(made).toMatchObject({ kind: "personal", name: "judy/laptop" });
		const run = await (
			await send("POST", "/api/v1/runs", { headers: bearer(made.token), body: { pipeline: { steps: ["true"] }, project: "web" } })
		).json<SubmittedRun>();
		expect(run.trigger.actor).toBe("judy");
		expect((await send("PATCH", `/api/v1/people/${id}`, { body: { role: "viewer" } })).status).toBe(200);
		expect(await (await send("GET", "/api/v1/whoami", { headers: bearer(made.token) })).json<Caller>()).toMatchObject({
			name: "judy",
			role: "viewer",
		});
		expect(await (await send("GET", "/api/v1/whoami", { headers: session })).json<Caller>()).toMatchObject({ role: "viewer" });
		expect((await make({ name: "more" })).status).toBe(403);
		expect((await make({ name: "more", role: "viewer", kind: "service" })).status).toBe(403);
		expect((await make({ name: "more", role: "viewer", kind: "personal", projects: ["web"] })).status).toBe(422);
		expect((await make({ name: "more", role: "viewer" })).status).toBe(201);
		const { items } = await (await send("GET", "/api/v1/tokens", { headers: session })).json<Page<Token>>();
		expect(items.map(({ name }) => name).sort()).toEqual(["judy/laptop", "judy/more"]);
	});

	test("opens no session with a personal token, which would outlive it, and a program makes none", async () => {
		const { session } = await joined("kim");
		const { token } = await personalToken(session);
		const signedIn = await send("POST", "/sign-in", { headers: OWN, body: form({ token }) });
		expect([signedIn.status, signedIn.headers.get("Set-Cookie")]).toEqual([403, null]);
		const personal = await send("POST", "/api/v1/tokens", { body: { name: "x", kind: "personal", role: "viewer", expires_in: "1d" } });
		expect(personal.status).toBe(422);
	});

	test("has tokens that outlive no token that made them, and whose secret only they renew", async () => {
		const { session } = await joined("kurt");
		const short = await personalToken(session, "short");
		const another = { name: "long", role: "viewer", expires_in: "300d" };
		const made = await (await send("POST", "/api/v1/tokens", { headers: bearer(short.token), body: another })).json<CreatedToken>();
		expect(made.expires_at).toBe(short.expires_at);
		const rotate = (headers: Record<string, string>, id: string) =>
			send("POST", `/api/v1/tokens/${id}/rotate`, { headers, body: { expires_in: "300d" } });
		expect((await (await rotate(bearer(short.token), made.id)).json<CreatedToken>()).expires_at).toBe(short.expires_at);
		const admin = { Authorization: `Bearer ${ADMIN}` };
		expect((await rotate(admin, short.id)).status).toBe(403);
		expect((await send("DELETE", `/api/v1/tokens/${short.id}`)).status).toBe(204);
	});

	test("who is removed, or loses their role, takes the links along that they have made", async () => {
		const links: string[] = [];
		for (const name of ["lara", "luke"]) {
			const { session, id } = await joined(name, "admin");
			const body = { name: `of-${name}`, role: "maintainer" };
			const { url } = await (await send("POST", "/api/v1/people", { headers: session, body })).json<Invitation>();
			const code = new URL(url).searchParams.get("code") ?? "";
			expect((await send("GET", `/join?code=${code}`, { headers: {} })).status).toBe(200);
			if (name === "lara") await send("DELETE", `/api/v1/people/${id}`);
			else await send("PATCH", `/api/v1/people/${id}`, { body: { role: "developer" } });
			links.push(code);
		}
		for (const code of links) {
			expect((await send("GET", `/join?code=${code}`, { headers: {} })).status).toBe(404);
			expect((await joinWith(code)).status).toBe(401);
		}
	});

	test("who has got a greater role since gets no new password by the link of somebody lesser", async () => {
		const admin = await joined("lena", "admin");
		const { id } = await joined("liam", "maintainer");
		const { url } = await (await send("POST", `/api/v1/people/${id}/reset`, { headers: admin.session })).json<Invitation>();
		expect((await send("PATCH", `/api/v1/people/${id}`, { body: { role: "operator" } })).status).toBe(200);
		expect((await joinWith(new URL(url).searchParams.get("code") ?? "")).status).toBe(401);
	});

	test("who is removed loses sessions and personal tokens at once, and their name is free", async () => {
		const { session, id } = await joined("leo");
		const { token } = await (
			await send("POST", "/api/v1/tokens", { headers: session, body: { name: "t", role: "viewer", expires_in: "1d" } })
		).json<CreatedToken>();
		expect((await send("GET", "/api/v1/whoami", { headers: bearer(token) })).status).toBe(200);
		expect((await send("DELETE", `/api/v1/people/${id}`)).status).toBe(204);
		expect((await send("GET", "/api/v1/whoami", { headers: bearer(token) })).status).toBe(401);
		expect((await send("GET", "/api/v1/whoami", { headers: session })).status).toBe(401);
		expect((await signIn("leo", PASSWORD)).status).toBe(401);
		expect((await send("DELETE", `/api/v1/people/${id}`)).status).toBe(404);
		await env.DB.prepare("UPDATE tokens SET created_at = created_at - 1000 WHERE created_by = 'leo'").run();
		const program = { name: "of-leo", role: "viewer", projects: ["web"], expires_in: "1d" };
		const kept = await (await send("POST", "/api/v1/tokens", { body: program })).json<CreatedToken>();
		await env.DB.prepare("UPDATE tokens SET created_by = 'leo', created_at = created_at - 1000 WHERE id = ?").bind(kept.id).run();
		const another = await joined("leo", "maintainer");
		const { items } = await (await send("GET", "/api/v1/tokens", { headers: another.session })).json<Page<Token>>();
		expect(items).toEqual([]);
	});

	test("of a greater role, and oneself, is changed by nobody lesser", async () => {
		const admin = await joined("mia", "admin");
		const operator = await joined("olga", "operator");
		const as = admin.session;
		expect((await send("PATCH", `/api/v1/people/${operator.id}`, { headers: as, body: { role: "viewer" } })).status).toBe(403);
		expect((await send("POST", `/api/v1/people/${operator.id}/reset`, { headers: as })).status).toBe(403);
		expect((await send("DELETE", `/api/v1/people/${operator.id}`, { headers: as })).status).toBe(403);
		expect((await send("PATCH", `/api/v1/people/${admin.id}`, { headers: as, body: { role: "operator" } })).status).toBe(409);
		expect((await send("DELETE", `/api/v1/people/${admin.id}`, { headers: as })).status).toBe(409);
	});

	test("is on the page, with forms for an admin and a question before the removal", async () => {
		const { id } = await joined("nina");
		const text = await (await send("GET", "/people")).text();
		for (const action of [`/people/${id}/role`, `/people/${id}/reset`, `/people/${id}/remove`])
			expect(text).toContain(`action="${action}"`);
		expect((await send("POST", `/people/${id}/remove`)).status).toBe(200);
		const made = await send("POST", "/people", { body: form({ name: "paul", role: "viewer" }) });
		expect([made.status, await made.text()]).toEqual([201, expect.stringContaining("/join?code=")]);
		expect((await send("POST", "/people", { body: form({ name: "Not a name", role: "viewer" }) })).status).toBe(422);
		expect((await send("POST", `/people/${id}/role`, { body: form({ role: "maintainer" }) })).status).toBe(303);
		expect((await send("POST", `/people/${id}/remove`, { body: "confirmed=yes" })).status).toBe(303);
	});

	test("is in the audit log: invited, joined, signed in, changed, removed, and no password", async () => {
		const { id } = await joined("quinn");
		await signIn("quinn", PASSWORD);
		await send("PATCH", `/api/v1/people/${id}`, { body: { role: "viewer" } });
		await send("DELETE", `/api/v1/people/${id}`);
		const { items } = await (await send("GET", "/api/v1/audit?limit=200")).json<Page<AuditEntry>>();
		const own = items.filter(({ actor, details }) => actor === "quinn" || details.name === "quinn").toReversed();
		expect(own.map(({ event, what }) => `${event} ${what.replace(id, "ID")}`)).toEqual([
			"people.manage POST /api/v1/people",
			"people.join has joined",
			"sign_in POST /sign-in",
			"people.manage PATCH /api/v1/people/ID",
			"people.manage DELETE /api/v1/people/ID",
		]);
		expect(JSON.stringify(items)).not.toContain(PASSWORD);
	});
});
