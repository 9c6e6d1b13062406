export { keyBytes, signaturesIn, TOLERANCE_S } from "./standard_webhooks.ts";

import { ApiError } from "../../schema/wire/errors.ts";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { requireRun } from "../record/require.ts";
import { findDefinition } from "../record/runs.ts";

/** Test notifications, and the list of undelivered ones. */

type Caller = RequestContext<"user">;

/**
 * Sends the notifications of the pipeline of a run, as a test.
 * @throws ApiError `not_found`, or `conflict` for a pipeline without notifications
 */
export async function testNotifications(context: Pick<Caller, "environment" | "params" | "principal">): Promise<number> {
	const { environment, principal } = context;
	const { run } = await requireRun(context);
	const definition = await findDefinition(environment, principal.team, run);
	if (!definition)
		throw new ApiError("gone", "The pipeline of the run has been deleted.", {
			details: { id: run.id },
			suggestions: ["Test the notifications with a newer run."],
		});
	if (run.is_trusted !== 1)
		throw new ApiError("conflict", "Runs of forks send no notifications.", {
			suggestions: ["Test the notifications with a run of the repository itself."],
		});
	const notified = unwrap(
		await dispatcherOf(environment, principal.team).testNotifications({ id: run.id, project: run.project }, definition),
	);
	if (notified > 0) return notified;
	throw new ApiError("conflict", "The pipeline of this run has no notifications.", {
		suggestions: ["Add the key `notify` to the pipeline."],
	});
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
