import { type Notification, readDefinition } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { NotifyEvent } from "../../../../schema/pipeline/validate/notifications.ts";
import type { RunState } from "../../../../schema/wire/states.ts";
import { type Core, command } from "../core.ts";
import type { RunRow } from "../rows.ts";
import { pipelineOf } from "../runs/definitions.ts";
import { addEffect } from "./effects.ts";

/** Who is to be told of a run, as its pipeline says. Whether it is `fixed` shows only when it is told: that depends on the run before. */

/** What a new state of a run may be for those who are told. */
const EVENTS: Partial<Record<RunState, readonly NotifyEvent[]>> = {
	running: ["start"],
	// Whoever wants to know of both is told of the one that says more.
	succeeded: ["fixed", "success"],
	failed: ["failure"],
	errored: ["failure"],
	timed_out: ["failure"],
};

/** Has everybody told whom the pipeline names for this. To be called inside the command that has changed the run. */
export function requestNotifications(core: Core, run: RunRow, state: RunState): void {
	const events = EVENTS[state];
	// What others have written may not have anybody told.
	if (!events || run.is_trusted === 0) return;
	// A run whose gate was passed runs once more; nobody needs to hear of its start again.
	if (state === "running" && run.started_at !== null) return;
	for (const notification of pipelineOf(core, run).notify) {
		const event = events.find((one) => notification.on.includes(one));
		if (event) tell(core, run, notification, event, false);
	}
}

/**
 * Has all told whom the pipeline of a run names, only to see it arrive.
 * @param definition the pipeline, as it is stored: the run may have left the queue
 * @returns how many they are
 */
export function testNotifications(core: Core, run: Pick<RunRow, "id" | "project">, definition: string): number {
	const { notify } = readDefinition(definition);
	command(core, () => {
		for (const notification of notify) tell(core, run, notification, notification.on[0] ?? "success", true);
	});
	return notify.length;
}

function tell(core: Core, run: Pick<RunRow, "id" | "project">, notification: Notification, event: NotifyEvent, isTest: boolean): void {
	const id = `msg_${core.newSecret()}`;
	const to = "slack" in notification.to ? notification.to.slack : notification.to.webhook;
	addEffect(core, `notify ${run.id} ${to}`, {
		kind: "notify",
		id,
		runId: run.id,
		project: run.project,
		event,
		notification,
		at: core.now(),
		isTest,
	});
}
