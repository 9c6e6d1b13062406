import * as z from "zod";

/** What others are told of runs. */

/** POST /runs/:id/notify: how many recipients are notified. */
export const notifyAnswer = z.object({ notified: z.number().int() });
export type NotifyAnswer = z.infer<typeof notifyAnswer>;

/** What a forge, or somebody whom a pipeline names, was to be told and was not (yet). */
export const undelivered = z.object({
	kind: z.enum(["commit_status", "notify"]),
	run_id: z.string(),
	/** What was to be told: the state of a commit, or the event of a notification. */
	what: z.string(),
	tries: z.number().int(),
	/** What was the matter the last time; null before the first try. */
	error: z.string().nullable(),
	given_up: z.boolean(),
});
export type Undelivered = z.infer<typeof undelivered>;
