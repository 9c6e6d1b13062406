import { ApiError, fromWireError } from "../../schema/wire/errors.ts";
import type * as protocol from "../../schema/wire/protocol.ts";
import type { AttemptState, StepState } from "../../schema/wire/states.ts";
import type { Environment, PollResult } from "../bindings.ts";
import { sha256 } from "../identity/digest.ts";
import { LEASE_TOKEN_PREFIX, type LeaseTokenClaims, verifyLease } from "../identity/lease_token.ts";
import { fromBase64, hex } from "../platform/bytes.ts";
import { errorFields, log } from "../platform/logger.ts";
import { answeredState, type CheckedResult, otherResult } from "../queue/core/leases/attempts.ts";
import { findAttempt, findJob } from "../record/runs.ts";

/**
 * Results of attempts: what holds for those that a poll brings and for those that `finish` brings.
 */

/** A result that a poll has brought: ready for the queue, or rejected. */
type Prepared = { attemptId: string } & ({ checked: CheckedResult } | { error: ApiError });

/** The caller of a poll. */
interface Agent {
	environment: Environment;
	team: string;
	agentId: string;
}

/**
 * Checks the results of a poll with their logs. One that is rejected leaves the others
 * alone.
 */
export async function prepareResults(agent: Agent, results: readonly protocol.Result[]): Promise<Prepared[]> {
	const prepared = await Promise.all(
		results.map(async (result): Promise<Prepared | null> => {
			const { attempt_id: attemptId } = result;
			try {
				return { attemptId, checked: await prepare(agent, result) };
			} catch (error) {
				if (error instanceof ApiError) return { attemptId, error };
				log("warn", "a result cannot be checked", { attempt: attemptId, ...errorFields(error) });
				return null;
			}
		}),
	);
	return prepared.filter((one) => one !== null);
}

async function prepare(agent: Agent, result: protocol.Result): Promise<CheckedResult> {
	const { attempt_id, lease_token, log_text, ...rest } = result;
	const lease = await leaseIn(agent, attempt_id, lease_token);
	const finish: protocol.Finish = { ...rest, artifacts: [], discovery: null, refs: null };
	assertConsistent(finish);
	const content = log_text === null ? null : await checkedLog(lease, finish, fromBase64(log_text));
	return { lease, finish, digest: await digestOf(finish), log: content };
}

/** @throws ApiError `forbidden` for a token that is no lease of this agent and attempt */
async function leaseIn({ environment, team, agentId }: Agent, attemptId: string, token: string): Promise<LeaseTokenClaims> {
	const lease = token.startsWith(LEASE_TOKEN_PREFIX) ? await verifyLease(environment, token) : null;
	if (lease && lease.attemptId === attemptId && lease.agentId === agentId && lease.team === team) return lease;
	throw new ApiError("forbidden", "The lease token of the result is not one of this agent and attempt.", {
		details: { attempt_id: attemptId },
		suggestions: ["Send the lease token that came with the offer."],
	});
}

/**
 * A log that the result carries whole.
 * @throws ApiError `validation_failed` if it is not what the result declares
 */
async function checkedLog(
	lease: LeaseTokenClaims,
	{ log: declared }: protocol.Finish,
	bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
	if (declared.sha256 !== null && declared.sha256 !== hex(await crypto.subtle.digest("SHA-256", bytes))) {
		throw new ApiError("validation_failed", "The log of the result does not have the sha256 that the result declares.", {
			details: { attempt_id: lease.attemptId },
			suggestions: ["Send the log before the result, and leave out log_text."],
		});
	}
	if (bytes.byteLength !== declared.bytes) {
		throw new ApiError("validation_failed", `The result declares a log of ${declared.bytes} bytes and carries ${bytes.byteLength}.`, {
			details: { attempt_id: lease.attemptId },
			suggestions: ["Send the whole log in log_text, or leave it out and send the log before the result."],
		});
	}
	return bytes;
}

/**
 * What the agent is answered for each result. A result whose run has left the queue is answered
 * from the record.
 * @param answers what the queue says of those that were ready
 */
export async function answerResults(
	agent: Agent,
	prepared: readonly Prepared[],
	answers: PollResult["results"],
): Promise<protocol.PollAnswer["results"]> {
	const byAttempt = new Map(answers.map((answer) => [answer.attemptId, answer]));
	const answered = await Promise.all(
		prepared.map(async (one) => {
			if ("error" in one) return [rejected(one.attemptId, one.error)];
			const answer = byAttempt.get(one.attemptId);
			if (!answer) return [];
			if (answer.error === null) return [{ attempt_id: one.attemptId, state: answer.state, error: null }];
			const error = fromWireError({ ...answer.error, details: { attempt_id: one.attemptId } });
			const { lease, digest } = one.checked;
			try {
				const state = error.code === "attempt_finished" ? await recordedState(agent, lease, digest) : null;
				return [state === null ? rejected(one.attemptId, error) : { attempt_id: one.attemptId, state, error: null }];
			} catch (conflict) {
				if (conflict instanceof ApiError) return [rejected(one.attemptId, conflict)];
				throw conflict;
			}
		}),
	);
	return answered.flat();
}

function rejected(attempt_id: string, { code, message, details, suggestions }: ApiError): protocol.PollAnswer["results"][number] {
	return { attempt_id, state: null, error: { error: code, message, details, suggestions } };
}

/** Tells a repeated result from another one, whichever way each of them came. */
export function digestOf(finish: protocol.Finish): Promise<string> {
	const { state, exit_code, reason, log, steps, artifacts, outputs, tests, coverage, discovery, refs } = finish;
	return sha256(JSON.stringify([state, exit_code, reason, log, steps, artifacts, outputs, tests, coverage, discovery, refs]));
}

/**
 * The recorded state of an attempt whose run has left the queue; null if it has no result.
 * @throws ApiError `conflict` for another result than the recorded one
 */
export async function recordedState(
	{ environment, team }: Pick<Agent, "environment" | "team">,
	lease: Pick<LeaseTokenClaims, "attemptId">,
	digest: string,
): Promise<AttemptState | null> {
	const attempt = await findAttempt(environment.DB, lease.attemptId);
	if (!attempt?.finish_digest) return null;
	if (attempt.finish_digest !== digest) throw otherResult(attempt);
	const found = await findJob(environment, team, attempt.job_id);
	return found ? answeredState(attempt, found.job) : attempt.state;
}

const REPORT_SKIPPED = "Report steps that did not run as skipped.";
const OPEN_STEPS: ReadonlySet<StepState> = new Set(["pending", "running"]);

/** @throws ApiError `validation_failed` for a result with steps that have not ended */
export function assertConsistent(body: protocol.Finish): void {
	const open = body.steps.find((step) => OPEN_STEPS.has(step.state));
	if (!open) return;
	throw new ApiError("validation_failed", `The step ${JSON.stringify(open.name)} has not ended: it is ${open.state}.`, {
		details: {
			errors: [
				{
					path: "steps",
					line: null,
					column: null,
					message: `A step is ${open.state}.`,
					suggestion: REPORT_SKIPPED,
				},
			],
		},
		suggestions: [REPORT_SKIPPED],
	});
}
