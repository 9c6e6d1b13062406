export { putNotice, removeNotices, updateNotices } from "./notices_store.ts";

import type { ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { Project, ProjectChange, ProjectRequest } from "../../schema/wire/projects.ts";
import { comparedProject } from "../discovery/service.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { addProject, changeProject, deleteProjectRecord } from "../record/projects.ts";
import { requireProject } from "../record/require.ts";
import { missingSecrets } from "../secrets/service.ts";
import { newestHeardOf, noticesOfDeliveries } from "../webhooks/service.ts";
import { listNotices, removeNotices } from "./notices_store.ts";
import { presentProject } from "./present.ts";

type Caller = RequestContext<"user">;

/** So many of the newest deliveries show what is wrong with a webhook. */
const HEARD_OF = 200;

/** A project with all that it is set up for and cannot do. */
export async function describeProject(
	{ environment, baseUrl }: Pick<Caller, "environment" | "baseUrl">,
	row: ProjectRow,
): Promise<Project> {
	const named = [row.credentials, row.hook_secret, row.forge_token].filter((name) => name !== null);
	const [missing, stored, heard, [comparison = null]] = await Promise.all([
		missingSecrets(environment.DB, row.team, row.name, named),
		listNotices(environment.DB, row.team, row.name),
		newestHeardOf(environment.DB, row.team, row.name, HEARD_OF),
		dispatcherOf(environment, row.team).readComparisons(row.name),
	]);
	const notices = [...stored, ...noticesOfDeliveries(row, heard, Date.now())];
	return presentProject(row, baseUrl, { missing, notices, comparison });
}

/** Has the queue compare the refs of a project as its settings say now. */
async function follow(environment: Caller["environment"], row: ProjectRow): Promise<void> {
	const dispatcher = dispatcherOf(environment, row.team);
	const compared = comparedProject(row);
	if (compared) await dispatcher.followProject(compared);
	else await dispatcher.unfollowProject(row.name);
}

/** @throws ApiError `conflict` for a name that is taken */
export async function createProject(
	{ environment, principal, requestId, baseUrl }: Caller,
	{ name, public_badges, require_pipeline, ...settings }: ProjectRequest,
): Promise<Project> {
	const flags = { has_public_badges: Number(public_badges), requires_pipeline: Number(require_pipeline) };
	const created = await addProject(environment.DB, principal.team, name, { ...settings, ...flags });
	if (!created) {
		throw new ApiError("conflict", `There is a project ${name} already.`, {
			suggestions: [`Change it on the page /projects/${name}, or with: windlass projects edit ${name}`],
		});
	}
	if (comparedProject(created)) await follow(environment, created);
	log("info", "project created", { request_id: requestId, actor: actorOf(principal), project: name });
	return describeProject({ environment, baseUrl }, created);
}

/** Settings that decide where statuses are sent: once one of them is corrected, what the forge has not accepted is sent again. */
const STATUS_SETTINGS = ["repository", "forge", "forge_api", "forge_token", "status_context"] as const satisfies (keyof ProjectChange)[];

/** Notices that a new value of a setting makes out of date; what is still wrong is noticed again. */
const NOTICES = [
	{ setting: "default_branch", kind: "default_branch" },
	{ setting: "config", kind: "no_pipeline" },
	{ setting: "repository", kind: "no_pipeline" },
	{ setting: "repository", kind: "statuses" },
	{ setting: "forge", kind: "statuses" },
	{ setting: "forge_api", kind: "statuses" },
	{ setting: "forge_token", kind: "statuses" },
] as const satisfies { setting: keyof ProjectChange; kind: string }[];

/** @throws ApiError `not_found` */
export async function editProject(
	{ params, environment, principal, requestId, baseUrl }: Caller,
	{ public_badges, require_pipeline, ...wanted }: ProjectChange,
): Promise<Project> {
	const flags = {
		...(public_badges === undefined ? {} : { has_public_badges: Number(public_badges) }),
		...(require_pipeline === undefined ? {} : { requires_pipeline: Number(require_pipeline) }),
	};
	const given = { ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)), ...flags };
	const before = await requireProject({ params, environment, principal });
	const changed = await changeProject(environment.DB, principal.team, before.name, given);
	if (!changed) throw notFound("project", before.name);
	// The form of the page sends every setting.
	const isOther = (setting: keyof ProjectRow) => before[setting] !== changed[setting];
	const outdated = NOTICES.filter(({ setting }) => isOther(setting)).map(({ kind }) => kind);
	if (outdated.length > 0) await removeNotices(environment.DB, principal.team, changed.name, outdated);
	if (STATUS_SETTINGS.some(isOther)) await dispatcherOf(environment, principal.team).retryStatuses(changed.name);
	if ([wanted.repository, wanted.hook_secret, wanted.poll].some((setting) => setting !== undefined)) await follow(environment, changed);
	log("info", "project changed", { request_id: requestId, actor: actorOf(principal), project: changed.name });
	return describeProject({ environment, baseUrl }, changed);
}

/** @throws ApiError `not_found` */
export async function deleteProject({ params, environment, principal, requestId }: Caller): Promise<void> {
	const name = params.name ?? "";
	if (!(await deleteProjectRecord(environment.DB, principal.team, name))) throw notFound("project", name);
	await dispatcherOf(environment, principal.team).deleteProject(name);
	log("info", "project removed", { request_id: requestId, actor: actorOf(principal), project: name });
}
