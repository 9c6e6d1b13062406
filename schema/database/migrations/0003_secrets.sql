CREATE TABLE `data_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`team` text NOT NULL,
	`iv` text NOT NULL,
	`wrapped` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `data_keys_newest` ON `data_keys` (`team`,`id`);--> statement-breakpoint
CREATE TABLE `secrets` (
	`team` text NOT NULL,
	`project` text NOT NULL,
	`name` text NOT NULL,
	`data_key` text NOT NULL,
	`iv` text NOT NULL,
	`ciphertext` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`team`, `project`, `name`)
);
--> statement-breakpoint
CREATE INDEX `secrets_by_key` ON `secrets` (`team`,`data_key`);