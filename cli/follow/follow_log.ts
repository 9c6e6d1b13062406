import type { Readable } from "node:stream";
import { sleep } from "../../agent/sleep.ts";
import { backoffMs, Unreachable, untilAnswered } from "../../agent/transport/retry.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { type Connection, NoAnswer } from "../connection.ts";
import { type LogOptions, LogReading } from "./log_reading.ts";
import { PrintedLines } from "./printed_lines.ts";

/**
 * Follows a log to its end, however often the coordinator goes away in between. Text is printed as
 * it comes, byte for byte. A run's log is made of the logs of its jobs, whose lines come in another
 * order in the next reading, so no offset says where the reading was interrupted. It is read again from its
 * beginning, and of each line of an attempt as many are left out as are printed already. (A job's
 * log begins with its newest attempt in the next reading.)
 */

interface Followed<Ended> extends LogOptions {
	/** The address of the log. */
	log: string;
	/** The address of the state of the run or job: after a whole log, or at the moment. */
	state(isWhole: boolean): string;
	/** Resolves when the reader of the output can take more. */
	drained(): Promise<void>;
	/** Called when the coordinator does not answer for the first time. */
	onWaiting(): void;
	/** Called with the ended run or job if its log is not readable to its end. */
	onIncomplete(ended: Ended): void;
}

/** After the end of a run, a log that breaks off is read this often without a new line. */
const FRUITLESS_READS = 3;

/**
 * Prints all of a log, once.
 * @returns the run or job after its end
 * @throws ApiError if the coordinator rejects a request
 */
export async function followLog<Ended extends { state: Parameters<typeof isTerminal>[0] }>(
	connection: Connection,
	followed: Followed<Ended>,
): Promise<Ended> {
	const printed = new PrintedLines();
	let isWaiting = false;
	const answered = <Value>(send: () => Promise<Value>) =>
		untilAnswered(
			() => send().catch(orUnreachable),
			undefined,
			() => {
				if (!isWaiting) followed.onWaiting();
				isWaiting = true;
			},
		);
	for (let fruitless = 0; ; fruitless += 1) {
		const before = printed.count;
		const isWhole = await readLog(await answered(() => connection.stream(followed.log)), printed, followed);
		const now = await answered(() => connection.json<Ended>(followed.state(isWhole)));
		if (isTerminal(now.state) && isWhole) return now;
		if (printed.count > before) fruitless = 0;
		if (isTerminal(now.state) && fruitless >= FRUITLESS_READS) {
			followed.onIncomplete(now);
			return now;
		}
		await sleep(backoffMs(fruitless, new Unreachable("the log was interrupted")));
	}
}

/** Errors that another request may not have. */
function orUnreachable(error: unknown): never {
	if (error instanceof NoAnswer || (error instanceof ApiError && (error.status >= 500 || error.status === 429)))
		throw new Unreachable(error.message);
	throw error;
}

/** Prints the lines of a log that are not printed yet. @returns whether the log is whole */
async function readLog(body: Readable, printed: PrintedLines, options: LogOptions & { drained(): Promise<void> }): Promise<boolean> {
	const reading = new LogReading(printed, options);
	try {
		for await (const chunk of body) {
			reading.push(chunk as Uint8Array);
			await options.drained();
		}
	} catch {
		return false;
	}
	return reading.end();
}
