import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { MAX_BATCH_JOBS, MAX_BATCH_RUNS, MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import type { SubmittedBatch } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { readText } from "../http/bodies.ts";
import { actorOf } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { SUBMITTED } from "../queue/core/runs/submit.ts";
import { requireSource } from "../sources/service.ts";
import { missingSecretNotices } from "./missing_secrets.ts";
import type { ResolvedSubmission } from "./resolved_texts.ts";
import { idempotencyOf, type SubmittingContext } from "./service.ts";
import { resolveText } from "./submission.ts";

const MAX_NOTICES = 10;

/** Many submissions in one request: all of them are accepted in one transaction, or none. */

/** POST /runs/batch: submissions as JSON, one a line. */
export async function submitBatch(context: SubmittingContext & { baseUrl: string }): Promise<Response> {
	const { request, environment, principal, requestId } = context;
	const submissions = await readBatch(request, context);
	const actor = actorOf(principal);
	const pipelines = Object.fromEntries(submissions.map(({ definition, pipeline }) => [definition, pipeline]));
	const idempotency = await idempotencyOf(context, submissions.map(({ project, definition }) => `${project} ${definition}`).join("\n"));
	const runs = submissions.map(({ project, definition }, index) => ({
		runId: newId("run"),
		definition,
		project,
		idempotency: idempotency && { ...idempotency, key: `${idempotency.key} ${index + 1} of ${submissions.length}` },
	}));
	const shared = { trigger: { kind: "api", actor, delivery: null }, commit: null, origin: SUBMITTED, rerun: null };
	const { accepted, notices } = unwrap(await dispatcherOf(environment, principal.team).submitAll({ pipelines, runs, shared }));
	log("debug", "runs accepted", { request_id: requestId, runs: accepted.length, actor });
	const items = accepted.map(({ runId, isReplay }) => ({ id: runId, url: `${context.baseUrl}/runs/${runId}`, is_replay: isReplay }));
	const missing = await missingSecretsOf(environment, principal.team, submissions);
	return json({ items, notices: [...notices, ...missing] } satisfies SubmittedBatch, 201);
}

/** The notices of the first few different submissions. */
async function missingSecretsOf(environment: Environment, team: string, submissions: readonly ResolvedSubmission[]): Promise<string[]> {
	const asking = submissions.filter(({ pipeline }) => pipeline.jobs.some(({ secrets }) => Object.keys(secrets).length > 0));
	const different = new Map(asking.map((one) => [`${one.project} ${one.definition}`, one]));
	const notices = await Promise.all(
		[...different.values()]
			.slice(0, MAX_NOTICES)
			.map(({ pipeline, project }) => missingSecretNotices(environment, team, pipeline, project)),
	);
	return [...new Set(notices.flat())].slice(0, MAX_NOTICES);
}

/** @throws ApiError `malformed`, `too_large`, `validation_failed` with the line in the batch */
async function readBatch(request: Request, by: SubmittingContext): Promise<ResolvedSubmission[]> {
	const text = await readText(request, MAX_PIPELINE_BYTES);
	const lines = text.split("\n").map((line, index) => ({ line, number: index + 1 }));
	const used = lines.filter(({ line }) => /\S/.test(line));
	if (used.length === 0) {
		throw new ApiError("malformed", "The batch is empty.", { suggestions: ['Send a submission on each line, such as {"run": "make"}.'] });
	}
	if (used.length > MAX_BATCH_RUNS) {
		throw new ApiError("too_large", `The batch has ${used.length} runs; at most ${MAX_BATCH_RUNS} are accepted at once.`, {
			details: { limit: MAX_BATCH_RUNS },
			suggestions: ["Send the lines in several requests."],
		});
	}
	const submissions: ResolvedSubmission[] = [];
	let jobs = 0;
	for (const { line, number } of used) {
		const submission = await resolveLine(line, number, by);
		jobs += submission.pipeline.jobs.length;
		if (jobs > MAX_BATCH_JOBS) {
			throw new ApiError(
				"too_large",
				`Up to line ${number}, the runs of the batch have ${jobs} jobs; at most ${MAX_BATCH_JOBS} are accepted at once.`,
				{
					details: { limit: MAX_BATCH_JOBS, line: number },
					suggestions: ["Send the lines in several requests."],
				},
			);
		}
		submissions.push(submission);
	}
	return submissions;
}

async function resolveLine(line: string, number: number, by: SubmittingContext): Promise<ResolvedSubmission> {
	try {
		const submission = await resolveText(line, true, by);
		if (submission.pipeline.source) await requireSource(by.environment, by.principal.team, submission.pipeline.source);
		return submission;
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const { code, message, details, suggestions, headers } = error;
		throw new ApiError(code, `Line ${number} of the batch: ${message}`, {
			details: { ...details, batch_line: number },
			suggestions,
			headers,
		});
	}
}
