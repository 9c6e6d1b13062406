CREATE TABLE `cache_entries` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`variant` text NOT NULL,
	`scope` text NOT NULL,
	`key` text NOT NULL,
	`object_id` text NOT NULL,
	`job_id` text NOT NULL,
	`hits` integer NOT NULL,
	`created_at` integer NOT NULL,
	`used_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cache_entries_by_key` ON `cache_entries` (`team`,`project`,`variant`,`scope`,`key`);--> statement-breakpoint
CREATE INDEX `cache_entries_of_project` ON `cache_entries` (`team`,`project`,`used_at`);--> statement-breakpoint
CREATE INDEX `cache_entries_by_use` ON `cache_entries` (`used_at`);--> statement-breakpoint
CREATE INDEX `cache_entries_of_object` ON `cache_entries` (`object_id`);--> statement-breakpoint
CREATE TABLE `cache_objects` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`is_trusted` integer NOT NULL,
	`content` text NOT NULL,
	`size` integer NOT NULL,
	`unpacked_bytes` integer NOT NULL,
	`files` integer NOT NULL,
	`parts` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cache_objects_by_content` ON `cache_objects` (`team`,`project`,`is_trusted`,`content`);--> statement-breakpoint
CREATE TABLE `cache_removals` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`project` text NOT NULL,
	`key` text NOT NULL,
	`scope` text NOT NULL,
	`size` integer NOT NULL,
	`why` text NOT NULL,
	`removed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `cache_removals_of_project` ON `cache_removals` (`team`,`project`,`removed_at`);--> statement-breakpoint
ALTER TABLE `attempts` ADD `caches` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `cache_quota` text;