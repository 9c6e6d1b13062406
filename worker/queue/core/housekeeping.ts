import { type Core, command } from "./core.ts";
import { deleteOldCommits } from "./discovery/refs.ts";
import { deleteUndelivered, retryEffects } from "./effects/effects.ts";
import { deleteOldDeliveries } from "./effects/newest_deliveries.ts";
import { deleteOldStatuses } from "./effects/shown_statuses.ts";
import { deleteCold, deleteWarm } from "./leases/warm_agents.ts";
import { retryDeadEntries } from "./record/outbox.ts";
import { deleteIdleGroups } from "./runs/groups.ts";
import { startTimer } from "./timers.ts";

/**
 * The hourly work of the queue: it deletes empty partitions and long-gone agents, and retries what
 * failed for good.
 */

const TIDY_MS = 60 * 60_000;
/** An agent that was silent for this long is deleted. If it returns, it registers anew. */
const AGENT_GONE_MS = 30 * 24 * 60 * 60_000;
const LANES_AT_ONCE = 500;
/** For how long undelivered statuses and notifications are shown. */
const UNDELIVERED_MS = 7 * 24 * 60 * 60_000;
/**
 * How long the last status of a commit and the last delivery of a pull request are kept: longer
 * than a run may wait for its approval.
 */
const COMMIT_MEMORY_MS = 40 * 24 * 60 * 60_000;

/** Sets the hourly timer, unless it is set. */
export function scheduleHousekeeping(core: Core): void {
	command(core, () => startTimer(core, "housekeeping", core.now() + TIDY_MS));
}

/**
 * Deletes outdated rows. Call it inside a command.
 * @param lateByMs how late this call is: agents that were silent during an absence of the queue are
 * not deleted
 */
export function keepHouse(core: Core, lateByMs: number): void {
	if (lateByMs < TIDY_MS) deleteAbsentAgents(core);
	core.sql.all(
		"DELETE FROM queue_partitions WHERE id IN (SELECT id FROM queue_partitions WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE partition_id = queue_partitions.id) LIMIT ?)",
		LANES_AT_ONCE,
	);
	core.partitions.clear();
	deleteIdleGroups(core);
	deleteCold(core);
	retryDeadEntries(core);
	retryEffects(core);
	deleteUndelivered(core, core.now() - UNDELIVERED_MS);
	deleteOldStatuses(core, core.now() - COMMIT_MEMORY_MS);
	deleteOldDeliveries(core, core.now() - COMMIT_MEMORY_MS);
	deleteOldCommits(core);
	startTimer(core, "housekeeping", core.now() + TIDY_MS);
}

function deleteAbsentAgents(core: Core): void {
	const gone = core.sql.all<{ id: string }>(
		`DELETE FROM agents WHERE status = 'offline' AND coalesce(last_seen_at, registered_at) < ?
		AND NOT EXISTS (SELECT 1 FROM attempts WHERE agent_id = agents.id) AND NOT EXISTS (SELECT 1 FROM offers WHERE agent_id = agents.id) RETURNING id`,
		core.now() - AGENT_GONE_MS,
	);
	for (const { id } of gone) {
		core.sql.all("DELETE FROM declines WHERE agent_id = ?", id);
		deleteWarm(core, id);
	}
}
