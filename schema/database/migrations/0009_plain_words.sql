ALTER TABLE `runs` RENAME COLUMN `planned_by` TO `discovered_by`;--> statement-breakpoint
DROP INDEX `runs_planned`;--> statement-breakpoint
CREATE INDEX `runs_discovered` ON `runs` (`discovered_by`) WHERE "runs"."discovered_by" IS NOT NULL;--> statement-breakpoint
ALTER TABLE `deliveries` RENAME COLUMN `verdict` TO `outcome`;--> statement-breakpoint
UPDATE `deliveries` SET outcome = 'rejected' WHERE outcome = 'refused';--> statement-breakpoint
UPDATE runs SET kind = 'discovery', pipeline = 'discovery' WHERE kind = 'plan';--> statement-breakpoint
UPDATE jobs SET key = 'discovery', name = 'discovery' WHERE run_id IN (SELECT id FROM runs WHERE kind = 'discovery');--> statement-breakpoint
UPDATE jobs SET reason_code = CASE reason_code WHEN 'gate' THEN 'approval' ELSE 'run_approval' END WHERE reason_code IN ('gate', 'run_gate');--> statement-breakpoint
UPDATE events SET reason_code = CASE reason_code WHEN 'gate' THEN 'approval' ELSE 'run_approval' END WHERE reason_code IN ('gate', 'run_gate');--> statement-breakpoint
UPDATE definitions SET json = json_set(json_remove(json, '$.jobs[0].plan'), '$.name', 'discovery', '$.jobs[0].key', 'discovery', '$.jobs[0].name', 'discovery',
'$.jobs[0].discovery', json(json_set(json_remove(json -> '$.jobs[0].plan', '$.is_of_main_line'),
'$.is_of_default_branch', json(json -> '$.jobs[0].plan.is_of_main_line'))))
WHERE digest IN (SELECT definition FROM runs WHERE kind = 'discovery') AND json_type(json, '$.jobs[0].plan') = 'object';
