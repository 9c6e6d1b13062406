CREATE TABLE `project_roles` (
	`team` text NOT NULL,
	`project` text NOT NULL,
	`person_id` text NOT NULL,
	`role` text NOT NULL,
	`granted_by` text NOT NULL,
	`granted_at` integer NOT NULL,
	PRIMARY KEY(`team`, `project`, `person_id`)
);
--> statement-breakpoint
CREATE INDEX `project_roles_of_person` ON `project_roles` (`person_id`);