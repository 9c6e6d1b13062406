import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FileCoordinator } from "../../agent/protocol/client.ts";
import { unpackSource } from "../../agent/results/unpack.ts";
import { MAX_SOURCE_RATIO, MAX_SOURCE_UNPACKED_BYTES, MIB, SOURCE_RATIO_FREE_BYTES } from "../../schema/wire/limits.ts";
import { BadBundle, type BundleEntry, BundleRule, checkRatio } from "../../schema/wire/source_bundle.ts";
import { inspectBundle } from "../../worker/sources/inspect.ts";
import { NotAnArchive, TarHeaders } from "../../worker/sources/tar_headers.ts";
import { temporaryFolder } from "../support/processes.ts";

function entriesOf(archive: Uint8Array, pieceBytes = archive.byteLength): BundleEntry[] {
	const entries: BundleEntry[] = [];
	const headers = new TarHeaders((entry) => entries.push(entry));
	for (let at = 0; at < archive.byteLength; at += pieceBytes) headers.push(archive.subarray(at, at + pieceBytes));
	headers.end();
	return entries;
}

/** A folder with everything that is awkward in a tar archive, packed by the system's own tar. */
function packed(format: string): { archive: Buffer; names: string[] } {
	const folder = temporaryFolder();
	const long = "a-rather-long-name-of-a-folder/".repeat(6);
	mkdirSync(path.join(folder, "src", long), { recursive: true });
	writeFileSync(path.join(folder, "src/short.txt"), "short");
	writeFileSync(path.join(folder, "src/empty"), "");
	writeFileSync(path.join(folder, "src/ünï cödé.txt"), "x".repeat(1_000));
	writeFileSync(path.join(folder, "src", `${long}deep.txt`), "deep");
	symlinkSync("short.txt", path.join(folder, "src/link"));
	const archive = path.join(folder, "src.tar");
	execFileSync("tar", ["cf", archive, `--format=${format}`, "-C", path.join(folder, "src"), "."]);
	const names = execFileSync("tar", ["tf", archive, "--quoting-style=literal"], { encoding: "utf8" }).trim().split("\n");
	return { archive: execFileSync("cat", [archive]), names };
}

describe("the headers of an archive", () => {
	test.each(["ustar", "pax", "gnu"])("are read as tar itself reads them: %s, however the bytes come", (format) => {
		const { archive, names } = packed(format);
		const entries = entriesOf(archive);
		expect(entries.map(({ name }) => name)).toEqual(names);
		expect(entries.find(({ name }) => name === "./link")).toMatchObject({ type: "symlink", linkname: "short.txt", size: 0 });
		expect(entries.find(({ name }) => name === "./ünï cödé.txt")).toMatchObject({ type: "file", size: 1_000 });
		for (const pieceBytes of [1, 511, 513, 4_096]) expect(entriesOf(archive, pieceBytes)).toEqual(entries);
	});

	test("sizes beyond what octal digits hold are read in base 256; a damaged header is refused", () => {
		const { archive } = packed("ustar");
		const damaged = Buffer.from(archive);
		damaged[600] = (damaged[600] ?? 0) ^ 1;
		const broken = Buffer.from(archive);
		broken[3] = (broken[3] ?? 0) ^ 1;
		expect(() => entriesOf(broken)).toThrow(NotAnArchive);
		expect(() => entriesOf(archive.subarray(0, 700))).toThrow("it is truncated");
		const large = Buffer.alloc(512);
		large.write("large", 0);
		large.write("0000644\u00000000000\u00000000000\u0000", 100);
		large.writeUInt8(0x80, 124);
		large.writeBigUInt64BE(20n * 1024n ** 3n, 128);
		large.write("00000000000\u0000        0", 136);
		const sum = large.reduce((total, byte) => total + byte, 0);
		large.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148);
		const entries: BundleEntry[] = [];
		new TarHeaders((entry) => entries.push(entry)).push(large);
		expect(entries).toMatchObject([{ name: "large", size: 20 * 1024 ** 3 }]);
	});
});

describe("the rule for bundles", () => {
	const check = (...entries: Partial<BundleEntry>[]) => {
		const rule = new BundleRule();
		for (const entry of entries) rule.check({ name: "x", size: 0, ...entry });
		return rule.entries;
	};

	test("lets pass what folders hold", () => {
		expect(
			check(
				{ name: "./", type: "directory" },
				{ name: "./a/b/c.txt" },
				{ name: "a/link", type: "symlink", linkname: "../other" },
				{ name: "hard", type: "link", linkname: "./a/b/c.txt" },
				{ name: "pax_global_header", type: "pax-global-header" },
			),
		).toBe(5);
	});

	test.each<[string, Partial<BundleEntry>[], RegExp]>([
		["a link where a file is", [{ name: "a" }, { name: "a", type: "symlink", linkname: "b" }], /both a link and a file/],
		["a file where a link is", [{ name: "a", type: "symlink", linkname: "b" }, { name: "a" }], /both a link and a file/],
		["a file where a folder is", [{ name: "a/b" }, { name: "a" }], /is a folder, too/],
		["a link where a folder is", [{ name: "a/b" }, { name: "a", type: "symlink", linkname: "." }], /is a folder, too/],
		["a name that is not UTF-8", [{ name: "a\ufffd" }], /not UTF-8/],
		["a name without end", [{ name: "a".repeat(5_000) }], /4096 characters/],
		["a folder too deep", [{ name: `${"a/".repeat(200)}b` }], /100 folders deep/],
		["more than may be unpacked", [{ size: MAX_SOURCE_UNPACKED_BYTES }, { name: "y", size: 1 }], /may unpack to/],
		["an entry of no known kind", [{ type: 'entry of type "S"' }], /entry of type "S"/],
		["no name at all", [{ name: "./" }], /not the name of a file/],
		["a drive", [{ name: "C:\\x" }], /absolute path/],
	])("refuses %s", (_, entries, message) => {
		expect(() => check(...entries)).toThrow(message);
		expect(() => check(...entries)).toThrow(BadBundle);
	});
});

describe("what gzip may make of a source", () => {
	/** A file of zeros in an archive, packed. */
	function zeros(bytes: number): Buffer {
		const folder = temporaryFolder();
		writeFileSync(path.join(folder, "zeros"), Buffer.alloc(bytes));
		return gzipSync(execFileSync("tar", ["c", "-C", folder, "zeros"], { maxBuffer: 2 * bytes }));
	}

	test("is a hundred times its length, beyond the first bytes", () => {
		expect(() => checkRatio(1, SOURCE_RATIO_FREE_BYTES)).not.toThrow();
		expect(() => checkRatio(MIB, SOURCE_RATIO_FREE_BYTES + MAX_SOURCE_RATIO * MIB)).not.toThrow();
		expect(() => checkRatio(MIB, SOURCE_RATIO_FREE_BYTES + MAX_SOURCE_RATIO * MIB + 1)).toThrow(BadBundle);
	});

	test("the coordinator rejects more, long before all of it is unpacked", async () => {
		const bundle = zeros(200 * MIB);
		let given = 0;
		const pieces = new ReadableStream<Uint8Array>({
			pull(controller) {
				controller.enqueue(bundle.subarray(given, given + 4_096));
				given += 4_096;
				if (given >= bundle.byteLength) controller.close();
			},
		});
		await expect(inspectBundle(pieces)).rejects.toThrow(/unpack to more than .* 100 times its length/);
		expect(given).toBeLessThan(bundle.byteLength * 0.8);
		expect(await inspectBundle(new Blob([zeros(20 * MIB)]).stream())).toMatchObject({ entries: 1, bytes: 20 * MIB });
	});

	test("and so does an agent", async () => {
		const bundle = zeros(200 * MIB);
		const headers = { "x-content-sha256": createHash("sha256").update(bundle).digest("hex") };
		const client = { stream: async () => ({ body: Readable.from([bundle]), headers }) } as unknown as FileCoordinator;
		const folder = temporaryFolder();
		const attempt = { id: "att", token: "token" };
		const unpacking = {
			client,
			attempt,
			workspace: folder,
			file: path.join(folder, "source"),
			signal: new AbortController().signal,
			say: async () => undefined,
		};
		await expect(unpackSource(unpacking)).rejects.toThrow("100 times its length");
	});
});
