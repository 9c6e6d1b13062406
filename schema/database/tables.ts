import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { RemovedCache } from "../wire/caches.ts";
import type { CheckoutOptions } from "../wire/checkout.ts";
import type { DeliveryOutcome } from "../wire/deliveries.ts";
import { PROVIDER_KINDS, type SignUpRule } from "../wire/identity_providers.ts";
import { ROLES } from "../wire/permissions.ts";
import type { ForgeKind } from "../wire/projects.ts";
import type { ArtifactKind, RunKind, TestCase } from "../wire/resources.ts";
import type { AttemptState, JobState, RunState } from "../wire/states.ts";
import { TOKEN_KINDS } from "../wire/tokens.ts";

/**
 * D1: the catalog (teams, tokens, sign-in links, sessions, projects, pipelines, secrets, deliveries), the
 * record (runs, jobs, attempts, artifacts, definitions, transitions), and uploads (sources, uploads).
 * Only the Dispatcher writes the record, as copies of its own rows. Its tables have every column of
 * the record. The record has no foreign keys and no unique columns except primary keys, so that
 * every copy is accepted. Times are integers, milliseconds since 1970 UTC.
 */

export const teams = sqliteTable("teams", {
	slug: text("slug").primaryKey(),
	name: text("name").notNull(),
	/** What slugs have in common that look alike (wire/teams.ts). */
	looks: text("looks").notNull().unique(),
	created_by: text("created_by").notNull(),
	created_at: integer("created_at").notNull(),
});
export type TeamRow = typeof teams.$inferSelect;

/**
 * Who may act: people, and tokens. The name of a live one is unique, because records name their
 * actor. A person is a row of the kind `person`, which no token opens: sessions do, after a
 * password.
 */
export const tokens = sqliteTable(
	"tokens",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		/** `admin`: the host made it. */
		kind: text("kind", { enum: [...TOKEN_KINDS, "person"] }).notNull(),
		name: text("name").notNull(),
		/** sha256 in hex; the token itself is never stored. */
		hash: text("hash").notNull().unique(),
		created_at: integer("created_at").notNull(),
		revoked_at: integer("revoked_at"),
		role: text("role", { enum: ROLES }).notNull().default("operator"),
		/** The person as whom a personal token acts. */
		person_id: text("person_id"),
		/** The only projects that it opens; null: all. */
		projects: text("projects", { mode: "json" }).$type<string[]>(),
		created_by: text("created_by").notNull().default("the coordinator"),
		/** Null: never. */
		expires_at: integer("expires_at"),
		/** The day of its last use, such as 2026-01-31, and the address of its first use on that day. */
		last_used_on: text("last_used_on"),
		last_used_from: text("last_used_from"),
	},
	(table) => [uniqueIndex("tokens_by_name").on(table.team, table.name).where(sql`${table.revoked_at} IS NULL`)],
);

/** The passwords of people. */
export const passwords = sqliteTable("passwords", {
	person_id: text("person_id").primaryKey(),
	/** A hash in the format of PHC, such as $argon2id$v=19$m=19456,t=2,p=1$… */
	phc: text("phc").notNull(),
	changed_at: integer("changed_at").notNull(),
});

/** Links with which a person joins, or sets a new password, once. */
export const invitations = sqliteTable("invitations", {
	/** sha256 in hex of the code in the link. */
	hash: text("hash").primaryKey(),
	team: text("team").notNull(),
	name: text("name").notNull(),
	role: text("role", { enum: ROLES }).notNull(),
	/** The person who sets a new password; null: somebody who joins. */
	person_id: text("person_id"),
	created_by: text("created_by").notNull(),
	/** The id of the person or token that made it: it ends with them. */
	inviter_id: text("inviter_id").notNull().default(""),
	created_at: integer("created_at").notNull(),
	expires_at: integer("expires_at").notNull(),
	used_at: integer("used_at"),
});

/** Servers at which people have accounts. Their client secrets are in `secrets`. */
export const identityProviders = sqliteTable(
	"identity_providers",
	{
		team: text("team").notNull(),
		name: text("name").notNull(),
		kind: text("kind", { enum: PROVIDER_KINDS }).notNull(),
		url: text("url").notNull(),
		label: text("label").notNull(),
		client_id: text("client_id").notNull(),
		scopes: text("scopes", { mode: "json" }).$type<string[]>().notNull(),
		groups_claim: text("groups_claim").notNull(),
		sign_up: text("sign_up", { mode: "json" }).$type<SignUpRule[]>().notNull(),
		created_by: text("created_by").notNull(),
		created_at: integer("created_at").notNull(),
		updated_at: integer("updated_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.team, table.name] })],
);

/** The accounts with which people sign in. That of a removed person stays, so that it does not sign up again. */
export const identities = sqliteTable(
	"identities",
	{
		team: text("team").notNull(),
		provider: text("provider").notNull(),
		/** The id of the account at its provider, which nobody else gets. */
		subject: text("subject").notNull(),
		person_id: text("person_id").notNull(),
		/** Whether a rule has let the person in: then the rules decide their role at each sign-in. */
		is_by_rule: integer("is_by_rule", { mode: "boolean" }).notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.team, table.provider, table.subject] }), index("identities_of_person").on(table.person_id)],
);

/** Greater roles of people in single projects. */
export const projectRoles = sqliteTable(
	"project_roles",
	{
		team: text("team").notNull(),
		project: text("project").notNull(),
		person_id: text("person_id").notNull(),
		role: text("role", { enum: ROLES }).notNull(),
		granted_by: text("granted_by").notNull(),
		granted_at: integer("granted_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.team, table.project, table.person_id] }), index("project_roles_of_person").on(table.person_id)],
);

/** Commands on machines that ask to act as a person. */
export const logins = sqliteTable("logins", {
	/** sha256 in hex of the secret that the command has. */
	hash: text("hash").primaryKey(),
	/** What the person compares and types. */
	code: text("code").notNull().unique(),
	machine: text("machine").notNull(),
	/** The address of the command. */
	address: text("address").notNull(),
	created_at: integer("created_at").notNull(),
	expires_at: integer("expires_at").notNull(),
	/** The id of the token or person that has decided; null: nobody yet. */
	decided_by: text("decided_by"),
	/** The role of the token; null: denied, or nobody has decided. */
	role: text("role", { enum: ROLES }),
	claimed_at: integer("claimed_at"),
});

/** Refresh tokens of commands that have signed in. A used one is kept for a while, to notice its second use. */
export const refreshTokens = sqliteTable(
	"refresh_tokens",
	{
		/** sha256 in hex. */
		hash: text("hash").primaryKey(),
		/** The token of the team that the family of refresh tokens stands for. */
		token_id: text("token_id").notNull(),
		created_at: integer("created_at").notNull(),
		used_at: integer("used_at"),
	},
	(table) => [index("refresh_tokens_of_token").on(table.token_id)],
);

export const signInLinks = sqliteTable("sign_in_links", {
	/** sha256 in hex of the code in the link. */
	hash: text("hash").primaryKey(),
	token_id: text("token_id").notNull(),
	expires_at: integer("expires_at").notNull(),
	used_at: integer("used_at"),
});

/**
 * The sessions of the status page. A session ends with its token, at sign-out, or when it expires.
 */
export const sessions = sqliteTable(
	"sessions",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		/** The token that opened it. */
		token_id: text("token_id").notNull(),
		/** sha256 in hex of the cookie's value. */
		hash: text("hash").notNull().unique(),
		/** The other team in which its operator acts; null: their own. */
		acts_in: text("acts_in"),
		/** The User-Agent of the browser, and the client's address. */
		user_agent: text("user_agent").notNull(),
		address: text("address").notNull(),
		created_at: integer("created_at").notNull(),
		expires_at: integer("expires_at").notNull(),
	},
	(table) => [index("sessions_newest").on(table.team, table.created_at), index("sessions_by_expiry").on(table.expires_at)],
);
export type SessionRow = typeof sessions.$inferSelect;

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
		/** `discovery`: it reads the pipeline files of a repository; `comparison`: it lists the refs of a repository. */
		kind: text("kind").$type<RunKind>().notNull().default("pipeline"),
		/** The discovery run that made it, and its pipeline file. */
		discovered_by: text("discovered_by"),
		file: text("file"),
		pull_request: integer("pull_request"),
		/** 0 for a fork: it gets no secrets, and waits until a person approves it. */
		is_trusted: integer("is_trusted").notNull().default(1),
		approved_by: text("approved_by"),
		source_git: text("source_git"),
		source_ref: text("source_ref"),
		/** The id of the uploaded source bundle. */
		source_upload: text("source_upload"),
		branch: text("branch"),
		tag: text("tag"),
		commit_sha: text("commit_sha"),
		commit_message: text("commit_message"),
		commit_author: text("commit_author"),
		priority: integer("priority").notNull(),
		warnings: integer("warnings").notNull(),
		definition: text("definition").notNull(),
		/** JSON map of its parameters. */
		params: text("params").notNull().default("{}"),
		/** The run that this one repeats. */
		rerun_of: text("rerun_of"),
		created_at: integer("created_at").notNull(),
		started_at: integer("started_at"),
		finished_at: integer("finished_at"),
	},
	(table) => [
		index("runs_newest").on(table.team, table.id),
		index("runs_by_project").on(table.team, table.project, table.id),
		index("runs_by_state").on(table.team, table.state, table.id),
		index("runs_by_rev").on(table.team, table.rev),
		index("runs_by_end").on(table.finished_at),
		index("runs_by_upload").on(table.source_upload).where(sql`${table.source_upload} IS NOT NULL`),
		index("runs_by_definition").on(table.definition),
		index("runs_again").on(table.rerun_of).where(sql`${table.rerun_of} IS NOT NULL`),
		index("runs_discovered").on(table.discovered_by).where(sql`${table.discovered_by} IS NOT NULL`),
		index("runs_of_branch").on(table.team, table.project, table.pipeline, table.branch, table.id),
		index("runs_by_branch").on(table.team, table.project, table.branch, table.id),
		index("runs_of_comparisons").on(table.finished_at).where(sql`${table.kind} = 'comparison'`),
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
		/** JSON of its requirements. */
		runs_on: text("runs_on").notNull(),
		/** JSON map of the values of this matrix job; null for a job without a matrix. */
		matrix: text("matrix"),
		allow_failure: integer("allow_failure").notNull().default(0),
		/** JSON map of its outputs; null before it has succeeded. */
		outputs: text("outputs"),
		/** The attempt whose artifacts count. A reused job has an attempt of an earlier run. */
		result_attempt: text("result_attempt"),
		/** Who approved it, once enough have. */
		approved_by: text("approved_by"),
		/** JSON list of the approvals so far, with their words; null: none. */
		approvals: text("approvals"),
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
		/** The R2 object of the archived log; null for a live or empty log. */
		log_key: text("log_key"),
		log_bytes: integer("log_bytes").notNull(),
		log_sha256: text("log_sha256"),
		log_incomplete: integer("log_incomplete").notNull(),
		/** 1 once the log is archived. */
		log_archived: integer("log_archived").notNull(),
		/** Where the log begins in an object with many logs; null if the object is the log. */
		log_offset: integer("log_offset"),
		/** 1 while the queue holds the whole log. */
		log_held: integer("log_held").notNull().default(0),
		/** When retention deleted the log; null if it exists. */
		log_expired_at: integer("log_expired_at"),
		/** sha256 of the result that its agent delivered, which identifies a repeat. */
		finish_digest: text("finish_digest"),
		/** JSON list of the wire's steps, as the agent reported them at the end. */
		steps: text("steps").notNull(),
		/** JSON of the test totals; null without a report. */
		tests: text("tests"),
		/** JSON of the covered lines; null without a report. */
		coverage: text("coverage"),
		/** JSON of what its steps used; null for a short attempt. */
		usage: text("usage"),
		/** JSON (wire/annotations.ts); null: none. */
		annotations: text("annotations"),
		/** JSON of how it used its caches (wire/caches.ts); null: it has none. */
		caches: text("caches"),
	},
	(table) => [
		index("attempts_of_run").on(table.run_id),
		index("attempts_with_log").on(table.finished_at).where(sql`${table.log_key} IS NOT NULL`),
		index("attempts_in_pack").on(table.log_key).where(sql`${table.log_offset} IS NOT NULL`),
	],
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
		/** The R2 object; for a file in parts, the prefix of its objects. */
		key: text("key").notNull(),
		/** The length of each part except the last; null for a file in one object. */
		part_bytes: integer("part_bytes"),
		is_executable: integer("is_executable").notNull().default(0),
		kind: text("kind").$type<ArtifactKind>().notNull().default("file"),
		created_at: integer("created_at").notNull().default(0),
		/** When retention deleted the file; null if it exists. */
		expired_at: integer("expired_at"),
		/** The name of the entry that it belongs to; null without one. */
		name: text("name"),
		/** When retention deletes it, if its job sets a time; null: the default of its project. */
		expires_at: integer("expires_at"),
	},
	(table) => [
		primaryKey({ columns: [table.attempt_id, table.path] }),
		index("artifacts_of_job").on(table.job_id, table.path),
		index("artifacts_of_run").on(table.run_id),
		index("artifacts_kept").on(table.created_at).where(sql`${table.expired_at} IS NULL`),
		index("artifacts_expiring").on(table.expires_at).where(sql`${table.expired_at} IS NULL AND ${table.expires_at} IS NOT NULL`),
	],
);
export type ArtifactRow = typeof artifacts.$inferSelect;

/** Every transition of a run or a job. */
export const transitions = sqliteTable(
	"transitions",
	{
		run_id: text("run_id").notNull(),
		/** The revision of the first transition of the list. */
		rev: integer("rev").notNull(),
		team: text("team").notNull(),
		/** JSON list of transitions of the run and its jobs, each a list in the order of `EventRow`. */
		list: text("list").notNull(),
	},
	(table) => [primaryKey({ columns: [table.run_id, table.rev] })],
);
export type TransitionsRow = typeof transitions.$inferSelect;

/** One transition of a run or a job. */
export interface EventRow {
	/** Its revision, from the one counter of a team. */
	rev: number;
	/** Null for a transition of the run itself. */
	job_id: string | null;
	from_state: string | null;
	to_state: string;
	reason_code: string | null;
	reason_text: string | null;
	actor: string;
	/** Milliseconds since 1970. */
	at: number;
	run_id: string;
}

/** SQL that reads the transitions of a run, one a row. `transitions` is the table; the first parameter is the run. */
export const TRANSITIONS_OF_RUN = `SELECT t.value ->> 0 AS rev, t.value ->> 1 AS job_id, t.value ->> 2 AS from_state, t.value ->> 3 AS to_state,
	t.value ->> 4 AS reason_code, t.value ->> 5 AS reason_text, t.value ->> 6 AS actor, t.value ->> 7 AS at, transitions.run_id
	FROM transitions CROSS JOIN json_each(transitions.list) AS t WHERE transitions.run_id = ?1`;

/** Every reported test, once. Results refer to its number. */
export const tests = sqliteTable(
	"tests",
	{
		id: integer("id").primaryKey({ autoIncrement: true }),
		team: text("team").notNull(),
		project: text("project").notNull(),
		pipeline: text("pipeline").notNull(),
		suite: text("suite").notNull(),
		name: text("name").notNull(),
	},
	(table) => [
		uniqueIndex("tests_by_name").on(table.team, table.project, table.pipeline, table.suite, table.name),
		index("tests_newest").on(table.team, table.id),
	],
);

/** The result of a test in an attempt. */
export const testResults = sqliteTable(
	"test_results",
	{
		test_id: integer("test_id").notNull(),
		attempt_id: text("attempt_id").notNull(),
		run_id: text("run_id").notNull(),
		job_id: text("job_id").notNull(),
		branch: text("branch"),
		commit_sha: text("commit_sha"),
		/** `flaky`: it failed and then passed in the same report. */
		state: text("state").$type<TestCase["state"] | "flaky">().notNull(),
		duration_ms: integer("duration_ms").notNull(),
		at: integer("at").notNull(),
	},
	(table) => [
		primaryKey({ columns: [table.test_id, table.attempt_id] }),
		index("test_results_newest").on(table.test_id, table.at),
		index("test_results_of_run").on(table.run_id),
		index("test_results_of_attempt").on(table.attempt_id, table.state),
		index("test_results_of_commit").on(table.commit_sha, table.test_id, table.state),
	],
);

/** The ends of the newest failed logs, for the search. The index can be deleted: searches make it again. */
export const failedLogs = sqliteTable(
	"failed_logs",
	{
		job_id: text("job_id").primaryKey(),
		run_id: text("run_id").notNull(),
		team: text("team").notNull(),
		text: text("text").notNull(),
	},
	(table) => [index("failed_logs_newest").on(table.team, table.job_id), index("failed_logs_of_run").on(table.run_id)],
);

/** Uploaded source bundles. */
export const sources = sqliteTable(
	"sources",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		sha256: text("sha256").notNull(),
		size: integer("size").notNull(),
		/** How many entries the archive has, and its unpacked bytes. */
		entries: integer("entries").notNull(),
		unpacked_bytes: integer("unpacked_bytes").notNull(),
		/** The R2 object. */
		key: text("key").notNull(),
		/** The time of its upload, or of the newest submission that named it. */
		used_at: integer("used_at").notNull(),
	},
	(table) => [index("sources_by_content").on(table.team, table.sha256), index("sources_by_use").on(table.used_at)],
);
export type SourceRow = typeof sources.$inferSelect;

export const projects = sqliteTable(
	"projects",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		name: text("name").notNull(),
		/** The repository of its runs, unless a run names another one. */
		repository: text("repository"),
		default_branch: text("default_branch").notNull(),
		/** The name of the secret for reading the repository. */
		credentials: text("credentials"),
		/** The pipeline file, or a folder of them; null: the default places. */
		config: text("config"),
		/** The name of the secret that signs deliveries of its forge; null: none is accepted. */
		hook_secret: text("hook_secret"),
		/**
		 * The kind of its forge, its API (null: the host of the repository), and the name of the
		 * secret with a token for it.
		 */
		forge: text("forge").$type<ForgeKind>(),
		forge_api: text("forge_api"),
		forge_token: text("forge_token"),
		/** The GitHub App whose private key is in that secret; null: the secret is a token. */
		forge_app: text("forge_app"),
		/** The prefix of the names of its commit statuses. */
		status_context: text("status_context").notNull().default("windlass"),
		/** The checkout depth of its jobs; null: the default. */
		checkout_depth: text("checkout_depth", { mode: "json" }).$type<CheckoutOptions["depth"]>(),
		checkout_filter: text("checkout_filter").$type<CheckoutOptions["filter"]>(),
		checkout_tags: integer("checkout_tags", { mode: "boolean" }),
		checkout_submodules: text("checkout_submodules").$type<CheckoutOptions["submodules"]>(),
		checkout_lfs: integer("checkout_lfs", { mode: "boolean" }),
		/** How often agents fetch its default branch ahead of jobs, as a duration; null: never. */
		warm_mirrors: text("warm_mirrors"),
		has_public_badges: integer("has_public_badges").notNull().default(0),
		/** Whether a commit without a pipeline file gets a failed status. */
		requires_pipeline: integer("requires_pipeline").notNull().default(0),
		/**
		 * JSON of its former repositories, newest first. Statuses of runs that began there go to
		 * the present one.
		 */
		former_repositories: text("former_repositories").notNull().default("[]"),
		/**
		 * How often its refs are compared with the known ones, as a duration; null: only after an
		 * outage.
		 */
		poll: text("poll"),
		/** JSON: the projects whose pipelines may include files of its repository; null: only its own. */
		includable_by: text("includable_by", { mode: "json" }).$type<string[]>(),
		/** Who at the forge needs no approval for the pull requests of a fork; null: nobody. */
		trusted_authors: text("trusted_authors", { mode: "json" }).$type<string[]>(),
		/** The people who may approve runs of forks; null: everybody whose role allows it. */
		fork_approvers: text("fork_approvers", { mode: "json" }).$type<string[]>(),
		/** Whether everybody may see its runs without signing in. */
		is_public: integer("is_public").notNull().default(0),
		/** How long its runs, logs and artifacts are kept, as a duration; null: the default. */
		keep_runs: text("keep_runs"),
		keep_logs: text("keep_logs"),
		keep_artifacts: text("keep_artifacts"),
		/** How many bytes its caches may take, as a size; null: the default. */
		cache_quota: text("cache_quota"),
		created_at: integer("created_at").notNull(),
		updated_at: integer("updated_at").notNull(),
	},
	(table) => [
		uniqueIndex("projects_by_name").on(table.team, table.name),
		uniqueIndex("projects_seen_by_all").on(table.name).where(sql`${table.is_public} = 1 OR ${table.has_public_badges} = 1`),
	],
);
export type ProjectRow = typeof projects.$inferSelect;

/** Notices of projects: at most one sentence of each kind. */
export const projectNotices = sqliteTable(
	"project_notices",
	{
		team: text("team").notNull(),
		project: text("project").notNull(),
		kind: text("kind").notNull(),
		text: text("text").notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.team, table.project, table.kind] })],
);

/** Deliveries to the webhooks of projects, with their outcomes. */
export const deliveries = sqliteTable(
	"deliveries",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		project: text("project").notNull(),
		/** `comparison`: found by a comparison of the refs, not delivered. */
		forge: text("forge").$type<ForgeKind | "generic" | "comparison">().notNull(),
		/** The id at the forge. A second delivery with the same id is a repeat. */
		delivery: text("delivery").notNull(),
		event: text("event").notNull(),
		outcome: text("outcome").$type<DeliveryOutcome>().notNull(),
		reason: text("reason").notNull(),
		/** JSON of its event; null if the event starts no run. */
		trigger: text("trigger"),
		/** The repository of the delivery, as the provider calls it; null if it is unknown. */
		repository: text("repository"),
		/**
		 * sha256 in hex of a signed body, if the signature does not cover the delivery's id;
		 * otherwise null.
		 */
		body_digest: text("body_digest"),
		/** Its discovery run. */
		run_id: text("run_id"),
		received_at: integer("received_at").notNull(),
	},
	(table) => [
		uniqueIndex("deliveries_once").on(table.team, table.project, table.forge, table.delivery),
		uniqueIndex("deliveries_once_by_body").on(table.team, table.project, table.body_digest),
		index("deliveries_newest").on(table.team, table.project, table.id),
		index("deliveries_by_age").on(table.received_at),
	],
);
export type DeliveryRow = typeof deliveries.$inferSelect;

/** Stored pipelines. */
export const pipelines = sqliteTable(
	"pipelines",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		project: text("project").notNull(),
		name: text("name").notNull(),
		/** The number of its newest version. */
		version: integer("version").notNull(),
		created_at: integer("created_at").notNull(),
		updated_at: integer("updated_at").notNull(),
	},
	(table) => [uniqueIndex("pipelines_by_name").on(table.team, table.project, table.name)],
);
export type PipelineRow = typeof pipelines.$inferSelect;

/**
 * The versions of stored pipelines, which never change. The text is an object in R2, named by its
 * content.
 */
export const pipelineVersions = sqliteTable(
	"pipeline_versions",
	{
		pipeline_id: text("pipeline_id").notNull(),
		number: integer("number").notNull(),
		sha256: text("sha256").notNull(),
		size: integer("size").notNull(),
		key: text("key").notNull(),
		/** The version that it restores. */
		restores: integer("restores"),
		actor: text("actor").notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.pipeline_id, table.number] }), index("pipeline_versions_by_key").on(table.key)],
);
export type PipelineVersionRow = typeof pipelineVersions.$inferSelect;

/** The keys that encrypt secrets. The master key wraps them and is stored elsewhere. */
export const dataKeys = sqliteTable(
	"data_keys",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		/** Both in base64. */
		iv: text("iv").notNull(),
		wrapped: text("wrapped").notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [index("data_keys_newest").on(table.team, table.id)],
);

export const secrets = sqliteTable(
	"secrets",
	{
		team: text("team").notNull(),
		/** Empty for a secret of every project of the team. */
		project: text("project").notNull(),
		name: text("name").notNull(),
		data_key: text("data_key").notNull(),
		/** Both in base64. */
		iv: text("iv").notNull(),
		ciphertext: text("ciphertext").notNull(),
		created_at: integer("created_at").notNull(),
		updated_at: integer("updated_at").notNull(),
	},
	(table) => [primaryKey({ columns: [table.team, table.project, table.name] }), index("secrets_by_key").on(table.team, table.data_key)],
);

/** The tokens of GitHub Apps that running attempts have, encrypted like secrets. */
export const forgeTokens = sqliteTable(
	"forge_tokens",
	{
		attempt_id: text("attempt_id").primaryKey(),
		team: text("team").notNull(),
		/** The address of the API that revokes it. */
		api: text("api").notNull(),
		data_key: text("data_key").notNull(),
		/** Both in base64. */
		iv: text("iv").notNull(),
		ciphertext: text("ciphertext").notNull(),
		expires_at: integer("expires_at").notNull(),
	},
	(table) => [index("forge_tokens_by_expiry").on(table.expires_at)],
);

/** The contents of caches: each of a project is stored once among trusted runs, and once among forks. */
export const cacheObjects = sqliteTable(
	"cache_objects",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		project: text("project").notNull(),
		is_trusted: integer("is_trusted").notNull(),
		/** sha256 of the archive, before it is compressed. */
		content: text("content").notNull(),
		/** In R2. */
		size: integer("size").notNull(),
		unpacked_bytes: integer("unpacked_bytes").notNull(),
		files: integer("files").notNull(),
		/** JSON: the digest and size of each part. */
		parts: text("parts", { mode: "json" }).$type<{ sha256: string; size: number }[]>().notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [
		uniqueIndex("cache_objects_by_content").on(table.team, table.project, table.is_trusted, table.content),
		index("cache_objects_untrusted").on(table.team, table.project).where(sql`${table.is_trusted} = 0`),
	],
);

/** What the keys of caches lead to. */
export const cacheEntries = sqliteTable(
	"cache_entries",
	{
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		project: text("project").notNull(),
		/** A digest of the paths and the platform: caches of other paths are other caches. */
		variant: text("variant").notNull(),
		/** Whose runs it belongs to (caches/scopes.ts). */
		scope: text("scope").notNull(),
		key: text("key").notNull(),
		object_id: text("object_id").notNull(),
		/** The job that saved it. */
		job_id: text("job_id").notNull(),
		/** For agents that fetch caches at their start: their paths, and the platform and labels that they are for. */
		paths: text("paths", { mode: "json" }).$type<string[]>().notNull().default([]),
		platform: text("platform").notNull().default(""),
		labels: text("labels", { mode: "json" }).$type<string[]>().notNull().default([]),
		hits: integer("hits").notNull(),
		created_at: integer("created_at").notNull(),
		used_at: integer("used_at").notNull(),
	},
	(table) => [
		uniqueIndex("cache_entries_by_key").on(table.team, table.project, table.variant, table.scope, table.key),
		index("cache_entries_of_project").on(table.team, table.project, table.used_at),
		index("cache_entries_by_use").on(table.used_at),
		index("cache_entries_of_object").on(table.object_id),
	],
);
export type CacheEntryRow = typeof cacheEntries.$inferSelect;

/** Caches that were removed without anybody asking for it. */
export const cacheRemovals = sqliteTable(
	"cache_removals",
	{
		/** That of the cache. */
		id: text("id").primaryKey(),
		team: text("team").notNull(),
		project: text("project").notNull(),
		key: text("key").notNull(),
		scope: text("scope").notNull(),
		size: integer("size").notNull(),
		why: text("why").$type<RemovedCache["why"]>().notNull(),
		removed_at: integer("removed_at").notNull(),
	},
	(table) => [index("cache_removals_of_project").on(table.team, table.project, table.removed_at)],
);

/**
 * Objects that attempts may put into R2. Retention deletes those that no result names once their
 * addresses have expired.
 */
export const uploads = sqliteTable(
	"uploads",
	{
		/** The object, and the key of the artifact that it belongs to. */
		key: text("key").primaryKey(),
		artifact_key: text("artifact_key").notNull(),
		team: text("team").notNull(),
		attempt_id: text("attempt_id").notNull(),
		created_at: integer("created_at").notNull(),
	},
	(table) => [index("uploads_by_age").on(table.created_at)],
);
