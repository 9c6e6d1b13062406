import type { ProjectRow } from "../../schema/database/tables.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { ComparisonState } from "../queue/core/discovery/comparisons.ts";
import { isoTime } from "../record/iso_time.ts";
import { apiGuess, forgeOf } from "../webhooks/service.ts";

/** The state of a project beside its settings. */
interface ProjectFindings {
	/** Names of secrets in its settings that do not exist. */
	missing: readonly string[];
	/** The stored notices. */
	notices: readonly string[];
	/** The state of its comparisons; null without comparisons, or in lists. */
	comparison: ComparisonState | null;
}

export function presentProject(
	row: ProjectRow,
	baseUrl: string,
	{ missing, notices, comparison }: ProjectFindings = { missing: [], notices: [], comparison: null },
): Project {
	const {
		id,
		name,
		repository,
		default_branch,
		credentials,
		config,
		hook_secret,
		forge,
		forge_api,
		forge_token,
		forge_app,
		status_context,
	} = row;
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
		forge_app,
		status_context,
		checkout_depth: row.checkout_depth,
		checkout_filter: row.checkout_filter,
		checkout_tags: row.checkout_tags,
		checkout_submodules: row.checkout_submodules,
		checkout_lfs: row.checkout_lfs,
		warm_mirrors: row.warm_mirrors,
		public_badges: row.has_public_badges === 1,
		require_pipeline: row.requires_pipeline === 1,
		poll: row.poll,
		comparison: comparison && {
			compared_at: isoTime(comparison.compared_at),
			found: comparison.found,
			run_id: comparison.run_id,
			next_at: isoTime(comparison.next_at),
			error: comparison.error,
		},
		includable_by: row.includable_by,
		trusted_authors: row.trusted_authors,
		fork_approvers: row.fork_approvers,
		public: row.is_public === 1,
		keep_runs: row.keep_runs,
		keep_logs: row.keep_logs,
		keep_artifacts: row.keep_artifacts,
		cache_quota: row.cache_quota,
		notices: [
			...settingNotices(row),
			...missing.map((secret) => `The secret ${secret} does not exist. Run: windlass secrets set ${secret} --project ${row.name}`),
			...notices,
			...(comparison?.error ? [`The newest comparison of its refs failed, so missed pushes start no runs: ${comparison.error}`] : []),
		],
		created_at: isoTime(row.created_at),
		updated_at: isoTime(row.updated_at),
	};
}

/** The notices about missing settings. */
function settingNotices(row: ProjectRow): string[] {
	const { name, repository, hook_secret, forge, forge_token, poll } = row;
	const edit = `windlass projects edit ${name}`;
	const lacksRepository = (hook_secret !== null || forge !== null) && repository === null;
	return [
		...(lacksRepository ? [`It has no repository, so its deliveries start no runs. Run: ${edit} --repository <address>`] : []),
		...(poll !== null && repository === null ? [`It has no repository, so poll has no effect. Run: ${edit} --repository <address>`] : []),
		...(forge !== null && hook_secret === null && poll === null
			? [`Its hook is closed, because it has no hook secret. Run: ${edit} --hook-secret <secret>`]
			: []),
		...(hook_secret !== null && forge === null
			? [`Commit statuses are not sent, because it has no forge. Run: ${edit} --forge <forge>`]
			: []),
		...(forge !== null && forge_token === null
			? [`Commit statuses are not sent, because it has no token for its forge. Run: ${edit} --forge-token <secret>`]
			: []),
		...(forge !== null && forge_token !== null && repository !== null ? apiNotices(row, name) : []),
	];
}

/** The notices about the address of the API of its forge. */
function apiNotices(row: ProjectRow, name: string): string[] {
	const forge = forgeOf(row);
	if (typeof forge === "string") return [`Commit statuses are not sent: ${forge}. Correct the setting repository.`];
	const guess = apiGuess(row);
	if (guess === null) return [];
	return [
		`Its repository has an SSH address, which does not contain the address of the API. Commit statuses go to ${guess}, which is a guess. Confirm or correct it: windlass projects edit ${name} --forge-api ${guess}`,
	];
}
