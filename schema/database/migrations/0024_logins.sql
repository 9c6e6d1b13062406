CREATE TABLE `logins` (
	`hash` text PRIMARY KEY NOT NULL,
	`code` text NOT NULL,
	`machine` text NOT NULL,
	`address` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`decided_by` text,
	`role` text,
	`claimed_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `logins_code_unique` ON `logins` (`code`);