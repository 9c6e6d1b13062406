import assert from "node:assert/strict";
import * as fc from "fast-check";
import { type ByteEdit, byteEdits, bytesOf, edited } from "../values/bytes.ts";
import * as right from "../values/protocol.ts";
import { printableText } from "../values/texts.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import type { Target } from "./target.ts";

/** Whoever has no right to be here: credentials that are almost those that were given out. */

const KINDS = ["admin", "session", "registration", "agent", "lease", "part"] as const;
type Kind = (typeof KINDS)[number];

interface Door {
	method: string;
	path: string;
	/** Right, so that nothing but the credential can be at fault. */
	body: unknown;
	/** What says that it stays shut. */
	shut: readonly number[];
}

/** Where a credential of each kind opens a door. */
const DOORS: Record<Kind, Door> = {
	admin: { method: "GET", path: "/api/v1/agents", body: null, shut: [401, 403, 429] },
	session: { method: "GET", path: "/api/v1/agents", body: null, shut: [401, 403, 429] },
	// With a key of its own: who repeats a key is known by it.
	registration: {
		method: "POST",
		path: "/api/v1/agents",
		body: { registration_key: "another-agent-{seq}", name: "forged-{seq}" },
		shut: [401, 403, 429],
	},
	agent: { method: "POST", path: "/api/v1/agents/self/renew", body: right.RENEWAL, shut: [401, 403, 429] },
	lease: { method: "POST", path: "/api/v1/attempts/{attempt}/commit", body: right.COMMIT, shut: [401, 403, 429] },
	part: { method: "PUT", path: "", body: "abc", shut: [400, 401, 403, 404, 405, 429] },
};

interface Forgery {
	kind: Kind;
	/** The door that it is tried at. */
	door: Kind;
	way: "edited" | "cut" | "doubled" | "unsigned" | "claims" | "prefix" | "garbage" | "case";
	edits: ByteEdit[];
	claim: [string, unknown];
	garbage: string;
}

const forgery: fc.Arbitrary<Forgery> = fc.record({
	kind: fc.constantFrom(...KINDS),
	door: fc.constantFrom(...KINDS),
	way: fc.constantFrom("edited", "cut", "doubled", "unsigned", "claims", "prefix", "garbage", "case"),
	edits: byteEdits(2, 1),
	claim: fc.tuple(
		fc.constantFrom("aud", "exp", "alg", "attemptId", "tokenId", "key", "size", "team", "crit", "b64", "kid", "jwk", "zip"),
		fc.constantFrom<unknown>("none", "session", "lease", "part", 1e12, -1, null, [], ["b64"], false, {}, "../x", "default"),
	),
	garbage: fc.oneof(
		printableText,
		fc.constantFrom(
			"wlh.",
			"wll.",
			"wla.",
			"wlr.",
			"wlu_",
			"wla.default.agt_01ARZ3NDEKTSV4RRFFQ69G5FAV.x",
			"wlr.other.x",
			"wla.other.agt_01ARZ3NDEKTSV4RRFFQ69G5FAV.x",
		),
		fc.constantFrom(
			"wll.a.b.c",
			"wll...",
			"wll.eyJhbGciOiJub25lIn0..",
			`wlh.${"a".repeat(64)}`,
			"x".repeat(8000),
			"wll.eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AA",
		),
	),
});

/** A credential without the signature or prefix that is not a part of it. */
function forged({ kind, way, edits, claim, garbage }: Forgery, original: string): string {
	const [start, token] = /^(wl\w[._])?(.*)$/s.exec(original)?.slice(1) ?? [];
	switch (way) {
		case "edited":
			return Buffer.from(edited(bytesOf(original), edits))
				.toString("latin1")
				.replace(/[^!-~]/g, "_");
		case "cut":
			return original.slice(0, Math.floor(original.length * ((edits[0]?.at ?? 0) / 2 ** 20)));
		case "doubled":
			return original + original;
		case "unsigned":
			return original.replace(/\.[^.]*$/, ".");
		case "claims":
			return `${start ?? ""}${withClaim(token ?? "", claim)}`;
		case "prefix":
			return `${["wll.", "wla.", "wlr.", "wlh.", ""][kind.length % 5]}${token}`;
		case "garbage":
			return garbage.replace(/[^!-~]/g, "_");
		case "case":
			return original === original.toUpperCase() ? original.toLowerCase() : original.toUpperCase();
	}
}

/** A signed token with another claim in its header and its body, and the signature that it had. */
function withClaim(token: string, [name, value]: [string, unknown]): string {
	const [header = "", payload = "", signature = ""] = token.split(".");
	const changed = (part: string) => {
		try {
			return Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(part, "base64url").toString()), [name]: value })).toString("base64url");
		} catch {
			return part;
		}
	};
	return `${changed(header)}.${changed(payload)}.${signature}`;
}

function credentialOf(target: Target, kind: Kind): string {
	return kind === "part" ? target.word("part").replace("/api/v1/parts/", "") : target.word(kind);
}

/** Base64url has spare bits at its end: texts that differ in nothing else are the same token. */
function isSame(a: string, b: string): boolean {
	return a === b || a.split(".").map(bitsOf).join() === b.split(".").map(bitsOf).join();
}

function bitsOf(part: string): string {
	return Buffer.from(part, "base64url").toString("hex") || part;
}

const cookies = fc.constantFrom<(value: string) => string>(
	(value) => `windlass_session=${value}`,
	(value) => `a=b; windlass_session=${value}; c=d`,
	(value) => `windlass_session="${value}"`,
	(value) => `windlass_session=; windlass_session=${value}`,
	(value) => `;;;=;windlass_session=${value};${"x=y;".repeat(300)}`,
);

const schemes = fc.constantFrom("Bearer ", "bearer ", "Bearer   ", "Basic ", "", "Bearer\t", "Bearer x ");

const origins = fc.oneof(
	fc.constantFrom("http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1.evil.example", "//x", "http://[", "file:///x"),
	printableText,
);

export const credentialProperties: NetworkProperty[] = [
	networkProperty(
		"what was not given out opens nothing",
		{ weight: 8 },
		fc.tuple(forgery, cookies, schemes),
		async (target, [wanted, cookie, scheme]) => {
			const original = credentialOf(target, wanted.kind);
			const token = forged(wanted, original);
			if (isSame(token, original)) return;
			const { method, path, body, shut } = DOORS[wanted.door];
			const isCookie = wanted.door === "session";
			const answer = await target.ask({
				method,
				target: wanted.door === "part" ? `/api/v1/parts/${encodeURIComponent(token)}` : path,
				as: "anyone",
				headers: wanted.door === "part" ? [] : [isCookie ? ["Cookie", cookie(token)] : ["Authorization", `${scheme}${token}`]],
				body: body === null ? null : bytesOf(JSON.stringify(body)),
			});
			assert.ok(answer && shut.includes(answer.status), `${answer?.status}: ${token.slice(0, 200)}`);
		},
	),
	networkProperty("a session changes nothing for another site", { weight: 1 }, origins, async (target, origin) => {
		const answer = await target.ask({
			method: "POST",
			target: "/runs/{run}/cancel",
			as: "anyone",
			headers: [
				["Cookie", "windlass_session={session}"],
				["Origin", origin],
			],
			body: bytesOf(""),
		});
		assert.equal(answer?.status, 403);
	}),
];
