ALTER TABLE `projects` ADD `checkout_filter` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `warm_mirrors` text;