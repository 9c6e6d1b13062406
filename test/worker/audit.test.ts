import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { type AuditEntry, type AuditRecord, BEGINNING, type ChainPlace, chainedText } from "../../schema/wire/audit.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import { sha256 } from "../../worker/identity/digest.ts";
import { auditLogOf } from "../../worker/platform/audit_log.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** Tests of other files write to the same log: what these tests do has an actor and an address of its own. */
const ACTOR = "auditor";
const ADDRESS = "198.51.100.7";
let auditor = ADMIN;

function send(
	method: string,
	path: string,
	body?: string,
	token: string | null = auditor,
	more: Record<string, string> = {},
): Promise<Response> {
	const headers = { ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...more };
	const init = {
		method,
		headers,
		redirect: "manual",
		cf: { clientIp: ADDRESS },
		...(body === undefined ? {} : { body }),
	} as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

async function entries(query = "limit=200"): Promise<AuditEntry[]> {
	return (await (await send("GET", `/api/v1/audit?${query}`)).json<Page<AuditEntry>>()).items;
}

const newest = async (actor = ACTOR): Promise<AuditEntry | undefined> =>
	(await entries(`actor=${actor}&limit=200`)).find(({ address }) => address === ADDRESS);

/** All entries, newest first. */
async function exported(): Promise<AuditEntry[]> {
	const [, ...lines] = (await (await send("GET", "/api/v1/audit/export")).text()).trim().split("\n");
	return lines.map((line) => JSON.parse(line) as AuditEntry).reverse();
}

/** The first place that does not follow the one before; null if all do. */
async function firstBroken(after: ChainPlace, list: readonly AuditEntry[]): Promise<number | null> {
	let before = after;
	for (const entry of list) {
		if (entry.seq !== before.seq + 1 || entry.hash !== (await sha256(chainedText(before.hash, entry)))) return entry.seq;
		before = entry;
	}
	return null;
}

const record = (at: number, what = "a thing"): AuditRecord => ({
	...{ at, event: "secrets.read", actor: "job a", via: null, what, details: { b: "2", a: null } },
	...{ outcome: "done", address: null, request_id: null },
});

withAdmin();
beforeAll(async () => {
	const request = { name: ACTOR, role: "operator", expires_in: "1d" };
	auditor = (await (await send("POST", "/api/v1/tokens", JSON.stringify(request))).json<CreatedToken>()).token;
	await send("POST", "/api/v1/projects", JSON.stringify({ name: "audited" }));
});

describe("the audit log", () => {
	test("has what was changed, by whom, with what, and from where", async () => {
		expect(await newest()).toMatchObject({
			event: "projects.create",
			actor: ACTOR,
			via: expect.stringMatching(/^tok_/),
			what: "POST /api/v1/projects",
			details: { name: "audited" },
			outcome: "done",
			address: ADDRESS,
			request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
		});
		await send("PATCH", "/api/v1/projects/audited", JSON.stringify({ default_branch: "trunk", public_badges: false }));
		expect(await newest()).toMatchObject({
			event: "projects.change",
			what: "PATCH /api/v1/projects/audited",
			details: { changed: "default_branch" },
		});
		await send("POST", "/api/v1/queue/pause", JSON.stringify({ reason: "disk" }));
		expect(await newest()).toMatchObject({ event: "queue.pause", details: { reason: "disk" } });
		await send("POST", "/api/v1/queue/resume");
		await send("POST", "/api/v1/agent-tokens", JSON.stringify({ labels: ["gpu"] }));
		expect(await newest()).toMatchObject({ event: "agents.manage", details: { labels: "gpu" } });
	});

	test("has no secret: neither a token that was made, nor one that was wrong", async () => {
		const made = await (
			await send("POST", "/api/v1/tokens", JSON.stringify({ name: "audited", role: "viewer", expires_in: "1d" }))
		).json<CreatedToken>();
		expect(await newest()).toMatchObject({
			event: "own.tokens",
			details: { token: made.id, name: "audited", role: "viewer", projects: "all" },
		});
		const wrong = "wls_a-wrong-token-that-nobody-has-made-0000000";
		expect((await send("GET", "/api/v1/runs", undefined, wrong)).status).toBe(401);
		expect(await newest("unknown")).toMatchObject({ event: "sign_in", outcome: "refused", what: "/api/v1/runs" });
		const text = JSON.stringify(await exported());
		for (const secret of [made.token, wrong, ADMIN, auditor]) expect(text).not.toContain(secret);
	});

	test("has sign-ins, those that failed, and sign-outs", async () => {
		const own = { Origin: "http://windlass.test" };
		const answer = await send("POST", "/sign-in", `token=${auditor}`, null, own);
		expect(await newest()).toMatchObject({ event: "sign_in", outcome: "done", details: { by: "token" } });
		const cookie = { ...own, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
		await send("POST", "/sign-out", undefined, null, cookie);
		expect(await newest()).toMatchObject({
			event: "own.sessions",
			via: expect.stringMatching(/^ses_/),
			what: "POST /sign-out",
		});
		await send("POST", "/sign-in", "token=wrong", null, own);
		expect(await newest("unknown")).toMatchObject({
			event: "sign_in",
			outcome: "refused",
			what: "/sign-in",
			details: { credential: "sign-in", failures: "1" },
		});
	});

	test("has what a role does not allow, and not what only failed or was only read", async () => {
		const { token } = await (
			await send("POST", "/api/v1/tokens", JSON.stringify({ name: "reader", role: "viewer", expires_in: "1d" }))
		).json<CreatedToken>();
		const before = (await newest())?.seq ?? 0;
		await send("DELETE", "/api/v1/projects/audited", undefined, token);
		expect(await newest("reader")).toMatchObject({ outcome: "refused", what: "DELETE /api/v1/projects/audited" });
		await send("GET", "/api/v1/secrets", undefined, token);
		await send("GET", "/api/v1/runs", undefined, token);
		expect(await entries("actor=reader")).toHaveLength(1);
		// Many in a row do not fill it, and are counted.
		for (let index = 0; index < 26; index += 1) await send("DELETE", "/api/v1/projects/audited", undefined, token);
		const ofReader = await entries("actor=reader");
		expect(ofReader.length).toBeLessThan(20);
		expect(ofReader.reduce((sum, { details }) => sum + Number(details.refusals ?? 1), 0)).toBeGreaterThanOrEqual(26);
		await send("POST", "/api/v1/projects", JSON.stringify({ name: "audited" }));
		await send("POST", "/api/v1/projects", JSON.stringify({ name: "Not a name" }));
		await send("DELETE", "/api/v1/projects/nowhere");
		expect((await newest())?.seq).toBe(before);
	});

	test("tells an approval that counts from one that changes nothing", async () => {
		const pipeline = { jobs: { a: { approval: true, steps: ["true"] } } };
		const submitted = await send("POST", "/api/v1/runs", JSON.stringify({ pipeline }));
		const [job] = (await submitted.json<SubmittedRun>()).jobs;
		const counted: unknown[] = [];
		for (const _ of [1, 2]) {
			expect((await send("POST", `/api/v1/jobs/${job?.id}/approve`, "{}")).status).toBe(200);
			counted.push((await newest())?.details);
		}
		expect(counted).toEqual([
			{ comment: null, job: "a" },
			{ comment: null, counted: "no", job: "a" },
		]);
	});

	test("has a form of a page once it has changed something, not while it asks or is shown again", async () => {
		const count = async () => (await entries(`actor=${ACTOR}&event=projects.create&limit=200`)).length;
		const before = await count();
		await send("POST", "/projects", "name=Not+a+name&default_branch=main&status_context=windlass");
		expect(await count()).toBe(before);
		await send("POST", "/projects", "name=formed&default_branch=main&status_context=windlass");
		expect(await newest()).toMatchObject({ what: "POST /projects", details: { name: "formed" } });
		expect((await send("POST", "/projects/formed/delete")).status).toBe(200);
		expect(await count()).toBe(before + 1);
		expect((await send("POST", "/projects/formed/delete", "confirmed=yes")).status).toBe(303);
		expect([await count(), (await newest())?.what]).toEqual([before + 2, "POST /projects/formed/delete"]);
	});

	test("is listed by pages, and by actor, event and time", async () => {
		const own = `actor=${ACTOR}`;
		const all = (await exported()).filter(({ actor }) => actor === ACTOR);
		const pages: number[] = [];
		for (let cursor: string | null = ""; cursor !== null; ) {
			const answer: Page<AuditEntry> = await (await send("GET", `/api/v1/audit?${own}&limit=3${cursor && `&cursor=${cursor}`}`)).json();
			pages.push(...answer.items.map(({ seq }) => seq));
			cursor = answer.next_cursor;
		}
		expect(pages).toEqual(all.map(({ seq }) => seq));
		expect(all.length).toBeGreaterThan(5);
		expect(await entries(`${own}&event=queue.pause`)).toEqual(all.filter(({ event }) => event === "queue.pause"));
		const middle = all[5]?.at ?? 0;
		const at = new Date(middle).toISOString();
		expect(await entries(`${own}&since=${at}`)).toEqual(all.filter((entry) => entry.at >= middle));
		expect(await entries(`${own}&until=${at}`)).toEqual(all.filter((entry) => entry.at < middle));
		for (const wrong of ["since=yesterday", "event=nothing", "cursor=x", "actors=x"])
			expect([wrong, [400, 422].includes((await send("GET", `/api/v1/audit?${wrong}`)).status)]).toEqual([wrong, true]);
		expect(await (await send("GET", "/audit?actor=reader")).text()).toContain("refused");
	});

	test("is a chain, which an export shows whole", async () => {
		const text = await (await send("GET", "/api/v1/audit/export")).text();
		const [{ after }, ...lines] = text
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
		expect(await firstBroken(after, lines)).toBeNull();
		const changed = lines.map((entry: AuditEntry, index) => (index === 1 ? { ...entry, actor: "somebody" } : entry));
		expect(await firstBroken(after, changed)).toBe(lines[1].seq);
	});

	test("has the hash of what is stored, whatever a name holds, and no more of it than fits", async () => {
		const log = auditLogOf(env, "odd");
		for (const text of ["x\ud800y", "\u2028", "\0", "long".repeat(10_000)]) {
			await log.append({ ...record(1, text), actor: text, details: { name: text } });
		}
		const { after, entries: kept } = await log.following(null, 100);
		expect(await firstBroken(after, kept)).toBeNull();
		expect(kept.at(-1)?.what).toMatch(/^(long){125}…$/);
	});

	test("has every one of many entries at once in the chain", async () => {
		const log = auditLogOf(env, "many");
		await Promise.all(Array.from({ length: 40 }, (_, index) => log.append(record(index, String(index)))));
		const { after, entries: kept } = await log.following(null, 100);
		expect([after, kept.length]).toEqual([BEGINNING, 40]);
		expect(await firstBroken(after, kept)).toBeNull();
		expect(new Set(kept.map(({ what }) => what)).size).toBe(40);
	});

	test("goes on after what has expired", async () => {
		const log = auditLogOf(env, "old");
		// A clock that was stepped back: the fourth entry is older than the third.
		for (const at of [1, 2, 5, 3, 6]) await log.append(record(at));
		expect(await log.expire(1)).toBe(0);
		expect(await log.expire(5)).toBe(2);
		const { after, entries: kept } = await log.following(null, 100);
		expect([after.seq, kept.map(({ seq }) => seq)]).toEqual([2, [3, 4, 5]]);
		expect(await firstBroken(after, kept)).toBeNull();
		expect(await log.expire(100)).toBe(3);
		await log.append(record(101));
		const last = await log.following(null, 100);
		expect([last.after.seq, last.entries[0]?.seq]).toEqual([5, 6]);
		expect(await firstBroken(last.after, last.entries)).toBeNull();
	});
});
