import { type Core, command, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { type AttemptRow, changeRow, findAttempt } from "../rows.ts";

/**
 * Logs that came whole with their results. The queue holds them until a pack of many logs is worth
 * an object in R2. A held log may stay here after its run has left the queue.
 */

interface HeldLog {
	attempt_id: string;
	bytes: ArrayBuffer;
}

/** How much is held, and since when. */
export interface HeldLogs {
	count: number;
	bytes: number;
	/** When the oldest of them came; null if none is held. */
	since: number | null;
}

/** Holds the log of an attempt. Call it inside the command that ends the attempt. */
export function holdLog(core: Core, attemptId: string, bytes: Uint8Array): void {
	core.rows.append("held_logs", { attempt_id: attemptId, bytes, held_at: core.now() });
	const { heldLogs: held } = core.hints;
	if (held) core.hints.heldLogs = { count: held.count + 1, bytes: held.bytes + bytes.byteLength, since: held.since ?? core.now() };
}

/** The bytes of a held log; null if the queue does not hold it. */
export function readHeldLog(core: Core, attemptId: string): Uint8Array | null {
	const [held] = core.sql.all<HeldLog>("SELECT attempt_id, bytes FROM held_logs WHERE attempt_id = ?", attemptId);
	return held ? new Uint8Array(held.bytes) : null;
}

/** Counted in memory: this is asked after every command. */
export function heldLogs(core: Core): HeldLogs {
	if (core.hints.heldLogs) return core.hints.heldLogs;
	const [held] = core.sql.all<{ n: number; bytes: number | null; since: number | null }>(
		"SELECT count(*) AS n, sum(length(bytes)) AS bytes, min(held_at) AS since FROM held_logs",
	);
	core.hints.heldLogs = { count: held?.n ?? 0, bytes: held?.bytes ?? 0, since: held?.since ?? null };
	return core.hints.heldLogs;
}

/** A log in a pack: where it begins, and its length. */
export interface PackedLog {
	attemptId: string;
	offset: number;
	bytes: number;
}

/** The content of a pack, and which log is where. */
export interface Pack {
	content: Uint8Array<ArrayBuffer>;
	logs: PackedLog[];
}

/** The held logs that fit into one pack. @param maxBytes the size that a pack does not exceed by more than one log */
export function nextPack(core: Core, maxLogs: number, maxBytes: number): Pack {
	const parts: Uint8Array[] = [];
	const logs: PackedLog[] = [];
	let size = 0;
	for (const held of core.sql.all<HeldLog>("SELECT attempt_id, bytes FROM held_logs ORDER BY attempt_id LIMIT ?", maxLogs)) {
		if (size >= maxBytes) break;
		const part = new Uint8Array(held.bytes);
		parts.push(part);
		logs.push({ attemptId: held.attempt_id, offset: size, bytes: part.byteLength });
		size += part.byteLength;
	}
	const content = new Uint8Array(size);
	for (const [index, part] of parts.entries()) content.set(part, logs[index]?.offset);
	return { content, logs };
}

/**
 * Records where packed logs are, for the attempts that the queue holds.
 * @returns the other logs: only the record has their attempts
 */
export function recordPacked(core: Core, key: string, logs: readonly PackedLog[]): PackedLog[] {
	return command(core, () =>
		logs.filter(({ attemptId, offset }) => {
			const attempt: AttemptRow | undefined = findAttempt(core, attemptId);
			if (!attempt) return true;
			changeRow(core, "attempts", attemptId, { log_key: key, log_offset: offset, log_held: 0, log_archived: 1, rev: nextRev(core) });
			markDirty(core, attempt.run_id);
			return false;
		}),
	);
}

/** Deletes held logs: R2 has them, or their run is deleted. */
export function dropHeldLogs(core: Core, attemptIds: readonly string[]): void {
	core.hints.heldLogs = null;
	core.sql.all("DELETE FROM held_logs WHERE attempt_id IN (SELECT value FROM json_each(?))", JSON.stringify(attemptIds));
}
