import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import * as z from "zod";
import { UsageError } from "./usage_error.ts";

/**
 * The coordinators that this user has signed in to with `windlass login`, in a file that only they
 * can read (XDG Base Directory Specification).
 */

const profile = z.object({ server: z.string(), token: z.string() });
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
export function findProfile(name: string | undefined): { server: string; token: string } | null {
	const { current, profiles } = readProfiles();
	const wanted = name ?? current;
	if (wanted === null) return null;
	const found = Object.hasOwn(profiles, wanted) ? profiles[wanted] : undefined;
	if (found) return found;
	if (name === undefined) return null;
	const known = Object.keys(profiles).join(", ") || "none";
	throw new UsageError(`there is no profile ${name} (known: ${known}). Make it: windlass login --profile ${name} --server https://…`);
}
