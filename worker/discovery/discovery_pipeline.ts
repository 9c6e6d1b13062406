import type { ProjectRow } from "../../schema/database/tables.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
import type { DiscoveryWork } from "../../schema/wire/discovery.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";

/** The options of a discovery run. */
export interface DiscoveryOptions {
	/** The one file to run; null: every file whose `on` matches. */
	file: string | null;
	params: Record<string, string>;
	/** Whether a person replays a delivery. */
	isReplay?: boolean;
}
export const ALL_FILES: DiscoveryOptions = { file: null, params: {} };

const TIMEOUT_MS = 10 * 60_000;
/** Before all other jobs: it is short, and they wait for it. */
const PRIORITY = 100;

/**
 * The pipeline of a discovery run: one job, in which an agent reads the pipeline files of the
 * commit.
 * @throws ApiError `conflict` for a project without a repository
 */
export function discoveryPipeline(
	project: ProjectRow,
	trigger: Trigger,
	{ file, params, isReplay = false }: DiscoveryOptions,
): ResolvedPipeline {
	const { repository } = project;
	if (repository === null) {
		throw new ApiError("conflict", `The project ${project.name} has no repository.`, {
			suggestions: [`Run: windlass projects edit ${project.name} --repository https://…`],
		});
	}
	const isRenamed = trigger.default_branch !== undefined && trigger.default_branch !== project.default_branch;
	const renamed = isRenamed ? { default_branch: project.default_branch } : {};
	const work: DiscoveryWork = { config: file ?? project.config, changes: changesOf(trigger), projects: [], ...renamed };
	const isOfDefaultBranch = trigger.kind === "push" && trigger.branch === project.default_branch && file === null;
	return withDefaults({
		name: "discovery",
		source: { git: repository, ref: trigger.ref },
		branch: trigger.branch,
		priority: PRIORITY,
		jobs: [
			{
				key: "discovery",
				name: "discovery",
				needs: [],
				runs_on: { labels: [] },
				env: {},
				timeout_ms: TIMEOUT_MS,
				retry: { attempts: 3, on: ["errored", "lost", "timed_out"] },
				steps: [],
				artifacts: { save: [] },
				discovery: {
					work,
					trigger,
					file,
					params,
					is_of_default_branch: isOfDefaultBranch,
					is_replay: isReplay,
					requires_pipeline: project.requires_pipeline === 1,
				},
			},
		],
	});
}

/** The base of the comparison that finds the changed paths; null where there is none. */
function changesOf({ kind, before, pull_request, merge_target }: Trigger): DiscoveryWork["changes"] {
	if (merge_target !== undefined) return { target: merge_target };
	if (kind === "pull_request" && pull_request) return { target: pull_request.target };
	return kind === "push" && before !== null ? { since: before } : null;
}
