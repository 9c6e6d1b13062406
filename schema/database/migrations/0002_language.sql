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