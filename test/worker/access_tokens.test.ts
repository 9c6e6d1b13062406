import { env, exports } from "cloudflare:workers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { Caller, CreatedToken } from "../../schema/wire/tokens.ts";
import { publicKeys, signAccessToken, verifyAccessToken } from "../../worker/identity/access_token.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** The signed tokens of sign-ins, and what others make of them. */

let addresses = 0;

async function ask(token: string, path = "/api/v1/whoami", init: object = {}): Promise<Response> {
	addresses += 1;
	// Wrong ones count against their address.
	const cf = { clientIp: `203.0.113.${100 + (addresses % 100)}` };
	const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), { headers, cf, ...init } as RequestInit));
}

const issuer = "http://windlass.test";
let tokenId: string;
let valid: string;

withAdmin();
beforeAll(async () => {
	const body = JSON.stringify({ name: "of-a-sign-in", role: "developer", expires_in: "30d" });
	tokenId = (await (await ask(ADMIN, "/api/v1/tokens", { method: "POST", body })).json<CreatedToken>()).id;
	valid = await signAccessToken(env, tokenId, issuer);
});

const encoded = (value: object) => btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const decoded = (part: string) => JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/"))) as Record<string, unknown>;

test("an access token acts as the token that it stands for", async () => {
	expect(await (await ask(valid)).json<Caller>()).toMatchObject({ name: "of-a-sign-in", role: "developer", token_id: tokenId });
});

describe("an access token that is forged", () => {
	test("opens nothing", async () => {
		const [header = "", body = "", signature = ""] = valid.split(".");
		const [{ kid }, claims] = [decoded(header), decoded(body)];
		const [published] = (await publicKeys(env)).keys;
		const publicKey = Uint8Array.from(atob(String(published?.x).replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
		const { privateKey, publicKey: ownPublic } = await generateKeyPair("EdDSA", { extractable: true });
		const none = encoded({ alg: "none", typ: "at+jwt", kid });
		const protectedHeader = { alg: "EdDSA", typ: "at+jwt", kid: String(kid) };
		const forged = {
			"alg none": `${none}.${body}.`,
			"alg none with a signature": `${none}.${body}.${signature}`,
			"the public key as a secret": await new SignJWT(claims).setProtectedHeader({ ...protectedHeader, alg: "HS256" }).sign(publicKey),
			"another key": await new SignJWT(claims).setProtectedHeader(protectedHeader).sign(privateKey),
			"a key of its own in the header": await new SignJWT(claims)
				.setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", jwk: await exportJWK(ownPublic) })
				.sign(privateKey),
			"another subject": `${header}.${encoded({ ...claims, sub: "tok_1" })}.${signature}`,
			"another end": `${header}.${encoded({ ...claims, exp: Number(claims.exp) + 86_400 })}.${signature}`,
			"no signature": `${header}.${body}.`,
			"no claims": `${header}..${signature}`,
		};
		for (const [how, token] of Object.entries(forged)) {
			expect([how, (await ask(token)).status]).toEqual([how, 401]);
			expect([how, await verifyAccessToken(env, token)]).toEqual([how, null]);
		}
		expect((await ask(valid)).status).toBe(200);
	});

	test("as any other thing that is signed here opens nothing: a lease, a sign-in, a token of another coordinator", async () => {
		const other = await signAccessToken({ ...env, SIGNING_KEY: "the key of another coordinator" }, tokenId, issuer);
		expect((await ask(other)).status).toBe(401);
		expect((await ask(await signAccessToken(env, "tok_01J00000000000000000000000", issuer))).status).toBe(401);
	});
});

test("an access token expires, is not of the future, and ends with its key", async () => {
	vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
	try {
		const fresh = await signAccessToken(env, tokenId, issuer);
		vi.setSystemTime(Date.now() + 14 * 60_000);
		expect(await verifyAccessToken(env, fresh)).toBe(tokenId);
		vi.setSystemTime(Date.now() + 2 * 60_000);
		expect(await verifyAccessToken(env, fresh)).toBeNull();
		vi.setSystemTime(Date.now() - 30 * 60_000);
		expect(await verifyAccessToken(env, fresh)).toBeNull();
		const rotated = { ...env, SIGNING_KEY: "a new key", SIGNING_KEY_BEFORE: env.SIGNING_KEY };
		const present = await signAccessToken(env, tokenId, issuer);
		// Leases of the former key are honored for a day; this is not.
		const before = { ...rotated, SIGNING_KEY_BEFORE_UNTIL: String(Date.now() + 60_000) };
		expect(await verifyAccessToken(before, present)).toBeNull();
		expect((await publicKeys(before)).keys).toHaveLength(1);
	} finally {
		vi.useRealTimers();
	}
});
