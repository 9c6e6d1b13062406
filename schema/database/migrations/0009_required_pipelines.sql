ALTER TABLE `projects` ADD `requires_pipeline` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `former_repositories` text DEFAULT '[]' NOT NULL;