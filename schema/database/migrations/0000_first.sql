CREATE TABLE `artifacts` (
	`attempt_id` text NOT NULL,
	`path` text NOT NULL,
	`team` text NOT NULL,
	`job_id` text NOT NULL,
	`run_id` text NOT NULL,
	`size` integer NOT NULL,
	`sha256` text NOT NULL,
	`key` text NOT NULL,
	PRIMARY KEY(`attempt_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `artifacts_of_job` ON `artifacts` (`job_id`,`path`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`rev` integer NOT NULL,
	`job_id` text NOT NULL,
	`run_id` text NOT NULL,
	`number` integer NOT NULL,
	`agent_id` text NOT NULL,
	`agent_name` text NOT NULL,
	`state` text NOT NULL,
	`reason_code` text,
	`reason_text` text,
	`exit_code` integer,
	`started_at` integer NOT NULL,
	`finished_at` integer,
	`shard` integer NOT NULL,
	`log_key` text,
	`log_bytes` integer NOT NULL,
	`log_sha256` text,
	`log_incomplete` integer NOT NULL,
	`log_archived` integer NOT NULL,
	`finish_digest` text,
	`steps` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `attempts_of_job` ON `attempts` (`job_id`,`number`);--> statement-breakpoint
CREATE INDEX `attempts_of_run` ON `attempts` (`run_id`);--> statement-breakpoint
CREATE TABLE `definitions` (
	`digest` text PRIMARY KEY NOT NULL,
	`json` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`rev` integer NOT NULL,
	`run_id` text NOT NULL,
	`position` integer NOT NULL,
	`key` text NOT NULL,
	`name` text NOT NULL,
	`state` text NOT NULL,
	`reason_code` text,
	`reason_text` text,
	`needs` text NOT NULL,
	`runs_on` text NOT NULL,
	`exit_code` integer,
	`attempt` integer NOT NULL,
	`created_at` integer NOT NULL,
	`queued_at` integer,
	`started_at` integer,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `jobs_of_run` ON `jobs` (`run_id`,`position`);--> statement-breakpoint
CREATE INDEX `jobs_newest` ON `jobs` (`team`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_state` ON `jobs` (`team`,`state`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_rev` ON `jobs` (`team`,`rev`);--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`rev` integer NOT NULL,
	`project` text NOT NULL,
	`number` integer NOT NULL,
	`pipeline` text NOT NULL,
	`state` text NOT NULL,
	`reason_code` text,
	`reason_text` text,
	`trigger_kind` text NOT NULL,
	`trigger_actor` text NOT NULL,
	`trigger_delivery` text,
	`source_git` text,
	`source_ref` text,
	`branch` text,
	`tag` text,
	`commit_sha` text,
	`commit_message` text,
	`commit_author` text,
	`priority` integer NOT NULL,
	`warnings` integer NOT NULL,
	`definition` text NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `runs_newest` ON `runs` (`team`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_project` ON `runs` (`team`,`project`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_state` ON `runs` (`team`,`state`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_rev` ON `runs` (`team`,`rev`);--> statement-breakpoint
CREATE TABLE `sign_in_links` (
	`hash` text PRIMARY KEY NOT NULL,
	`token_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE TABLE `tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`kind` text NOT NULL,
	`name` text NOT NULL,
	`hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tokens_hash_unique` ON `tokens` (`hash`);