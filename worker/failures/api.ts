import { ApiError } from "../../schema/wire/errors.ts";
import { failure } from "../../schema/wire/failures.ts";
import { integer, oneOf } from "../http/parameters.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { requireRun } from "../record/require.ts";
import { failureOf } from "./digest.ts";
import { failureJson, failureText } from "./text.ts";

const DIGEST = {
	max: integer("the maximum size of the answer in bytes", { least: 1_000, most: 100_000, fallback: 4_000 }),
	format: oneOf("text or json; by default what `Accept` prefers, and else json", ["text", "json"]),
};

/** GET /runs/:id/failure: why the run failed, in at most `max` bytes of whole lines. */
async function digest(context: RequestContext<"user" | "host"> & Queried<typeof DIGEST>): Promise<Response> {
	const { query, request, environment, baseUrl } = context;
	const record = await requireRun(context);
	const found = await failureOf(environment, record, baseUrl);
	if (!found) {
		throw new ApiError("conflict", `Run #${record.run.number} has not failed. It is ${record.run.state}.`, {
			details: { state: record.run.state },
			suggestions: ["Ask for the failure of a run that has failed, or that has a failed job."],
		});
	}
	const isText = query.format === "text" || (query.format === null && /^text\/plain\b/.test(request.headers.get("Accept") ?? ""));
	const [body, type] = isText ? [failureText(found, query.max), "text/plain"] : [failureJson(found, query.max), "application/json"];
	return new Response(body, {
		headers: { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
	});
}

export const failureRoutes = [
	route({
		method: "GET",
		path: "/api/v1/runs/:id/failure",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "Why a run failed: cause, first failed test, lines of the log, changes since the last success, next commands",
			answers: { 200: failure },
		},
		query: DIGEST,
		handle: digest,
	}),
];
