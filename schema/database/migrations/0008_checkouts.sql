ALTER TABLE `projects` ADD `checkout_depth` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_tags` integer;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_submodules` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `checkout_lfs` integer;