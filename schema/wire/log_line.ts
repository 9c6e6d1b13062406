import * as z from "zod";
import { LOG_LEVELS } from "./log_levels.ts";

/** A line of the coordinator's log. Every field that a line may have is here, with one meaning wherever it stands. */

/** What a line is about: the ids that the API gives, or names. */
const SUBJECTS = {
	request_id: z.string().describe("The request, as its answer names it in `X-Request-Id`."),
	team: z.string().describe("The team, by its short name."),
	project: z.string().nullable().describe("The project, by name; null: none."),
	pipeline: z.string().describe("The stored pipeline."),
	run: z.string().nullable().describe("The run; null: none."),
	runs: z.union([z.number(), z.array(z.string())]).describe("The runs: how many, or which."),
	job: z.string().describe("The job."),
	attempt: z.string().describe("The attempt."),
	agent: z.string().describe("The agent."),
	source: z.string().describe("The uploaded source."),
	schedule: z.string().describe("The schedule."),
	delivery: z.string().describe("The delivery of a webhook."),
	cache: z.string().describe("The cache."),
	person: z.string().describe("The person."),
	session: z.string().describe("The session of a browser."),
	token: z.string().describe("The token, by its id. A token itself is never logged."),
	id: z.string().describe("The registration token, by its id."),
	of: z.string().describe("The run that was repeated."),
};

/** Who acted, and from where. */
const ACTORS = {
	actor: z.string().nullable().describe("Who acted: a person, a token or an agent, by name."),
	address: z.string().nullable().describe("The address of the client, as trusted proxies say."),
	credential: z.string().describe("The kind and id of a wrong credential."),
	failures: z.number().describe("How often it has failed so far."),
	provider: z.string().describe("The identity provider."),
};

/** What happened. */
const EVENTS = {
	method: z.string().describe("The method of the request."),
	route: z.string().describe("The route of the request, without the values of its parameters."),
	status: z.number().describe("The status of the answer."),
	ms: z.number().describe("How long it took, in milliseconds."),
	outcome: z.string().describe("What came of a delivery."),
	error: z.string().describe("The stack of an error, or its message."),
	code: z.string().describe("The code of an error of a library."),
	effect: z.string().describe("The kind of a side effect, such as a commit status."),
	why: z.string().describe("Why, in a word or a sentence."),
	reason: z.string().nullable().describe("The reason that a person has given."),
	name: z.string().describe("The name of what was made, changed or removed."),
	key: z.string().describe("The key of a cache."),
	tool: z.string().describe("The build tool."),
	role: z.string().describe("The role that a token has."),
	labels: z.array(z.string()).describe("The labels that a registration token grants."),
	projects: z.array(z.string()).nullable().describe("The projects that it is restricted to; null: none."),
	accepts: z.string().describe("Which runs an agent takes: `any`, `trusted` or `untrusted`."),
	cancel: z.boolean().describe("Whether a drain cancels the jobs of the agent."),
	uses: z.number().nullable().describe("How often it may be used; null: without an end."),
	secret: z.string().describe("The secret, by name. Its value is never logged."),
	version: z.number().describe("The version of a stored pipeline."),
	entry: z.string().describe("An entry of the audit log that could not be written, as JSON."),
	file: z.string().describe("The file of a backup."),
	held_ms: z.number().describe("For how long the coordinator was held for it, in milliseconds."),
	from: z.string().describe("`workerd`: the message is a text of workerd itself."),
};

/** How many. */
const COUNTS = {
	jobs: z.number().describe("Jobs that were added."),
	secrets: z.number().describe("Secrets that were encrypted anew."),
	caches: z.number().describe("Caches that were removed."),
	files: z.number().describe("Files of a backup."),
	removed: z.number().describe("Old backups that were removed."),
	deleted: z.record(z.string(), z.number()).describe("What retention has deleted, by kind."),
	rows: z.number().describe("Rows that were sent to the record."),
	rows_read: z.number().describe("Rows that statements have read, as Cloudflare bills them."),
	rows_written: z.number().describe("Rows that they have written."),
	statements: z.number().describe("Statements on the database of a queue."),
};

export const LOG_FIELDS = { subjects: SUBJECTS, actors: ACTORS, events: EVENTS, counts: COUNTS };

const fields = z.object({ ...SUBJECTS, ...ACTORS, ...EVENTS, ...COUNTS }).partial();
export type LogFields = z.infer<typeof fields>;

export const logLine = z.strictObject({
	time: z.iso.datetime().describe("When, in UTC."),
	level: z.enum(LOG_LEVELS).describe("How important it is."),
	message: z.string().describe("What happened. Its words may change: look for fields."),
	...fields.shape,
});
