import { isTerminal, type RunState } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";

/**
 * The status that each context of a commit shows, and its last result. A run that did nothing must
 * not replace a result.
 */

export interface Status {
	runId: string;
	state: RunState;
	description: string;
}

interface ShownRow {
	run_id: string;
	/** JSON of the last `Status` of an ended run; null before the first. */
	result: string | null;
}

/** Records the status that the context shows now. Call it inside a command. */
export function showStatus(core: Core, key: string, status: Status): Status {
	core.sql.all(
		`INSERT INTO shown_statuses (key, run_id, result, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET run_id = excluded.run_id, result = coalesce(excluded.result, result), at = excluded.at`,
		key,
		status.runId,
		isTerminal(status.state) ? JSON.stringify(status) : null,
		core.now(),
	);
	return status;
}

/**
 * The status that a context shows after a run that did nothing: the last result, or the run's own
 * status without one. Call it inside a command.
 * @returns null if the forge shows the right status already
 */
export function yieldStatus(core: Core, key: string, status: Status): Status | null {
	const shown = findShown(core, key);
	if (!shown) return showStatus(core, key, status);
	if (shown.run_id !== status.runId) return null;
	return showStatus(core, key, shown.result === null ? status : (JSON.parse(shown.result) as Status));
}

/** The last result in a context; null without one. */
export function lastResult(core: Core, key: string): Status | null {
	const result = findShown(core, key)?.result ?? null;
	return result === null ? null : (JSON.parse(result) as Status);
}

function findShown(core: Core, key: string): ShownRow | undefined {
	return core.sql.all<{ run_id: string; result: string | null }>("SELECT run_id, result FROM shown_statuses WHERE key = ?", key)[0];
}

/** Deletes contexts whose status has not changed since this time. Call it inside a command. */
export function deleteOldStatuses(core: Core, before: number): void {
	core.sql.all("DELETE FROM shown_statuses WHERE at < ?", before);
}
