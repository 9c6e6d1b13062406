import type { ProjectRow } from "../../schema/database/tables.ts";
import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import { pipelineAgain } from "../../schema/pipeline/resolve/pipeline_again.ts";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { ancestorsOf } from "../../schema/pipeline/validate/graph.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { may } from "../../schema/wire/permissions.ts";
import type { RerunRequest, rerunRequest } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { actorOf, type Bodied, type RequestContext, route } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { Rerun, RunCommit } from "../queue/core/runs/submit.ts";
import { approvesForks, findProject } from "../record/projects.ts";
import { requireRun } from "../record/require.ts";
import { findDefinition, type RunRecord } from "../record/runs.ts";
import { touchSource } from "../sources/service.ts";
import { answerSubmitted, idempotencyOf, type SubmittingContext } from "./service.ts";

/** Reruns: the same pipeline, parameters and commit, with all jobs or only some. */

type Caller = RequestContext<"user" | "host">;

/** POST /runs/:id/rerun */
async function rerun(context: Caller & Bodied<typeof rerunRequest>): Promise<Response> {
	const body = await context.readBody();
	return answerSubmitted(context, await rerunOf(context, body));
}

/**
 * Submits a rerun of the run of the path.
 * @throws ApiError `not_found`, `conflict` for a run that has not ended, `gone` without its
 * pipeline or source
 */
export async function rerunOf(context: SubmittingContext, request: RerunRequest) {
	const { environment, principal, requestId } = context;
	const record = await requireRun(context);
	const { run } = record;
	if (!isTerminal(run.state)) {
		throw new ApiError("conflict", `The run is ${run.state}. Only an ended run can be rerun.`, {
			details: { id: run.id, state: run.state },
			suggestions: [`Wait until it ends, or cancel it with: windlass cancel ${run.id}`],
		});
	}
	const stored = await findDefinition(environment, principal.team, run);
	if (!stored)
		throw new ApiError("gone", "The pipeline of the run has been deleted.", {
			details: { id: run.id },
			suggestions: ["Submit a new run."],
		});
	const ran = readDefinition(stored);
	const reused = reusedOf(record, request);
	const { pipeline, positions } = pipelineAgain(ran, new Set(reused.map(({ position }) => position)));
	const { source } = pipeline;
	if (source && "upload" in source && !(await touchSource(environment.DB, principal.team, source.upload)))
		throw new ApiError("gone", `The uploaded source ${source.upload} has been deleted.`, {
			suggestions: ["Submit a new run: windlass run uploads the source again."],
		});
	const again: Rerun = {
		of: run.id,
		reused: reused.flatMap((one) => {
			const position = positions.get(one.position);
			return position === undefined ? [] : { ...one, position };
		}),
	};
	const definition = await sha256(definitionJson(pipeline));
	const project = run.is_trusted === 1 ? null : ((await findProject(environment.DB, principal.team, run.project)) ?? null);
	const answer = unwrap(
		await dispatcherOf(environment, principal.team).submit({
			runId: newId("run"),
			pipeline,
			definition,
			project: run.project,
			trigger: { kind: run.trigger_kind, actor: actorOf(principal), delivery: run.trigger_delivery },
			commit: commitOf(run),
			origin: {
				discoveredBy: run.discovered_by,
				file: run.file,
				isTrusted: run.is_trusted === 1,
				// A rerun approves a run of a fork only where its caller may approve one. That of a discovery run
				// approves nothing: nobody has read yet what it finds.
				approvedBy: run.is_trusted === 1 || run.kind !== "pipeline" || !mayApprove(principal, project) ? null : actorOf(principal),
			},
			rerun: again,
			idempotency: await idempotencyOf(context, JSON.stringify(["rerun", run.id, request])),
		}),
	);
	log("info", "run repeated", { request_id: requestId, run: answer.runId, of: run.id, actor: actorOf(principal) });
	return answer;
}

function mayApprove(principal: SubmittingContext["principal"], project: ProjectRow | null): boolean {
	if (principal.kind === "user" && !may(principal.role, "runs.approve")) return false;
	return approvesForks(project, principal);
}

function commitOf({ commit_sha: sha, commit_message: message, commit_author: author, branch, tag }: RunRecord["run"]): RunCommit | null {
	return sha === null ? null : { sha, message, author, branch, tag };
}

/**
 * The jobs whose results the rerun reuses.
 * @throws ApiError `not_found` for a job of another run, `conflict` if there is no job to run
 */
function reusedOf({ run, jobs }: RunRecord, request: RerunRequest): Rerun["reused"] {
	if (jobs.length === 0) {
		throw new ApiError("conflict", "The run has no jobs.", {
			details: { id: run.id, state: run.state },
			suggestions: [`Fix ${run.file ?? "its pipeline"} and push.`],
		});
	}
	const reused = reusedJobs(jobs, request);
	if (reused.length === jobs.length) {
		throw new ApiError("conflict", "No job of this run has failed.", {
			details: { id: run.id, state: run.state },
			suggestions: [`Rerun all jobs with: windlass rerun ${run.id}`],
		});
	}
	return reused.map((job) => ({
		position: job.position,
		state: job.state,
		reason: job.reason_code === null ? null : { code: job.reason_code, text: job.reason_text ?? "" },
		outputs: job.outputs,
		resultAttempt: job.result_attempt,
		exitCode: job.exit_code,
	}));
}

function reusedJobs(jobs: RunRecord["jobs"], request: RerunRequest): RunRecord["jobs"] {
	if (request.job === undefined && request.only === undefined) return [];
	const chosen = request.job === undefined ? jobs.filter(needsRerun) : jobs.filter((job) => job.id === request.job);
	if (request.job !== undefined && chosen.length === 0)
		throw new ApiError("not_found", `The run has no job ${request.job}.`, {
			details: { job: request.job },
			suggestions: [`Take the id of a job of this run, as windlass show lists them.`],
		});
	const needs = new Map(jobs.map((job) => [job.key, JSON.parse(job.needs) as string[]]));
	// A job that needs a rerun job used its old result, and is rerun with it.
	return jobs.filter((job) => {
		const ancestors = ancestorsOf(job.key, needs);
		return !chosen.includes(job) && !chosen.some(({ key }) => ancestors.has(key));
	});
}

/** Whether a job failed, was cancelled, or was skipped because of another job. */
function needsRerun(job: RunRecord["jobs"][number]): boolean {
	return job.state !== "succeeded" && !(job.state === "skipped" && (job.reason_code === "condition" || job.reason_code === "need_failed"));
}

export const rerunRoutes = [
	route({
		method: "POST",
		path: "/api/v1/runs/:id/rerun",
		allow: ["user", "host"],
		action: "runs.rerun",
		description: {
			summary: "Rerun a run with the same pipeline, parameters and commit: all jobs, failed jobs, or one job",
			headers: { "Idempotency-Key": "repeated, it answers with the same run for a day" },
			answers: { 201: resources.submittedRun },
		},
		body: resources.rerunRequest,
		handle: rerun,
	}),
];
