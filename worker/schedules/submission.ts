import { notFound } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { discoverySubmission, ofBranch } from "../discovery/service.ts";
import { findPipeline, storedSubmission } from "../pipelines/service.ts";
import type { ScheduleRow } from "../queue/core/discovery/schedules.ts";
import type { Submit } from "../queue/core/runs/submit.ts";
import { findProject } from "../record/projects.ts";

/** The actor of runs of schedules. */
const ACTOR = "a schedule";

/**
 * The submission of a schedule: a discovery run, or a run of a stored pipeline. The same time
 * gives the same submission.
 * @throws ApiError `not_found` if its project or pipeline was deleted, and the errors of
 * `checkingSubmission`
 */
export async function scheduledSubmission(environment: Environment, team: string, schedule: ScheduleRow, at: number): Promise<Submit> {
	const params = JSON.parse(schedule.params) as Record<string, string>;
	const idempotency = { scope: "schedule", key: `${schedule.id} ${at}` };
	if (schedule.pipeline !== null) {
		const pipeline = await findPipeline(environment.DB, team, schedule.pipeline);
		if (!pipeline) throw notFound("pipeline", schedule.pipeline);
		const fields = { params, ...(schedule.branch === null ? {} : { branch: schedule.branch }) };
		return storedSubmission(environment, team, pipeline, fields, {
			kind: "schedule",
			actor: ACTOR,
			idempotency: { ...idempotency, digest: "" },
		});
	}
	const project = await findProject(environment.DB, team, schedule.project);
	if (!project) throw notFound("project", schedule.project);
	const branch = schedule.branch ?? project.default_branch;
	return discoverySubmission(
		project,
		ofBranch("schedule", branch, ACTOR),
		{ file: schedule.file, params },
		{ delivery: null, idempotency },
	);
}
