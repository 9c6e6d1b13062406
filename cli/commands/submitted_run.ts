import type { SubmittedRun } from "../../schema/wire/resources.ts";
import type { Connection } from "../connection.ts";
import { followRun } from "../follow/follow_run.ts";
import { print, printJson } from "../terminal.ts";

export const DETACH = ["-d, --detach", "print the address and the id of the run, and do not follow it"] as const;

/** Prints a run that was just submitted, or follows it to its end and takes over its exit code. */
export async function printOrFollow(
	connection: Connection,
	run: SubmittedRun,
	{ output, detach }: { output: string; detach?: boolean },
	setExitCode: (code: number) => void,
): Promise<void> {
	if (output === "json") printJson(run);
	else if (detach) printAddress(run);
	else setExitCode(await followRun(connection, run));
}

/** The address of a run, and its id in a line of its own for scripts. */
export function printAddress({ url, id }: SubmittedRun): void {
	print(`${url}\n${id}`);
}
