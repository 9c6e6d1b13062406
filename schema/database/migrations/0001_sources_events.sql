CREATE TABLE `events` (
	`team` text NOT NULL,
	`rev` integer NOT NULL,
	`run_id` text NOT NULL,
	`job_id` text,
	`from_state` text,
	`to_state` text NOT NULL,
	`reason_code` text,
	`reason_text` text,
	`actor` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`team`, `rev`)
);
--> statement-breakpoint
CREATE INDEX `events_of_run` ON `events` (`run_id`,`rev`);--> statement-breakpoint
CREATE TABLE `sources` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`sha256` text NOT NULL,
	`size` integer NOT NULL,
	`entries` integer NOT NULL,
	`unpacked_bytes` integer NOT NULL,
	`key` text NOT NULL,
	`used_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sources_by_content` ON `sources` (`team`,`sha256`);--> statement-breakpoint
CREATE INDEX `sources_by_use` ON `sources` (`used_at`);--> statement-breakpoint
CREATE TABLE `uploads` (
	`key` text PRIMARY KEY NOT NULL,
	`artifact_key` text NOT NULL,
	`team` text NOT NULL,
	`attempt_id` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_by_age` ON `uploads` (`created_at`);--> statement-breakpoint
ALTER TABLE `artifacts` ADD `part_bytes` integer;--> statement-breakpoint
ALTER TABLE `artifacts` ADD `is_executable` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `artifacts` ADD `created_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `artifacts` ADD `expired_at` integer;--> statement-breakpoint
CREATE INDEX `artifacts_of_run` ON `artifacts` (`run_id`);--> statement-breakpoint
CREATE INDEX `artifacts_kept` ON `artifacts` (`created_at`) WHERE "artifacts"."expired_at" IS NULL;--> statement-breakpoint
ALTER TABLE `attempts` ADD `log_expired_at` integer;--> statement-breakpoint
CREATE INDEX `attempts_with_log` ON `attempts` (`finished_at`) WHERE "attempts"."log_key" IS NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `source_upload` text;--> statement-breakpoint
CREATE INDEX `runs_by_end` ON `runs` (`finished_at`);--> statement-breakpoint
CREATE INDEX `runs_by_upload` ON `runs` (`source_upload`) WHERE "runs"."source_upload" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `runs_by_definition` ON `runs` (`definition`);--> statement-breakpoint
-- Files that were saved before this was noted are kept for as long as those of today.
UPDATE `artifacts` SET `created_at` = unixepoch() * 1000 WHERE `created_at` = 0;
