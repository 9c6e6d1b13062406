CREATE TABLE `test_results` (
	`test_id` integer NOT NULL,
	`attempt_id` text NOT NULL,
	`run_id` text NOT NULL,
	`job_id` text NOT NULL,
	`branch` text,
	`commit_sha` text,
	`state` text NOT NULL,
	`duration_ms` integer NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`test_id`, `attempt_id`)
);
--> statement-breakpoint
CREATE INDEX `test_results_newest` ON `test_results` (`test_id`,`at`);--> statement-breakpoint
CREATE INDEX `test_results_of_run` ON `test_results` (`run_id`);--> statement-breakpoint
CREATE INDEX `test_results_of_attempt` ON `test_results` (`attempt_id`,`state`);--> statement-breakpoint
CREATE INDEX `test_results_of_commit` ON `test_results` (`commit_sha`,`test_id`,`state`);--> statement-breakpoint
CREATE TABLE `tests` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`pipeline` text NOT NULL,
	`suite` text NOT NULL,
	`name` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tests_by_name` ON `tests` (`team`,`project`,`pipeline`,`suite`,`name`);--> statement-breakpoint
ALTER TABLE `artifacts` ADD `kind` text DEFAULT 'file' NOT NULL;--> statement-breakpoint
ALTER TABLE `attempts` ADD `tests` text;--> statement-breakpoint
ALTER TABLE `attempts` ADD `coverage` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `matrix` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `allow_failure` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `outputs` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `result_attempt` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `approved_by` text;--> statement-breakpoint
ALTER TABLE `runs` ADD `params` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `rerun_of` text;--> statement-breakpoint
CREATE INDEX `runs_again` ON `runs` (`rerun_of`) WHERE "runs"."rerun_of" IS NOT NULL;--> statement-breakpoint
UPDATE `jobs` SET `runs_on` = json_object('labels', json(`runs_on`)) WHERE `runs_on` LIKE '[%';
