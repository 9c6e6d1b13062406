export { keyBytes, signaturesIn, TOLERANCE_S } from "./standard_webhooks.ts";

import { ApiError } from "../../schema/wire/errors.ts";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { requireRun } from "../record/require.ts";
import { findDefinition } from "../record/runs.ts";

/** What others are notified of runs. */

type Caller = RequestContext<"user">;

/**
 * Has all notified whom the pipeline of the run names, as a test.
 * @throws ApiError `not_found`, `conflict` where it names nobody
 */
export async function testNotifications(context: Pick<Caller, "environment" | "params" | "principal">): Promise<number> {
	const { environment, principal } = context;
	const { run } = await requireRun(context);
	const definition = await findDefinition(environment, principal.team, run);
	if (!definition) throw new ApiError("gone", "What the run was made of is not there any more.", { details: { id: run.id } });
	if (run.is_trusted !== 1) throw new ApiError("conflict", "Nobody is notified of a run that comes from another repository.");
	const notified = unwrap(
		await dispatcherOf(environment, principal.team).testNotifications({ id: run.id, project: run.project }, definition),
	);
	if (notified > 0) return notified;
	throw new ApiError("conflict", "The pipeline of this run names nobody who is to be notified.", { suggestions: ["Add notify to it."] });
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
