CREATE TABLE `teams` (
	`slug` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`looks` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `teams_looks_unique` ON `teams` (`looks`);--> statement-breakpoint
ALTER TABLE `sessions` ADD `acts_in` text;--> statement-breakpoint
CREATE UNIQUE INDEX `projects_seen_by_all` ON `projects` (`name`) WHERE "projects"."is_public" = 1 OR "projects"."has_public_badges" = 1;--> statement-breakpoint
CREATE INDEX `tests_newest` ON `tests` (`team`,`id`);--> statement-breakpoint
INSERT INTO `teams` (`slug`, `name`, `looks`, `created_by`, `created_at`) VALUES ('default', 'default', 'default', 'the coordinator', CAST(unixepoch('subsec') * 1000 AS INTEGER));
