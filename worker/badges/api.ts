import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { aggregateState, type JobState, type RunState } from "../../schema/wire/states.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { onlyParameters } from "../http/queries.ts";
import { type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { DEFAULT_TEAM } from "../identity/principal.ts";
import { findProject } from "../projects/store.ts";
import { branchState, statesOfJob } from "../runs/store.ts";
import { type Badge, badgeOf, svgOf } from "./badge.ts";

/**
 * GET /badge/:name: `<project>.svg`, or `<project>.json` for shields.io. Pages elsewhere show it, so it needs no token where the project says so; where it
 * does not, nobody who is not signed in is told even that there is such a project.
 */
async function badge({ url, params, request, environment, principal }: RequestContext<"anyone" | "user">): Promise<Response> {
	onlyParameters(url, ["branch", "pipeline", "job"]);
	const [, name = "", kind] = /^(.+)\.(svg|json)$/.exec(params.name ?? "") ?? [];
	const team = principal.kind === "user" ? principal.team : DEFAULT_TEAM;
	const project = await findProject(environment.DB, team, name);
	if (!project || !kind || (principal.kind !== "user" && project.has_public_badges !== 1)) throw notFound("badge", params.name ?? "");
	const [branch, pipeline, job] = ["branch", "pipeline", "job"].map((key) => url.searchParams.get(key));
	const runs = await branchState(environment.DB, team, {
		project: name,
		branch: branch ?? project.default_branch,
		pipeline: pipeline ?? null,
	});
	const states = job
		? await statesOfJob(
				environment.DB,
				runs.map(({ id }) => id),
				job,
			)
		: runs.map(({ state }) => state);
	if (job && runs.length > 0 && states.length === 0)
		throw new ApiError("not_found", `The newest runs have no job ${job}.`, { details: { job } });
	return answer(badgeOf(job ?? pipeline ?? name, aggregateState<RunState | JobState>(states)), kind as "svg" | "json", request);
}

async function answer(shown: Badge, kind: "svg" | "json", request: Request): Promise<Response> {
	const body = kind === "svg" ? svgOf(shown) : `${JSON.stringify({ schemaVersion: 1, ...shown })}\n`;
	const etag = `"${(await sha256(body)).slice(0, 32)}"`;
	const headers = {
		ETag: etag,
		// Asked for anew each time, and most often answered with nothing.
		"Cache-Control": "no-cache",
		"Content-Type": kind === "svg" ? "image/svg+xml; charset=utf-8" : "application/json; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
		"X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "*",
	};
	return isNotModified(request, etag) ? new Response(null, { status: 304, headers }) : new Response(body, { headers });
}

export const badgeRoutes = [route("GET", "/badge/:name", ["anyone", "user"], badge)];
