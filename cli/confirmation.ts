import { createInterface } from "node:readline/promises";
import { UsageError } from "./usage_error.ts";

/** The option of commands that delete or pause something. */
export interface ConfirmedFlags {
	yes?: boolean;
}
export const YES = ["--yes", "do not ask for confirmation"] as const;

/**
 * Asks the person at the terminal for confirmation. Without a terminal, `--yes` is needed.
 * @param action such as `Delete run web #3`
 * @throws UsageError unless the person confirms
 */
export async function confirm(action: string, { yes }: ConfirmedFlags): Promise<void> {
	if (yes) return;
	if (!process.stdin.isTTY || !process.stderr.isTTY) throw new UsageError(`${action}? There is no terminal to ask in. Confirm with --yes.`);
	// On standard error: a program may read the command's standard output.
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	const answer = await terminal.question(`${action}? [y/N] `);
	terminal.close();
	if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError("Nothing was changed.");
}
