import { describe, expect, test } from "vitest";
import { hex } from "../../worker/platform/bytes.ts";
import { digested } from "../../worker/platform/digested.ts";

const SIZE = 1_000_003;

/** A stream of these bytes that fails after them, if there is an error. */
function streamOf(bytes: Uint8Array, error: Error | null = null): ReadableStream {
	const { readable, writable } = new IdentityTransformStream();
	const write = async () => {
		const writer = writable.getWriter();
		await writer.write(bytes);
		await (error === null ? writer.close() : writer.abort(error));
	};
	write().catch(() => undefined);
	return readable;
}

/** Bytes of which no two pieces are equal. */
function someBytes(): Uint8Array<ArrayBuffer> {
	return Uint8Array.from({ length: SIZE }, (_, index) => (index * 31 + (index >> 8)) % 256);
}

describe("a digested stream", () => {
	test("has the given bytes and their digests", async () => {
		const bytes = someBytes();
		const { readable, digests } = digested(streamOf(bytes), SIZE, ["SHA-256", "SHA-1"]);
		expect(hex(await new Response(readable).arrayBuffer())).toBe(hex(bytes));
		const found = await digests;
		for (const name of ["SHA-256", "SHA-1"]) expect(hex(found.get(name) as ArrayBuffer)).toBe(hex(await crypto.subtle.digest(name, bytes)));
	});

	test("needs no digest", async () => {
		const { readable, digests } = digested(streamOf(someBytes()), SIZE, []);
		expect((await new Response(readable).arrayBuffer()).byteLength).toBe(SIZE);
		expect((await digests).size).toBe(0);
	});

	test("can be empty", async () => {
		const { readable, digests } = digested(streamOf(new Uint8Array()), 0, ["SHA-256"]);
		expect((await new Response(readable).arrayBuffer()).byteLength).toBe(0);
		expect(hex((await digests).get("SHA-256") as ArrayBuffer)).toBe(hex(await crypto.subtle.digest("SHA-256", new Uint8Array())));
	});

	test.each([
		["breaks off", new Error("the client disconnected")],
		["ends too early", null],
	])("breaks off when the given stream %s", async (_, error) => {
		const { readable, digests } = digested(streamOf(someBytes().subarray(0, 300_000), error), SIZE, ["SHA-256"]);
		await expect(new Response(readable).arrayBuffer()).rejects.toThrow();
		await expect(digests).rejects.toThrow();
	});
});
