import assert from "node:assert/strict";
import * as fc from "fast-check";
import { type ByteEdit, byteEdits, bytesOf, edited, joined, pieceSizes, piecesOf } from "../values/bytes.ts";
import { assertHonest } from "./answers.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import type { Target } from "./target.ts";
import { converse, type Exchange } from "./wire.ts";

/** Bytes on a socket that are hardly requests any more. */

/** No answer here waits for anything: a connection that stays open longer than this was forgotten. */
const PATIENCE_MS = 5_000;

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get", "FOO", "", "G\0T", "PRI"];
const TARGETS = [
	"/healthz",
	"/api/v1/runs",
	"/api/v1/sources",
	"/api/v1/attempts/{attempt}/log",
	"/api/v1/runs/{old_run}",
	"{part}",
	"*",
	"",
	"healthz",
	"//",
	"//[",
	"http://127.0.0.1/healthz",
	"http://[/",
	"http://a b/",
	"/%",
	"/a b",
	"/\u0000",
	"/\u00ff",
	"/..//../",
	`/${"a".repeat(9000)}`,
	`/?${"a=b&".repeat(3000)}`,
];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.10", "http/1.1", ""];
const HOSTS = [
	"x",
	"x",
	"x",
	"127.0.0.1:1",
	"[::1]",
	"a b",
	"[::",
	"x:99999",
	"x:y",
	"a@b",
	"%00",
	"<",
	"a/b",
	"a\\b",
	"xn--",
	"256.256.256.256",
	"\u00fc",
	"\u00ff",
	"a,b",
	".",
	"",
];
const HEADERS = [
	"Content-Length: 2",
	"Content-Length: 0",
	"Content-Length: -1",
	"Content-Length: 0x2",
	"Content-Length: 2, 2",
	"Content-Length: 99999999999999999999",
	"Content-Length: 18446744073709551615",
	"Content-Length: 9223372036854775807",
	"Transfer-Encoding: chunked",
	"Transfer-Encoding: chunked, chunked",
	"Transfer-Encoding: gzip, chunked",
	"Transfer-Encoding: identity",
	"Transfer-Encoding:\tchunked",
	"Transfer-Encoding : chunked",
	"Content-Encoding: gzip",
	"Content-Type: multipart/form-data; boundary=x",
	"Expect: 100-continue",
	"Expect: nothing",
	"Connection: close",
	"Connection: Upgrade",
	"Upgrade: websocket",
	"Upgrade: h2c",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	"Sec-WebSocket-Version: 13",
	"TE: trailers",
	"Trailer: Authorization",
	"Range: bytes=0-1",
	"Upload-Offset: 0",
	"Accept: text/html",
	"Cookie: windlass_session={session}",
	"MF-Original-URL: http://[",
	"CF-Connecting-IP: x",
	"X: a\u0000b",
	"X: \u00ff\u00fe",
	" folded: x",
	": nameless",
	"no colon",
	"X:",
	"\u00fc: x",
	`X: ${"a".repeat(70_000)}`,
	`${"X".repeat(70_000)}: a`,
];
const BODIES = [
	"",
	"{}",
	'{"run": "x y"}',
	"2\r\n{}\r\n0\r\n\r\n",
	"2;x=y\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
	"zz\r\n{}\r\n0\r\n\r\n",
	"-2\r\n{}\r\n0\r\n\r\n",
	"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
	"7fffffffffffffff\r\n{}",
	"2\r\n{}",
	"2\n{}\n0\n\n",
	"\r\n\r\n",
	"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
];

interface RawRequest {
	line: [string, string, string];
	host: string;
	isKnown: boolean;
	headers: string[];
	many: number;
	newline: string;
	body: string;
}

const rawRequest: fc.Arbitrary<RawRequest> = fc.record({
	line: fc.tuple(fc.constantFrom(...METHODS), fc.constantFrom(...TARGETS), fc.constantFrom(...VERSIONS)),
	host: fc.constantFrom(...HOSTS),
	isKnown: fc.boolean(),
	headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 4 }),
	many: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.constantFrom(100, 5000)),
	newline: fc.oneof({ weight: 10, arbitrary: fc.constant("\r\n") }, fc.constantFrom("\n", "\r", "\r\n\r\n")),
	body: fc.constantFrom(...BODIES),
});

/** A request that is right but for one thing or two: most of the others do not come far. */
const nearlyRight: fc.Arbitrary<RawRequest> = fc
	.tuple(
		fc.constantFrom(
			["GET", "/healthz", ""],
			["POST", "/api/v1/runs", '{"run": "x y"}'],
			["PUT", "/api/v1/sources", "not an archive"],
			["GET", "/api/v1/runs/{old_run}", ""],
		),
		fc.constantFrom(...HOSTS),
		fc.array(fc.constantFrom(...HEADERS), { maxLength: 1 }),
	)
	.map(([[method = "", target = "", body = ""], host, headers]) => ({
		line: [method, target, "HTTP/1.1"],
		host,
		isKnown: true,
		headers: [...headers, ...(body === "" ? [] : [`Content-Length: ${body.length}`])],
		many: 0,
		newline: "\r\n",
		body,
	}));

function written({ line, host, isKnown, headers, many, newline, body }: RawRequest): string {
	const all = [
		line.join(" "),
		`Host: ${host}`,
		...(isKnown ? ["Authorization: Bearer {admin}"] : []),
		...headers,
		...Array.from({ length: many }, (_, index) => `X-${index}: a`),
	];
	return `${all.join(newline)}${newline}${newline}${body}`;
}

interface RawCase {
	requests: RawRequest[];
	edits: ByteEdit[];
	sizes: number[] | null;
	ending: "end" | "reset";
}

/** An answer to HEAD can be told from others only where it is the only one. */
function withoutStrayHead(requests: RawRequest[]): RawRequest[] {
	const isAlone = requests.length === 1 && requests.every(({ body }) => !body.includes("HTTP/"));
	return requests.map((request) => {
		const [method, ...others] = request.line;
		return method === "HEAD" && !isAlone ? { ...request, line: ["GET", ...others] } : request;
	});
}

const rawCase: fc.Arbitrary<RawCase> = fc.record({
	requests: fc.array(fc.oneof(rawRequest, nearlyRight), { minLength: 1, maxLength: 3 }).map(withoutStrayHead),
	edits: fc.oneof({ weight: 2, arbitrary: fc.constant<ByteEdit[]>([]) }, { weight: 1, arbitrary: byteEdits(3, 1) }),
	sizes: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: pieceSizes }),
	ending: fc.oneof({ weight: 5, arbitrary: fc.constant("end" as const) }, { weight: 1, arbitrary: fc.constant("reset" as const) }),
});

async function exchange(target: Target, { requests, edits, sizes, ending }: RawCase): Promise<{ sent: string; exchange: Exchange }> {
	const text = target.fill(requests.map(written).join(""));
	const bytes = edited(new Uint8Array(Buffer.from(text, "latin1")), edits);
	const pieces =
		sizes === null
			? [bytes]
			: piecesOf(
					bytes,
					sizes.map((size) => size * 20),
				);
	const methods = requests.map(({ line }) => line[0]);
	return {
		sent: Buffer.from(bytes).toString("latin1"),
		exchange: await converse({ port: target.port, pieces, methods, ending, patienceMs: PATIENCE_MS }),
	};
}

/** Two readers of the same bytes may see two requests in them, or one: the second is the marker's. */
const MARKER = "/smuggled-in-a-body";
const INNER = `GET ${MARKER} HTTP/1.1\r\nHost: x\r\n\r\n`;

const ambiguousFraming = fc.constantFrom(
	["Content-Length: 2", `Content-Length: ${2 + INNER.length}`],
	[`Content-Length: ${2 + INNER.length}`, "Content-Length: 2"],
	[`Content-Length: 2, ${2 + INNER.length}`],
	["Content-Length: 5", "Transfer-Encoding: chunked"],
	["Transfer-Encoding: chunked", "Content-Length: 5"],
	["Transfer-Encoding: chunked", `Content-Length: ${5 + INNER.length}`],
	["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
	["Transfer-Encoding: identity", "Content-Length: 2"],
	["Transfer-Encoding: xchunked", "Content-Length: 2"],
	["Transfer-Encoding : chunked", "Content-Length: 5"],
	["Transfer-Encoding: chunked\u000b", "Content-Length: 5"],
	["Transfer-Encoding: \u000bchunked", "Content-Length: 5"],
	["X: y\rTransfer-Encoding: chunked", "Content-Length: 5"],
	["Content-Length: +2"],
	["Content-Length: 0x2"],
	["Content-Length: 2 2"],
	["Content-Length:\u000b2"],
);

export const rawProperties: NetworkProperty[] = [
	networkProperty("whatever comes on a socket is answered like a request or refused", { weight: 16 }, rawCase, async (target, wanted) => {
		const { sent, exchange: got } = await exchange(target, wanted);
		for (const answer of got.answers) await target.cancelNewRun(answer);
		for (const answer of got.answers)
			assertHonest(answer, { sent: `${sent}\n${decodedText(sent)}`, path: null, method: null, mayBeBroken: true });
		assert.ok(wanted.ending === "reset" || got.isClosed, "the connection was forgotten");
	}),
	networkProperty(
		"a body is never taken for another request",
		{ weight: 2, most: 500 },
		fc.tuple(ambiguousFraming, fc.constantFrom("{}", "0\r\n\r\n"), fc.constantFrom("POST", "GET", "PUT"), pieceSizes),
		async (target, [framing, start, method, sizes]) => {
			const head = `${method} /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\n${framing.join("\r\n")}\r\n\r\n`;
			const bytes = joined([bytesOf(target.fill(head)), bytesOf(start + INNER)]);
			const got = await converse({
				port: target.port,
				pieces: piecesOf(
					bytes,
					sizes.map((size) => size * 20),
				),
				methods: [method, "GET"],
				ending: "end",
				patienceMs: PATIENCE_MS,
			});
			const smuggled = got.answers.slice(1).find(({ body }) => body.includes(MARKER));
			assert.equal(smuggled, undefined, `the second request was answered: ${smuggled?.body.toString()}`);
		},
	),
];

function decodedText(text: string): string {
	return Buffer.from(text, "latin1").toString("utf8");
}
