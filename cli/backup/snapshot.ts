import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
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
/** The contents of objects: there may be very many, and none of them is a database. */
const BLOBS = "blobs";
const TRIES = 5;
const RETRY_MS = 200;
/** The coordinator goes on after this time, also if this process is killed meanwhile. */
const MOST_HELD_S = 1;
/** A hold that took longer may have ended before all databases were open. */
const SURE_MS = 800;
/** How soon a stopped process stands still. */
const STOPPED_MS = 100;

/**
 * @param folder the data folder
 * @param workers finds the workerd processes of the coordinator; none: it does not run
 * @throws Error if a database stays locked
 */
export async function takeSnapshot(folder: string, workers: () => readonly number[]): Promise<Snapshot> {
	for (let attempt = 1; ; attempt += 1) {
		const databases: Snapshot["databases"] = [];
		const held = await hold(workers());
		try {
			const files = databasesIn(folder);
			for (const file of files) databases.push({ path: file, database: pinned(path.join(folder, file)) });
			const heldMs = held.release();
			if (heldMs > SURE_MS) throw new Error(`the databases took ${Math.round(heldMs)} ms to open`);
			return { databases, heldMs, close: () => closeAll(databases) };
		} catch (error) {
			closeAll(databases);
			// A writer may hold a lock that it lets go of when it goes on.
			if (attempt >= TRIES) throw error;
		} finally {
			held.release();
		}
		await sleep(RETRY_MS * attempt);
	}
}

/** Stops processes until they are released, and at most for a second. */
async function hold(pids: readonly number[]): Promise<{ release(): number }> {
	const guard = pids.length > 0 ? await guardOf(pids) : null;
	const started = performance.now();
	for (const pid of pids) process.kill(pid, "SIGSTOP");
	for (const until = started + STOPPED_MS; pids.some((pid) => !isStopped(pid)) && performance.now() < until; ) await sleep(1);
	let heldMs: number | null = null;
	return {
		release: () => {
			heldMs ??= performance.now() - started;
			for (const pid of pids) goOn(pid);
			// Otherwise it would end the next hold.
			guard?.kill("SIGKILL");
			return heldMs;
		},
	};
}

/** A process of its own that has the others go on, whatever becomes of this one. @throws Error if it cannot be started */
async function guardOf(pids: readonly number[]): Promise<ChildProcess> {
	// exec: it is one process, which is killed with it.
	const guard = spawn("sh", ["-c", `trap "" HUP; sleep ${MOST_HELD_S}; kill -CONT ${pids.join(" ")}`], { detached: true, stdio: "ignore" });
	await new Promise<void>((resolve, reject) => {
		guard.once("spawn", resolve);
		guard.once("error", reject);
	});
	guard.unref();
	return guard;
}

/** Whether all threads of a process stand still; where nobody can tell, it is taken for granted. */
function isStopped(pid: number): boolean {
	try {
		return readdirSync(`/proc/${pid}/task`).every((task) =>
			/ [TtZX] /.test(readFileSync(`/proc/${pid}/task/${task}/stat`, "latin1").replace(/^.*\)/s, "")),
		);
	} catch {
		return true;
	}
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
	const find = (place: string): string[] =>
		readdirSync(path.join(folder, place), { withFileTypes: true }).flatMap((entry) => {
			const inner = path.join(place, entry.name);
			if (entry.isDirectory()) return entry.name === BLOBS ? [] : find(inner);
			return entry.name.endsWith(".sqlite") ? [inner] : [];
		});
	return existsSync(path.join(folder, STORAGE)) ? find(STORAGE).sort() : [];
}
