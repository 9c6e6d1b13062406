import { exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { compressedAnswer } from "../../worker/http/compressed_answer.ts";
import { isNotModified, isSameVersion } from "../../worker/http/entity_tags.ts";
import { rangeOf } from "../../worker/http/ranges.ts";
import { ADMIN, withAdmin } from "./admin.ts";

withAdmin();

function ask(path: string, init: RequestInit = {}): Promise<Response> {
	const headers = { Authorization: `Bearer ${ADMIN}`, ...(init.headers as Record<string, string>) };
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), { ...init, headers, redirect: "manual" }));
}

function asked(headers: Record<string, string>): Request {
	return new Request("http://windlass.test/", { headers });
}

async function packed(text: string): Promise<ArrayBuffer> {
	const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>);
	return new Response(stream).arrayBuffer();
}

describe("conditions (RFC 9110, 13)", () => {
	test.each([
		['"a"', '"a"', true],
		['W/"a"', '"a"', true],
		['"a"', 'W/"a"', true],
		['"x", W/"a"', '"a"', true],
		["*", '"a"', true],
		['"b"', '"a"', false],
		["a", '"a"', false],
	])("If-None-Match: %s compares weakly with %s: %s", (header, etag, isKnown) => {
		expect(isNotModified(asked({ "If-None-Match": header }), etag)).toBe(isKnown);
	});

	test.each([
		['"a"', '"a"', true],
		['"x", "a"', '"a"', true],
		["*", '"a"', true],
		['W/"a"', '"a"', false],
		['W/"a"', 'W/"a"', false],
		['"b"', '"a"', false],
	])("If-Match: %s compares strongly with %s: %s", (header, etag, isTaken) => {
		const condition = () => isNotModified(asked({ "If-Match": header }), etag);
		if (isTaken) expect(condition()).toBe(false);
		else expect(condition).toThrow(/If-Match does not contain/);
	});

	test.each([
		['"a"', '"a"', true],
		['W/"a"', '"a"', false],
		['W/"a"', 'W/"a"', false],
		['"b"', '"a"', false],
		["*", '"a"', false],
		['"a", "b"', '"a"', false],
		["Sat, 29 Nov 2026 19:43:31 GMT", '"a"', false],
		['"a"', null, false],
	])("If-Range: %s compares strongly with %s: %s; where it fails the whole is answered", (header, etag, isSame) => {
		const request = asked({ "If-Range": header, Range: "bytes=2-" });
		expect(isSameVersion(request, etag)).toBe(isSame);
		expect(rangeOf(request, 10, etag)).toEqual(isSame ? { start: 2, end: 10 } : null);
		// A range that is none is no error either where the condition fails (13.1.5).
		const beyond = () => rangeOf(asked({ "If-Range": header, Range: "bytes=20-" }), 10, etag);
		if (isSame) expect(beyond).toThrow(/is outside of the/);
		else expect(beyond()).toBeNull();
	});
});

describe("answers with gzip (RFC 9110, 12.5.3)", () => {
	const text = "a line of text\n".repeat(500);
	const answer = (headers: Record<string, string> = {}, status = 200, body: BodyInit | null = text) =>
		new Response(body, { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });

	test.each([
		["gzip", true],
		["x-gzip", true],
		["GZIP;Q=0.5", true],
		["deflate, gzip;q=1.0, *;q=0.5", true],
		["*", true],
		["br, *;q=0.1", true],
		["identity;q=0.5, gzip;q=0.8", true],
		["identity;q=0, gzip;q=0.1", true],
		["identity, gzip;q=0.5", false],
		["gzip;q=0", false],
		["gzip;q=0, *", false],
		["gzip;q=2", false],
		["br", false],
		["", false],
	])("Accept-Encoding: %s", async (header, isGzip) => {
		const { headers } = await compressedAnswer(asked({ "Accept-Encoding": header }), answer());
		expect([headers.get("Content-Encoding"), headers.get("Vary")]).toEqual([isGzip ? "gzip" : null, "Accept-Encoding"]);
	});

	test("behind Cloudflare the header of the client counts, and not that of the edge", async () => {
		const behind = (clientAcceptEncoding: string) =>
			new Request("http://windlass.test", { headers: { "Accept-Encoding": "br, gzip" }, cf: { clientAcceptEncoding } } as RequestInit);
		const encodingFor = async (client: string) => (await compressedAnswer(behind(client), answer())).headers.get("Content-Encoding");
		expect([await encodingFor(""), await encodingFor("identity"), await encodingFor("gzip")]).toEqual([null, null, "gzip"]);
	});

	test("without Accept-Encoding the text is sent as it is", async () => {
		expect((await compressedAnswer(asked({}), answer())).headers.get("Content-Encoding")).toBeNull();
	});

	test.each([
		["an event stream", answer({ "Content-Type": "text/event-stream; charset=utf-8" })],
		["a text that is followed", answer({ "Cache-Control": "no-store, no-transform" })],
		["a part of a text", answer({ "Content-Range": "bytes 0-7499/9000" }, 206)],
		["a file", answer({ "Content-Type": "application/octet-stream" })],
		["a zip", answer({ "Content-Type": "application/zip" })],
		["a short text", answer({}, 200, "short")],
		["a short text in a stream", answer({}, 200, new Blob(["short"]).stream())],
		["what is packed already", answer({ "Content-Encoding": "gzip" })],
		["nothing", answer({}, 304, null)],
	])("%s is not packed", async (_, response) => {
		const before = response.headers.get("Content-Encoding");
		const after = await compressedAnswer(asked({ "Accept-Encoding": "gzip" }), response);
		expect(after.headers.get("Content-Encoding")).toBe(before);
	});

	test.each([
		"application/json",
		"text/html; charset=utf-8",
		"text/css",
		"text/javascript",
		"image/svg+xml",
		"application/yaml",
		"text/plain",
	])("%s is packed, whole, with a weak ETag, without ranges and length", async (type) => {
		const headers = { "Content-Type": type, ETag: '"a"', "Accept-Ranges": "bytes", "Content-Length": String(text.length) };
		const response = await compressedAnswer(asked({ "Accept-Encoding": "gzip" }), answer(headers));
		expect(Object.fromEntries(response.headers)).toEqual({
			"content-encoding": "gzip",
			"content-type": type,
			etag: 'W/"a"',
			vary: "Accept-Encoding",
		});
		const unpacked = (response.body as ReadableStream<Uint8Array>).pipeThrough(
			new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>,
		);
		expect(await new Response(unpacked).text()).toBe(text);
	});

	test("pages, styles, scripts and JSON of the coordinator are packed; what was packed is known again by its weak ETag", async () => {
		for (const path of ["/assets/style.css", "/assets/page.browser.js", "/openapi.json"]) {
			const plain = await ask(path);
			const response = await ask(path, { headers: { "Accept-Encoding": "gzip" } });
			expect([path, plain.headers.get("Content-Encoding"), response.headers.get("Content-Encoding")]).toEqual([path, null, "gzip"]);
			const head = await ask(path, { method: "HEAD", headers: { "Accept-Encoding": "gzip" } });
			expect([head.headers.get("Content-Encoding"), head.headers.get("ETag")]).toEqual(["gzip", response.headers.get("ETag")]);
		}
		const etag = (await ask("/assets/style.css", { headers: { "Accept-Encoding": "gzip" } })).headers.get("ETag") ?? "";
		expect(etag).toMatch(/^W\/"/);
		const again = await ask("/assets/style.css", { headers: { "Accept-Encoding": "gzip", "If-None-Match": etag } });
		expect([again.status, again.headers.get("Vary")]).toEqual([304, "Accept-Encoding"]);
	});
});

describe("bodies with gzip", () => {
	const validate = "/api/v1/pipelines/validate";
	const post = async (path: string, encoding: string, body: BodyInit, method = "POST") => {
		const response = await ask(path, { method, headers: { "Content-Encoding": encoding }, body });
		return { response, answer: (await response.json()) as { error?: string; message?: string; valid?: boolean; details?: object } };
	};

	test.each(["gzip", "x-gzip", "GZIP", "identity, gzip"])("%s is unpacked", async (encoding) => {
		const { response, answer } = await post(validate, encoding, await packed("steps: [make]"));
		expect([response.status, answer.valid]).toEqual([200, true]);
	});

	test("every route that reads JSON takes it", async () => {
		const { response } = await post("/api/v1/projects", "gzip", await packed(JSON.stringify({ name: "packed" })));
		expect(response.status).toBe(201);
	});

	test("so does a form", async () => {
		const form = '--b\r\nContent-Disposition: form-data; name="pipeline"\r\n\r\nsteps: [make]\nstep: x\r\n--b--\r\n';
		const headers = { "Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=b" };
		const response = await ask("/api/v1/runs", { method: "POST", headers, body: await packed(form) });
		expect([response.status, await response.text()]).toEqual([422, expect.stringContaining("Unknown key `step` in the pipeline.")]);
	});

	test("a small body that unpacks to more than the route takes is rejected with 413", async () => {
		const bomb = await packed(" ".repeat(64 * 1024 * 1024));
		expect(bomb.byteLength).toBeLessThan(100_000);
		const { response, answer } = await post(validate, "gzip", bomb);
		expect([response.status, answer.error]).toEqual([413, "too_large"]);
	});

	test("a body that is no gzip, or breaks off in it, is rejected with 400", async () => {
		const whole = await packed("steps: [make]");
		for (const body of ["steps: [make]", whole.slice(0, -9)]) {
			const { response, answer } = await post(validate, "gzip", body);
			expect([response.status, answer.error, answer.message]).toEqual([
				400,
				"malformed",
				"The Content-Encoding of the body is gzip, but its gzip data is invalid or truncated.",
			]);
		}
	});

	test.each(["br", "deflate", "gzip, gzip", "nonsense"])(
		"%s is rejected with 415 and what is accepted (RFC 9110, 15.5.16)",
		async (encoding) => {
			for (const path of [validate, "/api/v1/projects"]) {
				const { response, answer } = await post(path, encoding, "steps: [make]");
				expect([response.status, answer.error, response.headers.get("Accept-Encoding"), answer.details]).toEqual([
					415,
					"unsupported_media_type",
					"gzip, identity",
					{ accepted: ["gzip", "identity"] },
				]);
			}
		},
	);

	test("where the bytes themselves are kept, no encoding is accepted", async () => {
		const { response, answer } = await post("/api/v1/sources", "gzip", await packed("x"), "PUT");
		expect([response.status, answer.details]).toEqual([415, { accepted: ["identity"] }]);
	});
});
