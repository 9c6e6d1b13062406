import { realpathSync } from "node:fs";
import path from "node:path";
import { DISTRIBUTION } from "./coordinator/coordinator.ts";

/** The folder that this process was started in. */
const startedIn = process.cwd();

/**
 * Goes to the folder that the person stands in. npm starts a script in the folder of its package, and says in INIT_CWD where it was called:
 * relative paths mean that one.
 */
export function goWherePersonStands(): void {
	const { INIT_CWD: calledIn, npm_lifecycle_event: script, npm_command: command } = process.env;
	if (!calledIn || (script === undefined && command === undefined)) return;
	// A script of another package that calls this program means its own folder.
	if (realpathSync(startedIn) === realpathSync(path.dirname(DISTRIBUTION))) process.chdir(calledIn);
}

/** Where a coordinator keeps its data unless somebody says so: where this process was started, wherever npm was called. */
export function defaultDataFolder(): string {
	return process.cwd() === startedIn ? "./.windlass-data" : path.join(startedIn, ".windlass-data");
}
