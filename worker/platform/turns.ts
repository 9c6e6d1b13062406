import { doSlice, SLICE_UNITS, type SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { sleep } from "./sleep.ts";

/**
 * Queues work on large texts. One thread works on one large and one small text at a time, so that
 * other requests wait briefly and memory stays bounded.
 */

/** A text up to this length does not wait for longer texts. */
const SMALL_CHARACTERS = 64 * 1024;
/**
 * Units of the first slice, which runs at once: enough for most small texts. Large texts, and
 * texts while others work, get a shorter first slice.
 */
const FIRST_UNITS = 5_000;
const FIRST_UNITS_OF_MANY = 500;
/** The longest wait for a turn, and the number of waiting texts. */
const MAX_WAIT_MS = 20_000;
const MAX_WAITING = 64;
const CHECK_MS = 5;
/** The platform never resumes work of a disconnected client, so that work never ends by itself. */
const ABANDONED_MS = 3_000;

/** Work that waits or runs, and the time when it last ran. */
interface Ticket {
	seenAt: number;
}

const small: Ticket[] = [];
const large: Ticket[] = [];
const internal: Ticket[] = [];

/**
 * Runs work in slices, and lets other requests run in between.
 * @param characters the length of the text
 * @throws ApiError `unavailable` if too many texts wait, or one waits too long; and the errors of
 * the work
 */
export async function withTurn<Value>(work: SlicedWork<Value>, characters: number): Promise<Value> {
	const isLarge = characters > SMALL_CHARACTERS;
	return workInLine(work, isLarge ? large : small, isLarge);
}

/** Runs internal work of the coordinator, which does not wait for texts of clients. */
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
			await sleep(0);
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
		await sleep(wait);
		ticket.seenAt = Date.now();
		removeAbandoned(line);
		// Work that was wrongly evicted as abandoned runs anyway.
		if (line[0] === ticket || !line.includes(ticket)) return;
		if (ticket.seenAt > latest) throw tooBusy();
	}
}

function removeAbandoned(line: Ticket[]): void {
	const now = Date.now();
	for (let index = line.length - 1; index >= 0; index -= 1) {
		const { seenAt } = line[index] as Ticket;
		// A time in the future precedes a step back of the clock.
		if (seenAt < now - ABANDONED_MS || seenAt > now) line.splice(index, 1);
	}
}

/** A timer, not a microtask: pending requests run only between tasks. */

function tooBusy(): ApiError {
	return new ApiError("unavailable", "The coordinator is busy with other large texts.", {
		headers: { "Retry-After": "5" },
		suggestions: ["Repeat the request in a few seconds."],
	});
}
