import { once } from "node:events";
import type { Readable } from "node:stream";
import { EXIT } from "./exit_codes.ts";

/**
 * Standard output as every command needs it: all printed text is delivered, and a closed pipe ends
 * the command.
 */

let isEndedByClosedPipe = true;

/**
 * From now on, a reader that closes the pipe early (`| head`) ends this process silently, as
 * SIGPIPE ends other programs.
 */
export function exitOnClosedPipe(): void {
	process.stdout.on("error", () => {
		if (isEndedByClosedPipe) process.exit(EXIT.closedPipe);
	});
	process.stderr.on("error", () => undefined);
}

/** This command keeps running after the reader of its output has gone. */
export function keepRunningOnClosedPipe(): void {
	isEndedByClosedPipe = false;
}

/** Waits until the reader can take more: text for a slow reader stays in memory. */
export async function outputDrained(): Promise<void> {
	if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
}

/** Copies a stream to standard output, as fast as the reader takes it. */
export async function copyToOutput(source: Readable): Promise<void> {
	for await (const chunk of source) {
		process.stdout.write(chunk as Uint8Array);
		await outputDrained();
	}
}

/**
 * Ends this process after both outputs are written: `process.exit` alone drops text that a pipe has
 * not taken yet.
 */
export async function exitWhenWritten(code: number): Promise<never> {
	await Promise.all([process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
	// The error of a closed pipe is reported after the callback of the write.
	await new Promise(setImmediate);
	process.exit(code);
}
