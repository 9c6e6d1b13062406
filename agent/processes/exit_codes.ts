import os from "node:os";

/** Exit codes as a shell reports them. */

/** A shell did not find the command. */
export const COMMAND_NOT_FOUND = 127;
/** A shell adds the number of the signal that ended a command. */
const SIGNAL_BASE = 128;

/** The exit code of a process that ended by itself, or by a signal. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
	return code ?? SIGNAL_BASE + (signal === null ? 0 : os.constants.signals[signal]);
}

/** Whether a signal ended the process. */
export function isBySignal(code: number): boolean {
	return code > SIGNAL_BASE;
}
