ALTER TABLE `cache_entries` ADD `paths` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `cache_entries` ADD `platform` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `cache_entries` ADD `labels` text DEFAULT '[]' NOT NULL;