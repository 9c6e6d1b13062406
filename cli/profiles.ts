import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { UsageError } from "./usage_error.ts";

/**
 * The coordinators that this user has signed in to with `windlass login`, in a file that only they
 * can read (XDG Base Directory Specification).
 */

const profile = z.union([
	z.object({
		server: z.string(),
		access_token: z.string(),
		/** When it expires, in milliseconds since 1970 by the clock of this machine. */
		access_until: z.number(),
		refresh_token: z.string(),
	}),
	/** Of an earlier version. */
	z.object({ server: z.string(), token: z.string() }),
]);
export type Profile = z.infer<typeof profile>;
const stored = z.object({
	/** The one without `--profile`. */
	current: z.string().nullable(),
	profiles: z.record(z.string(), profile),
});
export type Profiles = z.infer<typeof stored>;

export const DEFAULT_PROFILE = "default";

function fileName(): string {
	const config = process.env.XDG_CONFIG_HOME;
	return path.join(config && path.isAbsolute(config) ? config : path.join(homedir(), ".config"), "windlass", "profiles.json");
}

/** @throws UsageError for a file that is damaged */
export function readProfiles(): Profiles {
	let text: string;
	try {
		text = readFileSync(fileName(), "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: null, profiles: {} };
		throw new UsageError(`${fileName()} cannot be read: ${(error as Error).message}`);
	}
	try {
		return stored.parse(JSON.parse(text));
	} catch {
		throw new UsageError(`${fileName()} is damaged. Remove it, and run windlass login again.`);
	}
}

/** Replaces the file as a whole. */
export function writeProfiles(profiles: Profiles): void {
	const file = fileName();
	mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
	// No file of another may be in its place.
	const temporary = `${file}.${randomUUID()}`;
	writeFileSync(temporary, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600, flag: "wx" });
	renameSync(temporary, file);
}

/** The profile of this name, or the current one; null without any. @throws UsageError for a name that is unknown */
export function findProfile(name: string | undefined): { name: string; profile: Profile } | null {
	const { current, profiles } = readProfiles();
	const wanted = name ?? current;
	if (wanted === null) return null;
	const found = profileNamed({ profiles }, wanted);
	if (found) return { name: wanted, profile: found };
	if (name === undefined) return null;
	const known = Object.keys(profiles).join(", ") || "none";
	throw new UsageError(`there is no profile ${name} (known: ${known}). Make it: windlass login --profile ${name} --server https://…`);
}

export function profileNamed({ profiles }: Pick<Profiles, "profiles">, name: string): Profile | undefined {
	return Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}

/** How long a command waits for another one that changes the file, and after which time that one is taken for dead. */
const WAIT_MS = 40_000;
const STALE_MS = 30_000;

/** Does something while no other command changes the file. */
export async function whileLocked<Value>(work: () => Promise<Value>): Promise<Value> {
	const lock = `${fileName()}.lock`;
	const id = randomUUID();
	const until = Date.now() + WAIT_MS;
	mkdirSync(path.dirname(lock), { recursive: true, mode: 0o700 });
	while (!isTaken(lock, id)) {
		if (Date.now() > until) throw new UsageError(`another command holds ${lock} for too long. Remove it, and try again.`);
		await sleep(50);
	}
	try {
		return await work();
	} finally {
		// Another command may have taken this one for dead.
		if (holderOf(lock) === id) rmSync(lock, { force: true });
	}
}

/** Takes the lock if nobody has it, or who has it is dead. */
function isTaken(lock: string, id: string): boolean {
	try {
		writeFileSync(lock, id, { flag: "wx", mode: 0o600 });
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
	}
	const held = statSync(lock, { throwIfNoEntry: false });
	if (held && Date.now() - held.mtimeMs > STALE_MS) putAside(lock, id);
	return false;
}

/** Of several commands that see a stale lock, one puts it aside. */
function putAside(lock: string, id: string): void {
	const aside = `${lock}.${id}`;
	try {
		renameSync(lock, aside);
		rmSync(aside, { force: true });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
	}
}

function holderOf(lock: string): string | null {
	try {
		return readFileSync(lock, "utf8");
	} catch {
		return null;
	}
}
