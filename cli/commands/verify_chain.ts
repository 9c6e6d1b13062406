import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { auditEntry, type ChainPlace, chainedText, exportHead } from "../../schema/wire/audit.ts";

/** What a check of an exported audit log has found. */
export interface Verified {
	/** How many entries are in order. */
	entries: number;
	/** The place before the first of them: entries up to it have expired. */
	after: ChainPlace;
	/** The last place that is in order. */
	head: ChainPlace;
	/** Why the next line is not in order; null if all are. */
	broken: string | null;
	/** Whether the noted entry may have expired: nothing else is wrong. */
	isExpired?: boolean;
}

/**
 * Checks that each entry of an export follows the one before.
 * @param known a place that was noted before, which must still be there; null: none
 */
export async function verifyChain(text: Readable, known: ChainPlace | null): Promise<Verified> {
	let found: Verified | null = null;
	let isKnownThere = known === null;
	for await (const line of linesOf(text)) {
		if (line.trim() === "") continue;
		if (found === null) {
			const head = parsed(line, exportHead);
			if (head === null) return { entries: 0, after: NOWHERE, head: NOWHERE, broken: "line 1 is not the head of an export" };
			found = { entries: 0, after: head.after, head: head.after, broken: null };
		} else {
			found.broken = fault(line, found.head);
			if (found.broken !== null) return found;
			const { seq, hash } = auditEntry.parse(JSON.parse(line));
			found.entries += 1;
			found.head = { seq, hash };
		}
		if (known && found.head.seq === known.seq) {
			isKnownThere = found.head.hash === known.hash;
			if (!isKnownThere) return { ...found, broken: `entry ${known.seq} is not the one that was noted` };
		}
	}
	if (found === null) return { entries: 0, after: NOWHERE, head: NOWHERE, broken: "the export is empty" };
	if (isKnownThere) return found;
	const isExpired = known !== null && known.seq < found.after.seq;
	const why = isExpired ? `the log begins after ${found.after.seq}` : `the log ends with ${found.head.seq}`;
	return { ...found, broken: `the noted entry ${known?.seq} is missing: ${why}`, isExpired };
}

/** The lines of a text. Other characters that end a line for Unicode may stand in an entry. */
async function* linesOf(text: Readable): AsyncGenerator<string> {
	let rest = "";
	for await (const chunk of text.setEncoding("utf8")) {
		const lines = (rest + String(chunk)).split("\n");
		rest = lines.pop() ?? "";
		yield* lines;
	}
	yield rest;
}

const NOWHERE: ChainPlace = { seq: 0, hash: "" };

/** Why a line cannot follow the entry before it; null if it can. */
function fault(line: string, before: ChainPlace): string | null {
	const entry = parsed(line, auditEntry);
	if (entry === null) return `after entry ${before.seq} comes a line that is no entry`;
	if (entry.seq !== before.seq + 1) return `entry ${before.seq + 1} is missing: after ${before.seq} comes ${entry.seq}`;
	const hash = createHash("sha256").update(chainedText(before.hash, entry)).digest("hex");
	return hash === entry.hash ? null : `entry ${entry.seq} was changed, or one before it`;
}

function parsed<Value>(line: string, schema: { safeParse(value: unknown): { data?: Value } }): Value | null {
	try {
		return schema.safeParse(JSON.parse(line)).data ?? null;
	} catch {
		return null;
	}
}
