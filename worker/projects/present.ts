import type { ProjectRow } from "../../schema/database/tables.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { ComparisonState } from "../queue/core/discovery/comparisons.ts";
import { isoTime } from "../record/iso_time.ts";
import { apiGuess, forgeOf } from "../webhooks/service.ts";

/** What is known of a project beside its settings. */
interface ProjectFindings {
	/** The secrets that it names and that are not there. */
	missing: readonly string[];
	/** The notices that are stored. */
	notices: readonly string[];
	/** How its refs were compared; null where they are not, or nobody has asked. */
	comparison: ComparisonState | null;
}

export function presentProject(
	row: ProjectRow,
	baseUrl: string,
	{ missing, notices, comparison }: ProjectFindings = { missing: [], notices: [], comparison: null },
): Project {
	const { id, name, repository, default_branch, credentials, config, hook_secret, forge, forge_api, forge_token, status_context } = row;
	return {
		id,
		name,
		repository,
		default_branch,
		credentials,
		config,
		hook_secret,
		hook_url: `${baseUrl}/hooks/${id}`,
		forge,
		forge_api,
		forge_token,
		status_context,
		checkout_depth: row.checkout_depth,
		checkout_tags: row.checkout_tags,
		checkout_submodules: row.checkout_submodules,
		checkout_lfs: row.checkout_lfs,
		public_badges: row.has_public_badges === 1,
		require_pipeline: row.requires_pipeline === 1,
		poll: row.poll,
		comparison: comparison && {
			compared_at: isoTime(comparison.compared_at),
			found: comparison.found,
			run_id: comparison.run_id,
			next_at: isoTime(comparison.next_at),
			fault: comparison.fault,
		},
		keep_runs: row.keep_runs,
		keep_logs: row.keep_logs,
		keep_artifacts: row.keep_artifacts,
		notices: [
			...noticesOf(row),
			...missing.map((secret) => `There is no secret ${secret}: windlass secrets set ${secret} --project ${row.name}`),
			...notices,
			...(comparison?.fault ? [`The newest comparison of its refs failed, so that missed pushes are not found: ${comparison.fault}`] : []),
		],
		created_at: isoTime(row.created_at),
		updated_at: isoTime(row.updated_at),
	};
}

/** What a project is set up for and cannot do. */
function noticesOf(row: ProjectRow): string[] {
	const { name, repository, hook_secret, forge, forge_token, poll } = row;
	const isHalf = (hook_secret !== null || forge !== null) && repository === null;
	return [
		...(isHalf ? ["It has no repository: nothing can be run of what its forge delivers."] : []),
		...(poll !== null && repository === null ? ["Its refs are not compared (poll): it has no repository."] : []),
		...(forge !== null && hook_secret === null && poll === null
			? ["Its hook is closed: no secret is named that deliveries are signed with (hook_secret)."]
			: []),
		...(hook_secret !== null && forge === null ? ["Commit statuses are not sent: it does not say what its forge is (forge)."] : []),
		...(forge !== null && forge_token === null ? ["Commit statuses are not sent: no token for its forge is named (forge_token)."] : []),
		...(forge !== null && forge_token !== null && repository !== null ? apiNotices(row, name) : []),
	];
}

/** Whether it is known where the API of its forge is. */
function apiNotices(row: ProjectRow, name: string): string[] {
	const forge = forgeOf(row);
	if (typeof forge === "string") return [`Commit statuses are not sent: ${forge} (repository).`];
	const guess = apiGuess(row);
	if (guess === null) return [];
	return [
		`Its repository is read over SSH, which does not say where the API of its forge is. Commit statuses are sent to ${guess}, which is a guess: name the address (forge_api) with windlass projects edit ${name} --forge-api ${guess}`,
	];
}
