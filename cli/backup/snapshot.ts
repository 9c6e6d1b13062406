import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * All databases of a data folder as they are at one moment. A read transaction on each keeps what it
 * sees, while the coordinator goes on. While they begin, workerd is stopped (SIGSTOP) for some
 * milliseconds, so that they are of the same moment: the state that a power cut would leave, from
 * which the coordinator always recovers.
 */
export interface Snapshot {
	/** By their places in the data folder. */
	databases: { path: string; database: DatabaseSync }[];
	/** For how long the coordinator was held, in milliseconds. */
	heldMs: number;
	close(): void;
}

const STORAGE = "storage";
const TRIES = 20;
const RETRY_MS = 50;
/** The coordinator goes on after this time, also if this process is killed meanwhile. */
const MOST_HELD_S = 1;
/** A hold that took longer may have ended before all databases were open. */
const SURE_MS = 800;

/**
 * @param folder the data folder
 * @param workers finds the workerd processes of the coordinator; none: it does not run
 * @throws Error if a database stays locked
 */
export async function takeSnapshot(folder: string, workers: () => readonly number[]): Promise<Snapshot> {
	for (let attempt = 1; ; attempt += 1) {
		// Looked up before the moment, so that it is short. One that appears meanwhile is found in the next try.
		const files = databasesIn(folder);
		const stopped = workers();
		const started = performance.now();
		const databases: Snapshot["databases"] = [];
		try {
			if (stopped.length > 0) guard(stopped);
			for (const pid of stopped) process.kill(pid, "SIGSTOP");
			for (const file of files) databases.push({ path: file, database: pinned(path.join(folder, file)) });
			if (databasesIn(folder).length !== files.length) throw new Error("a database has appeared");
			const heldMs = performance.now() - started;
			if (heldMs > SURE_MS) throw new Error(`the databases took ${Math.round(heldMs)} ms to open`);
			return { databases, heldMs, close: () => closeAll(databases) };
		} catch (error) {
			closeAll(databases);
			// A writer may hold a lock that it lets go of when it goes on.
			if (attempt >= TRIES) throw error;
		} finally {
			for (const pid of stopped) goOn(pid);
		}
		await sleep(RETRY_MS);
	}
}

/** A process of its own that has the others go on, whatever becomes of this one. */
function guard(pids: readonly number[]): void {
	spawn("sh", ["-c", `sleep ${MOST_HELD_S}; kill -CONT ${pids.join(" ")}`], { detached: true, stdio: "ignore" }).unref();
}

/** A connection whose reads all see this moment. */
function pinned(file: string): DatabaseSync {
	const database = new DatabaseSync(file, { readOnly: true, timeout: 0 });
	try {
		database.exec("BEGIN");
		database.prepare("SELECT count(*) FROM sqlite_schema").get();
		return database;
	} catch (error) {
		database.close();
		throw error;
	}
}

function closeAll(databases: Snapshot["databases"]): void {
	for (const { database } of databases) if (database.isOpen) database.close();
}

function goOn(pid: number): void {
	try {
		process.kill(pid, "SIGCONT");
	} catch {
		// It has ended.
	}
}

function databasesIn(folder: string): string[] {
	const storage = path.join(folder, STORAGE);
	if (!existsSync(storage)) return [];
	return readdirSync(storage, { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".sqlite") && !name.includes(`${path.sep}blobs${path.sep}`))
		.sort()
		.map((name) => path.join(STORAGE, name));
}
