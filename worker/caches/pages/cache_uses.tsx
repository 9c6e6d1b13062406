import { formatBytes } from "../../../schema/wire/bytes.ts";
import { cacheUseWords } from "../../../schema/wire/cache_words.ts";
import type { CacheUse } from "../../../schema/wire/caches.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job } from "../../../schema/wire/resources.ts";
import { Part } from "../../ui/parts.ts";
import { counted } from "../../ui/words.tsx";

/** How a job used its caches. */
export function CacheUses({ uses }: { uses: readonly CacheUse[] }) {
	if (uses.length === 0) return null;
	return (
		<Part id="caches" as="ul" class="soft caches" aria-label="Caches">
			{uses.map((use) => (
				<li key={use.key}>
					Cache <code>{use.key}</code>: <span class={use.result === "failed" ? "bad" : undefined}>{cacheUseWords(use)}</span>
				</li>
			))}
		</Part>
	);
}

/** The caches of all jobs of a run, in a line. */
export function CachesOfRun({ jobs }: { jobs: readonly Job[] }) {
	const uses = jobs.flatMap((job) => job.attempts.at(-1)?.caches ?? []);
	if (uses.length === 0) return null;
	const count = (result: CacheUse["result"]) => uses.filter((use) => use.result === result).length;
	const parts = [
		`${count("hit")} of ${counted(uses.length, "cache")} hit`,
		count("partial") > 0 && `${count("partial")} in part`,
		count("failed") > 0 && `${count("failed")} not restored`,
	].filter(Boolean);
	const bytes = uses.reduce((sum, use) => sum + use.bytes, 0);
	const ms = uses.reduce((sum, use) => sum + use.ms, 0);
	const size = bytes === 0 ? "" : `; ${formatBytes(bytes)} in ${formatDuration(ms)}`;
	return (
		<Part id="caches" as="p" class="soft">
			{`${parts.join(", ")}${size}.`}
		</Part>
	);
}
