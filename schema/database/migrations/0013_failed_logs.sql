CREATE TABLE `failed_logs` (
	`job_id` text PRIMARY KEY NOT NULL,
	`run_id` text NOT NULL,
	`team` text NOT NULL,
	`text` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `failed_logs_newest` ON `failed_logs` (`team`,`job_id`);--> statement-breakpoint
CREATE INDEX `failed_logs_of_run` ON `failed_logs` (`run_id`);