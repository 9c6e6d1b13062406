import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { verifyChain } from "../../cli/commands/verify_chain.ts";
import { type AuditEntry, type AuditRecord, BEGINNING, type ChainPlace, chainedText } from "../../schema/wire/audit.ts";

const record = (seq: number): AuditRecord => ({
	...{ at: 1_796_000_000_000 + seq, event: "tokens.create", actor: `ada "${seq}"`, via: null, what: "POST /api/v1/tokens" },
	...{ details: { name: "bot", role: null }, outcome: "done", address: "192.0.2.7", request_id: null },
});

/** Entries that follow a place. */
function chain(count: number, after: ChainPlace = BEGINNING): AuditEntry[] {
	const made: AuditEntry[] = [];
	for (let before = after; made.length < count; before = made.at(-1) as AuditEntry) {
		const entry = { ...record(before.seq + 1), seq: before.seq + 1 };
		made.push({ ...entry, hash: createHash("sha256").update(chainedText(before.hash, entry)).digest("hex") });
	}
	return made;
}

const exported = (lines: readonly unknown[], after: ChainPlace = BEGINNING) =>
	Readable.from([[{ after }, ...lines].map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("")]);
const check = (lines: readonly unknown[], known: ChainPlace | null = null, after: ChainPlace = BEGINNING) =>
	verifyChain(exported(lines, after), known);

describe("a check of the audit log", () => {
	const five = chain(5);
	const placeOf = (index: number): ChainPlace => ({ seq: five[index]?.seq ?? 0, hash: five[index]?.hash ?? "" });

	test("finds a chain in order, and names its newest entry", async () => {
		expect(await check(five)).toEqual({ entries: 5, after: BEGINNING, head: placeOf(4), broken: null });
		expect(await check([])).toMatchObject({ entries: 0, head: BEGINNING, broken: null });
		expect(await check(five, placeOf(2))).toMatchObject({ broken: null });
	});

	test("does not depend on the order of the details", async () => {
		const turned = five.map((entry) => ({ ...entry, details: Object.fromEntries(Object.entries(entry.details).reverse()) }));
		expect(await check(turned)).toMatchObject({ broken: null });
	});

	test.each<[string, (entries: AuditEntry[]) => unknown[], string]>([
		["a changed actor", (all) => all.map((one) => (one.seq === 3 ? { ...one, actor: "eve" } : one)), "entry 3 was changed"],
		["a changed time", (all) => all.map((one) => (one.seq === 3 ? { ...one, at: one.at + 1 } : one)), "entry 3 was changed"],
		["a changed detail", (all) => all.map((one) => (one.seq === 3 ? { ...one, details: {} } : one)), "entry 3 was changed"],
		["a removed entry", (all) => all.filter(({ seq }) => seq !== 3), "entry 3 is missing: after 2 comes 4"],
		["two entries that changed places", (all) => [all[0], all[2], all[1], all[3], all[4]], "entry 2 is missing"],
		["an entry twice", (all) => [...all.slice(0, 3), all[2], ...all.slice(3)], "entry 4 is missing: after 3 comes 3"],
		["a line that is no entry", (all) => [all[0], "{", all[1]], "after entry 1 comes a line that is no entry"],
		[
			"an entry that was made anew with its hash",
			(all) => [all[0], { ...chain(2)[1], actor: "eve", ...rehashed(all[0] as AuditEntry) }, all[2]],
			"entry 3 was changed, or one before it",
		],
	])("finds %s", async (_, damaged, broken) => {
		expect((await check(damaged([...five]))).broken).toContain(broken);
	});

	function rehashed(before: AuditEntry): { hash: string } {
		const entry = { ...record(2), seq: 2, actor: "eve" };
		return { hash: createHash("sha256").update(chainedText(before.hash, entry)).digest("hex") };
	}

	test("finds that the end was cut off, or all was made anew, by a place that was noted before", async () => {
		expect((await check(five.slice(0, 3), placeOf(4))).broken).toBe("the noted entry 5 is missing: the log ends with 3");
		const anew = chain(5, { seq: 0, hash: "1".repeat(64) });
		expect((await check(anew, placeOf(4), { seq: 0, hash: "1".repeat(64) })).broken).toBe("entry 5 is not the one that was noted");
	});

	test("begins after what has expired, and says so of a place that was noted before", async () => {
		const rest = five.slice(3);
		expect(await check(rest, null, placeOf(2))).toEqual({ entries: 2, after: placeOf(2), head: placeOf(4), broken: null });
		expect(await check(rest, placeOf(1), placeOf(2))).toMatchObject({
			broken: "the noted entry 2 is missing: the log begins after 3",
			isExpired: true,
		});
		expect((await check(rest, { ...placeOf(2), hash: "0".repeat(64) }, placeOf(2))).broken).toBe("entry 3 is not the one that was noted");
	});

	test("takes other ends of lines in an entry for what they are, in whatever pieces it arrives", async () => {
		const entry = { ...record(1), seq: 1, what: "a\u2028b\u2029c\u0085d\re" };
		const hash = createHash("sha256").update(chainedText(BEGINNING.hash, entry)).digest("hex");
		const text = `${JSON.stringify({ after: BEGINNING })}\n${JSON.stringify({ ...entry, hash })}\n`;
		const pieces = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
		expect(await verifyChain(Readable.from(pieces), null)).toMatchObject({ entries: 1, broken: null });
	});

	test("rejects what is no export", async () => {
		expect((await verifyChain(Readable.from(["<html>\n"]), null)).broken).toBe("line 1 is not the head of an export");
		expect((await verifyChain(Readable.from([""]), null)).broken).toBe("the export is empty");
	});
});
