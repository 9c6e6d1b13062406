import { parseDuration } from "../../schema/wire/duration.ts";
import { isHttp } from "../../schema/wire/git.ts";
import { type WarmMirror, warmMirrors } from "../../schema/wire/mirrors.ts";
import type { Environment } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { projectsWithWarmMirrors } from "../record/projects.ts";
import { readSecrets } from "../secrets/service.ts";

/**
 * The mirrors that an agent keeps warm: those of projects that ask for it, of which it has run a
 * job or fetched caches, and whose next job it may get with the same credentials.
 */
async function mirrors({ environment, principal }: RequestContext<"agent">): Promise<Response> {
	const { team, agentId, secretHash } = principal;
	const known = new Set(unwrap(await dispatcherOf(environment, team).warmProjectsOf({ agentId, secretHash })));
	const rows = (await projectsWithWarmMirrors(environment.DB, team)).filter(({ name }) => known.has(name));
	const found = await Promise.all(
		rows.map(async ({ name: project, repository, default_branch, credentials: secret, warm_mirrors }): Promise<WarmMirror[]> => {
			if (repository === null || warm_mirrors === null) return [];
			const credentials = secret !== null && isHttp(repository) ? await credentialsOf(environment, team, project, secret) : null;
			if (credentials === undefined) return [];
			return [{ project, repository, default_branch, credentials, every_ms: parseDuration(warm_mirrors) ?? 0 }];
		}),
	);
	return json({ mirrors: found.flat() });
}

/** Undefined: the secret does not exist. Its jobs say so. */
async function credentialsOf(environment: Environment, team: string, project: string, secret: string): Promise<string | undefined> {
	const value = (await readSecrets(environment, team, project, [secret])).get(secret);
	if (value === undefined) log("warn", "a mirror is not kept warm: the secret with its credentials does not exist", { project, secret });
	return value;
}

export const warmMirrorRoutes = [
	route({
		method: "GET",
		path: "/api/v1/agents/self/mirrors",
		allow: ["agent"],
		description: { summary: "The repositories whose mirrors the agent keeps warm", answers: { 200: warmMirrors } },
		handle: mirrors,
	}),
];
