import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { text } from "node:stream/consumers";
import { exportJWK, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Caller } from "../../schema/wire/tokens.ts";
import { CookieBrowser } from "../support/cookie_browser.ts";
import { listen } from "../support/http_server.ts";
import { TestCoordinator } from "../support/processes.ts";

/** Answers that no real provider gives, and the forges that have an API of their own. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ args: ["--allow-outbound", "127.0.0.1"], atEnd });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const others = generateKeyPairSync("rsa", { modulusLength: 2048 });

interface Token {
	claims: JWTPayload;
	sign(claims: JWTPayload): Promise<string>;
	/** The parameters of the way back. */
	back: Record<string, string>;
}

/** An issuer whose tokens the test makes. */
class Issuer {
	url = "";
	nonce = "";
	change: (token: Token) => void = () => undefined;
	asked: Record<string, string> = {};

	static async start(): Promise<Issuer> {
		const issuer = new Issuer();
		const { url, answerWith } = await listen(atEnd);
		issuer.url = url;
		answerWith((request, response) => {
			const json = (value: object) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
			const url = new URL(request.url ?? "/", issuer.url);
			if (url.pathname === "/.well-known/openid-configuration") return json(issuer.#metadata());
			if (url.pathname === "/jwks")
				return void exportJWK(keys.publicKey).then((key) => json({ keys: [{ ...key, alg: "RS256", use: "sig" }] }));
			if (url.pathname === "/authorize") {
				issuer.nonce = url.searchParams.get("nonce") ?? "";
				issuer.asked = Object.fromEntries(url.searchParams);
				const back = new URL(url.searchParams.get("redirect_uri") ?? "");
				const parameters = { code: "a-code", state: url.searchParams.get("state") ?? "", ...issuer.#token().back };
				for (const [name, value] of Object.entries(parameters)) back.searchParams.set(name, value);
				return response.writeHead(303, { Location: back.href }).end();
			}
			const { claims, sign } = issuer.#token();
			return void sign(claims).then((id_token) => json({ access_token: "an-access-token", token_type: "Bearer", id_token }));
		});
		return issuer;
	}

	#metadata(): object {
		const { url } = this;
		return {
			...{ issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks` },
			...{ response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"] },
		};
	}

	#token(): Token {
		const now = Math.floor(Date.now() / 1000);
		const token: Token = {
			claims: {
				...{ iss: this.url, aud: "windlass", sub: "1", iat: now, exp: now + 300, nonce: this.nonce },
				...{ preferred_username: "mallory", groups: ["ci"] },
			},
			sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: "RS256" }).sign(keys.privateKey),
			back: {},
		};
		this.change(token);
		return token;
	}
}

const signedBy = (key: KeyObject | Uint8Array, alg: string) => (claims: JWTPayload) =>
	new SignJWT(claims).setProtectedHeader({ alg }).sign(key);

function provide(name: string, json: object): Promise<Response> {
	const body = JSON.stringify({ client_id: "windlass", client_secret: "s3cret", ...json });
	return coordinator.request(`/api/v1/identity-providers/${name}`, { method: "PUT", body });
}

describe("an ID token", () => {
	let issuer: Issuer;
	beforeAll(async () => {
		issuer = await Issuer.start();
		expect((await provide("issuer", { kind: "oidc", url: issuer.url, sign_up: [{ group: "ci", role: "viewer" }] })).status).toBe(201);
	});
	const publicKey = () => new TextEncoder().encode(keys.publicKey.export({ type: "spki", format: "pem" }).toString());
	const hour = 3600;
	const cases: [string, (token: Token) => void][] = [
		["of another issuer", ({ claims }) => Object.assign(claims, { iss: "https://accounts.example" })],
		["for another audience", ({ claims }) => Object.assign(claims, { aud: "another" })],
		[
			"for several audiences, authorized for another",
			({ claims }) => Object.assign(claims, { aud: ["windlass", "another"], azp: "another" }),
		],
		["with the nonce of another sign-in", ({ claims }) => Object.assign(claims, { nonce: "an-old-nonce" })],
		["without a nonce", ({ claims }) => delete claims.nonce],
		["that has expired", ({ claims }) => Object.assign(claims, { iat: 1, exp: Number(claims.iat) - hour })],
		["of the future", ({ claims }) => Object.assign(claims, { nbf: Number(claims.iat) + hour })],
		["without an end", ({ claims }) => delete claims.exp],
		["without a subject", ({ claims }) => delete claims.sub],
		["with an empty signature", (token) => Object.assign(token, { sign: async (claims: JWTPayload) => new UnsecuredJWT(claims).encode() })],
		["signed with the public key as a secret", (token) => Object.assign(token, { sign: signedBy(publicKey(), "HS256") })],
		[
			"signed with the client secret",
			(token) => Object.assign(token, { sign: signedBy(new TextEncoder().encode("s3cret".repeat(8)), "HS256") }),
		],
		["signed with a key that is not the issuer's", (token) => Object.assign(token, { sign: signedBy(others.privateKey, "RS256") })],
		[
			"signed with an algorithm that the issuer does not name",
			(token) => Object.assign(token, { sign: signedBy(keys.privateKey, "PS256") }),
		],
		["that is no token", (token) => Object.assign(token, { sign: async () => "a.b.c" })],
	];

	test("as it should be opens a session, and the request for it has PKCE and a nonce", async () => {
		issuer.change = () => undefined;
		const browser = new CookieBrowser();
		expect((await browser.open(`${coordinator.url}/sign-in/with/issuer`)).status).toBe(200);
		expect(issuer.asked).toMatchObject({
			...{
				code_challenge_method: "S256",
				code_challenge: expect.stringMatching(/^[\w-]{43}$/),
				nonce: expect.stringMatching(/^[\w-]{43}$/),
			},
			...{ response_type: "code", redirect_uri: `${coordinator.url}/sign-in/with/issuer/callback` },
		});
	});

	test.each(cases)("%s opens none", async (_, change) => {
		issuer.change = change;
		const browser = new CookieBrowser();
		const answer = await browser.open(`${coordinator.url}/sign-in/with/issuer`);
		expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining("its answer is not valid")]);
		expect((await coordinator.request("/api/v1/whoami", { token: null, headers: browser.headers(coordinator.url) })).status).toBe(401);
	});

	test("is not asked for when the way back names another issuer (RFC 9207)", async () => {
		issuer.change = ({ back }) => Object.assign(back, { iss: "https://accounts.example" });
		expect((await new CookieBrowser().open(`${coordinator.url}/sign-in/with/issuer`)).status).toBe(401);
	});
});

/** With signs that a header would escape. */
const SECRET = "gto_a-b.c~d+e/f=";

describe("an account of a forge", () => {
	const FORGES = [
		{
			...{
				kind: "github",
				api: "/api/v3",
				organization: { login: "Acme" },
				team: { slug: "ops", name: "Ops", organization: { login: "Acme" } },
			},
			groups: ["Acme/ops", "Acme/Ops"],
		},
		{
			...{ kind: "gitea", api: "/api/v1", organization: { username: "Acme" }, team: { name: "ops", organization: { username: "Acme" } } },
			groups: ["Acme/ops", "acme/ops"],
		},
	];
	test.each(FORGES)(
		"of $kind joins by its organization, its team, and at GitHub its verified address",
		async ({ kind, api, organization, team, groups: [right, wrong] }) => {
			const forge = await listen(atEnd);
			let isVerified = false;
			let challenge = "";
			forge.answerWith(async (request, response) => {
				const json = (value: object, status = 200) => {
					response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
				};
				const url = new URL(request.url ?? "/", forge.url);
				if (url.pathname === "/login/oauth/authorize") {
					challenge = url.searchParams.get("code_challenge") ?? "";
					// GitHub names itself on the way back.
					const iss = kind === "github" ? `&iss=${encodeURIComponent(`${forge.url}/login/oauth`)}` : "";
					const back = `${url.searchParams.get("redirect_uri")}?code=c&state=${url.searchParams.get("state")}${iss}`;
					return response.writeHead(303, { Location: back }).end();
				}
				if (url.pathname === "/login/oauth/access_token") {
					const verifier = new URLSearchParams(await text(request)).get("code_verifier") ?? "";
					const isProven = createHash("sha256").update(verifier).digest("base64url") === challenge;
					return isProven
						? json({ access_token: "gho_1", token_type: "bearer", scope: "read:org" })
						: json({ error: "invalid_grant" }, 400);
				}
				if (request.headers.authorization !== "Bearer gho_1") return json({ message: "Bad credentials" }, 401);
				const isFirst = (url.searchParams.get("page") ?? "1") === "1";
				if (url.pathname === `${api}/user`) return json({ id: 7, login: `${kind}-person` });
				if (url.pathname === `${api}/user/emails`) return json([{ email: "x@example.org", verified: isVerified, primary: true }]);
				if (url.pathname === `${api}/user/orgs`)
					return json(isFirst ? Array(50).fill({ login: "filler", username: "filler" }) : [organization]);
				return json(isFirst ? [team] : []);
			});
			const tryWith = async (rule: object) => {
				expect(
					(await provide(`a-${kind}`, { kind, url: forge.url, client_id: "wind-lass_1", client_secret: SECRET, sign_up: [rule] })).status,
				).toBeLessThan(300);
				const browser = new CookieBrowser();
				const { status } = await browser.open(`${coordinator.url}/sign-in/with/a-${kind}`);
				const answer = await coordinator.request("/api/v1/whoami", { token: null, headers: browser.headers(coordinator.url) });
				return [status, ((await answer.json()) as Partial<Caller>).role];
			};
			expect(await tryWith({ organization: "others", role: "admin" })).toEqual([403, undefined]);
			if (kind === "github") expect(await tryWith({ domain: "example.org", role: "admin" })).toEqual([403, undefined]);
			expect(await tryWith({ group: wrong, role: "admin" })).toEqual([403, undefined]);
			expect(await tryWith({ organization: "acme", role: "developer" })).toEqual([200, "developer"]);
			expect(await tryWith({ group: right, role: "maintainer" })).toEqual([200, "maintainer"]);
			isVerified = true;
			if (kind === "github") expect(await tryWith({ domain: "example.org", role: "viewer" })).toEqual([200, "viewer"]);
			else {
				const refused = await provide("a-domain", { kind, url: forge.url, sign_up: [{ domain: "example.org", role: "viewer" }] });
				expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining("Gitea does not verify")]);
			}
		},
	);
});
