import { createInterface } from "node:readline/promises";
import { UsageError } from "./usage_error.ts";

/** What a command that deletes or pauses something takes. */
export interface ConfirmedFlags {
	yes?: boolean;
}
export const YES = ["--yes", "do not ask"] as const;

/**
 * Asks the person at the terminal. Without a terminal nobody can be asked: then `--yes` must be given.
 * @param what what is about to be done, such as `Delete the run web #3`
 * @throws UsageError unless it is confirmed
 */
export async function confirm(what: string, { yes }: ConfirmedFlags): Promise<void> {
	if (yes) return;
	if (!process.stdin.isTTY || !process.stderr.isTTY) throw new UsageError(`${what}? There is no terminal to ask at: give --yes`);
	// On the error output: what the command prints may be read by a program.
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	const answer = await terminal.question(`${what}? [y/N] `);
	terminal.close();
	if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError("Nothing was changed.");
}
