import { once } from "node:events";
import type { Readable } from "node:stream";

/** Standard output as every command needs it: nothing printed is lost, and a reader that has gone ends the command. */

/** What a shell reports for a program that SIGPIPE has ended: 128 + 13. */
export const CLOSED_PIPE = 141;

let isEndedByClosedPipe = true;

/** From now on, a reader that closes the pipe early (`| head`) ends this process without a word, as SIGPIPE ends others. */
export function endWhenUnread(): void {
	process.stdout.on("error", () => {
		if (isEndedByClosedPipe) process.exit(CLOSED_PIPE);
	});
	process.stderr.on("error", () => undefined);
}

/** This command goes on when nobody reads its output. */
export function goOnUnread(): void {
	isEndedByClosedPipe = false;
}

/** Waits until the reader can take more: what a slow reader has not taken yet stays in memory. */
export async function taken(): Promise<void> {
	if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
}

/** Copies a stream to standard output, as fast as the reader takes it. */
export async function copyToOutput(source: Readable): Promise<void> {
	for await (const chunk of source) {
		process.stdout.write(chunk as Uint8Array);
		await taken();
	}
}

/** Ends this process once the readers of both outputs have everything: `process.exit` alone drops what a pipe has not taken yet. */
export async function endWith(code: number): Promise<never> {
	await Promise.all([process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
	// The error of a closed pipe is reported after the callback of the write.
	await new Promise(setImmediate);
	process.exit(code);
}
