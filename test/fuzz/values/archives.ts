import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { type ByteEdit, byteEdits, bytesOf, edited, joined } from "./bytes.ts";

/** Tar archives, right and wrong; written by hand, because a library for it writes only right ones. */

export interface TarEntry {
	name: string;
	/** The type flag: `0` a file, `1` a hard link, `2` a link, `5` a folder, `x` and `g` pax headers, `L` and `K` long names. */
	flag: string;
	linkname: string;
	body: Uint8Array;
	/** What the header says the size is, where that is not the size of the body. */
	sizeField: string | null;
	/** Records of a pax header that comes before. */
	pax: [string, string][];
}

const BLOCK = 512;

function tarOf(entries: readonly TarEntry[]): Uint8Array {
	return joined([...entries.flatMap(blocksOf), new Uint8Array(2 * BLOCK)]);
}

function blocksOf(entry: TarEntry): Uint8Array[] {
	const blocks: Uint8Array[] = [];
	if (entry.pax.length > 0) {
		const records = bytesOf(entry.pax.map(([key, value]) => paxRecord(key, value)).join(""));
		blocks.push(headerOf({ ...entry, name: "PaxHeader", flag: "x", linkname: "", sizeField: null, body: records }), padded(records));
	}
	return [...blocks, headerOf(entry), padded(entry.body)];
}

function paxRecord(key: string, value: string): string {
	const rest = ` ${key}=${value}\n`;
	let length = Buffer.byteLength(rest) + 1;
	while (String(length).length + Buffer.byteLength(rest) !== length) length += 1;
	return `${length}${rest}`;
}

function headerOf({ name, flag, linkname, body, sizeField }: TarEntry): Uint8Array {
	const header = Buffer.alloc(BLOCK);
	header.write(name, 0, 100);
	header.write("0000644\0", 100);
	header.write("0000000\0", 108);
	header.write("0000000\0", 116);
	header.write(sizeField ?? `${body.byteLength.toString(8).padStart(11, "0")}\0`, 124, 12, "latin1");
	header.write("14000000000\0", 136);
	header.write(flag, 156, 1);
	header.write(linkname, 157, 100);
	header.write("ustar\x0000", 257, "latin1");
	header.fill(" ", 148, 156);
	const sum = header.reduce((all, byte) => all + byte, 0);
	header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
	return header;
}

function padded(body: Uint8Array): Uint8Array {
	return joined([body, new Uint8Array(-body.byteLength & (BLOCK - 1))]);
}

/** Few names, so that entries meet each other. */
const NAME_PARTS = ["a", "b", "c", "..", ".", "", "A", "a b", "ü", "e\u0301", "C:", "a\\b", "x".repeat(99), "\ufffd", "\n", "-rf"];
export const entryName: fc.Arbitrary<string> = fc
	.array(
		fc.oneof(
			{ weight: 8, arbitrary: fc.constantFrom("a", "b", "c") },
			{ weight: 2, arbitrary: fc.constantFrom("..", ".", "") },
			fc.constantFrom(...NAME_PARTS),
		),
		{ minLength: 1, maxLength: 4 },
	)
	.map((parts) => parts.join("/"));

const linkTarget = fc.oneof(
	{ weight: 5, arbitrary: entryName },
	fc.array(fc.constantFrom("..", "a", "b", "."), { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/")),
	fc.constantFrom("/etc/passwd", "/", "", "..", "../outside", "a/../../outside"),
);

const BIG = String.fromCharCode(0x80);
const SIZE_FIELDS = [
	"77777777777\0",
	"-0000000001\0",
	"00000000000\0",
	"0x000000010\0",
	`${BIG}\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff`,
	`\xff${"\xff".repeat(11)}`,
	"9".repeat(12),
];

const paxRecords = fc.array(
	fc.oneof(
		fc.tuple(fc.constantFrom("path", "linkpath"), linkTarget),
		fc.tuple(fc.constant("size"), fc.constantFrom("0", "-1", "1e9", "99999999999999999999", "4294967296", "512", "nope")),
		fc.tuple(
			fc.constantFrom("mtime", "uid", "GNU.sparse.size", "GNU.sparse.name", "__proto__", "comment"),
			fc.constantFrom("", "NaN", "1", "../x"),
		),
	),
	{ maxLength: 3 },
);

export const tarEntry: fc.Arbitrary<TarEntry> = fc.record({
	name: entryName,
	flag: fc.oneof(
		{ weight: 10, arbitrary: fc.constantFrom("0", "0", "0", "1", "2", "5") },
		fc.constantFrom("3", "4", "6", "7", "g", "x", "L", "K", "S", "\0", "V"),
	),
	linkname: linkTarget,
	body: fc.oneof(
		fc.constant(new Uint8Array()),
		fc.uint8Array({ maxLength: 40 }),
		fc.nat(3000).map((size) => new Uint8Array(size).fill(97)),
		linkTarget.map(bytesOf),
	),
	sizeField: fc.oneof({ weight: 12, arbitrary: fc.constant(null) }, fc.constantFrom(...SIZE_FIELDS)),
	pax: fc.oneof({ weight: 5, arbitrary: fc.constant<[string, string][]>([]) }, paxRecords),
});

const entries = fc.array(tarEntry, { maxLength: 8 }).map((list) => list.map(withoutStrayBody));

/** Only a file, a pax header and a long name have a body; what follows another entry is the next header. */
function withoutStrayBody(entry: TarEntry): TarEntry {
	return ["1", "2", "3", "4", "5", "6"].includes(entry.flag) ? { ...entry, body: new Uint8Array() } : entry;
}

/** An archive as anybody may send it: right, wrong in what it says, or damaged; as it is or packed. */
export interface Archive {
	entries: TarEntry[];
	edits: ByteEdit[];
	packing: "none" | "gzip" | "damaged gzip" | "twice";
	packedEdits: ByteEdit[];
}

export const archive: fc.Arbitrary<Archive> = fc.record({
	entries,
	edits: fc.oneof({ weight: 3, arbitrary: fc.constant<ByteEdit[]>([]) }, { weight: 1, arbitrary: byteEdits(3) }),
	packing: fc.constantFrom("none", "none", "gzip", "gzip", "damaged gzip", "twice"),
	packedEdits: byteEdits(3, 1),
});

export function archiveBytes({ entries, edits, packing, packedEdits }: Archive): Uint8Array {
	const tar = edited(tarOf(entries), edits);
	if (packing === "none") return tar;
	const packed = new Uint8Array(gzipSync(tar, { level: 1 }));
	if (packing === "gzip") return packed;
	return packing === "twice" ? joined([packed, packed]) : edited(packed, packedEdits);
}
