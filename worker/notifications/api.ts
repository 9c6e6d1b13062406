import { ApiError } from "../../schema/wire/errors.ts";
import type { NotifyAnswer, Undelivered } from "../../schema/wire/notifications.ts";
import { json } from "../http/answers.ts";
import { integerParameter, onlyParameters } from "../http/queries.ts";
import { type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import { requireRun } from "../runs/api.ts";
import { findDefinition } from "../runs/store.ts";

/** What others are told of runs. */

type Caller = RequestContext<"user">;

/** POST /runs/:id/notify */
async function test(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return json({ notified: await testNotifications(context) } satisfies NotifyAnswer, 202);
}

/**
 * Has all told whom the pipeline of the run names, as a test.
 * @throws ApiError `not_found`, `conflict` where it names nobody
 */
export async function testNotifications(context: Pick<Caller, "environment" | "params" | "principal">): Promise<number> {
	const { environment, principal } = context;
	const { run } = await requireRun(context);
	const definition = await findDefinition(environment, principal.team, run);
	if (!definition) throw new ApiError("gone", "What the run was made of is not there any more.", { details: { id: run.id } });
	if (run.is_trusted !== 1) throw new ApiError("conflict", "Nobody is told of a run that comes from another repository.");
	const told = unwrap(await dispatcherOf(environment, principal.team).testNotifications({ id: run.id, project: run.project }, definition));
	if (told > 0) return told;
	throw new ApiError("conflict", "The pipeline of this run names nobody who is to be told.", { suggestions: ["Add notify to it."] });
}

/** GET /projects/:name/undelivered */
async function listUndelivered(context: Caller): Promise<Response> {
	onlyParameters(context.url, ["limit"]);
	const { name } = await requireProject(context);
	const limit = integerParameter(context.url, "limit", { least: 1, most: 200, fallback: 20 });
	return json({ items: await undeliveredOf(context, name, limit), next_cursor: null });
}

export async function undeliveredOf(
	{ environment, principal }: Pick<Caller, "environment" | "principal">,
	project: string,
	limit: number,
): Promise<Undelivered[]> {
	const rows = await dispatcherOf(environment, principal.team).readUndelivered(project, limit);
	return rows.map(({ effect, tries, error, isDead }) => ({
		kind: effect.kind,
		run_id: effect.runId,
		what: effect.kind === "notify" ? effect.event : `${effect.name}: ${effect.state}`,
		tries,
		error,
		given_up: isDead,
	}));
}

export const notificationRoutes = [
	route("POST", "/api/v1/runs/:id/notify", ["user"], test),
	route("GET", "/api/v1/projects/:name/undelivered", ["user"], listUndelivered),
];
