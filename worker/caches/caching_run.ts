import type { CACHE_SCOPES } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { findTrustedProject } from "../record/projects.ts";
import { type CachingRun, type Scopes, scopesOf } from "./scopes.ts";

/** The run of a live attempt, as far as its caches depend on it. */
export interface CachingAttempt extends CachingRun {
	team: string;
	project: string;
	jobId: string;
	/** The labels that its job asks for. */
	labels: readonly string[];
	/** Whether the coordinator's disk has room for more. */
	hasRoom: boolean;
	/** The scopes of a cache; or why the run may not use it, as a sentence. */
	scopes(wanted: (typeof CACHE_SCOPES)[number]): Scopes | string;
}

/** The default branch of a project without settings. */
const DEFAULT_BRANCH = "main";

/** @throws ApiError `attempt_finished`, `attempt_superseded` */
export async function cachingAttempt(environment: Environment, lease: LeaseTokenClaims): Promise<CachingAttempt> {
	const { facts, isTrusted, isUpload, labels, hasRoom } = unwrap(await dispatcherOf(environment, lease.team).cachingRunOf(lease));
	const { project } = facts;
	const defaultBranch = (await findTrustedProject(environment.DB, lease.team, project))?.default_branch ?? DEFAULT_BRANCH;
	return {
		facts,
		isTrusted,
		isUpload,
		team: lease.team,
		project,
		jobId: lease.jobId,
		labels,
		hasRoom,
		scopes: (wanted) =>
			scopesOf({ facts, isTrusted, isUpload }, wanted, defaultBranch) ?? "A run of a fork cannot use a cache with `scope: project`.",
	};
}
