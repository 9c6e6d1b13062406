import type { ProjectRow } from "../../schema/database/tables.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
import { parseDuration } from "../../schema/wire/duration.ts";
import type { ComparedProject } from "../queue/core/discovery/comparisons.ts";

/** What the queue does for a comparison is done in the name of this actor. */
export const COMPARISON_ACTOR = "a comparison of refs";

const TIMEOUT_MS = 10 * 60_000;
/** After the plans of pushes, and before any other work: it is short. */
const PRIORITY = 90;

/** What the queue needs to compare the refs of a project; null where nobody has asked for runs of pushes. */
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
				// A repository that does not answer is asked again by the next comparison.
				retry: { attempts: 3, on: ["lost"] },
				steps: [],
				artifacts: { save: [] },
				lists_refs: true,
			},
		],
	});
}
