import type { Core } from "../core.ts";

/** How many jobs are queued, by partition. Partitions without one are left out. */
export function queuedByPartition(core: Core): ReadonlyMap<number, number> {
	core.hints.queued ??= new Map(
		core.sql
			.all<{ id: number; n: number }>("SELECT partition_id AS id, count(*) AS n FROM jobs WHERE state = 'queued' GROUP BY partition_id")
			.map(({ id, n }) => [id, n]),
	);
	return core.hints.queued;
}

/** Counts a job that enters the queue, or leaves it. */
export function countQueued(core: Core, partitionId: number, change: 1 | -1): void {
	const { queued } = core.hints;
	if (!queued) return;
	const n = (queued.get(partitionId) ?? 0) + change;
	if (n > 0) queued.set(partitionId, n);
	else queued.delete(partitionId);
}
