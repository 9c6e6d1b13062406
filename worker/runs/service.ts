export { deleteRunRecords } from "./delete_run.ts";
export { assertMayCancel } from "./may_cancel.ts";
export type { StoredArtifact } from "./run_rows.ts";
export { waitsOf } from "./waits.ts";

import { ApiError } from "../../schema/wire/errors.ts";
import type { SubmittedRun } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Submitted } from "../bindings.ts";
import { json, streamed, TEXT_STREAM_HEADERS } from "../http/answers.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { presentRun } from "../record/present.ts";
import { requireRun } from "../record/require.ts";
import { findRun } from "../record/runs.ts";
import { deleteRunRecords } from "./delete_run.ts";
import { followRun } from "./follow_run.ts";

type Caller = RequestContext<"user" | "host">;

/** How long a deletion waits until D1 has the end of the run. */
const DEPARTURE_MS = 5_000;

/** Answers a submission: with the run, or with its logs as a stream. */
export async function answerSubmitted(
	context: Pick<Caller, "environment" | "principal" | "baseUrl">,
	answer: Submitted,
	isFollowing = false,
): Promise<Response> {
	const { environment, principal, baseUrl } = context;
	const headers = { Location: `/api/v1/runs/${answer.runId}`, ...(answer.isReplay ? { "Idempotent-Replayed": "true" } : {}) };
	if (isFollowing) {
		return streamed({ ...TEXT_STREAM_HEADERS, ...headers }, (write) =>
			followRun(environment, principal.team, answer.runId, baseUrl, write, { notices: answer.notices }),
		);
	}
	const record = answer.rows ?? (await findRun(environment, principal.team, answer.runId));
	if (!record)
		throw new ApiError("gone", "The run of this Idempotency-Key has been deleted.", {
			details: { run_id: answer.runId },
			suggestions: ["Use another key."],
		});
	return json({ ...presentRun(record, baseUrl), notices: answer.notices } satisfies SubmittedRun, 201, headers);
}

/** The parts of a request that a submission needs. */
export type SubmittingContext = Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">;

export async function idempotencyOf({ request, principal }: SubmittingContext, content: string) {
	const key = request.headers.get("Idempotency-Key");
	if (key === null) return null;
	if (key === "" || key.length > 200) {
		throw new ApiError("malformed", "The Idempotency-Key must have 1 to 200 characters.", { suggestions: ["Use a UUID."] });
	}
	const scope = principal.kind === "user" ? principal.tokenId : principal.kind;
	return { scope, key, digest: await sha256(content) };
}

/**
 * Deletes the run of the path.
 * @throws ApiError `not_found`, `conflict` for a run that has not ended, or whose end is not
 * recorded yet
 */
export async function deleteFinishedRun(
	context: Pick<Caller, "environment" | "params" | "principal" | "requestId" | "noted">,
): Promise<void> {
	const { environment, principal, requestId, noted } = context;
	const { run } = await requireRun(context);
	if (!isTerminal(run.state)) {
		throw new ApiError("conflict", `The run is ${run.state}. Only an ended run can be deleted.`, {
			details: { id: run.id, state: run.state },
			suggestions: [`Cancel it first, on its page or with: windlass cancel ${run.id}`],
		});
	}
	if (!(await dispatcherOf(environment, principal.team).hasDeparted(run.id, DEPARTURE_MS))) {
		throw new ApiError("conflict", "The end of the run is not recorded yet.", {
			details: { id: run.id, state: run.state },
			suggestions: ["Try again in a moment. /readyz says whether the outbox relay is behind."],
		});
	}
	Object.assign(noted, { project: run.project, pipeline: run.pipeline, number: String(run.number) });
	await deleteRunRecords(environment, [run]);
	log("info", "run deleted", { request_id: requestId, run: run.id, actor: actorOf(principal) });
}
