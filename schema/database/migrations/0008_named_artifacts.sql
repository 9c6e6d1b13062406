ALTER TABLE `artifacts` ADD `name` text;--> statement-breakpoint
ALTER TABLE `artifacts` ADD `expires_at` integer;--> statement-breakpoint
CREATE INDEX `artifacts_expiring` ON `artifacts` (`expires_at`) WHERE "artifacts"."expired_at" IS NULL AND "artifacts"."expires_at" IS NOT NULL;