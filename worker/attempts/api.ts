import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_FINISH_BYTES, MAX_LOG_CHUNK_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import type { DiscoveryResult } from "../../schema/wire/plans.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import type { AttemptState, StepState } from "../../schema/wire/states.ts";
import { checkUploads, planUploads } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { type DiscoveryOfRun, discoveredRuns, discoveryNotices } from "../discovery/service.ts";
import { json } from "../http/answers.ts";
import { readBytes, readText, validated } from "../http/bodies.ts";
import { parseBoundedJson } from "../http/bounded_json.ts";
import type { RequestContext } from "../http/route.ts";
import { type Bodied, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { maxLogBytes } from "../platform/settings.ts";
import { updateNotices } from "../projects/service.ts";
import { answeredState, otherResult } from "../queue/core/leases/attempts.ts";
import { findAttempt, findJob } from "../record/runs.ts";
import { findSource } from "../sources/service.ts";
import { isOutdated } from "../webhooks/service.ts";
import { assignmentOf, isHttp, projectOfSource, secretsFor } from "./assignment.ts";
import { leaseOf } from "./service.ts";

type Caller = RequestContext<"lease">;

async function start(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	const started = unwrap(await dispatcherOf(context.environment, lease.team).start(lease));
	const project = await projectOfSource(context.environment, lease.team, started.run);
	const credentials = isHttp(project?.repository ?? "") ? (project?.credentials ?? null) : null;
	const values = await secretsFor(context.environment, lease, started, credentials);
	return json(assignmentOf(started, values, { project, credentials }, context.baseUrl));
}

/** GET …/source: the bundle that the workspace is made of. */
async function getSource(context: Caller): Promise<Response> {
	const { environment } = context;
	const lease = leaseOf(context);
	const id = unwrap(await dispatcherOf(environment, lease.team).sourceOf(lease));
	const source = id === null ? null : await findSource(environment.DB, lease.team, id);
	const object = source && (await environment.BUCKET.get(source.key));
	if (!source || !object) throw notFound("source", id ?? "of this run");
	return new Response(object.body, {
		headers: {
			"Content-Type": "application/octet-stream",
			"Content-Length": String(source.size),
			"X-Content-SHA256": source.sha256,
			"Cache-Control": "private, no-transform",
		},
	});
}

async function release(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	unwrap(await dispatcherOf(context.environment, lease.team).release(lease));
	return new Response(null, { status: 204 });
}

/** A body so short is read before the queue is asked about its lease, which it is with what the body says. */
const UNCHECKED_BYTES = 16 * 1024;
/** Few results are larger. */
const LARGE_RESULT_BYTES = 256 * 1024;

/** Nobody without a live lease has a large body read. @throws ApiError `attempt_finished`, `attempt_superseded` */
async function checkBeforeReading({ request, environment }: Caller, lease: LeaseTokenClaims): Promise<void> {
	const length = request.headers.get("Content-Length");
	if (length !== null && Number(length) <= UNCHECKED_BYTES) return;
	unwrap(await dispatcherOf(environment, lease.team).checkLease(lease));
}

async function pinCommit(context: Caller & Bodied<typeof protocol.pinnedCommit>): Promise<Response> {
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const body = await context.readBody();
	return json({ sha: unwrap(await dispatcherOf(context.environment, lease.team).pinCommit(lease, body)) });
}

/** PATCH …/log: bytes at exactly the end of the log. A byte write: the token's signature alone is checked. */
async function appendLog(context: Caller): Promise<Response> {
	const { request, environment } = context;
	const lease = leaseOf(context);
	const header = request.headers.get("Upload-Offset") ?? "";
	const offset = Number(header);
	if (!/^\d{1,15}$/.test(header)) {
		throw new ApiError("malformed", "Upload-Offset must say where these bytes begin.", { suggestions: ["Begin with Upload-Offset: 0."] });
	}
	const bytes = await readBytes(request, MAX_LOG_CHUNK_BYTES);
	const result = await environment.LOG_SHARD.getByName(`log:${lease.shard}`).append(lease.attemptId, { team: lease.team }, offset, bytes);
	switch (result.outcome) {
		case "appended":
			return new Response(null, { status: 204, headers: { "Upload-Offset": String(result.offset) } });
		case "wrong_offset":
			throw new ApiError("log_offset_mismatch", `The log ends at ${result.offset}, not at ${offset}.`, {
				details: { offset: result.offset },
				suggestions: ["Go on from there."],
				headers: { "Upload-Offset": String(result.offset) },
			});
		case "full": {
			const limit = maxLogBytes(environment);
			throw new ApiError("too_large", `A log may have ${limit} bytes.`, { details: { limit } });
		}
		case "sealed":
			throw finished();
	}
}

function finished(): ApiError {
	return new ApiError("attempt_finished", "This attempt is over; its log is sealed.", { suggestions: ["Drop what is unsent."] });
}

async function putSteps(context: Caller & Bodied<typeof protocol.steps>): Promise<Response> {
	const { readBody, environment } = context;
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { steps } = await readBody();
	const { isSealed } = await environment.LOG_SHARD.getByName(`log:${lease.shard}`).putSteps(lease.attemptId, { team: lease.team }, steps);
	if (isSealed) throw finished();
	return new Response(null, { status: 204 });
}

async function planArtifacts(context: Caller & Bodied<typeof protocol.artifactPlan>): Promise<Response> {
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { files } = await context.readBody();
	unwrap(await dispatcherOf(context.environment, lease.team).checkLease(lease));
	return json(await planUploads(context.environment, lease, files));
}

/** POST …/finish: the result. The same body again gets the same answer. */
async function finish(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	const dispatcher = dispatcherOf(context.environment, lease.team);
	const length = context.request.headers.get("Content-Length");
	if (length === null || Number(length) > LARGE_RESULT_BYTES) await checkKnown(context, lease);
	const text = await readText(context.request, MAX_FINISH_BYTES);
	const body = validated(protocol.finish, await parseBoundedJson(text));
	assertConsistent(body);
	const digest = await sha256(JSON.stringify(body));
	// Large files are read to be checked: not for an attempt that is over, whose result says so itself.
	const isChecked = body.artifacts.every(({ size }) => size <= SINGLE_PART_BYTES) || (await dispatcher.checkLease(lease)).ok;
	const artifacts = isChecked ? await checkUploads(context.environment, lease, body.artifacts) : [];
	try {
		const plan = body.plan && (await discoveryOf(context, lease));
		const planned = body.plan && plan && (await discoveredRuns(plan, body.plan));
		const state = unwrap(await dispatcher.finish(lease, body, digest, artifacts, planned));
		if (body.plan && plan) await updateNoticesOf(context.environment, lease.team, plan, body.plan);
		return json({ attempt_state: state });
	} catch (error) {
		const isOver = error instanceof ApiError && error.code === "attempt_finished";
		const recorded = isOver ? await recordedFinish(context.environment, lease, digest) : null;
		if (recorded === null) throw error;
		return json({ attempt_state: recorded });
	}
}

/** A result that comes again is answered as before: also one of an attempt that only the record still has. */
async function checkKnown({ environment }: Caller, lease: LeaseTokenClaims): Promise<void> {
	if (await dispatcherOf(environment, lease.team).knowsLease(lease)) return;
	if (!(await findAttempt(environment.DB, lease.attemptId))) throw finished();
}

/** The plan of a discovery job; null for another job, and for one that is over: its result says so itself. */
async function discoveryOf({ environment }: Caller, lease: LeaseTokenClaims): Promise<DiscoveryOfRun | null> {
	const plan = await dispatcherOf(environment, lease.team).discoveryOf(lease);
	return plan.ok ? plan.value : null;
}

/** Updates the notices of a project after a discovery job, unless a newer delivery of the same ref does. The result of the job is taken all the same. */
async function updateNoticesOf(environment: Environment, team: string, plan: DiscoveryOfRun, result: DiscoveryResult): Promise<void> {
	const { id: run_id, project, trigger_delivery: id } = plan.run;
	try {
		if (id !== null && (await isOutdated(environment.DB, { team, project, id, run_id, ref: plan.plan.trigger.ref }))) return;
		await updateNotices(environment.DB, team, project, discoveryNotices(plan, result));
	} catch (error) {
		log("warn", "the notices of a project cannot be updated", { project, ...errorFields(error) });
	}
}

/**
 * The state of an attempt whose run has left the queue, if this is the result that it ended with; null if it ended without one.
 * @throws ApiError `conflict` if it ended with another one
 */
async function recordedFinish(environment: Environment, lease: LeaseTokenClaims, digest: string): Promise<AttemptState | null> {
	const attempt = await findAttempt(environment.DB, lease.attemptId);
	if (!attempt?.finish_digest) return null;
	if (attempt.finish_digest !== digest) throw otherResult(attempt);
	const found = await findJob(environment, lease.team, attempt.job_id);
	return found ? answeredState(attempt, found.job) : attempt.state;
}

const OPEN_STEPS: ReadonlySet<StepState> = new Set(["pending", "running"]);

/** A result with steps that are still open is no result. */
function assertConsistent(body: protocol.Finish): void {
	const open = body.steps.find((step) => OPEN_STEPS.has(step.state));
	if (!open) return;
	throw new ApiError("validation_failed", `The step ${JSON.stringify(open.name)} is still ${open.state}.`, {
		details: {
			errors: [
				{
					path: "steps",
					line: null,
					column: null,
					message: `a step is ${open.state}`,
					suggestion: "report steps that did not run as skipped",
				},
			],
		},
	});
}

export const attemptRoutes = [
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/start",
		allow: ["lease"],
		description: { summary: "Claim an offer", answers: { 200: protocol.assignment } },
		handle: start,
	}),
	route({
		method: "GET",
		path: "/api/v1/attempts/:id/source",
		allow: ["lease"],
		description: { summary: "The bundle that the workspace is made of", answers: { 200: "application/octet-stream" } },
		handle: getSource,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/release",
		allow: ["lease"],
		description: { summary: "Hand an offer back", answers: { 204: null } },
		handle: release,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/commit",
		allow: ["lease"],
		description: { summary: "Pin the run's commit; the first to ask decides", answers: { 200: protocol.commitAnswer } },
		body: protocol.pinnedCommit,
		handle: pinCommit,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/attempts/:id/log",
		allow: ["lease"],
		description: {
			summary: "Add to the log",
			headers: { "Upload-Offset": "where these bytes begin: exactly where the log ends" },
			content: { "application/octet-stream": "the bytes, at most 1 MiB" },
			answers: { 204: null },
		},
		handle: appendLog,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/steps",
		allow: ["lease"],
		description: { summary: "Say how far the steps are", answers: { 204: null } },
		body: protocol.steps,
		handle: putSteps,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/artifacts",
		allow: ["lease"],
		description: { summary: "Plan the upload of up to 500 files", answers: { 200: protocol.artifactPlanAnswer } },
		body: protocol.artifactPlan,
		handle: planArtifacts,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/finish",
		allow: ["lease"],
		description: { summary: "Deliver the result", answers: { 200: protocol.finishAnswer } },
		body: protocol.finish,
		handle: finish,
	}),
];
