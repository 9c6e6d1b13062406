export { EVERYONE } from "./health.ts";

import type { QueueState } from "../../schema/wire/resources.ts";
import type { Pause } from "../queue/core/hints.ts";

/** The state of the queue in the form of the API. */
export function presentQueue(pause: Pause | null): QueueState {
	if (!pause) return { paused: false, paused_by: null, reason: null, paused_at: null };
	return { paused: true, paused_by: pause.actor, reason: pause.reason, paused_at: new Date(pause.at).toISOString() };
}
