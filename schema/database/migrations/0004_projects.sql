CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`name` text NOT NULL,
	`repository` text,
	`default_branch` text NOT NULL,
	`credentials` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `projects_by_name` ON `projects` (`team`,`name`);