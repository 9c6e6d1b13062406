import type { ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { type Project, type ProjectChange, type ProjectRequest, projectChange, projectRequest } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { comparedProject } from "../discovery/comparison_pipeline.ts";
import { json } from "../http/answers.ts";
import { readJson } from "../http/bodies.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { presentProject } from "../runs/present.ts";
import { missingSecrets } from "../secrets/service.ts";
import { noticesOfDeliveries } from "../webhooks/delivery_notices.ts";
import { newestHeardOf } from "../webhooks/store.ts";
import { listNotices, removeNotices } from "./notices_store.ts";
import { addProject, changeProject, findProject, listProjects, removeProject } from "./store.ts";

type Caller = RequestContext<"user">;

async function list({ url, environment, principal, baseUrl }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const [rows, comparisons] = await Promise.all([
		listProjects(environment.DB, principal.team),
		dispatcherOf(environment, principal.team).readComparisons(null),
	]);
	const states = new Map(comparisons.map((one) => [one.project, one]));
	const items = rows.map((one) => presentProject(one, baseUrl, { missing: [], notices: [], comparison: states.get(one.name) ?? null }));
	return json({ items, next_cursor: null } satisfies Page<Project>);
}

async function get(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return json(await describeProject(context, await requireProject(context)));
}

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

/** The project that the path names. @throws ApiError `not_found` */
export async function requireProject({ params, environment, principal }: Pick<Caller, "environment" | "params" | "principal">) {
	const found = await findProject(environment.DB, principal.team, params.name ?? "");
	if (!found) throw notFound("project", params.name ?? "");
	return found;
}

/** POST /projects */
async function create(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const created = await createProject(context, await readJson(context.request, projectRequest));
	return json(created, 201, { Location: `/api/v1/projects/${created.name}` });
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
			suggestions: [`Change it: PATCH /api/v1/projects/${name}, or windlass projects edit ${name}`],
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

/** PATCH /projects/:name: what is not given stays. */
async function change(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return json(await editProject(context, await readJson(context.request, projectChange)));
}

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

/** DELETE /projects/:name: with its secrets; its runs stay as they are. */
async function remove(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	await deleteProject(context);
	return new Response(null, { status: 204 });
}

/** @throws ApiError `not_found` */
export async function deleteProject({ params, environment, principal, requestId }: Caller): Promise<void> {
	const name = params.name ?? "";
	if (!(await removeProject(environment.DB, principal.team, name))) throw notFound("project", name);
	await dispatcherOf(environment, principal.team).deleteProject(name);
	log("info", "project removed", { request_id: requestId, actor: actorOf(principal), project: name });
}

export const projectRoutes = [
	route("GET", "/api/v1/projects", ["user"], list),
	route("POST", "/api/v1/projects", ["user"], create),
	route("GET", "/api/v1/projects/:name", ["user"], get),
	route("PATCH", "/api/v1/projects/:name", ["user"], change),
	route("DELETE", "/api/v1/projects/:name", ["user"], remove),
];
