import { ApiError } from "../schema/wire/errors.ts";
import type { Environment } from "./bindings.ts";
import { COMPARISON_ACTOR, comparedProject } from "./discovery/service.ts";
import { comparisonSubmission } from "./discovery/submit_comparison.ts";
import type { ArchivedLog } from "./logs/log_shard.ts";
import { sendNotification } from "./notifications/send_notification.ts";
import { dispatcherOf } from "./platform/dispatcher.ts";
import { errorFields, log } from "./platform/logger.ts";
import { unwrap } from "./platform/result.ts";
import { type Core, command } from "./queue/core/core.ts";
import { compareAll, recordComparisonError } from "./queue/core/discovery/comparisons.ts";
import { findSchedule, recordScheduled, recordScheduleError } from "./queue/core/discovery/schedules.ts";
import type { Effect } from "./queue/core/effects/effects.ts";
import { findProject, listProjects } from "./record/projects.ts";
import { scheduledSubmission } from "./schedules/submission.ts";
import { sendCommitStatus } from "./statuses/commit_status.ts";
import { indexTests } from "./test_results/index_tests.ts";
import { takeFoundRefs } from "./webhooks/take_found_refs.ts";

/** Performs a side effect. @returns the place of an archived log; null for other side effects */
export async function performEffect(environment: Environment, core: Core, effect: Effect): Promise<ArchivedLog | null> {
	switch (effect.kind) {
		case "archive_log": {
			const { shard, ...request } = effect;
			return environment.LOG_SHARD.getByName(`log:${shard}`).closeLog({ ...request, team: core.team });
		}
		case "index_tests":
			await indexTests(environment, core.team, effect);
			return null;
		case "fire_schedule":
			await fireSchedule(environment, core, effect);
			return null;
		case "compare_all": {
			const projects = await listProjects(environment.DB, core.team);
			compareAll(
				core,
				projects.map(comparedProject).filter((one) => one !== null),
			);
			return null;
		}
		case "compare_refs":
			await compareRefs(environment, core, effect.project);
			return null;
		case "submit_found_refs":
			await takeFoundRefs(environment, core.team, effect);
			return null;
		case "commit_status":
			await sendCommitStatus(environment, core.team, effect);
			return null;
		case "notify":
			await sendNotification(environment, core.team, effect);
			return null;
	}
}

/**
 * Submits the run of a schedule. The schedule and the log keep an error, because no caller waits
 * for it.
 */
async function fireSchedule(
	environment: Environment,
	core: Core,
	{ scheduleId, at }: Extract<Effect, { kind: "fire_schedule" }>,
): Promise<void> {
	try {
		const submit = await scheduledSubmission(environment, core.team, findSchedule(core, scheduleId), at);
		const { runId } = unwrap(await dispatcherOf(environment, core.team).submit(submit));
		command(core, () => recordScheduled(core, scheduleId, runId));
	} catch (error) {
		// A temporary error is retried.
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		const { message } = error;
		command(core, () => recordScheduleError(core, scheduleId, message));
		log("warn", "a schedule cannot start its run", { schedule: scheduleId, ...errorFields(error) });
	}
}

/** Submits the comparison of the refs of a project. The comparison keeps an error. */
async function compareRefs(environment: Environment, core: Core, name: string): Promise<void> {
	const project = await findProject(environment.DB, core.team, name);
	const compared = project && comparedProject(project);
	if (!compared) return;
	try {
		const submit = await comparisonSubmission(compared, { kind: "schedule", actor: COMPARISON_ACTOR });
		unwrap(await dispatcherOf(environment, core.team).compare(submit));
	} catch (error) {
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		recordComparisonError(core, name, error.message);
		log("warn", "the refs of a project cannot be compared", { project: name, ...errorFields(error) });
	}
}
