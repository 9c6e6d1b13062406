import { notFound } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import type { Environment } from "../bindings.ts";
import { discoverySubmission } from "../discovery/submit_discovery.ts";
import { findPipeline } from "../pipelines/store.ts";
import { storedSubmission } from "../pipelines/versions.ts";
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

/** A trigger that means a branch, wherever that is when it is looked at. */
export function ofBranch(kind: "schedule" | "manual", branch: string, actor: string): Trigger {
	return { kind, ref: `refs/heads/${branch}`, branch, tag: null, sha: null, before: null, message: null, pull_request: null, actor };
}
