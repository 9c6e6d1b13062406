import { ulid } from "ulid";
import { parseSubmission } from "../../schema/pipeline/parse.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import { isTerminal, RUN_STATES } from "../../schema/wire/states.ts";
import { sha256 } from "../auth/digest.ts";
import { findRun, listRuns, type RunRecord } from "../catalog/record.ts";
import { alreadyOver } from "../dispatch/core/cancel.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import { json, streamed, TEXT_STREAM_HEADERS } from "./answers.ts";
import { parseJson, readText } from "./bodies.ts";
import { type RequestContext, route } from "./context.ts";
import { followRun } from "./follow_run.ts";
import { presentRun, presentRunSummary } from "./present.ts";
import { flagParameter, integerParameter, onlyParameters, pageOf, pageParameters, wordParameter } from "./queries.ts";

const HOLD_MS = 20_000;
const MAX_WAIT_S = 3600;

type Caller = RequestContext<"user" | "host">;

/** POST /runs: accepts a pipeline or a submission, as JSON or YAML. */
async function submit(context: Caller): Promise<Response> {
	const { request, url, environment, principal, baseUrl } = context;
	onlyParameters(url, ["follow"]);
	const isFollowing = flagParameter(url, "follow");
	const text = await readText(request, MAX_PIPELINE_BYTES);
	if (text.trim() === "") {
		throw new ApiError("malformed", "The body is empty.", { suggestions: ['-d \'{"run": "make test"}\', or --data-binary @pipeline.yml'] });
	}
	if (/\bjson\b/i.test(request.headers.get("Content-Type") ?? "")) parseJson(text);
	const { pipeline, project } = parseSubmission(text);
	const definition = await sha256(JSON.stringify(pipeline));
	const answer = unwrap(
		await dispatcherOf(environment, principal.team).submit({
			runId: `${ID_PREFIXES.run}_${ulid()}`,
			pipeline,
			definition,
			project,
			trigger: { kind: "api", actor: actorOf(principal) },
			idempotency: await idempotencyOf(context, `${project} ${definition}`),
		}),
	);
	const headers = { Location: `/api/v1/runs/${answer.runId}`, ...(answer.isReplay ? { "Idempotent-Replayed": "true" } : {}) };
	if (isFollowing) {
		return streamed({ ...TEXT_STREAM_HEADERS, ...headers }, (write) =>
			followRun(environment, principal.team, answer.runId, baseUrl, write),
		);
	}
	const record = answer.rows ?? (await findRun(environment, principal.team, answer.runId));
	if (!record) throw notFound("run", answer.runId);
	return json(presentRun(record, baseUrl), 201, headers);
}

function actorOf(principal: Caller["principal"]): string {
	return principal.kind === "user" ? principal.name : "the coordinator";
}

async function idempotencyOf({ request, principal }: Caller, content: string) {
	const key = request.headers.get("Idempotency-Key");
	if (key === null) return null;
	if (key === "" || key.length > 200) {
		throw new ApiError("malformed", "An Idempotency-Key has 1 to 200 characters.", { suggestions: ["Use a UUID."] });
	}
	const scope = principal.kind === "user" ? principal.tokenId : principal.kind;
	return { scope, key, digest: await sha256(content) };
}

async function list({ url, environment, principal, baseUrl }: Caller): Promise<Response> {
	onlyParameters(url, ["limit", "cursor", "state", "project"]);
	const { limit, after } = pageParameters(url);
	const rows = await listRuns(environment.DB, principal.team, {
		limit: limit + 1,
		after,
		state: wordParameter(url, "state", RUN_STATES),
		project: url.searchParams.get("project"),
	});
	return json(pageOf(rows, limit, (run) => presentRunSummary(run, baseUrl)));
}

/** @throws ApiError `not_found` */
async function requireRun({ environment, principal, params }: RequestContext<"user" | "host">): Promise<RunRecord> {
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

/** GET /runs/:id/log: the logs of all of its jobs as one text, followed to the end. */
async function followLog(context: Caller): Promise<Response> {
	const { environment, principal, baseUrl } = context;
	onlyParameters(context.url, []);
	const { run } = await requireRun(context);
	return streamed(TEXT_STREAM_HEADERS, (write) => followRun(environment, principal.team, run.id, baseUrl, write));
}

export const runRoutes = [
	route("POST", "/api/v1/runs", ["user", "host"], submit),
	route("GET", "/api/v1/runs", ["user", "host"], list),
	route("GET", "/api/v1/runs/:id", ["user", "host"], get),
	route("GET", "/api/v1/runs/:id/wait", ["user", "host"], wait),
	route("GET", "/api/v1/runs/:id/log", ["user", "host"], followLog),
	route("POST", "/api/v1/runs/:id/cancel", ["user", "host"], cancel),
];
