import type { Histogram } from "../../schema/text/exposition.ts";

/** Counts of answered requests. */

export interface RequestCounts {
	/** By method, route and status, with a blank between. */
	answered: Record<string, number>;
	/** By method and route: how long requests took that wait for nothing. */
	seconds: Record<string, Histogram>;
}

export function noRequests(): RequestCounts {
	return { answered: {}, seconds: {} };
}

/** Adds counts to others. */
export function addRequests(all: RequestCounts, more: RequestCounts): void {
	for (const [key, count] of Object.entries(more.answered)) all.answered[key] = (all.answered[key] ?? 0) + count;
	for (const [key, { counts, sum }] of Object.entries(more.seconds)) {
		const known = all.seconds[key];
		if (known === undefined) all.seconds[key] = { counts: [...counts], sum };
		else all.seconds[key] = { counts: known.counts.map((count, at) => count + (counts[at] ?? 0)), sum: known.sum + sum };
	}
}
