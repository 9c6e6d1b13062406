import { hash } from "node:crypto";
import type { Readable } from "node:stream";
import { backoffMs, pause, Unreachable, untilAnswered } from "../agent/client.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { isTerminal } from "../schema/wire/states.ts";
import { type Connection, NoAnswer } from "./connection.ts";

/**
 * Following a log to its end, however often the coordinator goes away in between. A run's log is made of those of its jobs, whose lines
 * come in another order the next time, so that no offset says where it broke off. It is asked for anew, and of each line of an attempt as many are
 * left out as were told before. (That of a job begins at its newest attempt then.)
 */

interface Followed<Ended> {
	/** Where the log is. */
	log: string;
	/** Where it is said how far that is whose log it is: after a log that was read to its end, or as it is at the moment. */
	state(isWhole: boolean): string;
	/** What the last line of a log that is whole looks like, if there is such a line; it is not told. */
	lastLine: RegExp | null;
	/** Waited for: the reader of a line may be slow. */
	onLine(line: string): void | Promise<void>;
	/** Called when nobody answers for the first time. */
	onWaiting(): void;
	/** Called with what has ended, if its log cannot be read to its end. */
	onIncomplete(ended: Ended): void;
}

/** So often a log that breaks off without another line is asked for anew when all is over. */
const FRUITLESS_READS = 3;

/**
 * Tells every line of a log, once.
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
		await pause(backoffMs(fruitless, new Unreachable("the log broke off")));
	}
}

/** What may be answered the next time. */
function orUnreachable(error: unknown): never {
	if (error instanceof NoAnswer || (error instanceof ApiError && (error.status >= 500 || error.status === 429)))
		throw new Unreachable(error.message);
	throw error;
}

/** Tells what was not told yet. @returns whether the log was read to its end */
async function tell(body: Readable, told: Told, { lastLine, onLine }: Pick<Followed<never>, "lastLine" | "onLine">): Promise<boolean> {
	const isNew = told.again();
	const show = async (line: string) => {
		if (isNew(line)) await onLine(line);
	};
	// A job may write such a line, too: it is the last one only if nothing comes after it.
	let held: string | null = null;
	try {
		for await (const line of linesOf(body)) {
			if (held !== null) await show(held);
			held = lastLine?.test(line) ? line : null;
			if (held === null) await show(line);
		}
	} catch {
		return false;
	}
	return lastLine === null || held !== null;
}

/** Whole lines: what a stream that breaks off has begun is left out. */
async function* linesOf(body: Readable): AsyncGenerator<string> {
	const decoder = new TextDecoder();
	let rest = "";
	for await (const chunk of body) {
		const lines = decoder.decode(chunk as Uint8Array, { stream: true }).split("\n");
		lines[0] = rest + lines[0];
		rest = lines.pop() ?? "";
		for (const line of lines) yield line.replace(/\r$/, "");
	}
	if (rest !== "") yield rest;
}

/** With which an attempt of a job begins that is not its first. */
const ATTEMPT = /^:: attempt \d+$/;

/** The lines that were told: how often each of them in an attempt, by its digest. */
class Told {
	readonly #times = new Map<number, number>();
	count = 0;

	/** The log begins again. @returns whether a line was not told yet; if so, it is taken for told */
	again(): (line: string) => boolean {
		const left = new Map(this.#times);
		let attempt = "";
		return (line) => {
			if (ATTEMPT.test(line)) attempt = line;
			const digest = hash("sha1", `${attempt}\n${line}`, "buffer").readUIntBE(0, 6);
			const times = left.get(digest) ?? 0;
			if (times > 0) left.set(digest, times - 1);
			else {
				this.#times.set(digest, (this.#times.get(digest) ?? 0) + 1);
				this.count += 1;
			}
			return times === 0;
		};
	}
}
