ALTER TABLE `projects` ADD `poll` text;--> statement-breakpoint
CREATE INDEX `runs_of_comparisons` ON `runs` (`finished_at`) WHERE "runs"."kind" = 'comparison';