import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AttemptState, JobState, RunState } from "../wire/states.ts";

/**
 * D1: the catalog (tokens, sign-in links) and the record (runs, jobs, attempts, artifacts, definitions).
 *
 * The record is written by the Dispatcher alone, as copies of its own rows; the Dispatcher's tables hold every column
 * that stands here. It has no foreign keys and nothing unique but the primary keys, so that a copy can
 * always be taken. Times are integers, milliseconds since 1970 UTC.
 */

export const tokens = sqliteTable("tokens", {
	id: text("id").primaryKey(),
	team: text("team").notNull(),
	kind: text("kind", { enum: ["admin"] }).notNull(),
	name: text("name").notNull(),
	/** sha256 in hex; the token itself is never stored. */
	hash: text("hash").notNull().unique(),
	created_at: integer("created_at").notNull(),
	revoked_at: integer("revoked_at"),
});

export const signInLinks = sqliteTable("sign_in_links", {
	/** sha256 in hex of the code in the link. */
	hash: text("hash").primaryKey(),
	token_id: text("token_id").notNull(),
	expires_at: integer("expires_at").notNull(),
	used_at: integer("used_at"),
});

export const definitions = sqliteTable("definitions", {
	digest: text("digest").primaryKey(),
	json: text("json").notNull(),
});

export const runs = sqliteTable(
	"runs",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		rev: integer("rev").notNull(),
		project: text("project").notNull(),
		number: integer("number").notNull(),
		pipeline: text("pipeline").notNull(),
		state: text("state").$type<RunState>().notNull(),
		reason_code: text("reason_code"),
		reason_text: text("reason_text"),
		trigger_kind: text("trigger_kind").notNull(),
		trigger_actor: text("trigger_actor").notNull(),
		trigger_delivery: text("trigger_delivery"),
		source_git: text("source_git"),
		source_ref: text("source_ref"),
		branch: text("branch"),
		tag: text("tag"),
		commit_sha: text("commit_sha"),
		commit_message: text("commit_message"),
		commit_author: text("commit_author"),
		priority: integer("priority").notNull(),
		warnings: integer("warnings").notNull(),
		definition: text("definition").notNull(),
		created_at: integer("created_at").notNull(),
		started_at: integer("started_at"),
		finished_at: integer("finished_at"),
	},
	(table) => [
		index("runs_newest").on(table.team, table.id),
		index("runs_by_project").on(table.team, table.project, table.id),
		index("runs_by_state").on(table.team, table.state, table.id),
		index("runs_by_rev").on(table.team, table.rev),
	],
);
export type RunRow = typeof runs.$inferSelect;

export const jobs = sqliteTable(
	"jobs",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		rev: integer("rev").notNull(),
		run_id: text("run_id").notNull(),
		position: integer("position").notNull(),
		key: text("key").notNull(),
		name: text("name").notNull(),
		state: text("state").$type<JobState>().notNull(),
		reason_code: text("reason_code"),
		reason_text: text("reason_text"),
		/** JSON list of the keys of the jobs it needs. */
		needs: text("needs").notNull(),
		/** JSON list of the labels that an agent must have. */
		runs_on: text("runs_on").notNull(),
		exit_code: integer("exit_code"),
		/** The number of the newest attempt; 0 before the first. */
		attempt: integer("attempt").notNull(),
		created_at: integer("created_at").notNull(),
		queued_at: integer("queued_at"),
		started_at: integer("started_at"),
		finished_at: integer("finished_at"),
	},
	(table) => [
		index("jobs_of_run").on(table.run_id, table.position),
		index("jobs_newest").on(table.team, table.id),
		index("jobs_by_state").on(table.team, table.state, table.id),
		index("jobs_by_rev").on(table.team, table.rev),
	],
);
export type JobRow = typeof jobs.$inferSelect;

export const attempts = sqliteTable(
	"attempts",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		rev: integer("rev").notNull(),
		job_id: text("job_id").notNull(),
		run_id: text("run_id").notNull(),
		number: integer("number").notNull(),
		agent_id: text("agent_id").notNull(),
		agent_name: text("agent_name").notNull(),
		state: text("state").$type<AttemptState>().notNull(),
		reason_code: text("reason_code"),
		reason_text: text("reason_text"),
		exit_code: integer("exit_code"),
		started_at: integer("started_at").notNull(),
		finished_at: integer("finished_at"),
		/** Which LogShard holds the log while it is live. */
		shard: integer("shard").notNull(),
		/** The R2 object of the finished log; null while live, and for an empty log. */
		log_key: text("log_key"),
		log_bytes: integer("log_bytes").notNull(),
		log_sha256: text("log_sha256"),
		log_incomplete: integer("log_incomplete").notNull(),
		/** 1 once the log has left its shard. */
		log_archived: integer("log_archived").notNull(),
		/** sha256 of the result that its agent delivered; a repeat is known by it. */
		finish_digest: text("finish_digest"),
		/** JSON list of the wire's steps, as the agent reported them at the end. */
		steps: text("steps").notNull(),
	},
	(table) => [index("attempts_of_job").on(table.job_id, table.number), index("attempts_of_run").on(table.run_id)],
);
export type AttemptRow = typeof attempts.$inferSelect;

export const artifacts = sqliteTable(
	"artifacts",
	{
		attempt_id: text("attempt_id").notNull(),
		path: text("path").notNull(),
		team: text("team").notNull(),
		job_id: text("job_id").notNull(),
		run_id: text("run_id").notNull(),
		size: integer("size").notNull(),
		sha256: text("sha256").notNull(),
		/** The R2 object. */
		key: text("key").notNull(),
	},
	(table) => [primaryKey({ columns: [table.attempt_id, table.path] }), index("artifacts_of_job").on(table.job_id, table.path)],
);
export type ArtifactRow = typeof artifacts.$inferSelect;
