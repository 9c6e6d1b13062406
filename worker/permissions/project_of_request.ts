import type { RequestContext, Route } from "../http/route.ts";
import { findPipeline } from "../pipelines/service.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { findJob, findRunRow } from "../record/runs.ts";
import { findDelivery } from "../webhooks/service.ts";

/** The project that a request is about, by its address alone: a token may open some projects only. */

/** A thing of a project, as an error names it. */
interface Thing {
	/** The project. */
	name: string;
	of: "project" | "run" | "job" | "pipeline" | "schedule" | "delivery";
	id: string;
}

type Caller = Pick<RequestContext, "environment" | "params" | "url"> & { principal: { team: string } };

/** How the id in an address leads to a project, by the first part of the path. */
const FINDERS: Record<string, { of: Thing["of"]; find: (caller: Caller, id: string) => Promise<string | undefined> }> = {
	projects: { of: "project", find: async (_, name) => name },
	runs: { of: "run", find: async ({ environment, principal }, id) => (await findRunRow(environment, principal.team, id))?.project },
	jobs: { of: "job", find: projectOfJob },
	pipelines: {
		of: "pipeline",
		find: async ({ environment, principal }, id) => (await findPipeline(environment.DB, principal.team, id))?.project,
	},
	schedules: { of: "schedule", find: projectOfSchedule },
	deliveries: {
		of: "delivery",
		find: async ({ environment, principal }, id) => (await findDelivery(environment.DB, principal.team, id))?.project,
	},
};

/**
 * @returns null for an address that is of no project; for a thing that does not exist, a project
 * that no token opens
 */
export async function projectOfRequest(route: Route, caller: Caller): Promise<Thing | "checked by its handler" | null> {
	if (route.scope === "body") return "checked by its handler";
	const [, first = "", parameter] = /^\/(?:api\/v1\/)?([^/]+)\/:(id|name)(?:\/|$)/.exec(route.path) ?? [];
	const finder = FINDERS[first];
	if (finder && parameter !== undefined) {
		const id = caller.params[parameter] ?? "";
		return { name: (await finder.find(caller, id)) ?? "", of: finder.of, id };
	}
	const asked = route.query && "project" in route.query ? caller.url.searchParams.get("project") : null;
	return asked === null ? null : { name: asked, of: "project", id: asked };
}

async function projectOfJob({ environment, principal }: Caller, id: string): Promise<string | undefined> {
	const found = await findJob(environment, principal.team, id);
	return found ? (await findRunRow(environment, principal.team, found.job.run_id))?.project : undefined;
}

async function projectOfSchedule({ environment, principal }: Caller, id: string): Promise<string | undefined> {
	const found = await dispatcherOf(environment, principal.team).findSchedule(id);
	return found.ok ? found.value.project : undefined;
}
