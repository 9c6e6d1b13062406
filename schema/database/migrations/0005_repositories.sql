CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`forge` text NOT NULL,
	`delivery` text NOT NULL,
	`event` text NOT NULL,
	`verdict` text NOT NULL,
	`reason` text NOT NULL,
	`trigger` text,
	`run_id` text,
	`received_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_once` ON `deliveries` (`team`,`project`,`forge`,`delivery`);--> statement-breakpoint
CREATE INDEX `deliveries_newest` ON `deliveries` (`team`,`project`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_age` ON `deliveries` (`received_at`);--> statement-breakpoint
CREATE TABLE `pipeline_versions` (
	`pipeline_id` text NOT NULL,
	`number` integer NOT NULL,
	`sha256` text NOT NULL,
	`size` integer NOT NULL,
	`key` text NOT NULL,
	`restores` integer,
	`actor` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`pipeline_id`, `number`)
);
--> statement-breakpoint
CREATE INDEX `pipeline_versions_by_key` ON `pipeline_versions` (`key`);--> statement-breakpoint
CREATE TABLE `pipelines` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pipelines_by_name` ON `pipelines` (`team`,`project`,`name`);--> statement-breakpoint
ALTER TABLE `projects` ADD `config` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `hook_secret` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `forge` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `forge_api` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `forge_token` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `status_context` text DEFAULT 'windlass' NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `has_public_badges` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `keep_runs` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `keep_logs` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `keep_artifacts` text;--> statement-breakpoint
ALTER TABLE `runs` ADD `kind` text DEFAULT 'pipeline' NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `planned_by` text;--> statement-breakpoint
ALTER TABLE `runs` ADD `file` text;--> statement-breakpoint
ALTER TABLE `runs` ADD `pull_request` integer;--> statement-breakpoint
ALTER TABLE `runs` ADD `is_trusted` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `approved_by` text;--> statement-breakpoint
CREATE INDEX `runs_planned` ON `runs` (`planned_by`) WHERE "runs"."planned_by" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `runs_of_branch` ON `runs` (`team`,`project`,`pipeline`,`branch`,`id`);