import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { unpackSource } from "../../../agent/execution/unpack_source.ts";
import { CheckoutFailed } from "../../../agent/git/errors.ts";
import type { Client } from "../../../agent/transport/client.ts";
import { inspectBundle } from "../../../worker/sources/inspect.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { archive, archiveBytes } from "../values/archives.ts";
import { soon } from "./soon.ts";

/** A coordinator of which nothing is there but one bundle. */
function clientWith(bundle: Uint8Array): Client {
	const headers = { "x-content-sha256": createHash("sha256").update(bundle).digest("hex") };
	return { stream: async () => ({ body: Readable.from([Buffer.from(bundle)]), headers }) } as unknown as Client;
}

/** A folder with a workspace in it, and things beside the workspace that are nobody's business. */
class Surroundings {
	readonly folder = mkdtempSync(path.join(os.tmpdir(), "windlass-fuzz-"));
	readonly workspace = path.join(this.folder, "workspace");
	readonly file = path.join(this.folder, "source");

	constructor() {
		mkdirSync(this.workspace);
		mkdirSync(path.join(this.folder, "outside"));
		writeFileSync(path.join(this.folder, "outside", "a"), "untouched");
	}

	assertUntouched(): void {
		assert.deepEqual(
			readdirSync(this.folder)
				.filter((name) => name !== "source")
				.sort(),
			["outside", "workspace"],
		);
		assert.deepEqual(readdirSync(path.join(this.folder, "outside")), ["a"]);
		assert.equal(readFileSync(path.join(this.folder, "outside", "a"), "utf8"), "untouched");
	}

	remove(): void {
		rmSync(this.folder, { recursive: true, force: true });
	}
}

/** Links in a circle, links below files, and names that this disk does not take. */
const ONLY_A_DISK_KNOWS = /\b(ELOOP|ENOTDIR|ENAMETOOLONG)\b/;

/** Whether the coordinator takes these bytes for a source. */
function isTaken(bytes: Uint8Array): Promise<boolean> {
	return inspectBundle(new Blob([Buffer.from(bytes)]).stream()).then(
		() => true,
		() => false,
	);
}

export const unpackingProperties: FuzzProperty[] = [
	fuzzProperty("an agent unpacks a bundle into its workspace or not at all", { weight: 2, most: 4_000 }, archive, async (wanted) => {
		const surroundings = new Surroundings();
		try {
			const { workspace, file } = surroundings;
			const bytes = archiveBytes(wanted);
			const unpacking = {
				client: clientWith(bytes),
				attempt: { id: "att", token: "token" },
				workspace,
				file,
				signal: new AbortController().signal,
				writeLine: async () => undefined,
			};
			const fault = await soon(unpackSource(unpacking), "the unpacking").then(
				() => null,
				(error: unknown) => error,
			);
			surroundings.assertUntouched();
			if (fault !== null && !(fault instanceof CheckoutFailed)) throw fault;
			// A fault is told to whoever can mend it: at the upload, not when the job is to run.
			if (fault && !ONLY_A_DISK_KNOWS.test(fault.message) && (await isTaken(bytes)))
				throw new Error(`taken by the coordinator, and then: ${fault.message}`);
		} finally {
			surroundings.remove();
		}
	}),
];
