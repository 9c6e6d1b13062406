import { type Core, command, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, findAttempt } from "../rows.ts";

/** The location of an archived log, as its shard reports it. */
export interface ArchivedLogNote {
	/** The R2 object; null for an empty log. */
	key: string | null;
	bytes: number;
	sha256: string | null;
	isIncomplete: boolean;
}

/** Records the location of an archived log. */
export function logArchived(core: Core, attemptId: string, log: ArchivedLogNote): void {
	command(core, () => recordArchived(core, attemptId, log));
}

/** The same, to be called inside a command. */
export function recordArchived(core: Core, attemptId: string, log: ArchivedLogNote): void {
	const attempt = findAttempt(core, attemptId);
	if (!attempt || attempt.log_archived === 1) return;
	const isDamaged = !log.isIncomplete && attempt.log_sha256 !== null && attempt.log_sha256 !== log.sha256;
	if (isDamaged) core.report("a log is not what its agent sent", { attempt: attemptId });
	changeRow(core, "attempts", attemptId, {
		...{ log_key: log.key, log_bytes: log.bytes, log_sha256: log.sha256, log_archived: 1, rev: nextRev(core) },
		log_incomplete: log.isIncomplete || isDamaged || attempt.log_incomplete === 1 ? 1 : 0,
	});
	markDirty(core, attempt.run_id);
}
