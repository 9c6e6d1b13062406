CREATE TABLE `identities` (
	`team` text NOT NULL,
	`provider` text NOT NULL,
	`subject` text NOT NULL,
	`person_id` text NOT NULL,
	`is_by_rule` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`team`, `provider`, `subject`)
);
--> statement-breakpoint
CREATE INDEX `identities_of_person` ON `identities` (`person_id`);--> statement-breakpoint
CREATE TABLE `identity_providers` (
	`team` text NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL,
	`url` text NOT NULL,
	`label` text NOT NULL,
	`client_id` text NOT NULL,
	`scopes` text NOT NULL,
	`groups_claim` text NOT NULL,
	`sign_up` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`team`, `name`)
);
