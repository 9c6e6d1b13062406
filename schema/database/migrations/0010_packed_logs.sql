ALTER TABLE `attempts` ADD `log_offset` integer;--> statement-breakpoint
ALTER TABLE `attempts` ADD `log_held` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `attempts_in_pack` ON `attempts` (`log_key`) WHERE "attempts"."log_offset" IS NOT NULL;