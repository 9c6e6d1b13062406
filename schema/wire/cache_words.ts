import { formatBytes } from "./bytes.ts";
import type { CacheUse, RemovedCache } from "./caches.ts";
import { formatDuration } from "./duration.ts";

/** How a job used a cache, in words. */
export function cacheUseWords({ result, restored, from, bytes, ms }: CacheUse): string {
	if (result === "miss") return "not found";
	if (result === "failed") return `not restored, see the log (after ${formatDuration(ms)})`;
	const what = result === "hit" ? "hit" : `partial hit: ${restored}`;
	return `${what}, ${formatBytes(bytes)} ${from === "agent" ? "from the agent's disk" : "from the coordinator"} in ${formatDuration(ms)}`;
}

/** Why a cache was removed, in words. */
export const REMOVAL_WORDS: Record<RemovedCache["why"], string> = {
	quota: "the project had no room left",
	team_quota: "the projects of the team had no room left",
	installation_quota: "all projects together had no room left",
	unused: "no job used it for long",
	damaged: "it was damaged",
};
