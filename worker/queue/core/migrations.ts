import type { Sql } from "./sql.ts";

/**
 * The schema of the Dispatcher's storage: numbered steps, each a list of statements. A released
 * step is never edited. schema.sql shows the result; `npm run schema` writes it.
 *
 * `runs`, `jobs`, `attempts` and `artifacts` hold every column of the record in D1
 * (schema/database/tables.ts) under the same name, and beside them what only the live queue needs.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
	[
		"CREATE TABLE definitions (digest TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID",
		"CREATE TABLE counters (project TEXT PRIMARY KEY, runs INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		`CREATE TABLE runs (
			id TEXT PRIMARY KEY, team TEXT NOT NULL, rev INTEGER NOT NULL, project TEXT NOT NULL, number INTEGER NOT NULL,
			pipeline TEXT NOT NULL, state TEXT NOT NULL, reason_code TEXT, reason_text TEXT,
			trigger_kind TEXT NOT NULL, trigger_actor TEXT NOT NULL, trigger_delivery TEXT,
			source_git TEXT, source_ref TEXT, branch TEXT, tag TEXT, commit_sha TEXT, commit_message TEXT, commit_author TEXT,
			priority INTEGER NOT NULL, warnings INTEGER NOT NULL, definition TEXT NOT NULL,
			created_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER,
			cancel_requested INTEGER NOT NULL DEFAULT 0
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX runs_by_rev ON runs(rev)",
		"CREATE INDEX runs_by_definition ON runs(definition)",
		`CREATE TABLE lanes (
			id INTEGER PRIMARY KEY, requirements TEXT NOT NULL, project TEXT NOT NULL, priority INTEGER NOT NULL,
			UNIQUE (requirements, project, priority)
		) STRICT`,
		`CREATE TABLE jobs (
			id TEXT PRIMARY KEY, team TEXT NOT NULL, rev INTEGER NOT NULL, run_id TEXT NOT NULL, position INTEGER NOT NULL,
			key TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, reason_code TEXT, reason_text TEXT,
			needs TEXT NOT NULL, runs_on TEXT NOT NULL, exit_code INTEGER, attempt INTEGER NOT NULL,
			created_at INTEGER NOT NULL, queued_at INTEGER, started_at INTEGER, finished_at INTEGER,
			lane_id INTEGER NOT NULL, entry INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX jobs_of_run ON jobs(run_id, position)",
		"CREATE INDEX jobs_by_rev ON jobs(rev)",
		"CREATE INDEX jobs_waiting ON jobs(lane_id, entry) WHERE state = 'queued'",
		"CREATE TABLE needs (job_id TEXT NOT NULL, needs_id TEXT NOT NULL, PRIMARY KEY (job_id, needs_id)) STRICT, WITHOUT ROWID",
		"CREATE INDEX needs_reverse ON needs(needs_id)",
		`CREATE TABLE offers (
			attempt_id TEXT PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL, session INTEGER NOT NULL,
			lease_id TEXT NOT NULL, shard INTEGER NOT NULL, expires_at INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX offers_of_agent ON offers(agent_id)",
		`CREATE TABLE attempts (
			id TEXT PRIMARY KEY, team TEXT NOT NULL, rev INTEGER NOT NULL, job_id TEXT NOT NULL, run_id TEXT NOT NULL,
			number INTEGER NOT NULL, agent_id TEXT NOT NULL, agent_name TEXT NOT NULL,
			state TEXT NOT NULL, reason_code TEXT, reason_text TEXT, exit_code INTEGER,
			started_at INTEGER NOT NULL, finished_at INTEGER, shard INTEGER NOT NULL,
			log_key TEXT, log_bytes INTEGER NOT NULL, log_sha256 TEXT, log_incomplete INTEGER NOT NULL, log_archived INTEGER NOT NULL,
			steps TEXT NOT NULL,
			lease_id TEXT NOT NULL, deadline INTEGER NOT NULL, cancel_told INTEGER NOT NULL DEFAULT 0,
			finish_digest TEXT, UNIQUE (job_id, number)
		) STRICT, WITHOUT ROWID`,
		"CREATE UNIQUE INDEX attempts_live_of_job ON attempts(job_id) WHERE state IN ('running', 'cancelling')",
		"CREATE INDEX attempts_live_of_agent ON attempts(agent_id) WHERE state IN ('running', 'cancelling')",
		"CREATE INDEX attempts_deadlines ON attempts(deadline) WHERE state IN ('running', 'cancelling')",
		"CREATE INDEX attempts_of_run ON attempts(run_id)",
		`CREATE TABLE artifacts (
			attempt_id TEXT NOT NULL, path TEXT NOT NULL, team TEXT NOT NULL, job_id TEXT NOT NULL, run_id TEXT NOT NULL,
			size INTEGER NOT NULL, sha256 TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (attempt_id, path)
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX artifacts_of_run ON artifacts(run_id)",
		`CREATE TABLE agents (
			id TEXT PRIMARY KEY, rev INTEGER NOT NULL, name TEXT NOT NULL UNIQUE,
			secret_hash TEXT NOT NULL, registration_hash TEXT NOT NULL UNIQUE,
			pinned_labels TEXT NOT NULL, labels TEXT NOT NULL, facts TEXT NOT NULL, version TEXT NOT NULL, slots INTEGER NOT NULL,
			status TEXT NOT NULL, session INTEGER NOT NULL, instance TEXT NOT NULL, poll_seq INTEGER NOT NULL, renew_seq INTEGER NOT NULL,
			slots_free INTEGER NOT NULL, has_lapsed INTEGER NOT NULL,
			registered_at INTEGER NOT NULL, last_seen_at INTEGER
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX agents_by_rev ON agents(rev)",
		`CREATE TABLE registration_tokens (
			hash TEXT PRIMARY KEY, uses_left INTEGER NOT NULL, expires_at INTEGER NOT NULL, labels TEXT NOT NULL
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE refusals (
			job_id TEXT NOT NULL, agent_id TEXT NOT NULL, count INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (job_id, agent_id)
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX refusals_of_agent ON refusals(agent_id, until)",
		`CREATE TABLE idempotency (
			scope TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, run_id TEXT NOT NULL, PRIMARY KEY (scope, key)
		) STRICT, WITHOUT ROWID`,
		"CREATE TABLE timers (kind TEXT NOT NULL, id TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID",
		"CREATE INDEX timers_due ON timers(due_at)",
		"CREATE TABLE outbox (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, rev INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		"CREATE INDEX outbox_of_run ON outbox(run_id)",
		"CREATE INDEX outbox_by_rev ON outbox(rev)",
		`CREATE TABLE outbox_dead (
			id TEXT PRIMARY KEY, run_id TEXT NOT NULL, rev INTEGER NOT NULL, error TEXT NOT NULL, at INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE effects (
			seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL,
			due_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, error TEXT, is_dead INTEGER NOT NULL DEFAULT 0
		) STRICT`,
		"CREATE INDEX effects_due ON effects(due_at) WHERE is_dead = 0",
		"CREATE INDEX effects_of_key ON effects(key)",
	],
	[
		"ALTER TABLE runs ADD COLUMN source_upload TEXT",
		"ALTER TABLE attempts ADD COLUMN log_expired_at INTEGER",
		"ALTER TABLE artifacts ADD COLUMN part_bytes INTEGER",
		"ALTER TABLE artifacts ADD COLUMN is_executable INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE artifacts ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE artifacts ADD COLUMN expired_at INTEGER",
		"UPDATE artifacts SET created_at = unixepoch() * 1000",
		`CREATE TABLE events (
			rev INTEGER PRIMARY KEY, team TEXT NOT NULL, run_id TEXT NOT NULL, job_id TEXT, from_state TEXT, to_state TEXT NOT NULL,
			reason_code TEXT, reason_text TEXT, actor TEXT NOT NULL, at INTEGER NOT NULL
		) STRICT`,
		"CREATE INDEX events_of_run ON events(run_id, rev)",
		"CREATE INDEX jobs_of_lane ON jobs(lane_id)",
	],
	[
		"ALTER TABLE runs ADD COLUMN params TEXT NOT NULL DEFAULT '{}'",
		"ALTER TABLE runs ADD COLUMN rerun_of TEXT",
		"ALTER TABLE runs ADD COLUMN group_key TEXT",
		"ALTER TABLE runs ADD COLUMN holds_group INTEGER NOT NULL DEFAULT 0",
		"CREATE INDEX runs_in_group ON runs(group_key) WHERE group_key IS NOT NULL",
		"ALTER TABLE jobs ADD COLUMN matrix TEXT",
		"ALTER TABLE jobs ADD COLUMN allow_failure INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE jobs ADD COLUMN outputs TEXT",
		"ALTER TABLE jobs ADD COLUMN result_attempt TEXT",
		"ALTER TABLE jobs ADD COLUMN approved_by TEXT",
		"ALTER TABLE jobs ADD COLUMN group_key TEXT",
		"CREATE INDEX jobs_in_group ON jobs(group_key, state) WHERE group_key IS NOT NULL",
		"UPDATE jobs SET runs_on = json_object('labels', json(runs_on))",
		`CREATE TABLE lanes_of_groups (
			id INTEGER PRIMARY KEY, requirements TEXT NOT NULL, project TEXT NOT NULL, priority INTEGER NOT NULL, group_key TEXT NOT NULL,
			UNIQUE (requirements, project, priority, group_key)
		) STRICT`,
		"INSERT INTO lanes_of_groups SELECT id, json_object('labels', json(requirements)), project, priority, '' FROM lanes",
		"DROP TABLE lanes",
		"ALTER TABLE lanes_of_groups RENAME TO lanes",
		"CREATE TABLE groups (key TEXT PRIMARY KEY, slots INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		"ALTER TABLE attempts ADD COLUMN tests TEXT",
		"ALTER TABLE attempts ADD COLUMN coverage TEXT",
		"ALTER TABLE artifacts ADD COLUMN kind TEXT NOT NULL DEFAULT 'file'",
		"ALTER TABLE agents ADD COLUMN capabilities TEXT NOT NULL DEFAULT '{}'",
	],
	["ALTER TABLE jobs ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0"],
	[
		"ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'pipeline'",
		"ALTER TABLE runs ADD COLUMN planned_by TEXT",
		"ALTER TABLE runs ADD COLUMN file TEXT",
		"ALTER TABLE runs ADD COLUMN pull_request INTEGER",
		"ALTER TABLE runs ADD COLUMN is_trusted INTEGER NOT NULL DEFAULT 1",
		"ALTER TABLE runs ADD COLUMN approved_by TEXT",
		"CREATE INDEX runs_at_gate ON runs(project, pull_request) WHERE is_trusted = 0 AND finished_at IS NULL",
		`CREATE TABLE schedules (
			id TEXT PRIMARY KEY, project TEXT NOT NULL, origin TEXT NOT NULL, file TEXT, pipeline TEXT,
			cron TEXT NOT NULL, timezone TEXT NOT NULL, branch TEXT, params TEXT NOT NULL,
			paused_by TEXT, next_at INTEGER, fired_at INTEGER, run_id TEXT, created_at INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX schedules_of_project ON schedules(project, id)",
		"CREATE TABLE adoptions (project TEXT PRIMARY KEY, delivery TEXT NOT NULL) STRICT, WITHOUT ROWID",
	],
	[
		"ALTER TABLE schedules ADD COLUMN fault TEXT",
		"CREATE TABLE plan_faults (project TEXT NOT NULL, commit_sha TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (project, commit_sha)) STRICT, WITHOUT ROWID",
	],
	[
		"ALTER TABLE agents ADD COLUMN ignored_labels TEXT NOT NULL DEFAULT '[]'",
		"ALTER TABLE agents ADD COLUMN projects TEXT NOT NULL DEFAULT '[]'",
		"ALTER TABLE agents ADD COLUMN runs TEXT NOT NULL DEFAULT 'any'",
		"ALTER TABLE agents ADD COLUMN disabled_by TEXT",
		"ALTER TABLE agents ADD COLUMN disabled_at INTEGER",
		"ALTER TABLE agents ADD COLUMN drained_by TEXT",
		"ALTER TABLE agents ADD COLUMN drained_at INTEGER",
		"ALTER TABLE agents ADD COLUMN rotation_by TEXT",
		"ALTER TABLE agents ADD COLUMN rotation_at INTEGER",
		"ALTER TABLE agents ADD COLUMN next_secret_hash TEXT",
		"ALTER TABLE agents ADD COLUMN next_issued_at INTEGER",
		"ALTER TABLE agents ADD COLUMN rotated_at INTEGER",
		`UPDATE agents SET ignored_labels = (
				SELECT json_group_array(value) FROM json_each(labels)
				WHERE value NOT IN (SELECT value FROM json_each(pinned_labels)) AND value NOT IN ('linux', 'darwin', 'win32', 'x64', 'arm64'))
			WHERE pinned_labels <> '[]'`,
		`UPDATE agents SET labels = (
				SELECT json_group_array(value) FROM json_each(labels) WHERE value NOT IN (SELECT value FROM json_each(ignored_labels)))
			WHERE pinned_labels <> '[]'`,
		"ALTER TABLE registration_tokens ADD COLUMN id TEXT NOT NULL DEFAULT ''",
		"ALTER TABLE registration_tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE registration_tokens ADD COLUMN projects TEXT NOT NULL DEFAULT '[]'",
		"ALTER TABLE registration_tokens ADD COLUMN runs TEXT NOT NULL DEFAULT 'any'",
		"ALTER TABLE registration_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT 'unknown'",
		"ALTER TABLE registration_tokens ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0",
		`UPDATE registration_tokens SET id = 'reg_' || upper(substr(hash, 1, 26)), uses = uses_left, created_at = unixepoch() * 1000,
			expires_at = min(expires_at, unixepoch() * 1000 + 7776000000)`,
		"CREATE UNIQUE INDEX registration_tokens_by_id ON registration_tokens(id)",
		"UPDATE timers SET due_at = min(due_at, unixepoch() * 1000 + 7776000000) WHERE kind = 'registration'",
		`CREATE TABLE lanes_of_trust (
			id INTEGER PRIMARY KEY, requirements TEXT NOT NULL, project TEXT NOT NULL, priority INTEGER NOT NULL, group_key TEXT NOT NULL,
			is_trusted INTEGER NOT NULL, UNIQUE (requirements, project, priority, group_key, is_trusted)
		) STRICT`,
		"INSERT INTO lanes_of_trust SELECT id, requirements, project, priority, group_key, 1 FROM lanes",
		`INSERT INTO lanes_of_trust (requirements, project, priority, group_key, is_trusted)
			SELECT DISTINCT l.requirements, l.project, l.priority, l.group_key, 0
			FROM jobs AS j JOIN runs AS r ON r.id = j.run_id JOIN lanes AS l ON l.id = j.lane_id WHERE r.is_trusted = 0`,
		`UPDATE jobs SET lane_id = (
				SELECT n.id FROM lanes AS l JOIN lanes_of_trust AS n ON n.requirements = l.requirements AND n.project = l.project
				AND n.priority = l.priority AND n.group_key = l.group_key AND n.is_trusted = 0 WHERE l.id = jobs.lane_id)
			WHERE run_id IN (SELECT id FROM runs WHERE is_trusted = 0)`,
		"DROP TABLE lanes",
		"ALTER TABLE lanes_of_trust RENAME TO lanes",
	],
	["ALTER TABLE artifacts ADD COLUMN name TEXT", "ALTER TABLE artifacts ADD COLUMN expires_at INTEGER"],
	[
		"CREATE TABLE shown_statuses (key TEXT PRIMARY KEY, run_id TEXT NOT NULL, result TEXT, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		"CREATE INDEX shown_statuses_by_age ON shown_statuses(at)",
		`INSERT INTO shown_statuses
			SELECT 'status ' || project || ' ' || commit_sha || ' plan', '', '{"runId":"","state":"errored","description":""}', at FROM plan_faults`,
		"DROP TABLE plan_faults",
		`CREATE TABLE newest_deliveries (
			project TEXT NOT NULL, pull_request INTEGER NOT NULL, delivery TEXT NOT NULL, at INTEGER NOT NULL,
			PRIMARY KEY (project, pull_request)
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX newest_deliveries_by_age ON newest_deliveries(at)",
	],
	[
		`CREATE TABLE comparisons (
			project TEXT PRIMARY KEY, repository TEXT NOT NULL, poll_ms INTEGER, is_recorded INTEGER NOT NULL DEFAULT 0,
			run_id TEXT, result_of TEXT, compared_at INTEGER, found INTEGER NOT NULL DEFAULT 0,
			failures INTEGER NOT NULL DEFAULT 0, fault TEXT
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE known_refs (
			project TEXT NOT NULL, ref TEXT NOT NULL, sha TEXT NOT NULL, tag_object TEXT, at INTEGER NOT NULL, PRIMARY KEY (project, ref)
		) STRICT, WITHOUT ROWID`,
		`CREATE TABLE heard_commits (
			project TEXT NOT NULL, ref TEXT NOT NULL, sha TEXT NOT NULL, is_compared INTEGER NOT NULL, run_id TEXT, at INTEGER NOT NULL,
			PRIMARY KEY (project, ref, sha)
		) STRICT, WITHOUT ROWID`,
		"CREATE INDEX heard_commits_by_age ON heard_commits(at)",
	],
	[
		"ALTER TABLE lanes RENAME TO queue_partitions",
		"ALTER TABLE jobs RENAME COLUMN lane_id TO partition_id",
		"DROP INDEX jobs_of_lane",
		"CREATE INDEX jobs_of_partition ON jobs(partition_id)",
		"ALTER TABLE jobs RENAME COLUMN uncounted TO snoozes",
		"ALTER TABLE refusals RENAME TO declines",
		"DROP INDEX refusals_of_agent",
		"CREATE INDEX declines_of_agent ON declines(agent_id, until)",
		"ALTER TABLE attempts RENAME COLUMN cancel_told TO cancel_sent",
		"ALTER TABLE agents RENAME COLUMN has_lapsed TO has_missed_offer",
		"ALTER TABLE heard_commits RENAME TO delivered_commits",
		"DROP INDEX heard_commits_by_age",
		"CREATE INDEX delivered_commits_by_age ON delivered_commits(at)",
		"ALTER TABLE schedules RENAME COLUMN fault TO error",
		"ALTER TABLE comparisons RENAME COLUMN fault TO error",
		"ALTER TABLE runs RENAME COLUMN planned_by TO discovered_by",
		"DROP INDEX runs_at_gate",
		"CREATE INDEX runs_awaiting_approval ON runs(project, pull_request) WHERE is_trusted = 0 AND finished_at IS NULL",
		"UPDATE runs SET kind = 'discovery', pipeline = 'discovery' WHERE kind = 'plan'",
		"UPDATE jobs SET key = 'discovery', name = 'discovery' WHERE run_id IN (SELECT id FROM runs WHERE kind = 'discovery')",
		"UPDATE jobs SET reason_code = CASE reason_code WHEN 'gate' THEN 'approval' ELSE 'run_approval' END WHERE reason_code IN ('gate', 'run_gate')",
		"UPDATE events SET reason_code = CASE reason_code WHEN 'gate' THEN 'approval' ELSE 'run_approval' END WHERE reason_code IN ('gate', 'run_gate')",
		`UPDATE definitions SET json = json_set(json_remove(json, '$.jobs[0].plan'), '$.name', 'discovery', '$.jobs[0].key', 'discovery', '$.jobs[0].name', 'discovery',
			'$.jobs[0].discovery', json(json_set(json_remove(json -> '$.jobs[0].plan', '$.is_of_main_line'),
			'$.is_of_default_branch', json(json -> '$.jobs[0].plan.is_of_main_line'))))
			WHERE digest IN (SELECT definition FROM runs WHERE kind = 'discovery') AND json_type(json, '$.jobs[0].plan') = 'object'`,
		"UPDATE counters SET project = 'discovery runs of ' || substr(project, length('plans of ') + 1) WHERE project LIKE 'plans of %'",
		"UPDATE counters SET project = 'comparison runs of ' || substr(project, length('comparisons of ') + 1) WHERE project LIKE 'comparisons of %'",
		"UPDATE timers SET kind = CASE kind WHEN 'refusal' THEN 'decline' ELSE 'housekeeping' END WHERE kind IN ('refusal', 'tidy')",
		"UPDATE effects SET kind = 'archive_log', payload = json_set(payload, '$.kind', 'archive_log') WHERE kind = 'seal'",
		"UPDATE effects SET kind = 'submit_found_refs', payload = json_set(payload, '$.kind', 'submit_found_refs') WHERE kind = 'take_found_refs'",
		`UPDATE effects SET payload = json_set(payload, '$.name', 'discovery' || substr(payload ->> 'name', length('plan') + 1)),
			key = 'status ' || (payload ->> 'project') || ' ' || (payload ->> 'sha') || ' discovery' || substr(payload ->> 'name', length('plan') + 1)
			WHERE kind = 'commit_status' AND payload ->> 'runId' IN (SELECT id FROM runs WHERE kind = 'discovery')`,
		`INSERT INTO shown_statuses
			SELECT CASE WHEN key LIKE '% plan' THEN substr(key, 1, length(key) - length('plan')) || 'discovery'
			ELSE replace(key, ' plan (', ' discovery (') END, run_id, result, at
			FROM shown_statuses WHERE key LIKE 'status % plan' OR key LIKE 'status % plan (%)' ON CONFLICT DO NOTHING`,
	],
	[
		"ALTER TABLE offers ADD COLUMN poll_seq INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE offers ADD COLUMN is_assigned INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE offers ADD COLUMN made_at INTEGER NOT NULL DEFAULT 0",
	],
	[
		"ALTER TABLE attempts ADD COLUMN log_offset INTEGER",
		"ALTER TABLE attempts ADD COLUMN log_held INTEGER NOT NULL DEFAULT 0",
		"CREATE TABLE held_logs (attempt_id TEXT PRIMARY KEY, bytes BLOB NOT NULL, held_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		"DELETE FROM timers WHERE kind IN ('offer', 'lease')",
		"ALTER TABLE outbox RENAME TO changed_rows",
		"DROP INDEX outbox_by_rev",
		"DROP INDEX outbox_of_run",
		"CREATE TABLE outbox (run_id TEXT PRIMARY KEY, since INTEGER NOT NULL, rev INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		"INSERT INTO outbox SELECT run_id, min(rev), max(rev) FROM changed_rows GROUP BY run_id",
		"DROP TABLE changed_rows",
		"CREATE INDEX outbox_by_age ON outbox(since)",
		`CREATE TABLE transitions (
			run_id TEXT NOT NULL, rev INTEGER NOT NULL, team TEXT NOT NULL, list TEXT NOT NULL, PRIMARY KEY (run_id, rev)
		) STRICT, WITHOUT ROWID`,
		`INSERT INTO transitions SELECT run_id, min(rev), team,
			json_group_array(json_array(rev, job_id, from_state, to_state, reason_code, reason_text, actor, at) ORDER BY rev)
			FROM events GROUP BY team, run_id`,
		"DROP TABLE events",
		// Live attempts and offers are in memory.
		"DROP INDEX attempts_deadlines",
		"DROP INDEX attempts_live_of_agent",
		"DROP INDEX offers_of_agent",
	],
	["ALTER TABLE attempts ADD COLUMN usage TEXT"],
	["ALTER TABLE attempts ADD COLUMN annotations TEXT"],
	["ALTER TABLE attempts ADD COLUMN caches TEXT"],
	[
		"CREATE TABLE warm_agents (project TEXT NOT NULL, agent_id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (project, agent_id)) STRICT, WITHOUT ROWID",
		"CREATE INDEX warm_agents_by_agent ON warm_agents(agent_id)",
		"ALTER TABLE jobs ADD COLUMN approvals TEXT",
	],
	[
		"ALTER TABLE schedules ADD COLUMN success_within_ms INTEGER",
		"ALTER TABLE schedules ADD COLUMN expected_since INTEGER NOT NULL DEFAULT 0",
		"ALTER TABLE schedules ADD COLUMN succeeded_at INTEGER",
		"ALTER TABLE schedules ADD COLUMN recent_runs TEXT NOT NULL DEFAULT '[]'",
	],
];

/**
 * Brings the database up to date; each step is one transaction.
 * @throws Error if the data was written by a newer version than this one
 */
export function migrate(sql: Sql): void {
	sql.all("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID");
	const version = Number(sql.all<{ value: string }>("SELECT value FROM meta WHERE key = 'schema'")[0]?.value ?? 0);
	if (version > MIGRATIONS.length) {
		throw new Error(`the queue's data has schema ${version}; this version knows ${MIGRATIONS.length}: start the newer version again`);
	}
	for (let step = version; step < MIGRATIONS.length; step += 1) {
		sql.tx(() => {
			for (const statement of MIGRATIONS[step] ?? []) sql.all(statement);
			sql.all("INSERT INTO meta VALUES ('schema', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", String(step + 1));
		});
	}
}
