import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { LogSpool } from "../../agent/log/log_spool.ts";
import { Masker } from "../../agent/log/masker.ts";
import { SpoolBudget } from "../../agent/log/spool_budget.ts";
import { temporaryFolder } from "../support/processes.ts";

const KIB = 1024;

async function spool(maxBytes: number, budget = new SpoolBudget(1024 * KIB * KIB)) {
	const folder = temporaryFolder();
	const log = LogSpool.create(path.join(folder, "log"), budget, maxBytes, new Masker([]), Date.now);
	return { log, folder, budget };
}

/** The lines from an offset on: what was acknowledged cannot be read again. */
async function linesOf(log: LogSpool, offset = 0): Promise<string[]> {
	const text = Buffer.from(await log.read(offset, log.size - offset)).toString();
	return text.split("\n").map((line) => (line === "" ? "" : line.slice(25)));
}

describe("the spool of a log", () => {
	test("gives what was written, each line with its time, at any offset; what is acknowledged leaves the disk", async () => {
		const { log, folder } = await spool(64 * 1024 * KIB);
		const text = Array.from({ length: 60_000 }, (_, index) => `line ${index} of the output, as long as lines are\n`).join("");
		await log.write(Buffer.from(text));
		const whole = await log.read(0, log.size);
		expect(
			Buffer.from(whole)
				.toString()
				.replace(/^.{25}/gm, ""),
		).toBe(text);
		expect(await log.read(1_234_567, 890)).toEqual(whole.subarray(1_234_567, 1_234_567 + 890));
		const files = () => readdirSync(path.join(folder, "log/head")).length;
		const before = files();
		await log.acknowledge(whole.subarray(0, 3_000_000));
		expect(files()).toBeLessThan(before);
		expect(await log.read(3_000_000, 500)).toEqual(whole.subarray(3_000_000, 3_000_500));
		await log.delete();
	});

	test("a small one needs no file; it moves to one when it grows, and reads the same", async () => {
		const { log, folder } = await spool(64 * 1024 * KIB);
		const files = () => (existsSync(path.join(folder, "log")) ? readdirSync(path.join(folder, "log"), { recursive: true }) : []);
		for (let index = 0; index < 1_000; index += 1) await log.write(Buffer.from(`small ${index}\n`));
		expect(files()).toEqual([]);
		const small = Buffer.from(await log.read(0, log.size));
		for (let index = 0; index < 2_000; index += 1) await log.write(Buffer.from(`large ${index}\n`));
		expect(files()).toContain("head/1");
		const whole = Buffer.from(await log.read(0, log.size));
		expect(whole.subarray(0, small.byteLength)).toEqual(small);
		expect(await linesOf(log)).toEqual([
			...Array.from({ length: 1_000 }, (_, index) => `small ${index}`),
			...Array.from({ length: 2_000 }, (_, index) => `large ${index}`),
			"",
		]);
		await log.delete();
	});

	test("a long one keeps its beginning and its end; steps are found by offset and line in what is left", async () => {
		const { log } = await spool(4 * KIB * KIB);
		const begin = log.position;
		await log.writeLine(":: first step");
		for (let index = 0; index < 200; index += 1) await log.write(Buffer.from(`${"x".repeat(40)}\n`.repeat(1_000)));
		const lost = log.position;
		for (let index = 0; index < 200; index += 1) await log.write(Buffer.from(`${"y".repeat(40)}\n`.repeat(1_000)));
		const end = log.position;
		await log.writeLine(":: last step");
		await log.write(Buffer.from("the end"));
		await log.endLine();
		await log.close();
		expect(log.size).toBeLessThanOrEqual(4 * KIB * KIB);
		expect(log.isTruncated).toBe(true);
		const lines = await linesOf(log);
		const notice = lines.findIndex((line) => /^:: \S+ MiB are left out here: the log is longer than 4 MiB$/.test(line));
		expect(notice).toBeGreaterThan(0);
		expect(lines[log.placeOf(begin).line]).toBe(":: first step");
		expect(log.placeOf(lost).line).toBe(notice);
		expect(lines[log.placeOf(end).line]).toBe(":: last step");
		const { offset } = log.placeOf(end);
		expect(Buffer.from(await log.read(offset, 40)).toString()).toMatch(/^\S+Z :: last step/);
		expect(lines.slice(-3)).toEqual([":: last step", "the end", ""]);
		await log.delete();
	});

	test("over its budget the oldest log gives up what is unsent, says so, and goes on with a whole line", async () => {
		const budget = new SpoolBudget(3 * KIB * KIB);
		const first = await spool(64 * KIB * KIB, budget);
		const second = await spool(64 * KIB * KIB, budget);
		await first.log.write(Buffer.from("sent\n"));
		await first.log.acknowledge(await first.log.read(0, first.log.size));
		const sent = first.log.size;
		for (let index = 0; index < 4; index += 1) await first.log.write(Buffer.from("unsent ".repeat(150_000)));
		await second.log.write(Buffer.from("the younger log\n"));
		await first.log.write(Buffer.from("rest\nafter\n"));
		const lines = await linesOf(first.log, sent);
		expect(lines[0]).toMatch(/are left out here: the coordinator could not be reached, and there was no more room for logs$/);
		expect(lines.at(-2)).toBe("after");
		expect(first.log.size).toBeGreaterThan(sent);
		expect([first.log.isTruncated, second.log.isTruncated]).toEqual([true, false]);
		expect(await linesOf(second.log)).toEqual(["the younger log", ""]);
		for (const { log } of [first, second]) await log.delete();
	});

	test("one line without end keeps its end, with a time of its own", async () => {
		const { log } = await spool(KIB * KIB);
		for (let index = 0; index < 64; index += 1) await log.write(Buffer.alloc(64 * KIB, "z"));
		await log.endLine();
		await log.close();
		const lines = await linesOf(log);
		expect(lines.map((line) => line.slice(0, 3))).toEqual(["zzz", ":: ", "zzz", ""]);
		expect(log.size).toBeLessThanOrEqual(KIB * KIB);
		await log.delete();
	});

	test("what is on its way when room is needed may have arrived: it is kept, and the log goes on after it", async () => {
		const { log } = await spool(64 * KIB * KIB);
		await log.write(Buffer.from("x".repeat(2_000_000)));
		const onItsWay = await log.read(0, 500_000);
		await log.dropUnsent();
		// Told again that it did not arrive: the very same bytes.
		expect(await log.read(0, 500_000)).toEqual(onItsWay);
		await log.acknowledge(onItsWay);
		expect(log.size).toBeGreaterThan(500_000);
		const rest = Buffer.from(await log.read(500_000, log.size)).toString();
		expect(rest).toMatch(/^\n\S+Z :: 1.4 MiB are left out here: .*\n$/);
		await log.acknowledge(Buffer.from(rest));
		// Nothing is unsent: nothing more is lost, and nothing more is said.
		await log.dropUnsent();
		expect(log.size).toBe(500_000 + rest.length);
		await log.write(Buffer.from("after\n"));
		expect(Buffer.from(await log.read(log.size - 32, 32)).toString()).toMatch(/\S+Z after\n$/);
		await log.delete();
	});
});
