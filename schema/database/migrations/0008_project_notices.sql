CREATE TABLE `project_notices` (
	`team` text NOT NULL,
	`project` text NOT NULL,
	`kind` text NOT NULL,
	`text` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`team`, `project`, `kind`)
);
