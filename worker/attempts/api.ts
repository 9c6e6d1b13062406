import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { isHttp } from "../../schema/wire/git.ts";
import { MAX_FINISH_BYTES, MAX_LOG_CHUNK_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import { checkUploads, startUploads } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { buildCacheAccess } from "../build_caches/service.ts";
import { type DiscoveryOfRun, discoveredRuns, discoveryNotices } from "../discovery/service.ts";
import { json } from "../http/answers.ts";
import { readBytes, readText, validated } from "../http/bodies.ts";
import { parseBoundedJson } from "../http/bounded_json.ts";
import type { RequestContext } from "../http/route.ts";
import { type Bodied, route } from "../http/route.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { logShardOf } from "../platform/log_shard.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { maxLogBytes } from "../platform/settings.ts";
import { updateNotices } from "../projects/service.ts";
import { findAttempt } from "../record/runs.ts";
import { findSource } from "../sources/service.ts";
import { isOutdated } from "../webhooks/service.ts";
import { assignmentOf, projectOfSource, secretsFor } from "./assignment.ts";
import { includableBy } from "./includes.ts";
import { uploadPipeline } from "./pipeline_uploads.ts";
import { assertConsistent, digestOf, recordedState } from "./results.ts";
import { leaseOf } from "./service.ts";

type Caller = RequestContext<"lease">;

async function start(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	const started = unwrap(await dispatcherOf(context.environment, lease.team).start(lease));
	const project = await projectOfSource(context.environment, lease.team, started.run);
	const credentials = isHttp(project?.repository ?? "") ? (project?.credentials ?? null) : null;
	const values = await secretsFor(context.environment, lease, started, credentials);
	const build_cache = await buildCacheAccess(context.environment, lease, started.definition.build_caches);
	const assignment = { ...assignmentOf(started, values, { project, credentials }, context.baseUrl), build_cache };
	const { discovery } = assignment;
	if (discovery === null) return json(assignment);
	const projects = await includableBy(context.environment, lease.team, started.run);
	return json({ ...assignment, discovery: { ...discovery, projects } });
}

/** GET …/source: the source bundle of the workspace. */
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

/**
 * Shorter bodies are read before the lease is checked: the queue then checks lease and body in one
 * call.
 */
const UNCHECKED_BYTES = 16 * 1024;
/** Few results are larger. */
const LARGE_RESULT_BYTES = 256 * 1024;

/**
 * Rejects a large body without a live lease before it is read.
 * @throws ApiError `attempt_finished`, `attempt_superseded`
 */
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

/**
 * PATCH …/log: appends bytes at exactly the end of the log. Only the signature of the token is
 * checked.
 */
async function appendLog(context: Caller): Promise<Response> {
	const { request, environment } = context;
	const lease = leaseOf(context);
	const header = request.headers.get("Upload-Offset") ?? "";
	const offset = Number(header);
	if (!/^\d{1,15}$/.test(header)) {
		throw new ApiError("malformed", "The Upload-Offset header is missing or is not a number.", {
			suggestions: ["Begin with Upload-Offset: 0."],
		});
	}
	const bytes = await readBytes(request, MAX_LOG_CHUNK_BYTES);
	// Its agent knows the quota of the team, as it was when the job began.
	const maxBytes = maxLogBytes(environment, null);
	const result = await logShardOf(environment, lease.shard).append(lease.attemptId, { team: lease.team, maxBytes }, offset, bytes);
	switch (result.outcome) {
		case "appended":
			return new Response(null, { status: 204, headers: { "Upload-Offset": String(result.offset) } });
		case "wrong_offset":
			throw new ApiError("log_offset_mismatch", `The log ends at offset ${result.offset}, not at ${offset}.`, {
				details: { offset: result.offset },
				suggestions: ["Send the log from the offset in Upload-Offset."],
				headers: { "Upload-Offset": String(result.offset) },
			});
		case "full":
			throw new ApiError("too_large", `The log is larger than ${maxBytes} bytes.`, {
				details: { limit: maxBytes },
				suggestions: ["Send no more of the log, and end it as incomplete."],
			});
		case "closed":
			throw finished();
	}
}

function finished(): ApiError {
	return new ApiError("attempt_finished", "The attempt has ended and its log is closed.", {
		suggestions: ["Discard unsent log bytes."],
	});
}

async function putSteps(context: Caller & Bodied<typeof protocol.steps>): Promise<Response> {
	const { readBody, environment } = context;
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { steps } = await readBody();
	const { isClosed } = await logShardOf(environment, lease.shard).putSteps(lease.attemptId, { team: lease.team }, steps);
	if (isClosed) throw finished();
	return new Response(null, { status: 204 });
}

async function requestUploads(context: Caller & Bodied<typeof protocol.artifactUploadRequest>): Promise<Response> {
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { files } = await context.readBody();
	unwrap(await dispatcherOf(context.environment, lease.team).checkLease(lease));
	return json(await startUploads(context.environment, lease, files));
}

/** POST …/finish: the result of the attempt. A repeat of the same body gets the same answer. */
async function finish(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	const dispatcher = dispatcherOf(context.environment, lease.team);
	const length = context.request.headers.get("Content-Length");
	if (length === null || Number(length) > LARGE_RESULT_BYTES) await checkKnown(context, lease);
	const text = await readText(context.request, MAX_FINISH_BYTES);
	const body = validated(protocol.finish, await parseBoundedJson(text));
	assertConsistent(body);
	const digest = await digestOf(body);
	// Large files are read for the check. An ended attempt skips it: the queue rejects its result.
	const isChecked = body.artifacts.every(({ size }) => size <= SINGLE_PART_BYTES) || (await dispatcher.checkLease(lease)).ok;
	const artifacts = isChecked ? await checkUploads(context.environment, lease, body.artifacts) : [];
	try {
		const discovery = body.discovery && (await discoveryOf(context, lease));
		const discovered = body.discovery && discovery && (await discoveredRuns(discovery, body.discovery));
		const state = unwrap(await dispatcher.finish(lease, body, digest, artifacts, discovered));
		if (body.discovery && discovery) await updateNoticesOf(context.environment, lease.team, discovery, body.discovery);
		return json({ attempt_state: state });
	} catch (error) {
		const hasEnded = error instanceof ApiError && error.code === "attempt_finished";
		const recorded = hasEnded ? await recordedState({ environment: context.environment, team: lease.team }, lease, digest) : null;
		if (recorded === null) throw error;
		return json({ attempt_state: recorded });
	}
}

/**
 * Checks that the attempt exists, in the queue or in D1: a repeated result gets the answer of the
 * first.
 */
async function checkKnown({ environment }: Caller, lease: LeaseTokenClaims): Promise<void> {
	if (await dispatcherOf(environment, lease.team).knowsLease(lease)) return;
	if (!(await findAttempt(environment.DB, lease.attemptId))) throw finished();
}

/**
 * The task of a discovery job; null for another job, and for an ended one, whose result the queue
 * rejects.
 */
async function discoveryOf({ environment }: Caller, lease: LeaseTokenClaims): Promise<DiscoveryOfRun | null> {
	const discovery = await dispatcherOf(environment, lease.team).discoveryOf(lease);
	return discovery.ok ? discovery.value : null;
}

/**
 * Updates the notices of a project after a discovery job, unless a newer delivery of the ref does
 * it. Errors are only logged: the result of the job is accepted.
 */
async function updateNoticesOf(environment: Environment, team: string, discovery: DiscoveryOfRun, result: DiscoveryResult): Promise<void> {
	const { id: run_id, project, trigger_delivery: id } = discovery.run;
	try {
		if (id !== null && (await isOutdated(environment.DB, { team, project, id, run_id, ref: discovery.discovery.trigger.ref }))) return;
		await updateNotices(environment.DB, team, project, discoveryNotices(discovery, result));
	} catch (error) {
		log("warn", "cannot update the notices of a project", { project, ...errorFields(error) });
	}
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
		description: { summary: "The source bundle of the workspace", answers: { 200: "application/octet-stream" } },
		handle: getSource,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/release",
		allow: ["lease"],
		description: { summary: "Decline an offer", answers: { 204: null } },
		handle: release,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/commit",
		allow: ["lease"],
		description: { summary: "Pin the run's commit; the first request decides", answers: { 200: protocol.commitAnswer } },
		body: protocol.pinnedCommit,
		handle: pinCommit,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/attempts/:id/log",
		allow: ["lease"],
		description: {
			summary: "Append to the log",
			headers: { "Upload-Offset": "the offset of these bytes, exactly the end of the log" },
			content: { "application/octet-stream": "the bytes, at most 1 MiB" },
			answers: { 204: null },
		},
		handle: appendLog,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/steps",
		allow: ["lease"],
		description: { summary: "Update the steps", answers: { 204: null } },
		body: protocol.steps,
		handle: putSteps,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/artifacts",
		allow: ["lease"],
		description: { summary: "Request addresses for the upload of up to 500 files", answers: { 200: protocol.artifactUploads } },
		body: protocol.artifactUploadRequest,
		handle: requestUploads,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/pipeline",
		allow: ["lease"],
		description: {
			summary: "Add the jobs of a pipeline to the run",
			content: { "application/yaml": "a pipeline with `jobs`, and with `templates`, `env` and `defaults` for them" },
			answers: { 200: protocol.uploadedPipeline },
		},
		handle: uploadPipeline,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/finish",
		allow: ["lease"],
		description: { summary: "Send the result", answers: { 200: protocol.finishAnswer } },
		body: protocol.finish,
		handle: finish,
	}),
];
