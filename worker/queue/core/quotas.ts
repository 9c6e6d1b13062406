import { ApiError } from "../../../schema/wire/errors.ts";
import { NO_QUOTAS, type QuotaChange, type Quotas } from "../../../schema/wire/quotas.ts";
import { type Core, command } from "./core.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { queuedByPartition } from "./runs/queued_jobs.ts";

/** How many jobs a team may queue and run at once. */

export function setQuotas(core: Core, change: QuotaChange): Quotas {
	return command(core, () => {
		const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
		const next = { ...quotasOf(core), ...given };
		writeMeta(core.sql, "quotas", JSON.stringify(next));
		core.hints.quotas = undefined;
		return next;
	});
}

export function quotasOf(core: Core): Quotas {
	core.hints.quotas ??= { ...NO_QUOTAS, ...(JSON.parse(readMeta(core.sql, "quotas") ?? "{}") as Partial<Quotas>) };
	return core.hints.quotas;
}

/** How many jobs wait for an agent. */
export function queuedJobs(core: Core): number {
	return [...queuedByPartition(core).values()].reduce((sum, n) => sum + n, 0);
}

/** How many jobs run or are offered. */
export function runningJobs(core: Core): number {
	return core.rows.live("attempts").length + core.rows.live("offers").length;
}

/** Whether one more job may run now. */
export function mayRunMore(core: Core): boolean {
	const { running_jobs: most } = quotasOf(core);
	return most === null || runningJobs(core) < most;
}

/** @throws ApiError `quota_exceeded` if so many more jobs cannot wait */
export function assertMayQueue(core: Core, more: number): void {
	const { queued_jobs: most } = quotasOf(core);
	if (most === null) return;
	const waiting = queuedJobs(core);
	if (waiting + more <= most) return;
	throw new ApiError(
		"quota_exceeded",
		`${waiting} jobs wait for an agent. With the ${more} of this run the team is above its quota of ${most}.`,
		{
			details: { quota: "queued_jobs", most, used: waiting, asked: more },
			suggestions: [
				"Submit it again once some have run, or cancel runs that nobody needs.",
				"An operator changes quotas: windlass quotas set",
			],
		},
	);
}
