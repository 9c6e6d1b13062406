CREATE TABLE `forge_tokens` (
	`attempt_id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`api` text NOT NULL,
	`data_key` text NOT NULL,
	`iv` text NOT NULL,
	`ciphertext` text NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `forge_tokens_by_expiry` ON `forge_tokens` (`expires_at`);--> statement-breakpoint
ALTER TABLE `projects` ADD `forge_app` text;