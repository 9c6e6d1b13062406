import { ApiError } from "../schema/wire/errors.ts";
import type { Environment } from "./bindings.ts";
import { COMPARISON_ACTOR, comparedProject } from "./discovery/service.ts";
import { comparisonSubmission } from "./discovery/submit_comparison.ts";
import { revokeTokenOfAttempt } from "./forge_apps/service.ts";
import { sendNotification } from "./notifications/send_notification.ts";
import { dispatcherOf } from "./platform/dispatcher.ts";
import { logShardOf } from "./platform/log_shard.ts";
import { errorFields, log } from "./platform/logger.ts";
import { unwrap } from "./platform/result.ts";
import { type Core, command } from "./queue/core/core.ts";
import { compareAll, recordComparisonError } from "./queue/core/discovery/comparisons.ts";
import { findSchedule, recordScheduled, recordScheduleError } from "./queue/core/discovery/schedules.ts";
import type { Effect } from "./queue/core/effects/effect_types.ts";
import { unrecordedBefore } from "./queue/core/record/outbox.ts";
import type { EffectHandlers } from "./queue/effects.ts";
import { findProject, listProjects } from "./record/projects.ts";
import { scheduledSubmission } from "./schedules/submission.ts";
import { sendCommitStatus } from "./statuses/commit_status.ts";
import { indexTests } from "./test_results/index_tests.ts";
import { submitFoundRefs } from "./webhooks/submit_found_refs.ts";

/** What the side effects of the queue do. */
export const effectHandlers: EffectHandlers<Environment> = {
	archive_log({ environment, core }, { shard, ...order }) {
		return logShardOf(environment, shard).close({ ...order, team: core.team });
	},
	async index_tests({ environment, core }, effect) {
		await indexTests(environment, core.team, effect);
		return null;
	},
	async fire_schedule({ environment, core }, effect) {
		await fireSchedule(environment, core, effect);
		return null;
	},
	async compare_all({ environment, core }) {
		const projects = await listProjects(environment.DB, core.team);
		compareAll(
			core,
			projects.map(comparedProject).filter((one) => one !== null),
		);
		return null;
	},
	async compare_refs({ environment, core }, { project }) {
		await compareRefs(environment, core, project);
		return null;
	},
	async submit_found_refs({ environment, core }, effect) {
		await submitFoundRefs(environment, core.team, effect);
		return null;
	},
	async commit_status({ environment, core }, effect) {
		await sendCommitStatus(environment, core.team, effect);
		return null;
	},
	async revoke_forge_token({ environment, core }, { attemptId }) {
		await revokeTokenOfAttempt(environment, core.team, attemptId);
		return null;
	},
	async notify({ environment, core }, effect) {
		await sendNotification(environment, core.team, effect, unrecordedBefore(core, effect.runId));
		return null;
	},
};

/** Submits the run of a schedule. Its page and the coordinator's log show an error: no caller waits for one. */
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
		// An error that will pass is tried again.
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		const { message } = error;
		command(core, () => recordScheduleError(core, scheduleId, message));
		log("warn", "a schedule cannot start its run", { schedule: scheduleId, ...errorFields(error) });
	}
}

/** Submits the comparison of a project's refs. The project's page shows an error. */
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
