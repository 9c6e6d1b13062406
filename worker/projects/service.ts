export { deleteNotices, putNotice, updateNotices } from "./notices_store.ts";
export { type ProjectStrip, stripsOf } from "./strips.ts";

import type { ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { ACTIONS, may } from "../../schema/wire/permissions.ts";
import type { Project, ProjectChange, ProjectRequest } from "../../schema/wire/projects.ts";
import { removeCachesOfProject } from "../caches/service.ts";
import { comparedProject } from "../discovery/service.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf } from "../http/route.ts";
import { revokeProjectTokens } from "../identity/tokens_store.ts";
import { evictPublicProjects, projectWithPublicBadges } from "../identity/visitors.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { addProject, changeProject, deleteProjectRecord } from "../record/projects.ts";
import { requireProject } from "../record/require.ts";
import { missingSecrets } from "../secrets/service.ts";
import { newestDeliveries, noticesOfDeliveries } from "../webhooks/service.ts";
import { deleteNotices, listNotices } from "./notices_store.ts";
import { presentProject } from "./present.ts";

type Caller = RequestContext<"user">;

/** The number of newest deliveries that notices look at. */
const NOTICED_DELIVERIES = 200;

/** A project with the notices about its settings. */
export async function describeProject(
	{ environment, baseUrl }: Pick<Caller, "environment" | "baseUrl">,
	row: ProjectRow,
): Promise<Project> {
	const named = [row.credentials, row.hook_secret, row.forge_token].filter((name) => name !== null);
	const [missing, stored, deliveries, [comparison = null]] = await Promise.all([
		missingSecrets(environment.DB, row.team, row.name, named),
		listNotices(environment.DB, row.team, row.name),
		newestDeliveries(environment.DB, row.team, row.name, NOTICED_DELIVERIES),
		dispatcherOf(environment, row.team).readComparisons(row.name),
	]);
	const notices = [...stored, ...noticesOfDeliveries(row, deliveries, Date.now())];
	return presentProject(row, baseUrl, { missing, notices, comparison });
}

/** Starts, updates or ends the comparisons of a project after a change of its settings. */
async function updateComparison(environment: Caller["environment"], row: ProjectRow): Promise<void> {
	const dispatcher = dispatcherOf(environment, row.team);
	const compared = comparedProject(row);
	if (compared) await dispatcher.followProject(compared);
	else await dispatcher.unfollowProject(row.name);
}

/** @throws ApiError `conflict` for a name that is taken */
export async function createProject(
	{ environment, principal, requestId, baseUrl, noted }: Caller,
	{ name, public_badges, require_pipeline, public: isPublic, ...settings }: ProjectRequest,
): Promise<Project> {
	const flags = { has_public_badges: Number(public_badges), requires_pipeline: Number(require_pipeline), is_public: Number(isPublic) };
	assertAppOfGitHub(settings);
	assertHistoryToFilter(settings);
	await assertNameFreeForAll(environment.DB, { team: principal.team, name, ...flags });
	const created = await addProject(environment.DB, principal.team, name, { ...settings, ...flags });
	if (!created) {
		throw new ApiError("conflict", `The project ${name} already exists.`, {
			suggestions: [`Change it on the page /projects/${name}, or run: windlass projects edit ${name}`],
		});
	}
	evictPublicProjects();
	if (comparedProject(created)) await updateComparison(environment, created);
	noted.name = name;
	noteOpening(
		noted,
		created,
		OPENING.filter((key) => created[key]),
	);
	log("info", "project created", { request_id: requestId, actor: actorOf(principal), project: name });
	return describeProject({ environment, baseUrl }, created);
}

/** @throws ApiError `validation_failed` for a filter of a history of one commit */
function assertHistoryToFilter({ checkout_depth, checkout_filter }: Pick<ProjectRow, "checkout_depth" | "checkout_filter">): void {
	if (checkout_filter !== "blob:none" || checkout_depth !== 1) return;
	const message = "leaves something out of the history, and with a depth of 1 there is none";
	throw new ApiError("validation_failed", `checkout_filter: ${message}.`, {
		details: { errors: [{ path: "checkout_filter", line: null, column: null, message, suggestion: null }] },
		suggestions: ["Remove one of the two: --checkout-depth default, or --checkout-filter default"],
	});
}

/** @throws ApiError `validation_failed` for an App without its forge and key */
function assertAppOfGitHub({ forge, forge_app, forge_token }: Pick<ProjectRow, "forge" | "forge_app" | "forge_token">): void {
	if (forge_app === null || (forge === "github" && forge_token !== null)) return;
	throw new ApiError("validation_failed", "forge_app needs the forge github, and the secret with the private key of the App.", {
		details: {
			errors: [{ path: "forge_app", line: null, column: null, message: "needs forge: github and forge_token", suggestion: null }],
		},
		suggestions: ["Set the three together: --forge github --forge-app ID --forge-token SECRET", "Remove the App with: --forge-app none"],
	});
}

/**
 * What everybody sees has no team in its address, so it has a name of its own.
 * @throws ApiError `conflict` for the name of a project of another team that everybody sees
 */
async function assertNameFreeForAll(
	db: D1Database,
	{ team, name, is_public, has_public_badges }: Pick<ProjectRow, "team" | "name" | "is_public" | "has_public_badges">,
): Promise<void> {
	if (is_public !== 1 && has_public_badges !== 1) return;
	const seen = await projectWithPublicBadges(db, name);
	if (seen && seen.team !== team) throw publicNameTaken(name);
}

function publicNameTaken(name: string): ApiError {
	return new ApiError("conflict", `Another team has a public project called ${name}.`, {
		details: { name },
		suggestions: ["Give this project another name, or leave it and its badges private."],
	});
}

/** Settings of the forge: after a change, undelivered statuses are sent again. */
const STATUS_SETTINGS = [
	"repository",
	"forge",
	"forge_api",
	"forge_token",
	"forge_app",
	"status_context",
] as const satisfies (keyof ProjectChange)[];

/** Notices that a change of a setting deletes. A problem that persists creates its notice again. */
const NOTICES = [
	{ setting: "default_branch", kind: "default_branch" },
	{ setting: "config", kind: "no_pipeline" },
	{ setting: "repository", kind: "no_pipeline" },
	{ setting: "repository", kind: "statuses" },
	{ setting: "forge", kind: "statuses" },
	{ setting: "forge_api", kind: "statuses" },
	{ setting: "forge_token", kind: "statuses" },
	{ setting: "forge_app", kind: "statuses" },
] as const satisfies { setting: keyof ProjectChange; kind: string }[];

/** @throws ApiError `not_found` */
export async function editProject(
	{ params, environment, principal, requestId, baseUrl, noted }: Caller,
	{ public_badges, require_pipeline, public: isPublic, ...wanted }: ProjectChange,
): Promise<Project> {
	const flags = {
		...(public_badges === undefined ? {} : { has_public_badges: Number(public_badges) }),
		...(require_pipeline === undefined ? {} : { requires_pipeline: Number(require_pipeline) }),
		...(isPublic === undefined ? {} : { is_public: Number(isPublic) }),
	};
	const given = { ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)), ...flags };
	const before = await requireProject({ params, environment, principal });
	assertAppOfGitHub({ ...before, ...given });
	assertHistoryToFilter({ ...before, ...given });
	assertMayOpen(principal, before, given);
	await assertNameFreeForAll(environment.DB, { ...before, ...given });
	const changed = await changeProject(environment.DB, principal.team, before.name, given).catch((error) => {
		// Another team was faster: the index of public names is unique.
		throw /UNIQUE constraint failed/.test(`${error} ${(error as Error).cause ?? ""}`) ? publicNameTaken(before.name) : error;
	});
	if (!changed) throw notFound("project", before.name);
	evictPublicProjects();
	// The form on the page sends every setting, changed or not.
	const isChanged = (setting: keyof ProjectRow) => JSON.stringify(before[setting]) !== JSON.stringify(changed[setting]);
	const changes = (Object.keys(given) as (keyof ProjectRow)[]).filter(isChanged);
	noted.changed = changes.map((key) => SETTING_OF[key] ?? key).join(", ");
	noteOpening(noted, changed, changes);
	const outdated = NOTICES.filter(({ setting }) => isChanged(setting)).map(({ kind }) => kind);
	if (outdated.length > 0) await deleteNotices(environment.DB, principal.team, changed.name, outdated);
	if (STATUS_SETTINGS.some(isChanged)) await dispatcherOf(environment, principal.team).retryStatuses(changed.name);
	if ([wanted.repository, wanted.hook_secret, wanted.poll].some((setting) => setting !== undefined))
		await updateComparison(environment, changed);
	log("info", "project changed", { request_id: requestId, actor: actorOf(principal), project: changed.name });
	return describeProject({ environment, baseUrl }, changed);
}

/** Settings that let in others: who could change them could let in themself. */
const OPENING = ["is_public", "fork_approvers", "trusted_authors"] as const satisfies (keyof ProjectRow)[];

/** The names of settings whose columns are called otherwise. */
const SETTING_OF: Partial<Record<keyof ProjectRow, string>> = {
	is_public: "public",
	has_public_badges: "public_badges",
	requires_pipeline: "require_pipeline",
};

/** The audit log says whom such a setting lets in. */
function noteOpening(noted: Caller["noted"], row: ProjectRow, changed: readonly (keyof ProjectRow)[]): void {
	for (const key of OPENING) {
		if (!changed.includes(key)) continue;
		const value = row[key];
		noted[SETTING_OF[key] ?? key] = Array.isArray(value) ? value.join(", ") : value === null ? null : value === 1 ? "yes" : "no";
	}
}

/** @throws ApiError `forbidden` for a change of such a setting by somebody who may not create projects */
function assertMayOpen({ role, name }: Caller["principal"], before: ProjectRow, given: Partial<ProjectRow>): void {
	const changed = OPENING.find((key) => given[key] !== undefined && JSON.stringify(given[key]) !== JSON.stringify(before[key]));
	if (changed === undefined || may(role, "projects.create")) return;
	const setting = SETTING_OF[changed] ?? changed;
	throw new ApiError("forbidden", `${name} is ${role}, and may not change ${setting} of a project.`, {
		details: { role, setting },
		suggestions: [`This needs the role ${ACTIONS["projects.create"].role}. Ask an admin.`],
	});
}

/** @throws ApiError `not_found` */
export async function deleteProject({ params, environment, principal, requestId }: Caller): Promise<void> {
	const name = params.name ?? "";
	if (!(await deleteProjectRecord(environment.DB, principal.team, name))) throw notFound("project", name);
	await dispatcherOf(environment, principal.team).deleteProject(name);
	await removeCachesOfProject(environment, principal.team, name);
	// A new project of this name is another one.
	await revokeProjectTokens(environment.DB, { team: principal.team, project: name, madeBy: null }, Date.now());
	log("info", "project deleted", { request_id: requestId, actor: actorOf(principal), project: name });
}
