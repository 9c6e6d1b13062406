import { notFound } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { discoverySubmission, ofBranch } from "../discovery/service.ts";
import { findPipeline, storedSubmission } from "../pipelines/service.ts";
import type { ScheduleRow } from "../queue/core/discovery/schedules.ts";
import type { Submit } from "../queue/core/runs/submit.ts";
import { findProject } from "../record/projects.ts";

/** Who is named for what a schedule makes. */
const ACTOR = "a schedule";

/**
 * What a schedule submits now that its time has come: a plan of the repository, or a pipeline that is kept here. The same time submits the same.
 * @throws ApiError `not_found` where its project or pipeline is gone, and for a pipeline that cannot be run as `checkingSubmission` does
 */
export async function scheduledSubmission(environment: Environment, team: string, schedule: ScheduleRow, at: number): Promise<Submit> {
	const params = JSON.parse(schedule.params) as Record<string, string>;
	const idempotency = { scope: "schedule", key: `${schedule.id} ${at}` };
	if (schedule.pipeline !== null) {
		const pipeline = await findPipeline(environment.DB, team, schedule.pipeline);
		if (!pipeline) throw notFound("pipeline", schedule.pipeline);
		const asked = { params, ...(schedule.branch === null ? {} : { branch: schedule.branch }) };
		return storedSubmission(environment, team, pipeline, asked, {
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
