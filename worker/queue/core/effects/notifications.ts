import { type Notification, readDefinition } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { NotifyEvent } from "../../../../schema/pipeline/validate/notifications.ts";
import type { RunState } from "../../../../schema/wire/states.ts";
import { type Core, command } from "../core.ts";
import type { RunRow } from "../rows.ts";
import { pipelineOf } from "../runs/definitions.ts";
import { addEffect } from "./effects.ts";

/**
 * Who is notified of a run, as its pipeline says. Whether the run is `fixed` depends on the run
 * before, and is decided when the notification is sent.
 */

/** The possible events of a new state of a run. */
const EVENTS: Partial<Record<RunState, readonly NotifyEvent[]>> = {
	running: ["start"],
	// A recipient of both events gets the more specific one.
	succeeded: ["fixed", "success"],
	failed: ["failure"],
	errored: ["failure"],
	timed_out: ["failure"],
};

/**
 * Requests the notifications of the pipeline for this state. Call it inside the command that
 * changes the run.
 */
export function requestNotifications(core: Core, run: RunRow, state: RunState): void {
	const events = EVENTS[state];
	// A fork must not send notifications.
	if (!events || run.is_trusted === 0) return;
	// An approved run starts a second time: its first start was sent already.
	if (state === "running" && run.started_at !== null) return;
	for (const notification of pipelineOf(core, run).notify) {
		const event = events.find((one) => notification.on.includes(one));
		if (event) request(core, run, notification, event, false);
	}
}

/** Requests the notifications that a job waits for an approval. Call it inside the command that has it wait. */
export function requestApprovalNotifications(core: Core, run: RunRow, jobId: string): void {
	if (run.is_trusted === 0) return;
	for (const notification of pipelineOf(core, run).notify) {
		if (notification.on.includes("approval")) request(core, run, notification, "approval", false, jobId);
	}
}

/**
 * Requests a test notification to all recipients of the pipeline of a run.
 * @param definition the stored pipeline: the run may have left the queue
 * @returns the number of recipients
 */
export function testNotifications(core: Core, run: Pick<RunRow, "id" | "project">, definition: string): number {
	const { notify } = readDefinition(definition);
	command(core, () => {
		for (const notification of notify) request(core, run, notification, notification.on[0] ?? "success", true);
	});
	return notify.length;
}

function request(
	core: Core,
	run: Pick<RunRow, "id" | "project">,
	notification: Notification,
	event: NotifyEvent,
	isTest: boolean,
	jobId?: string,
): void {
	const id = `msg_${core.newSecret()}`;
	const to = "slack" in notification.to ? notification.to.slack : notification.to.webhook;
	addEffect(core, `notify ${run.id} ${to}`, {
		kind: "notify",
		id,
		runId: run.id,
		project: run.project,
		event,
		...(jobId === undefined ? {} : { jobId }),
		notification,
		at: core.now(),
		isTest,
	});
}
