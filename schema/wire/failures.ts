import * as z from "zod";
import { jobState, runState } from "./states.ts";

/** Why a run failed, in little text: what people and programs read in place of its logs. */

const runReference = z.object({ id: z.string(), number: z.number().int(), url: z.string() });

const failedTest = z.object({
	suite: z.string(),
	name: z.string(),
	/** The message of the test, and the beginning of its output. */
	message: z.string().nullable(),
	output: z.string().nullable(),
	newly_failing: z.boolean(),
	flaky: z.boolean(),
});
export type FailedTest = z.infer<typeof failedTest>;

export const failure = z.object({
	run: runReference.extend({ project: z.string(), pipeline: z.string(), state: runState }),
	/** One or two sentences. */
	cause: z.string(),
	/** The job that failed first; null if the run failed before a job did. */
	job: z
		.object({ id: z.string(), name: z.string(), state: jobState, attempt: z.number().int(), agent: z.string().nullable(), url: z.string() })
		.nullable(),
	step: z.object({ name: z.string(), exit_code: z.number().int().nullable() }).nullable(),
	/** How many tests of the run failed, and the first of them; null without a report. */
	tests: z.object({ failed: z.number().int(), total: z.number().int(), items: z.array(failedTest) }).nullable(),
	/** The lines of the step that say why it failed; numbers count from 1. */
	log: z.array(z.object({ line: z.number().int(), text: z.string() })),
	/** The other failed jobs. */
	others: z.array(z.object({ id: z.string(), name: z.string(), state: jobState, reason: z.string().nullable() })),
	/** The newest earlier run of the branch that succeeded, and what has changed since; null if there is none. */
	since: z
		.object({
			run: runReference,
			commits: z.array(z.object({ sha: z.string(), subject: z.string(), author: z.string() })),
			/** Other changes, a sentence each: parameters, pipeline, agent, image. */
			changes: z.array(z.string()),
		})
		.nullable(),
	/** Whether the job failed in earlier runs of the branch; null without earlier runs. */
	before: z.string().nullable(),
	/** Commands that help. */
	next: z.array(z.string()),
});
export type Failure = z.infer<typeof failure>;
