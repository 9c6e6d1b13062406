import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { presentRun } from "../record/present.ts";
import { requireRun } from "../record/require.ts";
import { usualDurations } from "./usual_durations.ts";

/** GET /runs/:id/estimate */
async function estimate(context: RequestContext<"user" | "host">): Promise<Response> {
	const record = await requireRun(context);
	const usual = await usualDurations(context.environment.DB, record.run);
	const { jobs } = presentRun(record, context.baseUrl);
	return json({
		run: usual.run,
		jobs: jobs.map(({ id, name }) => ({ id, name, usual: usual.jobs.get(name) ?? null })),
	} satisfies resources.RunEstimate);
}

export const estimateRoutes = [
	route({
		method: "GET",
		path: "/api/v1/runs/:id/estimate",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "How long a run and its jobs usually take: by the last 20 successful runs of the branch, or of the default branch",
			answers: { 200: resources.runEstimate },
		},
		handle: estimate,
	}),
];
