import { realpathSync } from "node:fs";
import path from "node:path";
import { DISTRIBUTION } from "./coordinator/distribution.ts";

/** The folder of this process at its start. */
const startedIn = process.cwd();

/**
 * Changes to the folder in which the person called npm. npm starts a script in the folder of its
 * package, and gives the caller's folder in INIT_CWD: relative paths on the command line are
 * relative to that one.
 */
export function enterCallersFolder(): void {
	const { INIT_CWD: calledIn, npm_lifecycle_event: script, npm_command: command } = process.env;
	if (!calledIn || (script === undefined && command === undefined)) return;
	// A script of another package that calls this program uses its own folder.
	if (realpathSync(startedIn) === realpathSync(path.dirname(DISTRIBUTION))) process.chdir(calledIn);
}

/**
 * The default data folder. It lies where this process was started, whatever folder npm was called
 * in.
 */
export function defaultDataFolder(): string {
	return process.cwd() === startedIn ? "./.windlass-data" : path.join(startedIn, ".windlass-data");
}
