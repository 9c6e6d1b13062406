import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { sleep } from "../agent/sleep.ts";
import { backoffMs, Unreachable, untilAnswered } from "../agent/transport/retry.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { isTerminal } from "../schema/wire/states.ts";
import { type Connection, NoAnswer } from "./connection.ts";

/**
 * Following a log to its end, however often the coordinator goes away in between. What is read is handed on as it comes, byte for
 * byte. A run's log is made of those of its jobs, whose lines come in another order the next time, so that no offset says where it
 * broke off. It is asked for anew, and of each line of an attempt as many are left out as were told before. (That of a job begins
 * at its newest attempt then.)
 */

interface Followed<Ended> {
	/** Where the log is. */
	log: string;
	/** Where it is said how far that is whose log it is: after a log that was read to its end, or as it is at the moment. */
	state(isWhole: boolean): string;
	/** Whether a log that is whole ends with the line `::exit N`; it is not told. */
	endsWithExit: boolean;
	/** Whether a line is handed on only when it is whole: between the lines of several jobs its rest may come elsewhere the next time. */
	isByLine: boolean;
	/** Called with what was written, as it comes; without `isByLine` it may end in the middle of a line. */
	onText(text: Buffer): void;
	/** Waited for after what was handed on: the reader of the output may be slow. */
	taken(): Promise<void>;
	/** Called when nobody answers for the first time. */
	onWaiting(): void;
	/** Called with what has ended, if its log cannot be read to its end. */
	onIncomplete(ended: Ended): void;
}

/** So often a log that breaks off without another line is asked for anew when all is over. */
const FRUITLESS_READS = 3;

/**
 * Tells all of a log, once.
 * @returns the run or job when it has ended
 * @throws ApiError where the coordinator refuses to tell
 */
export async function followLog<Ended extends { state: Parameters<typeof isTerminal>[0] }>(
	connection: Connection,
	followed: Followed<Ended>,
): Promise<Ended> {
	const told = new Told();
	let isWaiting = false;
	const answered = <Value>(ask: () => Promise<Value>) =>
		untilAnswered(
			() => ask().catch(orUnreachable),
			undefined,
			() => {
				if (!isWaiting) followed.onWaiting();
				isWaiting = true;
			},
		);
	for (let fruitless = 0; ; fruitless += 1) {
		const before = told.count;
		const isWhole = await tell(await answered(() => connection.stream(followed.log)), told, followed);
		const now = await answered(() => connection.json<Ended>(followed.state(isWhole)));
		if (isTerminal(now.state) && isWhole) return now;
		if (told.count > before) fruitless = 0;
		if (isTerminal(now.state) && fruitless >= FRUITLESS_READS) {
			followed.onIncomplete(now);
			return now;
		}
		await sleep(backoffMs(fruitless, new Unreachable("the log broke off")));
	}
}

/** What may be answered the next time. */
function orUnreachable(error: unknown): never {
	if (error instanceof NoAnswer || (error instanceof ApiError && (error.status >= 500 || error.status === 429)))
		throw new Unreachable(error.message);
	throw error;
}

/** Tells what was not told yet. @returns whether the log was read to its end */
async function tell(
	body: Readable,
	told: Told,
	followed: Pick<Followed<never>, "endsWithExit" | "isByLine" | "onText" | "taken">,
): Promise<boolean> {
	const reading = new Reading(told, followed);
	try {
		for await (const chunk of body) {
			reading.push(chunk as Uint8Array);
			await followed.taken();
		}
	} catch {
		return false;
	}
	return reading.end();
}

const NEWLINE = 10;
const NEWLINE_BYTES = Buffer.from("\n");
const EXIT = /^::exit \d+$/;
/** What may become such a line. */
const EXIT_BEGUN = /^:(:(e(x(i(t( \d*)?)?)?)?)?)?$/;
/** With which an attempt of a job begins that is not its first. */
const ATTEMPT = /^:: attempt \d+$/;
/** What the coordinator says when nothing else was said for a while: it is not said again when the log is read anew. */
const STILL = /^:: still /;
/** Lines of the coordinator's own are no longer than this. */
const OWN_LINE_BYTES = 1_000;

/** A log that is read from its beginning, after some of it was told before. */
class Reading {
	readonly #told: Told;
	readonly #followed: Pick<Followed<never>, "endsWithExit" | "isByLine" | "onText">;
	readonly #times: Map<number, number>;
	readonly #left: Map<string, number>;
	#attempt = "";
	/** The line that is being read. */
	#line: Buffer[] = [];
	#size = 0;
	/** Whether the beginning of that line was told, and each further part of it is told at once. */
	#isShowing = false;
	/** A line that may be the last. */
	#held: Buffer | null = null;

	constructor(told: Told, followed: Pick<Followed<never>, "endsWithExit" | "isByLine" | "onText">) {
		this.#told = told;
		this.#followed = followed;
		this.#times = new Map(told.times);
		this.#left = new Map(told.lines);
	}

	push(chunk: Uint8Array): void {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		for (let at = 0; at < bytes.byteLength; ) {
			const newline = bytes.indexOf(NEWLINE, at);
			this.#add(bytes.subarray(at, newline === -1 ? bytes.byteLength : newline));
			if (newline === -1) break;
			this.#endLine(NEWLINE_BYTES);
			at = newline + 1;
		}
		if (this.#size > 0 && !this.#isShowing) this.#showBegun();
	}

	/** Nothing follows. @returns whether the log is whole */
	end(): boolean {
		if (this.#followed.endsWithExit) return this.#held !== null && this.#size === 0;
		if (this.#size > 0) this.#endLine(Buffer.alloc(0));
		return true;
	}

	#add(bytes: Buffer): void {
		if (bytes.byteLength === 0) return;
		this.#line.push(bytes);
		this.#size += bytes.byteLength;
		if (!this.#isShowing) return;
		this.#told.begun.push(bytes);
		this.#followed.onText(bytes);
	}

	#endLine(newline: Buffer): void {
		const line = this.#line;
		const isShowing = this.#isShowing;
		const own = this.#size <= OWN_LINE_BYTES ? Buffer.concat(line).toString() : "";
		this.#line = [];
		this.#size = 0;
		this.#isShowing = false;
		this.#tellHeld();
		if (this.#followed.endsWithExit && !isShowing && EXIT.test(own)) {
			this.#held = line[0] ? Buffer.concat(line) : null;
			return;
		}
		if (ATTEMPT.test(own)) this.#attempt = own;
		if (!this.#isNew(line, own)) return;
		if (isShowing) this.#followed.onText(newline);
		else this.#followed.onText(Buffer.concat([this.#afterBegun(Buffer.concat(line)), newline]));
		this.#told.begun = [];
	}

	/** It was not the last one: a job has written such a line, too. */
	#tellHeld(): void {
		const held = this.#held;
		this.#held = null;
		if (held && this.#isNew([held], held.toString())) this.#followed.onText(Buffer.concat([held, NEWLINE_BYTES]));
	}

	/** Tells the beginning of a line that may still be long in coming. */
	#showBegun(): void {
		if (this.#followed.isByLine) return;
		// A line that was told before is known as such only when it is whole.
		if ((this.#left.get(this.#attempt) ?? 0) > 0) return;
		if (this.#size < this.#told.begun.reduce((sum, { byteLength }) => sum + byteLength, 0)) return;
		const begun = Buffer.concat(this.#line);
		if (this.#followed.endsWithExit && this.#size < OWN_LINE_BYTES && EXIT_BEGUN.test(begun.toString())) return;
		this.#tellHeld();
		const text = this.#afterBegun(begun);
		this.#line = [begun];
		this.#told.begun = [begun];
		this.#isShowing = true;
		if (text.byteLength > 0) this.#followed.onText(text);
	}

	/** What is left to tell of a line whose beginning may have been told before the log broke off. */
	#afterBegun(line: Buffer): Buffer {
		const begun = Buffer.concat(this.#told.begun);
		if (line.subarray(0, begun.byteLength).equals(begun)) return line.subarray(begun.byteLength);
		return Buffer.concat([NEWLINE_BYTES, line]);
	}

	/** Whether a line was not told yet; if so, it is taken for told. */
	#isNew(line: readonly Buffer[], own: string): boolean {
		const hash = createHash("sha1").update(`${this.#attempt}\n`);
		for (const part of line) hash.update(part);
		const digest = hash.digest().readUIntBE(0, 6);
		const times = this.#times.get(digest) ?? 0;
		const isStill = STILL.test(own);
		if (times === 0) this.#told.add(digest, isStill ? null : this.#attempt);
		else {
			this.#times.set(digest, times - 1);
			if (!isStill) this.#left.set(this.#attempt, (this.#left.get(this.#attempt) ?? 0) - 1);
		}
		return times === 0;
	}
}

/** What was told of a log, however often it was read. */
class Told {
	/** How often each line of an attempt, by its digest. */
	readonly times = new Map<number, number>();
	/** How many lines of each attempt will come again. */
	readonly lines = new Map<string, number>();
	/** The beginning of a line whose end has not come. */
	begun: Buffer[] = [];
	count = 0;

	add(digest: number, attempt: string | null): void {
		this.times.set(digest, (this.times.get(digest) ?? 0) + 1);
		if (attempt !== null) this.lines.set(attempt, (this.lines.get(attempt) ?? 0) + 1);
		this.count += 1;
	}
}
