import { jwtVerify, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { sign, verify } from "../../worker/identity/signing.ts";

const KEY = "a-signing-key-for-tests-that-nobody-guesses";
const SECRET = new TextEncoder().encode(KEY);
const CLAIMS = { leaseId: "l", size: 7, path: "größe" };
const later = () => Date.now() + 60_000;

function ofJose(header: object, audience: string, expiresAt: number, secret = SECRET): Promise<string> {
	const token = new SignJWT(CLAIMS).setProtectedHeader({ alg: "HS256", ...header });
	return token
		.setAudience(audience)
		.setExpirationTime(Math.floor(expiresAt / 1000))
		.sign(secret);
}

describe("signed tokens", () => {
	test("carry their claims, and are tokens of RFC 7515 for every other reader", async () => {
		const token = await sign(KEY, "lease", CLAIMS, later());
		expect(await verify(KEY, "lease", token)).toEqual(CLAIMS);
		const { payload } = await jwtVerify(token, SECRET, { algorithms: ["HS256"], audience: "lease" });
		expect(payload).toMatchObject(CLAIMS);
	});

	test("of another library are accepted: an upgrade keeps the leases of running jobs", async () => {
		expect(await verify(KEY, "lease", await ofJose({}, "lease", later()))).toEqual(CLAIMS);
	});

	test.each([
		["another purpose", () => sign(KEY, "part", CLAIMS, later())],
		["another key", () => sign(`${KEY}2`, "lease", CLAIMS, later())],
		["a time that has passed", () => sign(KEY, "lease", CLAIMS, Date.now() - 2_000)],
		["another header", () => ofJose({ kid: "1" }, "lease", later())],
		["no signature", async () => (await sign(KEY, "lease", CLAIMS, later())).replace(/\.[^.]*$/, ".")],
		["a changed claim", async () => changed(await sign(KEY, "lease", CLAIMS, later()))],
		["a fourth part", async () => `${await sign(KEY, "lease", CLAIMS, later())}.x`],
		["text that is not base64url", async () => (await sign(KEY, "lease", CLAIMS, later())).replace(/\.[^.]*$/, ".a+b=")],
		["an impossible length", async () => (await sign(KEY, "lease", CLAIMS, later())).replace(/\.[^.]*$/, ".aaaaa")],
		["no parts", async () => "x"],
		["the algorithm none", async () => `${btoa('{"alg":"none"}')}.${btoa('{"aud":"lease","exp":9999999999}').replaceAll("=", "")}.`],
	])("with %s are rejected", async (_, token) => {
		expect(await verify(KEY, "lease", await token())).toBeNull();
	});

	test("need a key", async () => {
		await expect(sign("", "lease", CLAIMS, later())).rejects.toThrow("SIGNING_KEY is not set");
	});
});

function changed(token: string): string {
	const [header = "", payload = "", mac = ""] = token.split(".");
	const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
	return [header, Buffer.from(JSON.stringify({ ...claims, size: 8 })).toString("base64url"), mac].join(".");
}
