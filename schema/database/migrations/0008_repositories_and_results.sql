CREATE TABLE `project_notices` (
	`team` text NOT NULL,
	`project` text NOT NULL,
	`kind` text NOT NULL,
	`text` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`team`, `project`, `kind`)
);
--> statement-breakpoint
ALTER TABLE `artifacts` ADD `name` text;--> statement-breakpoint
ALTER TABLE `artifacts` ADD `expires_at` integer;--> statement-breakpoint
CREATE INDEX `artifacts_expiring` ON `artifacts` (`expires_at`) WHERE "artifacts"."expired_at" IS NULL AND "artifacts"."expires_at" IS NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_depth` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_tags` integer;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_submodules` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_lfs` integer;--> statement-breakpoint
ALTER TABLE `projects` ADD `requires_pipeline` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `former_repositories` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `poll` text;--> statement-breakpoint
CREATE INDEX `runs_of_comparisons` ON `runs` (`finished_at`) WHERE "runs"."kind" = 'comparison';