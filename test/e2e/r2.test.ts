import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import type * as MiniflareModule from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";

/** R2 as the program's copy of Miniflare has it (cli/build_miniflare.mjs). */

const WORKER = `export default {
	async fetch(request, { BUCKET }) {
		const { what, text, options } = await request.json();
		const bytes = new TextEncoder().encode(text);
		try {
			if (what === "put") return Response.json(await BUCKET.put("key", bytes, options).then((object) => object && { etag: object.etag }));
			const object = await BUCKET.get("key");
			return Response.json(object && { etag: object.etag, size: object.size, text: await object.text() });
		} catch (error) {
			return Response.json({ error: String(error) });
		}
	},
};`;

const TEXT = "a text that takes more than one piece\n".repeat(20_000);

let folder: string;
let miniflare: MiniflareModule.Miniflare;
beforeAll(async () => {
	folder = mkdtempSync(path.join(os.tmpdir(), "windlass-r2-"));
	const copy: typeof MiniflareModule = createRequire(import.meta.url)("../../dist/cli/miniflare.cjs");
	Object.assign(copy, { changeConfig: (config: unknown) => config });
	const worker = { name: "worker", modules: true, script: WORKER, r2Buckets: ["BUCKET"] };
	miniflare = new copy.Miniflare(
		copy.convertV4MiniflareOptions({ resourcePersistencePath: folder, port: 0, cf: false, workers: [worker] }),
	);
	await miniflare.ready;
});
afterAll(async () => {
	await miniflare.dispose();
	rmSync(folder, { recursive: true });
});

interface Answer {
	etag: string;
	size?: number;
	text?: string;
	error?: string;
}

async function ask(what: "put" | "get", text = "", options = {}): Promise<Answer | null> {
	const response = await fetch(await miniflare.ready, { method: "POST", body: JSON.stringify({ what, text, options }) });
	return (await response.json()) as Answer | null;
}

test("an object has its bytes, and a new ETag with each write", async () => {
	const first = await ask("put", TEXT);
	expect(await ask("get")).toEqual({ etag: first?.etag, size: TEXT.length, text: TEXT });
	const second = await ask("put", TEXT);
	expect(second?.etag).not.toBe(first?.etag);
	expect(await ask("put", "", {})).not.toBeNull();
	expect(await ask("get")).toMatchObject({ size: 0, text: "" });
});

test("a write can depend on the ETag", async () => {
	const first = await ask("put", "first");
	expect(await ask("put", "second", { onlyIf: { etagDoesNotMatch: "*" } })).toBeNull();
	const second = await ask("put", "second", { onlyIf: { etagMatches: first?.etag } });
	expect(second?.etag).toBeTypeOf("string");
	expect(await ask("put", "third", { onlyIf: { etagMatches: first?.etag } })).toBeNull();
	expect((await ask("get"))?.text).toBe("second");
});

test("an object with another digest is rejected", async () => {
	await ask("put", "kept");
	for (const [algorithm, digits] of [
		["md5", 32],
		["sha1", 40],
		["sha256", 64],
	] as const)
		expect((await ask("put", "other", { [algorithm]: "0".repeat(digits) }))?.error).toContain("10037");
	expect((await ask("get"))?.text).toBe("kept");
});
