import assert from "node:assert/strict";
import * as fc from "fast-check";
import { BadBundle, type BundleEntry, BundleRule } from "../../../schema/wire/source_bundle.ts";
import { inspectBundle } from "../../../worker/sources/inspect.ts";
import { NotAnArchive } from "../../../worker/sources/tar_headers.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { archive, archiveBytes, entryName, tarEntry } from "../values/archives.ts";
import { pieceSizes, piecesOf } from "../values/bytes.ts";
import { NaiveDisk } from "./naive_disk.ts";
import { soon } from "./soon.ts";

const TYPES: Record<string, string> = { "0": "file", "1": "link", "2": "symlink", "5": "directory", "6": "fifo" };

const bundleEntry: fc.Arbitrary<BundleEntry> = fc.oneof(
	tarEntry.map(({ name, flag, linkname }) => ({ name, type: TYPES[flag] ?? "file", size: 1, linkname })),
	// Links and what lies near them, much more often than chance would have it.
	fc.record({
		name: entryName,
		type: fc.constantFrom("symlink", "symlink", "file", "link", "directory"),
		size: fc.nat(10),
		linkname: fc.array(fc.constantFrom("..", "a", "b"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
	}),
);

/** The entries that the rule takes, up to the first that it refuses. */
function accepted(entries: readonly BundleEntry[]): BundleEntry[] {
	const rule = new BundleRule();
	const taken: BundleEntry[] = [];
	for (const entry of entries) {
		try {
			rule.check(entry);
		} catch (error) {
			if (!(error instanceof BadBundle)) throw error;
			break;
		}
		taken.push(entry);
	}
	return taken;
}

async function* streamed(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
	yield* pieces;
}

export const bundleProperties: FuzzProperty[] = [
	fuzzProperty(
		"what the rule takes stays inside, however carelessly it is unpacked",
		{ weight: 10 },
		fc.array(bundleEntry, { maxLength: 10 }),
		(entries) => {
			const disk = new NaiveDisk();
			for (const entry of accepted(entries)) disk.unpack(entry);
			assert.deepEqual(disk.escapes(), []);
		},
	),
	fuzzProperty(
		"an archive is looked through to its end or refused",
		{ weight: 6 },
		fc.tuple(archive, pieceSizes),
		async ([wanted, sizes]) => {
			const pieces = piecesOf(
				archiveBytes(wanted),
				sizes.map((size) => size * 16),
			);
			try {
				const { entries, bytes } = await soon(inspectBundle(ReadableStream.from(streamed(pieces))), "the inspection of an archive");
				assert.ok(Number.isSafeInteger(entries) && entries > 0, `${entries} entries`);
				assert.ok(Number.isSafeInteger(bytes) && bytes >= 0, `${bytes} bytes`);
			} catch (error) {
				if (!(error instanceof BadBundle) && !(error instanceof NotAnArchive)) throw error;
			}
		},
	),
];
