import type { DatabaseSync } from "node:sqlite";
import type { BackupPart } from "./manifest.ts";

/** What a backup without logs or artifacts says of them: they have expired. */

/** How the keys of objects of each part begin. */
const PREFIXES: Record<BackupPart, readonly string[]> = { logs: ["logs/", "packs/"], artifacts: ["artifacts/"] };

export function isLeftOut(key: string, leftOut: readonly BackupPart[]): boolean {
	return leftOut.some((part) => PREFIXES[part].some((prefix) => key.startsWith(prefix)));
}

/** Marks what is left out in a copy of the record, or of a queue. */
export function markLeftOut(copy: DatabaseSync, leftOut: readonly BackupPart[], now: number): void {
	const has = (table: string) => copy.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined;
	if (leftOut.includes("logs") && has("attempts"))
		copy.prepare("UPDATE attempts SET log_key = NULL, log_offset = NULL, log_expired_at = ? WHERE log_key IS NOT NULL").run(now);
	if (leftOut.includes("artifacts") && has("artifacts"))
		copy.prepare("UPDATE artifacts SET expired_at = ? WHERE expired_at IS NULL").run(now);
}
