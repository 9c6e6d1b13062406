import { createHash } from "node:crypto";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestsOf } from "../../agent/results/file_digests.ts";
import { MIB, PART_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(path.join(os.tmpdir(), "windlass-digests-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The digests of a file with these bytes. */
async function digestsOfBytes(bytes: Uint8Array, size = bytes.byteLength) {
	const name = path.join(folder, "file");
	await writeFile(name, bytes);
	const file = await open(name);
	try {
		return await digestsOf(file, size);
	} finally {
		await file.close();
	}
}

test.each([0, 1, MIB, 3 * MIB + 5])("a file of %i bytes has one digest", async (size) => {
	const bytes = Buffer.alloc(size, "some bytes that repeat ");
	expect(await digestsOfBytes(bytes)).toEqual({ sha256: sha256(bytes), parts: [] });
});

test("a large file has a digest for each part, too", async () => {
	const bytes = Buffer.alloc(SINGLE_PART_BYTES + 7, "some bytes that repeat ");
	const parts = [0, 1, 2].map((index) => sha256(bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES)));
	expect(await digestsOfBytes(bytes)).toEqual({ sha256: sha256(bytes), parts });
});

test("of a file that becomes shorter, the digest is that of the bytes there are", async () => {
	const bytes = Buffer.alloc(2 * MIB + 3, "x");
	expect(await digestsOfBytes(bytes, 5 * MIB)).toEqual({ sha256: sha256(bytes), parts: [] });
});

test("bytes that are added meanwhile are left out", async () => {
	const name = path.join(folder, "grows");
	await writeFile(name, "abc");
	const file = await open(name);
	await truncate(name, MIB);
	expect((await digestsOf(file, 3)).sha256).toBe(sha256(Buffer.from("abc")));
	await file.close();
});
