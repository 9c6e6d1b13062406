import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { aggregateState, type JobState, type RunState } from "../../schema/wire/states.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { text } from "../http/parameters.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { projectWithPublicBadges } from "../identity/visitors.ts";
import { branchState } from "../record/branches.ts";
import { findProject } from "../record/projects.ts";
import { statesOfJob } from "../record/runs.ts";
import { type Badge, badgeOf, svgOf } from "./badge.ts";

const BADGE = {
	branch: text("the branch; the default is the default branch of the project"),
	pipeline: text("only runs of this pipeline"),
	job: text("the state of this job in the newest run"),
};

/**
 * GET /badge/:name: `<project>.svg`, or `<project>.json` for shields.io. Other sites show badges,
 * so a project can make them public.
 * Without that, a caller without a session cannot see whether the project exists.
 */
async function badge({
	query,
	params,
	request,
	environment,
	principal,
}: RequestContext<"anyone" | "user"> & Queried<typeof BADGE>): Promise<Response> {
	const [, name = "", kind] = /^(.+)\.(svg|json)$/.exec(params.name ?? "") ?? [];
	const own = principal.kind === "user" ? await findProject(environment.DB, principal.team, name) : null;
	const project = own ?? (await projectWithPublicBadges(environment.DB, name));
	if (!project || !kind) throw notFound("badge", params.name ?? "");
	const { branch, pipeline, job } = query;
	const runs = await branchState(environment.DB, project.team, {
		project: name,
		branch: branch ?? project.default_branch,
		pipeline,
	});
	const states = job
		? await statesOfJob(
				environment.DB,
				runs.map(({ id }) => id),
				job,
			)
		: runs.map(({ state }) => state);
	if (job && runs.length > 0 && states.length === 0)
		throw new ApiError("not_found", `The newest runs have no job ${job}.`, {
			details: { job },
			suggestions: ["Use the name of a job of the newest run in `job`."],
		});
	return answer(badgeOf(job ?? pipeline ?? name, aggregateState<RunState | JobState>(states)), kind as "svg" | "json", request);
}

async function answer(shown: Badge, kind: "svg" | "json", request: Request): Promise<Response> {
	const body = kind === "svg" ? svgOf(shown) : `${JSON.stringify({ schemaVersion: 1, ...shown })}\n`;
	const etag = `"${(await sha256(body)).slice(0, 32)}"`;
	const headers = {
		ETag: etag,
		// Caches revalidate each time, mostly with a 304.
		"Cache-Control": "no-cache",
		"Content-Type": kind === "svg" ? "image/svg+xml; charset=utf-8" : "application/json; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
		"X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "*",
	};
	return isNotModified(request, etag) ? new Response(null, { status: 304, headers }) : new Response(body, { headers });
}

export const badgeRoutes = [
	route({
		method: "GET",
		path: "/badge/:name",
		allow: ["anyone", "user"],
		description: {
			summary: "The state of a branch: <project>.svg, or <project>.json for shields.io",
			headers: { "If-None-Match": "its ETag" },
			answers: { 200: "image/svg+xml", 304: null },
		},
		query: BADGE,
		handle: badge,
	}),
];
