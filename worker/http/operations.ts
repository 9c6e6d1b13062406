import * as z from "zod";
import * as agents from "../../schema/wire/agents.ts";
import * as deliveries from "../../schema/wire/deliveries.ts";
import * as plans from "../../schema/wire/discovery.ts";
import { FORMATS_OF_FOLLOWED, FORMATS_OF_LOGS } from "../../schema/wire/log_formats.ts";
import * as notifications from "../../schema/wire/notifications.ts";
import * as pipelines from "../../schema/wire/pipelines.ts";
import * as projects from "../../schema/wire/projects.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import * as resources from "../../schema/wire/resources.ts";
import * as schedules from "../../schema/wire/schedules.ts";
import * as secrets from "../../schema/wire/secrets.ts";
import * as sessions from "../../schema/wire/sessions.ts";
import { JOB_STATES, RUN_STATES } from "../../schema/wire/states.ts";

/** What each route takes and answers, in the very schemas that check it; `/openapi.json` is made of this. */

export interface Operation {
	summary: string;
	/** Query parameters: what each is for. */
	query?: Record<string, { description: string; schema?: z.ZodType }>;
	/** Request headers that do something. */
	headers?: Record<string, string>;
	/** What is sent: a schema for JSON, or a media type with what is in it. */
	body?: z.ZodType | Record<string, string>;
	/** By status; a schema for JSON, a media type for everything else, null for nothing. */
	answers: Record<number, z.ZodType | string | null>;
}

const pageOf = (item: z.ZodType) => z.object({ items: z.array(item), next_cursor: z.string().nullable() });
const limit = { description: "how many at most (20; at most 200)", schema: z.number().int().min(1).max(200) };
const cursor = { description: "next_cursor of the page before" };
const attempt = { description: "the number of the attempt; the newest is the default", schema: z.number().int().min(1) };
const NAME_OF_FILES = { description: "only the files of this name" };
const status = z.object({ status: z.string() });
const readiness = z.object({
	status: z.enum(["ready", "not ready"]),
	problems: z.array(z.string()),
	outbox_waiting: z.number().nullable(),
});
const version = z.object({ name: z.string(), version: z.string(), protocol: z.number() });
const log = { "Upload-Offset": "where these bytes begin: exactly where the log ends" };

/** By method and path, as the routes are declared. */
export const OPERATIONS: Record<string, Operation> = {
	"GET /healthz": { summary: "The process answers", answers: { 200: status } },
	"GET /readyz": { summary: "Queue and record can be reached, and nothing needs a person", answers: { 200: readiness, 503: readiness } },
	"GET /version": { summary: "What this is", answers: { 200: version } },
	"GET /api/v1/version": { summary: "What this is", answers: { 200: version } },
	"GET /openapi.json": { summary: "This document", answers: { 200: z.record(z.string(), z.unknown()) } },

	"POST /api/v1/runs": {
		summary: "Submit a pipeline, or a submission, as JSON, YAML or a form",
		query: { follow: { description: "1: answer with the logs as they are written, and ::exit N as the last line" } },
		headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
		body: {
			"application/json": "a pipeline, or {pipeline | run, params, env, source, branch, changed, runs_on, container, priority, project}",
			"application/yaml": "the same",
			"multipart/form-data": "the same names as parts; source may be a tar archive",
		},
		answers: { 201: resources.submittedRun, 200: "text/plain" },
	},
	"GET /api/v1/runs": {
		summary: "Runs, newest first",
		query: {
			limit,
			cursor,
			state: { description: "only those in this state", schema: z.enum(RUN_STATES) },
			project: { description: "only those of this project" },
			branch: { description: "only those of this branch of the project" },
			kind: {
				description: "pipeline, discovery or comparison; without it discovery runs only as long as they have not succeeded",
				schema: z.enum(resources.RUN_KINDS),
			},
		},
		answers: { 200: pageOf(resources.runSummary) },
	},
	"GET /api/v1/runs/:id": { summary: "A run with its jobs, their attempts and steps", answers: { 200: resources.run } },
	"DELETE /api/v1/runs/:id": { summary: "Delete a run that is over, with its logs and artifacts", answers: { 204: null } },
	"GET /api/v1/runs/:id/wait": {
		summary: "Wait for the end of a run: 200 when it is over, 202 when the time is",
		query: { timeout: { description: "seconds (60; at most 3600)", schema: z.number().int().min(0).max(3600) } },
		answers: { 200: resources.run, 202: resources.run },
	},
	"GET /api/v1/runs/:id/log": {
		summary: "The logs of all jobs as one text, followed to the end",
		query: { format: { description: "raw: as written; clean: without colours", schema: z.enum(FORMATS_OF_FOLLOWED) } },
		answers: { 200: "text/plain" },
	},
	"GET /api/v1/runs/:id/events": {
		summary: "Every transition of the run and its jobs, oldest first",
		query: { limit, cursor },
		answers: { 200: pageOf(resources.event) },
	},
	"POST /api/v1/runs/:id/approve": {
		summary: "Let a run pass that comes from another repository",
		answers: { 200: resources.run },
	},
	"POST /api/v1/runs/:id/decline": {
		summary: "End a run that comes from another repository",
		body: resources.approvalRequest,
		answers: { 200: resources.run },
	},
	"POST /api/v1/runs/:id/notify": {
		summary: "Tell all whom the pipeline of a run names, as a test",
		answers: { 202: notifications.notifyAnswer },
	},
	"POST /api/v1/runs/:id/cancel": { summary: "Cancel a run", answers: { 200: resources.run } },

	"POST /api/v1/runs/:id/rerun": {
		summary: "Repeat a run with the same pipeline, parameters and commit: all of it, what has failed, or one job",
		headers: { "Idempotency-Key": "the same key is the same run, for a day" },
		body: resources.rerunRequest,
		answers: { 201: resources.submittedRun },
	},
	"POST /api/v1/pipelines/validate": {
		summary: "Every fault of a pipeline or submission, or the jobs that it would make",
		body: { "application/yaml": "a pipeline or a submission", "application/json": "the same" },
		answers: { 200: resources.pipelineCheck },
	},
	"GET /api/v1/pipelines": {
		summary: "The pipelines that are kept here, by project and name",
		query: { project: { description: "only those of this project" } },
		answers: { 200: pageOf(pipelines.storedPipeline) },
	},
	"POST /api/v1/pipelines": { summary: "Keep a pipeline", body: pipelines.pipelineRequest, answers: { 201: pipelines.storedPipeline } },
	"POST /api/v1/pipelines/upload": {
		summary: "Keep a pipeline, or a new version of it, that comes as a form",
		body: { "multipart/form-data": "the text as pipeline, file or yaml; name (the file's, if it is not given) and project" },
		answers: { 200: pipelines.storedPipeline, 201: pipelines.storedPipeline },
	},
	"GET /api/v1/pipelines/:id": { summary: "A pipeline with its text", answers: { 200: pipelines.wholePipeline } },
	"PUT /api/v1/pipelines/:id": {
		summary: "A new version, after the one that it is a change of; 409 if there is a newer one",
		body: pipelines.pipelineChange,
		answers: { 200: pipelines.storedPipeline },
	},
	"DELETE /api/v1/pipelines/:id": { summary: "Remove a pipeline with its versions; its runs stay", answers: { 204: null } },
	"GET /api/v1/pipelines/:id/versions": {
		summary: "The versions of a pipeline, newest first",
		query: { limit, cursor },
		answers: { 200: pageOf(pipelines.pipelineVersion) },
	},
	"GET /api/v1/pipelines/:id/versions/:number": {
		summary: "The text of a version, byte for byte",
		headers: { "If-None-Match": "its ETag" },
		answers: { 200: "application/yaml", 304: null },
	},
	"GET /api/v1/pipelines/:id/versions/:number/diff": {
		summary: "What a version has changed",
		query: { against: { description: "the version to compare with; the one before it", schema: z.number().int().min(1) } },
		answers: { 200: "text/x-diff" },
	},
	"POST /api/v1/pipelines/:id/versions/:number/restore": {
		summary: "A new version with the text of this one",
		answers: { 200: pipelines.storedPipeline },
	},
	"POST /api/v1/pipelines/:id/trigger": {
		summary: "Run the newest version",
		query: { follow: { description: "1: answer with the logs as they are written, and ::exit N as the last line" } },
		headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
		body: {
			"application/json":
				"what a submission may say beside its pipeline: {params, env, source, branch, changed, runs_on, container, priority}",
		},
		answers: { 201: resources.submittedRun, 200: "text/plain" },
	},
	"GET /schema/pipeline.json": { summary: "The pipeline language as JSON Schema", answers: { 200: z.record(z.string(), z.unknown()) } },

	"GET /api/v1/jobs": {
		summary: "Jobs, newest first",
		query: {
			limit,
			cursor,
			state: { description: "only those in this state", schema: z.enum(JOB_STATES) },
			run: { description: "only those of this run" },
		},
		answers: { 200: pageOf(resources.jobSummary) },
	},
	"GET /api/v1/jobs/:id": { summary: "A job, its attempts and steps", answers: { 200: resources.job } },
	"GET /api/v1/jobs/:id/explain": { summary: "Why a job is where it is", answers: { 200: resources.explanation } },
	"POST /api/v1/jobs/:id/cancel": { summary: "Cancel a job", answers: { 200: resources.job } },
	"GET /api/v1/runs/:id/tests": {
		summary: "The tests of a run: totals, cases, the slowest, the flaky, coverage",
		query: {
			state: { description: "which cases (failed)", schema: z.enum(["failed", "passed", "skipped", "flaky"]) },
			from: { description: "how many of them to pass over", schema: z.number().int().min(0) },
			limit: { description: "how many at most (100; at most 1000)", schema: z.number().int().min(1).max(1000) },
		},
		answers: { 200: resources.runTests },
	},
	"GET /api/v1/tests/history": {
		summary: "How one test went over time, newest first",
		query: {
			project: { description: "its project (adhoc)" },
			pipeline: { description: "its pipeline" },
			suite: { description: "its suite" },
			name: { description: "its name" },
			limit,
			cursor,
		},
		answers: { 200: resources.testHistory },
	},
	"GET /api/v1/jobs/:id/summary": { summary: "What a job says of itself, as Markdown", answers: { 200: "text/markdown" } },
	"POST /api/v1/jobs/:id/approve": { summary: "Let a job pass its gate", answers: { 200: resources.job } },
	"POST /api/v1/jobs/:id/decline": { summary: "End a job at its gate", body: resources.approvalRequest, answers: { 200: resources.job } },
	"GET /api/v1/jobs/:id/log": {
		summary: "The log of an attempt: as text with Range, followed, or as server-sent events (Accept: text/event-stream)",
		query: {
			attempt,
			format: { description: "text: as kept; raw: without times; clean: without colours, too", schema: z.enum(FORMATS_OF_LOGS) },
			follow: { description: "1: to the end, further attempts included" },
		},
		headers: {
			Range: "bytes, of format=text",
			"If-Range": "its ETag, which the log of an ended attempt has",
			"If-None-Match": "its ETag",
			"Last-Event-ID": "where an event stream goes on",
		},
		answers: { 200: "text/plain", 206: "text/plain" },
	},
	"GET /api/v1/jobs/:id/log/lines": {
		summary: "Lines of a log by their numbers, counted from 0",
		query: {
			attempt,
			from: { description: "the first line; -N: the last N" },
			count: { description: "how many (500; at most 1000)", schema: z.number().int().min(1).max(1000) },
		},
		answers: { 200: resources.logLines },
	},
	"GET /api/v1/jobs/:id/log/search": {
		summary: "The lines of a log that hold a text, whatever its case",
		query: { attempt, q: { description: "the text" }, from: { description: "the line to begin with" }, limit },
		answers: { 200: resources.logMatches },
	},
	"GET /api/v1/jobs/:id/artifacts": {
		summary: "The files that a job has saved",
		query: { attempt, name: NAME_OF_FILES },
		answers: { 200: pageOf(resources.artifact) },
	},
	"GET /api/v1/jobs/:id/artifacts.zip": {
		summary: "All of them as one zip, or those of one name",
		query: { attempt, name: NAME_OF_FILES },
		answers: { 200: "application/zip" },
	},
	"GET /api/v1/jobs/:id/artifacts/:path+": {
		summary: "One file, as a download",
		query: { attempt },
		headers: {
			Range: "bytes",
			"If-Range": "its ETag: the whole file is answered where it is another one by now",
			"If-None-Match": "its sha256 in quotes",
			"If-Match": "its ETag",
		},
		answers: { 200: "application/octet-stream", 206: "application/octet-stream", 304: null },
	},

	"PUT /api/v1/sources": {
		summary: "Upload a tar archive (with gzip or without) that a submission can name as its source",
		headers: { "Content-Length": "needed" },
		body: { "application/octet-stream": "the archive" },
		answers: { 201: resources.uploadedSource },
	},
	"GET /api/v1/sources/:id": { summary: "An uploaded source", answers: { 200: resources.uploadedSource } },

	"GET /api/v1/queue": { summary: "Whether the queue gives out work", answers: { 200: resources.queueState } },
	"POST /api/v1/queue/pause": {
		summary: "Give out no more work; what runs goes on",
		body: resources.pauseRequest,
		answers: { 200: resources.queueState },
	},
	"POST /api/v1/queue/resume": { summary: "Give out work again", answers: { 200: resources.queueState } },
	"GET /api/v1/projects": { summary: "All projects, by name", answers: { 200: pageOf(projects.project) } },
	"POST /api/v1/projects": { summary: "Make a project", body: projects.projectRequest, answers: { 201: projects.project } },
	"GET /api/v1/projects/:name": { summary: "A project", answers: { 200: projects.project } },
	"PATCH /api/v1/projects/:name": {
		summary: "Change a project; what is not given stays",
		body: projects.projectChange,
		answers: { 200: projects.project },
	},
	"POST /api/v1/projects/:name/trigger": {
		summary: "Run what the repository of a project says, of a branch or a tag",
		headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
		body: plans.triggerRequest,
		answers: { 201: resources.submittedRun },
	},
	"POST /api/v1/projects/:name/compare": {
		summary: "Compare the refs of a project with those last heard of, and run what is new; if a comparison is under way, it is that one",
		answers: { 201: resources.submittedRun },
	},
	"GET /api/v1/projects/:name/deliveries": {
		summary: "What its forge has delivered, newest first, and what became of it",
		query: { limit, cursor },
		answers: { 200: pageOf(deliveries.delivery) },
	},
	"GET /api/v1/deliveries/:id": { summary: "A delivery", answers: { 200: deliveries.delivery } },
	"POST /api/v1/deliveries/:id/replay": {
		summary: "Take once more what a delivery has said",
		headers: { "Idempotency-Key": "the same key is the same run, for a day" },
		answers: { 201: resources.submittedRun },
	},
	"POST /hooks/:id": {
		summary: "What the forge of a project delivers, signed: GitHub, Gitea, Forgejo, GitLab, or any program (Standard Webhooks)",
		headers: {
			"webhook-id": "of any program: what the delivery is called",
			"webhook-timestamp": "seconds since 1970, within five minutes",
			"webhook-signature": "v1, and the HMAC-SHA256 of id.timestamp.body in base64",
		},
		body: deliveries.genericPayload,
		answers: { 202: deliveries.hookAnswer },
	},
	"GET /api/v1/projects/:name/schedules": { summary: "The schedules of a project", answers: { 200: pageOf(schedules.schedule) } },
	"POST /api/v1/projects/:name/schedules": {
		summary: "Make a schedule",
		body: schedules.scheduleRequest,
		answers: { 201: schedules.schedule },
	},
	"GET /api/v1/schedules/:id": { summary: "A schedule, and when it comes next", answers: { 200: schedules.schedule } },
	"PATCH /api/v1/schedules/:id": {
		summary: "Pause a schedule, or let it go on",
		body: schedules.scheduleChange,
		answers: { 200: schedules.schedule },
	},
	"DELETE /api/v1/schedules/:id": { summary: "Remove a schedule that was made here", answers: { 204: null } },
	"GET /api/v1/projects/:name/undelivered": {
		summary: "What its forge, and whom its pipelines name, was to be told and was not (yet)",
		query: { limit },
		answers: { 200: pageOf(notifications.undelivered) },
	},
	"GET /badge/:name": {
		summary: "How a branch stands: <project>.svg, or <project>.json for shields.io",
		query: {
			branch: { description: "the branch; the main line of the project" },
			pipeline: { description: "only runs of this pipeline" },
			job: { description: "of the newest run, this job" },
		},
		headers: { "If-None-Match": "its ETag" },
		answers: { 200: "image/svg+xml", 304: null },
	},
	"DELETE /api/v1/projects/:name": { summary: "Remove a project with its secrets; its runs stay", answers: { 204: null } },
	"GET /api/v1/secrets": {
		summary: "The names of secrets; never their values",
		query: { project: { description: "only those that jobs of this project can have" } },
		answers: { 200: pageOf(secrets.secret) },
	},
	"PUT /api/v1/secrets/:name": {
		summary: "Keep a secret, in place of the one before",
		body: secrets.secretRequest,
		answers: { 200: secrets.secret, 201: secrets.secret },
	},
	"DELETE /api/v1/secrets/:name": {
		summary: "Remove a secret",
		query: { project: { description: "the project that it is for; without it that of every project" } },
		answers: { 204: null },
	},
	"POST /api/v1/secrets/rotate": { summary: "Encrypt every secret anew, with a new key", answers: { 200: secrets.rotation } },
	"GET /api/v1/sessions": { summary: "Browsers that are signed in to the status page", answers: { 200: pageOf(sessions.session) } },
	"DELETE /api/v1/sessions": { summary: "End all sessions", answers: { 204: null } },
	"DELETE /api/v1/sessions/:id": { summary: "End a session", answers: { 204: null } },
	"POST /api/v1/retention/sweep": { summary: "Remove now everything whose time is over", answers: { 200: resources.swept } },
	"GET /api/v1/events": {
		summary: "What changes, as server-sent events run, job and agent",
		headers: { "Last-Event-ID": "the revision to go on from" },
		answers: { 200: "text/event-stream" },
	},

	"GET /api/v1/agents": { summary: "Agents, and what they run", answers: { 200: pageOf(resources.agent) } },
	"GET /api/v1/agents/:id": { summary: "An agent, and what it runs", answers: { 200: resources.agent } },
	"PATCH /api/v1/agents/:id": {
		summary: "Say which jobs an agent may take; what it runs it finishes, what is not given stays",
		body: agents.agentChange,
		answers: { 200: resources.agent },
	},
	"DELETE /api/v1/agents/:id": {
		summary: "Remove an agent: its token is invalid at once, what it runs is lost and retried elsewhere",
		answers: { 204: null },
	},
	"POST /api/v1/agents/:id/disable": {
		summary: "Give an agent nothing new until it is enabled; its jobs finish, or are cancelled",
		body: agents.disableRequest,
		answers: { 200: resources.agent },
	},
	"POST /api/v1/agents/:id/enable": {
		summary: "Give a disabled agent jobs again",
		body: agents.noFields,
		answers: { 200: resources.agent },
	},
	"POST /api/v1/agents/:id/drain": {
		summary: "Have the process of an agent finish what it runs, and end",
		body: agents.noFields,
		answers: { 200: resources.agent },
	},
	"POST /api/v1/agents/:id/rotate": {
		summary: "Have an agent get itself another token",
		body: agents.noFields,
		answers: { 200: resources.agent },
	},
	"GET /api/v1/agent-tokens": {
		summary: "The registration tokens that have not expired, newest first; never the tokens themselves",
		answers: { 200: pageOf(agents.registrationTokenSummary) },
	},
	"POST /api/v1/agent-tokens": {
		summary: "A token with which agents join, valid for at most 90 days",
		body: agents.createRegistrationToken,
		answers: { 201: agents.registrationToken },
	},
	"DELETE /api/v1/agent-tokens/:id": {
		summary: "Revoke a registration token; agents that joined with it stay",
		answers: { 204: null },
	},
	"POST /api/v1/agents": { summary: "An agent registers", body: protocol.register, answers: { 201: protocol.registered } },
	"POST /api/v1/agents/self/hello": { summary: "An agent opens a session", body: protocol.hello, answers: { 200: protocol.helloAnswer } },
	"POST /api/v1/agents/self/poll": {
		summary: "An agent asks for work; parks until there is something",
		body: protocol.poll,
		answers: { 200: protocol.pollAnswer },
	},
	"POST /api/v1/agents/self/renew": { summary: "An agent keeps its leases", body: protocol.renew, answers: { 200: protocol.renewAnswer } },
	"POST /api/v1/agents/self/rotate": {
		summary: "An agent that was asked to rotate its token gets the next one",
		body: protocol.rotateToken,
		answers: { 200: protocol.rotatedToken },
	},
	"POST /api/v1/agents/self/bye": { summary: "An agent ends its session", body: protocol.bye, answers: { 204: null } },

	"POST /api/v1/attempts/:id/start": { summary: "Claim an offer", answers: { 200: protocol.assignment } },
	"GET /api/v1/attempts/:id/source": { summary: "The bundle that the workspace is made of", answers: { 200: "application/octet-stream" } },
	"POST /api/v1/attempts/:id/release": { summary: "Hand an offer back", answers: { 204: null } },
	"POST /api/v1/attempts/:id/commit": {
		summary: "Pin the run's commit; the first to ask decides",
		body: protocol.pinnedCommit,
		answers: { 200: protocol.commitAnswer },
	},
	"PATCH /api/v1/attempts/:id/log": {
		summary: "Add to the log",
		headers: log,
		body: { "application/octet-stream": "the bytes, at most 1 MiB" },
		answers: { 204: null },
	},
	"POST /api/v1/attempts/:id/steps": { summary: "Say how far the steps are", body: protocol.steps, answers: { 204: null } },
	"POST /api/v1/attempts/:id/artifacts": {
		summary: "Plan the upload of up to 500 files",
		body: protocol.artifactPlan,
		answers: { 200: protocol.artifactPlanAnswer },
	},
	"GET /api/v1/attempts/:id/downloads": { summary: "The files that the job fetches from others", answers: { 200: protocol.downloadList } },
	"GET /api/v1/files/:token": {
		summary: "One of those files; the address is the credential",
		answers: { 200: "application/octet-stream" },
	},
	"PUT /api/v1/parts/:token": {
		summary: "Put a part of a file; the address is the credential",
		headers: { "Content-Length": "needed", "X-Content-SHA256": "of the part, in hex" },
		body: { "application/octet-stream": "the part" },
		answers: { 201: protocol.partAnswer },
	},
	"POST /api/v1/attempts/:id/finish": { summary: "Deliver the result", body: protocol.finish, answers: { 200: protocol.finishAnswer } },
};
