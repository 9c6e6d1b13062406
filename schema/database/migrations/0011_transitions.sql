CREATE TABLE `transitions` (
	`run_id` text NOT NULL,
	`rev` integer NOT NULL,
	`team` text NOT NULL,
	`list` text NOT NULL,
	PRIMARY KEY(`run_id`, `rev`)
);
--> statement-breakpoint
INSERT INTO transitions SELECT run_id, min(rev), team,
json_group_array(json_array(rev, job_id, from_state, to_state, reason_code, reason_text, actor, at) ORDER BY rev) FROM events GROUP BY team, run_id;--> statement-breakpoint
DROP TABLE `events`;