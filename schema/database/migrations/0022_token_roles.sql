ALTER TABLE `tokens` ADD `role` text DEFAULT 'operator' NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `projects` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `created_by` text DEFAULT 'the coordinator' NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `expires_at` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `last_used_on` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `last_used_from` text;--> statement-breakpoint
UPDATE `tokens` SET `name` = `name` || '-' || lower(`id`) WHERE `revoked_at` IS NULL AND EXISTS (
	SELECT 1 FROM `tokens` AS `newer` WHERE `newer`.`team` = `tokens`.`team` AND `newer`.`name` = `tokens`.`name` AND `newer`.`revoked_at` IS NULL
	AND (`newer`.`created_at`, `newer`.`id`) > (`tokens`.`created_at`, `tokens`.`id`)
);--> statement-breakpoint
CREATE UNIQUE INDEX `tokens_by_name` ON `tokens` (`team`,`name`) WHERE "tokens"."revoked_at" IS NULL;