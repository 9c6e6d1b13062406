import { type Notification, readDefinition } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { NotifyEvent } from "../../../../schema/pipeline/validate/notifications.ts";
import type { RunState } from "../../../../schema/wire/states.ts";
import { type Core, command } from "../core.ts";
import type { RunRow } from "../rows.ts";
import { pipelineOf } from "../runs/definitions.ts";
import { addEffect } from "./effects.ts";

/** Who is notified of a run, as its pipeline says. Whether it is `fixed` shows only when it is sent: that depends on the run before. */

/** The events that a new state of a run may be. */
const EVENTS: Partial<Record<RunState, readonly NotifyEvent[]>> = {
	running: ["start"],
	// A recipient of both events gets the one that says more.
	succeeded: ["fixed", "success"],
	failed: ["failure"],
	errored: ["failure"],
	timed_out: ["failure"],
};

/** Requests the notifications that the pipeline names for this state. To be called inside the command that has changed the run. */
export function requestNotifications(core: Core, run: RunRow, state: RunState): void {
	const events = EVENTS[state];
	// A fork must not send notifications.
	if (!events || run.is_trusted === 0) return;
	// A run that was approved starts a second time: its start was sent before.
	if (state === "running" && run.started_at !== null) return;
	for (const notification of pipelineOf(core, run).notify) {
		const event = events.find((one) => notification.on.includes(one));
		if (event) request(core, run, notification, event, false);
	}
}

/**
 * Requests a test notification to all recipients that the pipeline of a run names.
 * @param definition the pipeline, as it is stored: the run may have left the queue
 * @returns how many they are
 */
export function testNotifications(core: Core, run: Pick<RunRow, "id" | "project">, definition: string): number {
	const { notify } = readDefinition(definition);
	command(core, () => {
		for (const notification of notify) request(core, run, notification, notification.on[0] ?? "success", true);
	});
	return notify.length;
}

function request(core: Core, run: Pick<RunRow, "id" | "project">, notification: Notification, event: NotifyEvent, isTest: boolean): void {
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
