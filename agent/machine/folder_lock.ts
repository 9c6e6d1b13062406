import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Another process has locked the folder. */
export class FolderLocked extends Error {
	readonly pid: number | null;

	constructor(folder: string, pid: number | null) {
		super(`Another process${pid === null ? "" : ` (pid ${pid})`} uses the folder ${folder}. Stop it, or use another folder.`);
		this.name = "FolderLocked";
		this.pid = pid;
	}
}

export interface FolderLock {
	release(): void;
}

/**
 * Locks a folder for this process. The lock is SQLite's lock on a file in it, so the system
 * releases it when the process ends, however it ends.
 * @throws FolderLocked; Error with the system's code (EACCES …) if the folder cannot be created or
 * written
 */
export function lockFolder(folder: string): FolderLock {
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	const pidFile = path.join(folder, "pid");
	const file = path.join(folder, "lock");
	writeFileSync(file, "", { flag: "a", mode: 0o600 });
	const database = new DatabaseSync(file);
	try {
		database.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
	} catch {
		database.close();
		throw new FolderLocked(folder, readPid(pidFile));
	}
	writeFileSync(pidFile, String(process.pid), { mode: 0o600 });
	return { release: () => database.close() };
}

function readPid(file: string): number | null {
	try {
		return Number(readFileSync(file, "utf8")) || null;
	} catch {
		return null;
	}
}
