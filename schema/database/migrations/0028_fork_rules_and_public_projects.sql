ALTER TABLE `projects` ADD `trusted_authors` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `fork_approvers` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `is_public` integer DEFAULT 0 NOT NULL;