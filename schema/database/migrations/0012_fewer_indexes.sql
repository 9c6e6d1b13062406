DROP INDEX `attempts_of_job`;--> statement-breakpoint
DROP INDEX `jobs_by_rev`;