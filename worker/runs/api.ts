import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";
import { FORMATS_OF_FOLLOWED } from "../../schema/wire/log_formats.ts";
import * as resources from "../../schema/wire/resources.ts";
import { isTerminal, RUN_STATES } from "../../schema/wire/states.ts";
import { RUN_EVENTS } from "../../schema/wire/triggers.ts";
import type { Submitted } from "../bindings.ts";
import { json, streamed, TEXT_STREAM_HEADERS } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { flag, idCursor, integer, invalidParameter, limit, numberCursor, oneOf, text } from "../http/parameters.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf, type Queried, route } from "../http/route.ts";
import { isStillValid, whileStillValid } from "../identity/still_valid.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { alreadyOver } from "../queue/core/runs/cancel.ts";
import { SUBMITTED } from "../queue/core/runs/submit.ts";
import { presentEvent, presentRun, presentRunSummary } from "../record/present.ts";
import { requireRun } from "../record/require.ts";
import { listRuns } from "../record/run_lists.ts";
import { listEvents } from "../record/transitions.ts";
import { submitBatch } from "./batch.ts";
import { dryRun } from "./dry_run.ts";
import { followRun } from "./follow_run.ts";
import { missingSecretNotices } from "./missing_secrets.ts";
import { answerSubmitted, assertMayCancel, deleteFinishedRun, idempotencyOf } from "./service.ts";
import { readSubmission, readUnstored } from "./submission.ts";

type Caller = RequestContext<"user" | "host">;

const HOLD_MS = 20_000;
const MAX_WAIT_S = 3600;

const SUBMIT = {
	follow: flag("1: stream the logs of the run, with ::exit N as the last line"),
	dry_run: flag("1: say what the submission would do, and store nothing"),
};

/** POST /runs: accepts a pipeline or a submission, as JSON or YAML. */
async function submit(context: Caller & Queried<typeof SUBMIT>): Promise<Response> {
	const { request, environment, principal, requestId } = context;
	if (context.query.dry_run) {
		return json(await dryRun(environment, principal.team, await readUnstored(request, context)));
	}
	const { pipeline, project, definition } = await readSubmission(request, context);
	const answer: Submitted = unwrap(
		await dispatcherOf(environment, principal.team).submit({
			runId: newId("run"),
			pipeline,
			definition,
			project,
			trigger: { kind: "api", actor: actorOf(principal), delivery: null },
			commit: null,
			origin: SUBMITTED,
			rerun: null,
			idempotency: await idempotencyOf(context, `${project} ${definition}`),
		}),
	);
	if (!answer.isReplay) log("debug", "run accepted", { request_id: requestId, run: answer.runId, project, actor: actorOf(principal) });
	const notices = [...answer.notices, ...(await missingSecretNotices(environment, principal.team, pipeline, project))];
	return answerSubmitted(context, { ...answer, notices }, context.query.follow);
}

const LIST = {
	limit: limit(),
	cursor: idCursor("run"),
	state: oneOf("only runs in this state", RUN_STATES),
	project: text("only runs of this project"),
	branch: text("only runs of this branch of the project"),
	event: oneOf("only runs of this event", RUN_EVENTS),
	author: text("only runs that this person submitted, or whose commit this person wrote"),
	text: text("only runs with this text in their pipeline, branch, tag or commit message, or with this commit or number"),
	number: integer("the run of the project with this number", { least: 1, most: 999_999_999 }),
	kind: oneOf(
		"pipeline, discovery or comparison; the default is pipeline runs, and discovery runs that have not succeeded",
		resources.RUN_KINDS,
	),
};

async function list({ query, environment, principal, baseUrl }: Caller & Queried<typeof LIST>): Promise<Response> {
	const { limit, cursor: after, state, ...filter } = query;
	const { branch, project } = filter;
	if (branch !== null && project === null) throw invalidParameter("branch", "A branch needs a project.", "Add project=<name>.");
	const { rows, next } = await listRuns(environment.DB, principal.team, { ...filter, limit, after, states: state && [state] });
	return json({ items: rows.map((run) => presentRunSummary(run, baseUrl)), next_cursor: next });
}

const WAIT = { timeout: integer("the timeout in seconds (default 60; at most 3600)", { least: 0, most: MAX_WAIT_S, fallback: 60 }) };

/** GET /runs/:id/wait: answers 200 when the run has ended, or 202 after the timeout. */
async function wait(context: Caller & Queried<typeof WAIT>): Promise<Response> {
	const { query, environment, principal, baseUrl } = context;
	const until = Date.now() + query.timeout * 1000;
	let record = await requireRun(context);
	let rev = 0;
	while (!isTerminal(record.run.state) && Date.now() < until) {
		const followed = await dispatcherOf(environment, principal.team).followRun(record.run.id, rev, Math.min(HOLD_MS, until - Date.now()));
		if (!(await isStillValid(context))) throw endedMeanwhile();
		rev = followed?.rev ?? 0;
		record = followed?.rows ?? (await requireRun(context));
	}
	return json(presentRun(record, baseUrl), isTerminal(record.run.state) ? 200 : 202);
}

function endedMeanwhile(): ApiError {
	return new ApiError("authentication_required", "The token or session has ended while the request waited.", {
		suggestions: ["Sign in again."],
	});
}

async function cancel(context: Caller): Promise<Response> {
	const { environment, principal, baseUrl } = context;
	const record = await requireRun(context);
	const { run } = record;
	assertMayCancel(principal, run);
	if (run.state === "cancelled") return json(presentRun(record, baseUrl));
	if (isTerminal(run.state)) throw alreadyOver("run", run.id, run.state);
	const rows = unwrap(await dispatcherOf(environment, principal.team).cancelRun(run.id, actorOf(principal)));
	return json(presentRun(rows, baseUrl));
}

/** DELETE /runs/:id: deletes an ended run with its logs and artifacts. */
async function remove(context: Caller): Promise<Response> {
	await deleteFinishedRun(context);
	return new Response(null, { status: 204 });
}

const TRANSITIONS = { limit: limit(MAX_LIST_LIMIT), cursor: numberCursor() };

/** GET /runs/:id/events: every transition of the run and its jobs, oldest first. */
async function listTransitions(context: Caller & Queried<typeof TRANSITIONS>): Promise<Response> {
	const { query, environment, principal } = context;
	const { run } = await requireRun(context);
	const { limit } = query;
	const after = query.cursor ?? 0;
	// Reads the queue first: the record then has every row that leaves the queue in between.
	const pending = await dispatcherOf(environment, principal.team).readEvents(run.id);
	const recorded = await listEvents(environment.DB, principal.team, run.id, after, limit + 1);
	const known = new Set(recorded.map(({ rev }) => rev));
	const all = [...recorded, ...pending.filter(({ rev }) => rev > after && !known.has(rev))].sort((a, b) => a.rev - b.rev);
	const shown = all.slice(0, limit);
	return json({ items: shown.map(presentEvent), next_cursor: all.length > limit ? String(shown.at(-1)?.rev) : null });
}

const FOLLOW = { format: oneOf("raw: as written; clean: without colors", FORMATS_OF_FOLLOWED) };

/** GET /runs/:id/log: follows the logs of all jobs as one text, until the run ends. */
async function followLog(context: Caller & Queried<typeof FOLLOW>): Promise<Response> {
	const { query, environment, principal, baseUrl } = context;
	const format = query.format ?? "raw";
	const { run } = await requireRun(context);
	return streamed(TEXT_STREAM_HEADERS, (write) =>
		followRun(environment, principal.team, run.id, baseUrl, whileStillValid(context, write), { format }),
	);
}

async function get(context: Caller): Promise<Response> {
	return json(presentRun(await requireRun(context), context.baseUrl));
}

export const runRoutes = [
	route({
		method: "POST",
		path: "/api/v1/runs",
		allow: ["user", "host"],
		action: "runs.submit",
		scope: "body",
		description: {
			summary: "Submit a pipeline, or a submission, as JSON, YAML or a form",
			headers: { "Idempotency-Key": "repeated with the same content, it answers with the same run for a day" },
			content: {
				"application/json":
					"a pipeline, or {pipeline | run, params, env, source, branch, changed, jobs, runs_on, container, priority, project}",
				"application/yaml": "the same",
				"multipart/form-data": "parts with the same names; source may be a tar archive",
			},
			answers: { 201: resources.submittedRun, 200: [resources.plannedRun, "text/plain"] },
		},
		query: SUBMIT,
		handle: submit,
	}),
	route({
		method: "POST",
		path: "/api/v1/runs/batch",
		allow: ["user", "host"],
		action: "runs.submit",
		scope: "body",
		description: {
			summary: "Submit up to 1,000 runs at once: all are accepted, or none",
			headers: { "Idempotency-Key": "repeated with the same content, it answers with the same runs for a day" },
			content: { "application/x-ndjson": "a submission in JSON on each line, as for one run" },
			answers: { 201: resources.submittedBatch },
		},
		handle: submitBatch,
	}),
	route({
		method: "GET",
		path: "/api/v1/runs",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Runs, newest first", answers: { 200: listOf(resources.runSummary) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/runs/:id",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "A run with its jobs, their attempts and steps", answers: { 200: resources.run } },
		handle: get,
	}),
	route({
		method: "GET",
		path: "/api/v1/runs/:id/wait",
		waits: true,
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "Wait for the end of a run: 200 when it has ended, 202 after the timeout",
			answers: { 200: resources.run, 202: resources.run },
		},
		query: WAIT,
		handle: wait,
	}),
	route({
		method: "GET",
		path: "/api/v1/runs/:id/log",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Follow the logs of all jobs as one text, until the run ends", answers: { 200: "text/plain" } },
		query: FOLLOW,
		handle: followLog,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/runs/:id",
		allow: ["user", "host"],
		action: "runs.delete",
		description: { summary: "Delete an ended run, with its logs and artifacts", answers: { 204: null } },
		handle: remove,
	}),
	route({
		method: "GET",
		path: "/api/v1/runs/:id/events",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Every transition of the run and its jobs, oldest first", answers: { 200: listOf(resources.event) } },
		query: TRANSITIONS,
		handle: listTransitions,
	}),
	route({
		method: "POST",
		path: "/api/v1/runs/:id/cancel",
		allow: ["user", "host"],
		action: "runs.cancel",
		description: { summary: "Cancel a run", answers: { 200: resources.run } },
		handle: cancel,
	}),
];
