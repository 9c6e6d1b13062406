import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	truncateSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { createZstdCompress, zstdCompressSync } from "node:zlib";
import { Header, type HeaderData, Pax } from "tar";
import { afterAll, describe, expect, test } from "vitest";
import { copyUnchanged, packFolder, unpackInto } from "../../agent/caches/archive/archiver.ts";

/** The archives of caches, in the threads that make and read them. */

const root = mkdtempSync(path.join(os.tmpdir(), "windlass-archive-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const never = new AbortController().signal;
let made = 0;
function folder(): string {
	made += 1;
	const name = path.join(root, String(made));
	mkdirSync(name);
	return name;
}

async function packed(from: string, roots: string[], compression: "none" | "fast" | "best" = "fast") {
	const parts: Uint8Array[] = [];
	const archive = await packFolder(from, roots, compression, async ({ bytes }) => void parts.push(bytes), never);
	return { ...archive, whole: Buffer.concat(parts) };
}

const unpacked = (whole: Uint8Array, bounds: { paths: string[]; files: number; bytes: number }, into = folder()) =>
	unpackInto(into, bounds, partsOf(whole), never).then((result) => ({ ...result, into }));

async function* partsOf(whole: Uint8Array): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < whole.length; at += 1000) yield new Uint8Array(whole.subarray(at, at + 1000));
}

/** A folder with everything that a cache may hold. */
function tree(): string {
	const at = folder();
	mkdirSync(path.join(at, "deps/deep/er"), { recursive: true });
	mkdirSync(path.join(at, "deps/empty"));
	writeFileSync(path.join(at, "deps/b"), "b".repeat(3_000_000));
	writeFileSync(path.join(at, "deps/a ü 日本"), "a");
	writeFileSync(path.join(at, "deps/deep/er/tool"), "#!/bin/sh\n");
	writeFileSync(path.join(at, `deps/${"long-".repeat(45)}`), "long");
	chmodSync(path.join(at, "deps/deep/er/tool"), 0o755);
	symlinkSync("deep/er/tool", path.join(at, "deps/link"));
	symlinkSync("/usr/bin/env", path.join(at, "deps/outside"));
	symlinkSync("nowhere", path.join(at, "deps/broken"));
	return at;
}

describe("an archive", () => {
	test("has the same bytes for the same content, whenever and by whomever it was made", async () => {
		const [one, other] = [tree(), tree()];
		chmodSync(path.join(other, "deps/b"), 0o600);
		utimesSync(path.join(other, "deps/b"), 1, 1);
		const [first, second] = [await packed(one, ["deps"]), await packed(other, ["deps"])];
		expect(second.whole.equals(first.whole)).toBe(true);
		expect([first.content, first.files, first.leftOut]).toEqual([second.content, 7, 0]);
		// The compression is no part of the content.
		expect((await packed(one, ["deps"], "none")).content).toBe(first.content);
		expect((await packed(one, ["deps"], "best")).content).toBe(first.content);
	});

	test.each(["none", "fast", "best"] as const)(
		"brings back files, folders, permissions and links (compression %s)",
		async (compression) => {
			const { whole, files, bytes, content } = await packed(tree(), ["deps"], compression);
			const { into, roots, content: read } = await unpacked(whole, { paths: ["deps"], files, bytes });
			expect([roots, read]).toEqual([["deps"], content]);
			const at = (name: string) => path.join(into, "deps", name);
			expect(readFileSync(at("b"), "utf8")).toBe("b".repeat(3_000_000));
			expect(readFileSync(at("a ü 日本"), "utf8")).toBe("a");
			expect(readFileSync(at("long-".repeat(45)), "utf8")).toBe("long");
			expect([lstatSync(at("deep/er/tool")).mode & 0o777, lstatSync(at("b")).mode & 0o777]).toEqual([0o755, 0o644]);
			expect([readlinkSync(at("link")), readlinkSync(at("outside")), readlinkSync(at("broken"))]).toEqual([
				"deep/er/tool",
				"/usr/bin/env",
				"nowhere",
			]);
			expect(readdirSync(at("empty"))).toEqual([]);
			expect(lstatSync(at("b")).mtime.toISOString()).toBe("2000-01-01T00:00:00.000Z");
			// It packs to what it was unpacked from.
			expect((await packed(into, roots)).content).toBe(content);
		},
	);

	test("of several folders and files says which", async () => {
		const at = folder();
		for (const name of ["a/node_modules", "b/c/node_modules"]) mkdirSync(path.join(at, name), { recursive: true });
		writeFileSync(path.join(at, "a/node_modules/x"), "x");
		writeFileSync(path.join(at, "one"), "1");
		const { whole, files, bytes } = await packed(at, ["one", "b/c/node_modules", "a/node_modules"]);
		const { roots } = await unpacked(whole, { paths: ["**/node_modules", "one"], files, bytes });
		expect(roots).toEqual(["a/node_modules", "b/c/node_modules", "one"]);
	});

	test("leaves out what it could not bring back under its name", async () => {
		const at = folder();
		mkdirSync(path.join(at, "deps"));
		writeFileSync(path.join(at, "deps", "one"), "1");
		writeFileSync(path.join(at, "deps", `${"long".repeat(30)}\nname`), "2");
		symlinkSync("a\nb", path.join(at, "deps", "link"));
		const { whole, files, bytes, leftOut } = await packed(at, ["deps"]);
		const { into } = await unpacked(whole, { paths: ["deps"], files, bytes });
		expect([readdirSync(path.join(into, "deps")), leftOut]).toEqual([["one"], 2]);
	});

	test("of more than 64 GiB is not packed", async () => {
		const at = folder();
		writeFileSync(path.join(at, "sparse"), "");
		truncateSync(path.join(at, "sparse"), 64 * 1024 ** 3 + 1);
		await expect(packed(at, ["sparse"])).rejects.toThrow("it is larger than 64 GiB");
	});

	test("is copied only while nothing in it has changed", async () => {
		const at = tree();
		const { fingerprint } = await packed(at, ["deps"]);
		const copy = path.join(folder(), "copy");
		expect(await copyUnchanged(at, copy, fingerprint, never)).toBe(true);
		expect(readFileSync(path.join(copy, "deps/a ü 日本"), "utf8")).toBe("a");
		writeFileSync(path.join(at, "deps/a ü 日本"), "b");
		utimesSync(
			path.join(at, "deps/a ü 日本"),
			lstatSync(path.join(copy, "deps/a ü 日本")).atime,
			lstatSync(path.join(copy, "deps/a ü 日本")).mtime,
		);
		const second = path.join(folder(), "copy");
		expect([await copyUnchanged(at, second, fingerprint, never), existsSync(second)]).toEqual([false, false]);
	});

	test("is copied with its links and times, with the cp of the machine and without it", async () => {
		const at = tree();
		const { fingerprint } = await packed(at, ["deps"]);
		symlinkSync("../deps", path.join(at, "link"));
		const changed = (await packed(at, ["deps"])).fingerprint;
		expect(changed).not.toBe(fingerprint);
		const found = process.env.PATH;
		const copies: string[] = [];
		try {
			for (const programs of [found, folder()]) {
				process.env.PATH = programs;
				const copy = path.join(folder(), "copy");
				expect(await copyUnchanged(at, copy, changed, never)).toBe(true);
				copies.push(copy);
			}
		} finally {
			process.env.PATH = found;
		}
		for (const copy of copies) {
			expect(readlinkSync(path.join(copy, "link"))).toBe("../deps");
			expect(lstatSync(path.join(copy, "deps")).mtimeMs).toBe(lstatSync(path.join(at, "deps")).mtimeMs);
		}
	});

	test("leaves no program behind when the copy is stopped", async () => {
		const at = folder();
		for (let index = 0; index < 2_000; index += 1) writeFileSync(path.join(at, String(index)), "x".repeat(10_000));
		const stop = new AbortController();
		const copy = path.join(folder(), "copy");
		const copying = copyUnchanged(at, copy, "none", stop.signal);
		while (!existsSync(copy)) await new Promise((resolve) => setImmediate(resolve));
		stop.abort(new Error("stopped"));
		await expect(copying).rejects.toThrow("stopped");
		expect(existsSync(copy)).toBe(false);
	});

	const file = (name: string, text = "x"): Buffer[] => [
		header({ path: name, type: "File", size: text.length, mode: 0o644 }),
		Buffer.from(text.padEnd(512, "\0")),
	];
	const header = (fields: HeaderData): Buffer => {
		const block = Buffer.alloc(512);
		new Header({ mtime: new Date(0), mode: 0o755, size: 0, ...fields }).encode(block);
		return block;
	};
	const link = (name: string, to: string, type: "SymbolicLink" | "Link" = "SymbolicLink") => [header({ path: name, type, linkpath: to })];
	const end = Buffer.alloc(1024);

	test.each<[string, Buffer[], RegExp]>([
		["a path that leaves", file("deps/../../x"), /leads out of the workspace/],
		["an absolute path", file("/deps/x"), /leads out of the workspace/],
		["a path outside of the cache", file("src/x"), /not in the paths/],
		["a file behind a link", [...link("deps/l", "/tmp"), ...file("deps/l/x")], /is there twice/],
		["a hard link", [...file("deps/a"), ...link("deps/b", "deps/a", "Link")], /a Link cannot be part/],
		["a hard link to the system", link("deps/b", "/etc/passwd", "Link"), /a Link cannot be part/],
		["a device", [header({ path: "deps/d", type: "CharacterDevice" })], /a CharacterDevice cannot be part/],
		["a named pipe", [header({ path: "deps/d", type: "FIFO" })], /a FIFO cannot be part/],
		["a file twice", [...file("deps/a"), ...file("deps/a")], /is there twice/],
		["more files than it says", [...file("deps/a"), ...file("deps/b"), ...file("deps/c")], /has more than it says/],
		["more bytes than it says", file("deps/a", "x".repeat(200)), /has more than it says/],
		["a name with a hidden path", [new Pax({ path: "../x" }).encode(), ...file("deps/a")], /leads out of the workspace/],
		["a name that is too long", [new Pax({ path: `deps/${"x".repeat(5000)}` }).encode(), ...file("deps/a")], /not a name of a file/],
	])("with %s is rejected, and nothing of it leaves its folder", async (_, blocks, why) => {
		const outside = readdirSync(root).length;
		const into = folder();
		const whole = zstdCompressSync(Buffer.concat([...blocks, end]));
		await expect(unpacked(whole, { paths: ["deps"], files: 2, bytes: 100 }, into)).rejects.toThrow(why);
		expect(readdirSync(root)).toHaveLength(outside + 1);
	});

	test("that is no archive, or ends too early, is rejected", async () => {
		const { whole, files, bytes } = await packed(tree(), ["deps"]);
		const bounds = { paths: ["deps"], files, bytes };
		await expect(unpacked(Buffer.from("not an archive at all".repeat(100)), bounds)).rejects.toThrow(/no archive|invalid/i);
		await expect(unpacked(whole.subarray(0, whole.length - 20), bounds)).rejects.toThrow(/decompress|no archive/);
		await expect(unpacked(new Uint8Array(), bounds)).rejects.toThrow(/empty/);
		// A few bytes that become gigabytes are stopped at what they say.
		const bomb = createZstdCompress();
		const chunks: Buffer[] = [];
		bomb.on("data", (chunk) => chunks.push(chunk));
		bomb.write(header({ path: "deps/big", type: "File", size: 4_000_000_000, mode: 0o644 }));
		for (let written = 0; written < 64; written += 1) bomb.write(Buffer.alloc(1024 * 1024));
		await new Promise<void>((resolve) => bomb.end(resolve));
		await expect(unpacked(Buffer.concat(chunks), bounds)).rejects.toThrow(/has more than it says/);
	});
});
