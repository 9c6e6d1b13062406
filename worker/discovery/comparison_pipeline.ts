import type { ProjectRow } from "../../schema/database/tables.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
import { parseDuration } from "../../schema/wire/duration.ts";
import type { ComparedProject } from "../queue/core/discovery/comparisons.ts";

/** The actor of runs that a comparison starts. */
export const COMPARISON_ACTOR = "a comparison of refs";

const TIMEOUT_MS = 10 * 60_000;
/** After discovery jobs and before all other jobs: it is short. */
const PRIORITY = 90;

/**
 * The settings of the comparison of a project; null where a project has no webhook and no polling.
 */
export function comparedProject({ name, repository, hook_secret, poll }: ProjectRow): ComparedProject | null {
	if (repository === null || (hook_secret === null && poll === null)) return null;
	return { project: name, repository, pollMs: poll === null ? null : parseDuration(poll) };
}

/** The pipeline of a comparison: one job, whose agent lists the refs of the repository. */
export function comparisonPipeline(repository: string): ResolvedPipeline {
	return withDefaults({
		name: "compare",
		source: { git: repository, ref: null },
		priority: PRIORITY,
		jobs: [
			{
				key: "compare",
				name: "compare",
				needs: [],
				runs_on: { labels: [] },
				env: {},
				timeout_ms: TIMEOUT_MS,
				// The next comparison asks an unreachable repository again.
				retry: { attempts: 3, on: ["lost"] },
				steps: [],
				artifacts: { save: [] },
				lists_refs: true,
			},
		],
	});
}
