import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";
import { FORMATS_OF_FOLLOWED } from "../../schema/wire/log_formats.ts";
import { RUN_KINDS, type SubmittedRun } from "../../schema/wire/resources.ts";
import { isTerminal, RUN_STATES } from "../../schema/wire/states.ts";
import type { Submitted } from "../bindings.ts";
import { json, streamed, TEXT_STREAM_HEADERS } from "../http/answers.ts";
import {
	flagParameter,
	integerParameter,
	invalidParameter,
	numberCursor,
	onlyParameters,
	pageOf,
	pageParameters,
	wordParameter,
} from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { alreadyOver } from "../queue/core/runs/cancel.ts";
import { SUBMITTED } from "../queue/core/runs/submit.ts";
import { removeRun } from "../retention/remove_run.ts";
import { missingSecrets } from "../secrets/service.ts";
import { followRun } from "./follow_run.ts";
import { presentEvent, presentRun, presentRunSummary } from "./present.ts";
import { findRun, listRuns, type RunRecord } from "./store.ts";
import { readSubmission } from "./submission.ts";
import { listEvents } from "./transitions_store.ts";

const HOLD_MS = 20_000;
const MAX_WAIT_S = 3600;
/** How long a deletion waits for the end of the run to be recorded. */
const DEPARTURE_MS = 5_000;

type Caller = RequestContext<"user" | "host">;

/** POST /runs: accepts a pipeline or a submission, as JSON or YAML. */
async function submit(context: Caller): Promise<Response> {
	const { request, url, environment, principal, requestId } = context;
	onlyParameters(url, ["follow"]);
	const isFollowing = flagParameter(url, "follow");
	const { pipeline, project } = await readSubmission(request, environment, principal.team);
	const definition = await sha256(JSON.stringify(pipeline));
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
	if (!answer.isReplay) log("info", "run accepted", { request_id: requestId, run: answer.runId, project, actor: actorOf(principal) });
	const notices = [...answer.notices, ...(await missingSecretsOf(context, pipeline, project))];
	return answerSubmitted(context, { ...answer, notices }, isFollowing);
}

/** What is to be said of secrets that jobs ask for and that are not there: they may still come before the jobs start. */
async function missingSecretsOf({ environment, principal }: Caller, pipeline: ResolvedPipeline, project: string): Promise<string[]> {
	const names = [...new Set(pipeline.jobs.flatMap(({ secrets }) => Object.values(secrets)))];
	// The run is taken; what cannot be found out now is found out when the job starts.
	const missing = await missingSecrets(environment.DB, principal.team, project, names).catch((error) => {
		log("warn", "the secrets of a run cannot be looked up", errorFields(error));
		return [];
	});
	return missing.map((name) => {
		const job = pipeline.jobs.find(({ secrets }) => Object.values(secrets).includes(name));
		return `The job ${job?.name} asks for the secret ${name}, which is not there: windlass secrets set ${name} --project ${project}`;
	});
}

/** What whoever submitted is told: the run, or its logs as they are written. */
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
	if (!record) throw new ApiError("gone", "The run of this Idempotency-Key was deleted.", { details: { run_id: answer.runId } });
	return json({ ...presentRun(record, baseUrl), notices: answer.notices } satisfies SubmittedRun, 201, headers);
}

/** What a submission must know of its request, whoever makes it. */
export type SubmittingContext = Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">;

export async function idempotencyOf({ request, principal }: SubmittingContext, content: string) {
	const key = request.headers.get("Idempotency-Key");
	if (key === null) return null;
	if (key === "" || key.length > 200) {
		throw new ApiError("malformed", "An Idempotency-Key has 1 to 200 characters.", { suggestions: ["Use a UUID."] });
	}
	const scope = principal.kind === "user" ? principal.tokenId : principal.kind;
	return { scope, key, digest: await sha256(content) };
}

async function list({ url, environment, principal, baseUrl }: Caller): Promise<Response> {
	onlyParameters(url, ["limit", "cursor", "state", "project", "branch", "kind"]);
	const [project, branch] = [url.searchParams.get("project"), url.searchParams.get("branch")];
	if (branch !== null && project === null) throw invalidParameter("branch", "is of a project", "add project=<name>");
	const { limit, after } = pageParameters(url, "run");
	const rows = await listRuns(environment.DB, principal.team, {
		limit: limit + 1,
		after,
		state: wordParameter(url, "state", RUN_STATES),
		project,
		branch,
		kind: wordParameter(url, "kind", RUN_KINDS),
	});
	return json(pageOf(rows, limit, (run) => presentRunSummary(run, baseUrl)));
}

/** @throws ApiError `not_found` */
export async function requireRun({
	environment,
	principal,
	params,
}: Pick<Caller, "environment" | "params" | "principal">): Promise<RunRecord> {
	const record = await findRun(environment, principal.team, params.id ?? "");
	if (!record) throw notFound("run", params.id ?? "");
	return record;
}

async function get(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return json(presentRun(await requireRun(context), context.baseUrl));
}

/** GET /runs/:id/wait: answers when the run is over (200) or the time is (202). */
async function wait(context: Caller): Promise<Response> {
	const { url, environment, principal, baseUrl } = context;
	onlyParameters(url, ["timeout"]);
	const timeoutMs = integerParameter(url, "timeout", { least: 0, most: MAX_WAIT_S, fallback: 60 }) * 1000;
	const until = Date.now() + timeoutMs;
	let record = await requireRun(context);
	let rev = 0;
	while (!isTerminal(record.run.state) && Date.now() < until) {
		const followed = await dispatcherOf(environment, principal.team).followRun(record.run.id, rev, Math.min(HOLD_MS, until - Date.now()));
		rev = followed?.rev ?? 0;
		record = followed?.rows ?? (await requireRun(context));
	}
	return json(presentRun(record, baseUrl), isTerminal(record.run.state) ? 200 : 202);
}

async function cancel(context: Caller): Promise<Response> {
	const { environment, principal, baseUrl } = context;
	onlyParameters(context.url, []);
	const record = await requireRun(context);
	const { run } = record;
	if (run.state === "cancelled") return json(presentRun(record, baseUrl));
	if (isTerminal(run.state)) throw alreadyOver("run", run.id, run.state);
	const rows = unwrap(await dispatcherOf(environment, principal.team).cancelRun(run.id, actorOf(principal)));
	return json(presentRun(rows, baseUrl));
}

/** DELETE /runs/:id: the run with its logs and artifacts, once it is over. */
async function remove(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	await deleteFinishedRun(context);
	return new Response(null, { status: 204 });
}

/**
 * Deletes the run that the path names.
 * @throws ApiError `not_found`, `conflict` while it lives or its end is still being recorded
 */
export async function deleteFinishedRun(context: Pick<Caller, "environment" | "params" | "principal" | "requestId">): Promise<void> {
	const { environment, principal, requestId } = context;
	const { run } = await requireRun(context);
	if (!isTerminal(run.state)) {
		throw new ApiError("conflict", `The run is ${run.state}; only one that is over can be deleted.`, {
			details: { id: run.id, state: run.state },
			suggestions: [`Cancel it first: POST /api/v1/runs/${run.id}/cancel`],
		});
	}
	if (!(await dispatcherOf(environment, principal.team).hasDeparted(run.id, DEPARTURE_MS))) {
		throw new ApiError("conflict", "The end of the run is still being recorded.", {
			details: { id: run.id, state: run.state },
			suggestions: ["Try again in a moment; /readyz says whether the record is behind."],
		});
	}
	await removeRun(environment, run.id);
	log("info", "run deleted", { request_id: requestId, run: run.id, actor: actorOf(principal) });
}

/** GET /runs/:id/events: every transition of the run and its jobs, oldest first. */
async function listTransitions(context: Caller): Promise<Response> {
	const { url, environment, principal } = context;
	onlyParameters(url, ["limit", "cursor"]);
	const { run } = await requireRun(context);
	const limit = integerParameter(url, "limit", { least: 1, most: MAX_LIST_LIMIT, fallback: MAX_LIST_LIMIT });
	const after = numberCursor(url) ?? 0;
	// The queue first: what it hands over in between is then seen in the record.
	const pending = await dispatcherOf(environment, principal.team).readEvents(run.id);
	const recorded = await listEvents(environment.DB, principal.team, run.id, after, limit + 1);
	const known = new Set(recorded.map(({ rev }) => rev));
	const all = [...recorded, ...pending.filter(({ rev }) => rev > after && !known.has(rev))].sort((a, b) => a.rev - b.rev);
	const shown = all.slice(0, limit);
	return json({ items: shown.map(presentEvent), next_cursor: all.length > limit ? String(shown.at(-1)?.rev) : null });
}

/** GET /runs/:id/log: the logs of all of its jobs as one text, followed to the end. */
async function followLog(context: Caller): Promise<Response> {
	const { url, environment, principal, baseUrl } = context;
	onlyParameters(url, ["format"]);
	const format = wordParameter(url, "format", FORMATS_OF_FOLLOWED) ?? "raw";
	const { run } = await requireRun(context);
	return streamed(TEXT_STREAM_HEADERS, (write) => followRun(environment, principal.team, run.id, baseUrl, write, { format }));
}

export const runRoutes = [
	route("POST", "/api/v1/runs", ["user", "host"], submit),
	route("GET", "/api/v1/runs", ["user", "host"], list),
	route("GET", "/api/v1/runs/:id", ["user", "host"], get),
	route("GET", "/api/v1/runs/:id/wait", ["user", "host"], wait),
	route("GET", "/api/v1/runs/:id/log", ["user", "host"], followLog),
	route("DELETE", "/api/v1/runs/:id", ["user", "host"], remove),
	route("GET", "/api/v1/runs/:id/events", ["user", "host"], listTransitions),
	route("POST", "/api/v1/runs/:id/cancel", ["user", "host"], cancel),
];
