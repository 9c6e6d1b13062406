import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { projectName } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { SECRET_NAME, SECRET_NAME_ERROR } from "../../schema/wire/secret_names.ts";
import type { Rotation, Secret, secretRequest } from "../../schema/wire/secrets.ts";
import * as secrets from "../../schema/wire/secrets.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { invalidParameter, type Parameter } from "../http/parameters.ts";
import { actorOf, type Bodied, type Queried, type RequestContext, route } from "../http/route.ts";
import { assertMayIn } from "../identity/project_scope.ts";
import { log } from "../platform/logger.ts";
import { listTeams } from "../platform/teams.ts";
import { deleteSecret, listSecrets, putSecret, rotateSecrets, type SecretPlace } from "./vault.ts";

/** Sets, lists, deletes and re-encrypts secrets. No route returns a value. */

type Caller = RequestContext<"user">;

/** A project parameter; null when it is missing. */
function projectOf(description: string): Parameter<string | null> {
	return {
		description,
		schema: projectName,
		read(given) {
			if (given === null || projectName.safeParse(given).success) return given;
			throw invalidParameter(
				"project",
				`${JSON.stringify(given.slice(0, 100))} is not the name of a project`,
				"write for example project=web",
			);
		},
	};
}

const LIST = { project: projectOf("only secrets that jobs of this project can use") };

async function list({ query, environment, principal }: Caller & Queried<typeof LIST>): Promise<Response> {
	const items = await listSecrets(environment.DB, principal.team, query.project);
	return json({ items, next_cursor: null } satisfies Page<Secret>);
}

async function put({
	readBody,
	params,
	environment,
	principal,
	requestId,
	noted,
}: Caller & Bodied<typeof secretRequest>): Promise<Response> {
	const name = nameOf(params);
	assertNotReserved(name);
	const { value, project } = await readBody();
	noted.project = project ?? null;
	if (principal.projects !== null && !project) throw onlyForProjects(principal.projects);
	assertMayIn(principal, project ?? null, "secrets.manage");
	const { secret, isNew } = await putSecret(environment, { team: principal.team, project: project ?? null, name }, value);
	log("info", "secret set", { request_id: requestId, actor: actorOf(principal), name, project: project ?? null });
	return json(secret, isNew ? 201 : 200);
}

const REMOVE = { project: projectOf("the project of the secret; without it the secret for every project") };

async function remove({ query, params, environment, principal, requestId, noted }: Caller & Queried<typeof REMOVE>): Promise<Response> {
	const place: SecretPlace = { team: principal.team, project: query.project, name: nameOf(params) };
	noted.project = place.project;
	if (!(await deleteSecret(environment.DB, place))) throw notFound("secret", place.name);
	log("info", "secret deleted", { request_id: requestId, actor: actorOf(principal), name: place.name, project: place.project });
	return new Response(null, { status: 204 });
}

/** POST /secrets/rotate: re-encrypts all secrets of all teams with new keys. */
async function rotate({ environment, principal, requestId }: RequestContext<"user" | "host">): Promise<Response> {
	let secrets = 0;
	// The master key is the coordinator's.
	for (const team of await listTeams(environment.DB)) secrets += await rotateSecrets(environment, team);
	log("info", "secrets re-encrypted", { request_id: requestId, actor: actorOf(principal), secrets });
	return json({ secrets } satisfies Rotation);
}

function onlyForProjects(projects: readonly string[]): ApiError {
	return new ApiError("forbidden", `This token opens ${projects.join(", ")} only, and a secret without a project is for all.`, {
		details: { projects },
		suggestions: [`Name the project: "project": "${projects[0]}"`],
	});
}

function nameOf({ name = "" }: Record<string, string>): string {
	if (SECRET_NAME.test(name)) return name;
	throw new ApiError("validation_failed", `${JSON.stringify(name.slice(0, 100))}: ${SECRET_NAME_ERROR}`, {
		details: { errors: [{ path: "name", line: null, column: null, message: SECRET_NAME_ERROR, suggestion: null }] },
		suggestions: ["Choose a name such as deploy-key or NPM_TOKEN."],
	});
}

/** @throws ApiError for a name with a meaning of its own in jobs */
function assertNotReserved(name: string): void {
	if (name !== secrets.FORGE_TOKEN) return;
	const message = `The name ${name} means the project's token for its forge, in the secrets of a job.`;
	throw new ApiError("validation_failed", message, {
		details: { errors: [{ path: "name", line: null, column: null, message, suggestion: null }] },
		suggestions: ["Choose another name, and give it to the project: windlass projects edit web --forge-token NAME"],
	});
}

export const secretRoutes = [
	route({
		method: "GET",
		path: "/api/v1/secrets",
		allow: ["user"],
		action: "secrets.manage",
		description: { summary: "The names of secrets, without values", answers: { 200: listOf(secrets.secret) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/secrets/rotate",
		allow: ["user", "host"],
		action: "secrets.rotate",
		description: { summary: "Re-encrypt every secret with a new key", answers: { 200: secrets.rotation } },
		handle: rotate,
	}),
	route({
		method: "PUT",
		path: "/api/v1/secrets/:name",
		allow: ["user"],
		action: "secrets.manage",
		scope: "body",
		description: { summary: "Set or replace a secret", answers: { 200: secrets.secret, 201: secrets.secret } },
		body: secrets.secretRequest,
		handle: put,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/secrets/:name",
		allow: ["user"],
		action: "secrets.manage",
		description: { summary: "Delete a secret", answers: { 204: null } },
		query: REMOVE,
		handle: remove,
	}),
];
