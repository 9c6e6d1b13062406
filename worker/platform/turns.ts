import { doSlice, SLICE_UNITS, type SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";

/**
 * Where work on large texts waits for its turn. There is one thread: one large text is worked on at a time, and one small one, so that what everybody
 * else waits for stays short, and so that memory is bounded.
 */

/** A text up to this length does not wait for longer ones. */
const SMALL_CHARACTERS = 64 * 1024;
/** What nearly every small text needs: it is done at once. Of a large one, or while others work, only the beginning is: many may begin together. */
const FIRST_UNITS = 5_000;
const FIRST_UNITS_OF_MANY = 500;
/** How long work waits for its turn, and how many works wait. */
const MAX_WAIT_MS = 20_000;
const MAX_WAITING = 64;
const CHECK_MS = 5;
/** Work whose caller is gone is never resumed, and so never says that it is over. */
const ABANDONED_MS = 3_000;

/** A work that waits for its turn or has it, and when it was last heard of. */
interface Ticket {
	seenAt: number;
}

const small: Ticket[] = [];
const large: Ticket[] = [];
const internal: Ticket[] = [];

/**
 * Does work in slices, and lets others run between them.
 * @param characters the length of the text that it is about
 * @throws ApiError `unavailable` if too many others wait, or for too long; and what the work throws
 */
export async function withTurn<Value>(work: SlicedWork<Value>, characters: number): Promise<Value> {
	const isLarge = characters > SMALL_CHARACTERS;
	return workInLine(work, isLarge ? large : small, isLarge);
}

/** The same for what the coordinator does of itself: it does not wait behind what others send. */
export async function withInternalTurn<Value>(work: SlicedWork<Value>): Promise<Value> {
	return workInLine(work, internal, true);
}

async function workInLine<Value>(work: SlicedWork<Value>, line: Ticket[], isLarge: boolean): Promise<Value> {
	const first = doSlice(work, isLarge || line.length > 0 ? FIRST_UNITS_OF_MANY : FIRST_UNITS);
	if (first) return first.value;
	removeAbandoned(line);
	if (line.length >= MAX_WAITING) throw tooBusy();
	const ticket = { seenAt: Date.now() };
	line.push(ticket);
	try {
		await turnOf(ticket, line);
		for (;;) {
			const done = doSlice(work, SLICE_UNITS);
			if (done) return done.value;
			await pause(0);
			ticket.seenAt = Date.now();
		}
	} finally {
		const index = line.indexOf(ticket);
		if (index >= 0) line.splice(index, 1);
	}
}

async function turnOf(ticket: Ticket, line: Ticket[]): Promise<void> {
	const latest = Date.now() + MAX_WAIT_MS;
	for (let wait = 0; ; wait = CHECK_MS) {
		await pause(wait);
		ticket.seenAt = Date.now();
		removeAbandoned(line);
		// One that was taken for abandoned, and is not, goes on.
		if (line[0] === ticket || !line.includes(ticket)) return;
		if (ticket.seenAt > latest) throw tooBusy();
	}
}

function removeAbandoned(line: Ticket[]): void {
	const now = Date.now();
	for (let index = line.length - 1; index >= 0; index -= 1) {
		const { seenAt } = line[index] as Ticket;
		// One from the future is from before the clock was stepped back.
		if (seenAt < now - ABANDONED_MS || seenAt > now) line.splice(index, 1);
	}
}

/** Not a microtask: requests that have come in the meantime are looked at only now. */
function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

function tooBusy(): ApiError {
	return new ApiError("unavailable", "Too many large texts are being worked on.", {
		headers: { "Retry-After": "5" },
		suggestions: ["Try again in a few seconds."],
	});
}
