import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { JOB_COMMAND } from "./script.ts";

/** Writes the `windlass` command of jobs into a folder, which any user of a container may read. */
export function writeJobCommand(folder: string): void {
	mkdirSync(folder, { recursive: true });
	chmodSync(folder, 0o755);
	// A job may run the one of a process before this one.
	const file = `${folder}/.windlass.new`;
	writeFileSync(file, JOB_COMMAND, { mode: 0o755 });
	chmodSync(file, 0o755);
	renameSync(file, `${folder}/windlass`);
}
