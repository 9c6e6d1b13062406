import type { ProjectRow } from "../../schema/database/tables.ts";
import { type CheckoutOptions, chosenCheckout } from "../../schema/wire/checkout.ts";
import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_FINISH_BYTES, MAX_LOG_CHUNK_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import { ADHOC_PROJECT } from "../../schema/wire/projects.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import type { AttemptState, StepState } from "../../schema/wire/states.ts";
import { checkUploads, planUploads } from "../artifacts/uploads.ts";
import type { Environment } from "../bindings.ts";
import { type DiscoveryOfRun, discoveredRuns, discoveryNotices } from "../discovery/discovered_runs.ts";
import { json } from "../http/answers.ts";
import { readBytes, readJson, readText, validated } from "../http/bodies.ts";
import { parseBoundedJson } from "../http/bounded_json.ts";
import { type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { withDeadline } from "../platform/deadline.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { maxLogBytes } from "../platform/settings.ts";
import { updateNotices } from "../projects/notices_store.ts";
import { checkoutOf, findProject } from "../projects/store.ts";
import { answeredState, otherResult, type Started } from "../queue/core/leases/attempts.ts";
import { findAttempt, findJob } from "../runs/store.ts";
import { readSecrets } from "../secrets/service.ts";
import { findSource } from "../sources/store.ts";
import { isOutdated } from "../webhooks/store.ts";

type Caller = RequestContext<"lease">;

/** How long secrets may take. */
const SECRETS_MS = 20_000;

/** The lease that the caller holds. @throws ApiError `forbidden` if its token is another attempt's */
export function leaseOf({ principal, params }: Caller): LeaseTokenClaims {
	if (principal.claims.attemptId === params.id) return principal.claims;
	throw new ApiError("forbidden", "This lease token belongs to another attempt.", { details: { attempt_id: principal.claims.attemptId } });
}

async function start(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	const started = unwrap(await dispatcherOf(context.environment, lease.team).start(lease));
	const project = await projectOfSource(context.environment, lease.team, started.run);
	const credentials = isHttp(project?.repository ?? "") ? (project?.credentials ?? null) : null;
	const values = await secretsFor(context.environment, lease, started, credentials);
	return json(assignmentOf(started, values, { project, credentials }, context.baseUrl));
}

/** Only a repository that is read over HTTP takes credentials. */
function isHttp(repository: string): boolean {
	return /^https?:/.test(repository);
}

/** The project whose settings and credentials a checkout gets: only its own repository does. Without credentials a checkout needs no settings. */
async function projectOfSource(
	environment: Environment,
	team: string,
	{ project, source_git }: Started["run"],
): Promise<ProjectRow | null> {
	if (source_git === null || project === ADHOC_PROJECT) return null;
	try {
		const found = await findProject(environment.DB, team, project);
		return found?.repository === source_git ? found : null;
	} catch (error) {
		if (isHttp(source_git)) throw error;
		log("warn", "the settings of a project cannot be read: its checkout has the defaults", { project, ...errorFields(error) });
		return null;
	}
}

/**
 * The secrets of a job that starts, by their names. One that is there no more ends the attempt; where they cannot be read at the moment, the job goes back
 * and comes again. Whoever asks once more after the first step has begun gets none.
 * @throws ApiError `attempt_finished`, `attempt_superseded`
 */
async function secretsFor(
	environment: Environment,
	lease: LeaseTokenClaims,
	{ attempt, run, definition }: Started,
	credentials: string | null,
): Promise<Map<string, string>> {
	// What comes from where others may write gets no secrets; its source is read with them all the same, by the agent alone.
	const asked = run.is_trusted === 1 ? Object.values(definition.secrets) : [];
	const names = [...new Set([...asked, ...(credentials === null ? [] : [credentials])])];
	if (names.length === 0) return new Map();
	const shard = environment.LOG_SHARD.getByName(`log:${lease.shard}`);
	if ((await shard.progress(attempt.id)).steps.some(({ state }) => state !== "pending")) return new Map();
	const dispatcher = dispatcherOf(environment, lease.team);
	let values: Map<string, string>;
	try {
		values = await withDeadline(readSecrets(environment, lease.team, run.project, names), SECRETS_MS, "the secrets");
	} catch (error) {
		log("warn", "the secrets of a job cannot be read", { attempt: attempt.id, ...errorFields(error) });
		const text = error instanceof ApiError ? error.message : "The secrets cannot be read at the moment.";
		unwrap(await dispatcher.snooze(lease, { code: "secrets", text }));
		throw new ApiError("attempt_superseded", text, { suggestions: ["The job is offered again in a while."] });
	}
	const missing = names.filter((name) => !values.has(name));
	if (missing.length > 0) {
		const text = `There is no secret ${missing.join(", ")} for the project ${run.project}.`;
		unwrap(await dispatcher.fail(lease, { code: "secret_unavailable", text }));
		throw new ApiError("attempt_finished", text);
	}
	// Reading took a while: what was lost or cancelled meanwhile gets nothing.
	unwrap(await dispatcher.checkLease(lease));
	return values;
}

function assignmentOf(
	{ attempt, job, run, definition, checkout }: Started,
	values: ReadonlyMap<string, string>,
	{ project, credentials }: { project: ProjectRow | null; credentials: string | null },
	baseUrl: string,
): protocol.Assignment {
	return {
		attempt_id: attempt.id,
		number: attempt.number,
		ttl_ms: Math.max(0, attempt.deadline - Date.now()),
		now: Date.now(),
		run: {
			id: run.id,
			number: run.number,
			project: run.project,
			url: `${baseUrl}/runs/${run.id}`,
			event: run.trigger_kind,
			pull_request: run.pull_request,
		},
		pipeline: run.pipeline,
		job: { id: job.id, key: job.key, name: job.name, url: `${baseUrl}/jobs/${job.id}` },
		server_url: baseUrl,
		matrix: definition.matrix,
		env: definition.env,
		secrets: run.is_trusted === 1 ? variablesOf(definition.secrets, values) : {},
		timeout_ms: definition.timeout_ms,
		idle_timeout_ms: definition.idle_timeout_ms,
		runs_on: definition.runs_on,
		steps: definition.steps,
		container: definition.container,
		services: definition.services,
		outputs: definition.outputs,
		reports: definition.reports,
		discovery: definition.discovery?.work ?? null,
		lists_refs: definition.lists_refs,
		source: sourceOf(
			run,
			credentials === null ? null : (values.get(credentials) ?? null),
			chosenCheckout(checkout, project ? checkoutOf(project) : {}),
		),
		artifacts: {
			save: definition.artifacts.save,
			entries: definition.artifacts.entries,
			fetch: [...new Set(definition.artifacts.fetch.map(({ key }) => key))],
		},
	};
}

function variablesOf(names: Readonly<Record<string, string>>, values: ReadonlyMap<string, string>): Record<string, string> {
	return Object.fromEntries(
		Object.entries(names).flatMap(([variable, name]) => (values.has(name) ? [[variable, values.get(name) as string]] : [])),
	);
}

function sourceOf(
	{ source_git, source_ref, source_upload, commit_sha, is_trusted }: Started["run"],
	credentials: string | null,
	checkout: CheckoutOptions,
): protocol.Assignment["source"] {
	if (source_upload !== null) return { upload: source_upload };
	if (source_git === null) return null;
	return { git: source_git, ref: source_ref, commit: commit_sha, credentials, is_trusted: is_trusted === 1, checkout };
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

async function pinCommit(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const body = await readJson(context.request, protocol.pinnedCommit);
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

async function putSteps(context: Caller): Promise<Response> {
	const { request, environment } = context;
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { steps } = await readJson(request, protocol.steps);
	const { isSealed } = await environment.LOG_SHARD.getByName(`log:${lease.shard}`).putSteps(lease.attemptId, { team: lease.team }, steps);
	if (isSealed) throw finished();
	return new Response(null, { status: 204 });
}

async function planArtifacts(context: Caller): Promise<Response> {
	const lease = leaseOf(context);
	await checkBeforeReading(context, lease);
	const { files } = await readJson(context.request, protocol.artifactPlan);
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
		const discovery = body.discovery && (await discoveryOf(context, lease));
		const discovered = body.discovery && discovery && (await discoveredRuns(discovery, body.discovery));
		const state = unwrap(await dispatcher.finish(lease, body, digest, artifacts, discovered));
		if (body.discovery && discovery) await updateNoticesOf(context.environment, lease.team, discovery, body.discovery);
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

/** The task of a discovery job; null for another job, and for one that is over: its result says so itself. */
async function discoveryOf({ environment }: Caller, lease: LeaseTokenClaims): Promise<DiscoveryOfRun | null> {
	const discovery = await dispatcherOf(environment, lease.team).discoveryOf(lease);
	return discovery.ok ? discovery.value : null;
}

/** Updates the notices of a project after a discovery job, unless a newer delivery of the same ref does. The result of the job is taken all the same. */
async function updateNoticesOf(environment: Environment, team: string, discovery: DiscoveryOfRun, result: DiscoveryResult): Promise<void> {
	const { id: run_id, project, trigger_delivery: id } = discovery.run;
	try {
		if (id !== null && (await isOutdated(environment.DB, { team, project, id, run_id, ref: discovery.discovery.trigger.ref }))) return;
		await updateNotices(environment.DB, team, project, discoveryNotices(discovery, result));
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
	route("POST", "/api/v1/attempts/:id/start", ["lease"], start),
	route("GET", "/api/v1/attempts/:id/source", ["lease"], getSource),
	route("POST", "/api/v1/attempts/:id/release", ["lease"], release),
	route("POST", "/api/v1/attempts/:id/commit", ["lease"], pinCommit),
	route("PATCH", "/api/v1/attempts/:id/log", ["lease"], appendLog),
	route("POST", "/api/v1/attempts/:id/steps", ["lease"], putSteps),
	route("POST", "/api/v1/attempts/:id/artifacts", ["lease"], planArtifacts),
	route("POST", "/api/v1/attempts/:id/finish", ["lease"], finish),
];
