CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`token_id` text NOT NULL,
	`hash` text NOT NULL,
	`user_agent` text NOT NULL,
	`address` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_hash_unique` ON `sessions` (`hash`);--> statement-breakpoint
CREATE INDEX `sessions_newest` ON `sessions` (`team`,`created_at`);--> statement-breakpoint
CREATE INDEX `sessions_by_expiry` ON `sessions` (`expires_at`);--> statement-breakpoint
ALTER TABLE `deliveries` ADD `repository` text;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `body_digest` text;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_once_by_body` ON `deliveries` (`team`,`project`,`body_digest`);