import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { projectName } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { SECRET_NAME, SECRET_NAME_FAULT } from "../../schema/wire/secret_names.ts";
import { type Rotation, type Secret, secretRequest } from "../../schema/wire/secrets.ts";
import { json } from "../http/answers.ts";
import { readJson } from "../http/bodies.ts";
import { invalidParameter, onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { log } from "../platform/logger.ts";
import { listSecrets, putSecret, removeSecret, rotateSecrets, type SecretPlace } from "./service.ts";

/** Secrets can be set, listed, removed and encrypted anew. No route gives a value back. */

type Caller = RequestContext<"user">;

async function list({ url, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, ["project"]);
	const items = await listSecrets(environment.DB, principal.team, projectParameter(url));
	return json({ items, next_cursor: null } satisfies Page<Secret>);
}

async function put({ request, url, params, environment, principal, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const name = nameOf(params);
	const { value, project } = await readJson(request, secretRequest);
	const { secret, isNew } = await putSecret(environment, { team: principal.team, project: project ?? null, name }, value);
	log("info", "secret set", { request_id: requestId, actor: actorOf(principal), name, project: project ?? null });
	return json(secret, isNew ? 201 : 200);
}

async function remove({ url, params, environment, principal, requestId }: Caller): Promise<Response> {
	onlyParameters(url, ["project"]);
	const place: SecretPlace = { team: principal.team, project: projectParameter(url), name: nameOf(params) };
	if (!(await removeSecret(environment.DB, place))) throw notFound("secret", place.name);
	log("info", "secret removed", { request_id: requestId, actor: actorOf(principal), name: place.name, project: place.project });
	return new Response(null, { status: 204 });
}

/** POST /secrets/rotate: a new key for all of them. */
async function rotate({ url, environment, principal, requestId }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	const secrets = await rotateSecrets(environment, principal.team);
	log("info", "secrets encrypted anew", { request_id: requestId, actor: actorOf(principal), secrets });
	return json({ secrets } satisfies Rotation);
}

function nameOf({ name = "" }: Record<string, string>): string {
	if (SECRET_NAME.test(name)) return name;
	throw new ApiError("validation_failed", `${JSON.stringify(name.slice(0, 100))}: ${SECRET_NAME_FAULT}`, {
		details: { errors: [{ path: "name", line: null, column: null, message: SECRET_NAME_FAULT, suggestion: null }] },
	});
}

function projectParameter(url: URL): string | null {
	const project = url.searchParams.get("project");
	if (project === null || projectName.safeParse(project).success) return project;
	throw invalidParameter("project", `${JSON.stringify(project.slice(0, 100))} is not the name of a project`, "for example project=web");
}

export const secretRoutes = [
	route("GET", "/api/v1/secrets", ["user"], list),
	route("POST", "/api/v1/secrets/rotate", ["user", "host"], rotate),
	route("PUT", "/api/v1/secrets/:name", ["user"], put),
	route("DELETE", "/api/v1/secrets/:name", ["user"], remove),
];
