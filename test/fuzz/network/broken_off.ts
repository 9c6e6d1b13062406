import assert from "node:assert/strict";
import * as fc from "fast-check";
import { pieceSizes, piecesOf } from "../values/bytes.ts";
import { assertHonest } from "./answers.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import { converse } from "./wire.ts";

/** Bodies that end before their time: whoever sends them is gone, or lies about their length. */

interface Upload {
	method: string;
	target: string;
	token: "admin" | "lease" | "agent" | "registration" | "none";
	headers: string[];
	body: string;
}

const SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const FORM =
	'--x\r\nContent-Disposition: form-data; name="run"\r\n\r\nmake\r\n--x\r\nContent-Disposition: form-data; name="source"; filename="a"\r\n\r\n';

export const UPLOADS: readonly Upload[] = [
	{ method: "POST", target: "/api/v1/runs", token: "admin", headers: [], body: '{"run": "make it so"}' },
	{
		method: "POST",
		target: "/api/v1/runs",
		token: "admin",
		headers: ["Content-Type: multipart/form-data; boundary=x"],
		body: `${FORM}${"a".repeat(5000)}\r\n--x--\r\n`,
	},
	{
		method: "POST",
		target: "/api/v1/pipelines/upload",
		token: "admin",
		headers: ["Content-Type: multipart/form-data; boundary=x"],
		body: `--x\r\nContent-Disposition: form-data; name="file"; filename="a.yml"\r\n\r\n${"# a line\n".repeat(500)}steps: [x]\r\n--x--\r\n`,
	},
	{ method: "PUT", target: "/api/v1/sources", token: "admin", headers: [], body: "\0".repeat(10_240) },
	{ method: "PUT", target: "/api/v1/sources", token: "admin", headers: [], body: `\x1f\x8b\x08${"\0".repeat(5000)}` },
	{ method: "PUT", target: "{part}", token: "none", headers: [`X-Content-SHA256: ${SHA256}`], body: "abc" },
	{ method: "PUT", target: "{big_part}", token: "none", headers: [`X-Content-SHA256: ${SHA256}`], body: "abcde" },
	{ method: "PUT", target: "{cache_part}", token: "none", headers: [`X-Content-SHA256: ${SHA256}`], body: "abc" },
	{ method: "PUT", target: "/api/v1/build-caches/gradle/{run}", token: "lease", headers: [], body: "abc" },
	{ method: "POST", target: "/api/v1/build-caches/turbo/v8/artifacts/events", token: "lease", headers: [], body: "[]" },
	...["PROPFIND", "MKCOL"].flatMap((method) =>
		["/api/v1/build-caches/sccache", "/api/v1/build-caches/sccache/{run}"].map((target) => ({
			...{ method, target, token: "lease" as const, headers: [], body: "<x/>" },
		})),
	),
	{
		method: "PATCH",
		target: "/api/v1/attempts/{attempt}/log",
		token: "lease",
		headers: ["Upload-Offset: 0"],
		body: "a line of a log\n".repeat(200),
	},
	{ method: "POST", target: "/api/v1/attempts/{attempt}/steps", token: "lease", headers: [], body: '{"steps": []}' },
	{ method: "POST", target: "/api/v1/agents/self/renew", token: "agent", headers: [], body: '{"session": 1, "seq": 1, "running": []}' },
	{ method: "POST", target: "/sign-in", token: "none", headers: [], body: "token=abc" },
];

const clientDisconnected = fc.record({
	upload: fc.constantFrom(...UPLOADS),
	/** How much of it is sent, in thousandths. */
	part: fc.nat(999),
	framing: fc.constantFrom("length", "length", "chunked", "longer", "huge"),
	ending: fc.constantFrom("end" as const, "end" as const, "reset" as const),
	sizes: pieceSizes,
});

const PATIENCE_MS = 5_000;

export const brokenOffProperties: NetworkProperty[] = [
	networkProperty(
		"a body that breaks off is nobody's fault but the sender's",
		{ weight: 4 },
		clientDisconnected,
		async (target, { upload, part, framing, ending, sizes }) => {
			const { method, token, headers, body } = upload;
			const bytes = Buffer.from(body, "latin1");
			const sent = bytes.subarray(0, Math.floor((bytes.byteLength * part) / 1000));
			const length = { length: bytes.byteLength, longer: bytes.byteLength + 1, huge: 30 * 1024 * 1024, chunked: 0 }[framing];
			const lines = [
				`${method} ${upload.target} HTTP/1.1`,
				"Host: x",
				...(token === "none" ? [] : [`Authorization: Bearer {${token}}`]),
				...headers,
				framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`,
			];
			const start = framing === "chunked" ? `${bytes.byteLength.toString(16)}\r\n` : "";
			const head = Buffer.from(target.fill(`${lines.join("\r\n")}\r\n\r\n${start}`), "latin1");
			const pieces = [head, ...piecesOf(new Uint8Array(sent), sizes)];
			const got = await converse({ port: target.port, pieces, methods: [method], ending, patienceMs: PATIENCE_MS });
			for (const answer of got.answers)
				assertHonest(answer, { sent: head.toString() + sent.toString(), path: target.fill(upload.target), method });
			assert.ok(ending === "reset" || got.isClosed, "the connection was forgotten");
		},
	),
];
