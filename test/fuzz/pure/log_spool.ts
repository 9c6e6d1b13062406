import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import type { Position } from "../../../agent/log/log_parts.ts";
import { LogSpool } from "../../../agent/log/log_spool.ts";
import { Masker } from "../../../agent/log/masker.ts";
import { SpoolBudget } from "../../../agent/log/spool_budget.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { firstDifference, SpoolModel } from "./spool_model.ts";

type Command =
	| { kind: "write"; size: number; lineLength: number }
	| { kind: "say" | "endLine" | "drop" | "archive_log" }
	| { kind: "ship" | "peek"; skip: number; limit: number };

const size = fc.oneof({ weight: 8, arbitrary: fc.nat(300) }, { weight: 4, arbitrary: fc.nat(20_000) }, fc.nat(1_500_000));

const command: fc.Arbitrary<Command> = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({ kind: fc.constant("write" as const), size, lineLength: fc.constantFrom(1, 7, 80, 3000, 2_000_000) }),
	},
	{ weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("say" as const, "endLine" as const) }) },
	{ weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("drop" as const, "drop" as const, "archive_log" as const) }) },
	{
		weight: 5,
		arbitrary: fc.record({
			kind: fc.constantFrom("ship" as const, "ship" as const, "peek" as const),
			skip: fc.nat(5000),
			limit: fc.oneof(fc.nat(60), size),
		}),
	},
);

const life = fc.record({
	maxBytes: fc.oneof(fc.integer({ min: 4096, max: 20_000 }), fc.constantFrom(1024 * 1024, 6 * 1024 * 1024)),
	commands: fc.array(command, { maxLength: 25 }),
});

/** The output of a job: no byte of it looks like a part of a time. */
function outputOf(size: number, lineLength: number): Buffer {
	const bytes = Buffer.alloc(size, "abcdefg");
	for (let at = lineLength; at < size; at += lineLength + 1) bytes[at] = 10;
	return bytes;
}

/** The spool and its model, doing the same. */
class Pair {
	readonly #spool: LogSpool;
	readonly #model: SpoolModel;
	readonly #places: Position[] = [];
	/** What the coordinator has. */
	readonly #shipped: Uint8Array[] = [];
	#isSealed = false;

	constructor(spool: LogSpool, model: SpoolModel) {
		this.#spool = spool;
		this.#model = model;
	}

	async run(command: Command): Promise<void> {
		switch (command.kind) {
			case "write":
				return this.#write(outputOf(command.size, command.lineLength));
			case "ship":
				return this.#ship(command.limit);
			case "peek":
				return this.#compare(this.#model.acknowledged + command.skip, command.limit).then(() => undefined);
			case "drop":
				await this.#spool.dropUnsent();
				return this.#model.drop();
			case "archive_log":
				return this.#seal();
			case "say":
			case "endLine":
				return this.#end(command.kind);
		}
	}

	/** Sends all that is left and looks at the whole. */
	async finish(): Promise<void> {
		await this.#seal();
		while (this.#model.acknowledged < this.#model.log.byteLength) await this.#ship(700_000);
		const log = Buffer.concat(this.#shipped);
		assert.equal(this.#spool.size, log.byteLength, "the size is that of the log");
		assert.equal(this.#spool.isTruncated, this.#model.isCut, "what is left out is known");
		for (const place of this.#places) {
			const { offset, line } = this.#spool.placeOf(place);
			assert.ok(offset >= 0 && offset <= log.byteLength, `the place of ${place.at} is at ${offset}`);
			assert.equal(
				line,
				log.subarray(0, offset).reduce((lines, byte) => lines + Number(byte === 10), 0),
				`the line of the place of ${place.at}`,
			);
		}
	}

	async #write(output: Buffer): Promise<void> {
		if (this.#isSealed) return;
		this.#places.push(this.#spool.position);
		await this.#spool.write(output);
		this.#model.write(output);
	}

	async #end(kind: "say" | "endLine"): Promise<void> {
		if (this.#isSealed) return;
		await (kind === "say" ? this.#spool.writeLine(":: said") : this.#spool.endLine());
		if (kind === "say") this.#model.say(":: said");
		else this.#model.endLine();
	}

	async #seal(): Promise<void> {
		if (this.#isSealed) return;
		this.#isSealed = true;
		await this.#spool.close();
		this.#model.seal();
	}

	async #ship(limit: number): Promise<void> {
		const bytes = await this.#compare(this.#model.acknowledged, limit);
		if (bytes.byteLength === 0) return;
		await this.#spool.acknowledge(bytes);
		this.#model.acknowledge(bytes.byteLength);
		this.#shipped.push(bytes);
	}

	async #compare(offset: number, limit: number): Promise<Uint8Array> {
		const bytes = await this.#spool.read(offset, limit);
		if (offset === this.#model.acknowledged) this.#model.handOut(bytes.byteLength);
		const wanted = this.#model.log.subarray(offset, offset + limit);
		const at = firstDifference(bytes, wanted);
		if (at === null) return bytes;
		const around = (log: Uint8Array) => JSON.stringify(Buffer.from(log.subarray(Math.max(0, at - 60), at + 120)).toString());
		throw new Error(`at ${offset + at} the log is ${around(bytes)} and should be ${around(wanted)} (times are NULs)`);
	}
}

export const spoolProperties: FuzzProperty[] = [
	fuzzProperty("a log on disk is read as it was written", { weight: 1, most: 2_000 }, life, async ({ maxBytes, commands }) => {
		const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-fuzz-"));
		try {
			const spool = LogSpool.create(folder, new SpoolBudget(Number.MAX_SAFE_INTEGER), maxBytes, new Masker([]), Date.now);
			const pair = new Pair(spool, new SpoolModel(maxBytes));
			for (const command of commands) await pair.run(command);
			await pair.finish();
			await spool.delete();
		} finally {
			rmSync(folder, { recursive: true, force: true });
		}
	}),
];
