import * as z from "zod";

/** Notifications of runs. */

/** POST /runs/:id/notify: how many recipients are notified. */
export const notifyAnswer = z.object({ notified: z.number().int() });
export type NotifyAnswer = z.infer<typeof notifyAnswer>;

/** An undelivered commit status or notification. */
export const undelivered = z.object({
	kind: z.enum(["commit_status", "notify"]),
	run_id: z.string(),
	/** The content: the state of a commit, or the event of a notification. */
	what: z.string(),
	tries: z.number().int(),
	/** The error of the newest try; null before the first try. */
	error: z.string().nullable(),
	given_up: z.boolean(),
});
export type Undelivered = z.infer<typeof undelivered>;
