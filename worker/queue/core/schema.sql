-- The storage of the Dispatcher, one database per team. Written by `npm run schema` from migrations.ts.

-- The newest delivery of the default branch whose file schedules were taken over, by project.
CREATE TABLE adoptions (
	project TEXT PRIMARY KEY,
	delivery TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Registered agents.
CREATE TABLE agents (
	id TEXT PRIMARY KEY,
	rev INTEGER NOT NULL,
	name TEXT NOT NULL UNIQUE,
	secret_hash TEXT NOT NULL,
	registration_hash TEXT NOT NULL UNIQUE,
	pinned_labels TEXT NOT NULL, -- labels of the registration token
	labels TEXT NOT NULL,
	facts TEXT NOT NULL, -- what the agent says about its machine
	version TEXT NOT NULL,
	slots INTEGER NOT NULL,
	status TEXT NOT NULL,
	session INTEGER NOT NULL, -- the number of the newest process
	instance TEXT NOT NULL, -- that process; empty while none is connected
	poll_seq INTEGER NOT NULL,
	renew_seq INTEGER NOT NULL,
	slots_free INTEGER NOT NULL,
	has_missed_offer INTEGER NOT NULL, -- whether an offer expired since the newest poll
	registered_at INTEGER NOT NULL,
	last_seen_at INTEGER,
	capabilities TEXT NOT NULL DEFAULT '{}',
	ignored_labels TEXT NOT NULL DEFAULT '[]',
	projects TEXT NOT NULL DEFAULT '[]',
	runs TEXT NOT NULL DEFAULT 'any',
	disabled_by TEXT,
	disabled_at INTEGER,
	drained_by TEXT,
	drained_at INTEGER,
	rotation_by TEXT,
	rotation_at INTEGER,
	next_secret_hash TEXT, -- of a token that is being rotated in
	next_issued_at INTEGER,
	rotated_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_by_rev ON agents(rev);

-- Artifacts of those attempts.
CREATE TABLE artifacts (
	attempt_id TEXT NOT NULL,
	path TEXT NOT NULL,
	team TEXT NOT NULL,
	job_id TEXT NOT NULL,
	run_id TEXT NOT NULL,
	size INTEGER NOT NULL,
	sha256 TEXT NOT NULL,
	key TEXT NOT NULL,
	part_bytes INTEGER,
	is_executable INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL DEFAULT 0,
	expired_at INTEGER,
	kind TEXT NOT NULL DEFAULT 'file',
	name TEXT,
	expires_at INTEGER,
	PRIMARY KEY (attempt_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_of_run ON artifacts(run_id);

-- Attempts; a live one holds a lease until `deadline`.
CREATE TABLE attempts (
	id TEXT PRIMARY KEY,
	team TEXT NOT NULL,
	rev INTEGER NOT NULL,
	job_id TEXT NOT NULL,
	run_id TEXT NOT NULL,
	number INTEGER NOT NULL,
	agent_id TEXT NOT NULL,
	agent_name TEXT NOT NULL,
	state TEXT NOT NULL,
	reason_code TEXT,
	reason_text TEXT,
	exit_code INTEGER,
	started_at INTEGER NOT NULL,
	finished_at INTEGER,
	shard INTEGER NOT NULL,
	log_key TEXT,
	log_bytes INTEGER NOT NULL,
	log_sha256 TEXT,
	log_incomplete INTEGER NOT NULL,
	log_archived INTEGER NOT NULL,
	steps TEXT NOT NULL,
	lease_id TEXT NOT NULL,
	deadline INTEGER NOT NULL,
	cancel_sent INTEGER NOT NULL DEFAULT 0, -- whether a poll has carried the cancel
	finish_digest TEXT, -- tells a repeated result from another one
	log_expired_at INTEGER,
	tests TEXT,
	coverage TEXT,
	log_offset INTEGER,
	log_held INTEGER NOT NULL DEFAULT 0,
	usage TEXT,
	annotations TEXT,
	caches TEXT,
	UNIQUE (job_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempts_live_of_job ON attempts(job_id) WHERE state IN ('running', 'cancelling');
CREATE INDEX attempts_of_run ON attempts(run_id);

-- Projects whose refs are compared with the repository, and the newest comparison.
CREATE TABLE comparisons (
	project TEXT PRIMARY KEY,
	repository TEXT NOT NULL,
	poll_ms INTEGER,
	is_recorded INTEGER NOT NULL DEFAULT 0,
	run_id TEXT,
	result_of TEXT,
	compared_at INTEGER,
	found INTEGER NOT NULL DEFAULT 0,
	failures INTEGER NOT NULL DEFAULT 0,
	error TEXT
) STRICT, WITHOUT ROWID;

-- The number of the newest run of each project; discovery and comparison runs count apart.
CREATE TABLE counters (
	project TEXT PRIMARY KEY,
	runs INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs that an agent declined or let expire, and until when it is passed over.
CREATE TABLE declines (
	job_id TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	count INTEGER NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (job_id, agent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX declines_of_agent ON declines(agent_id, until);

-- Resolved pipelines of live runs, by the digest of their first JSON text.
CREATE TABLE definitions (
	digest TEXT PRIMARY KEY,
	json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Commits that a delivery or a comparison has brought, so that neither runs them twice.
CREATE TABLE delivered_commits (
	project TEXT NOT NULL,
	ref TEXT NOT NULL,
	sha TEXT NOT NULL,
	is_compared INTEGER NOT NULL,
	run_id TEXT,
	at INTEGER NOT NULL,
	PRIMARY KEY (project, ref, sha)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivered_commits_by_age ON delivered_commits(at);

-- Side effects that have not happened yet, or failed for good.
CREATE TABLE effects (
	seq INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	key TEXT NOT NULL, -- effects of one key happen in order
	payload TEXT NOT NULL, -- JSON of the effect
	due_at INTEGER NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	error TEXT,
	is_dead INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX effects_due ON effects(due_at) WHERE is_dead = 0;
CREATE INDEX effects_of_key ON effects(key);

-- Concurrency groups and how many may run at once.
CREATE TABLE groups (
	key TEXT PRIMARY KEY,
	slots INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Logs that came whole with their results, until a pack of them is written to R2.
CREATE TABLE held_logs (
	attempt_id TEXT PRIMARY KEY,
	bytes BLOB NOT NULL,
	held_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Idempotency-Keys of the last day.
CREATE TABLE idempotency (
	scope TEXT NOT NULL,
	key TEXT NOT NULL,
	digest TEXT NOT NULL,
	run_id TEXT NOT NULL,
	PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

-- The jobs of those runs.
CREATE TABLE jobs (
	id TEXT PRIMARY KEY,
	team TEXT NOT NULL,
	rev INTEGER NOT NULL,
	run_id TEXT NOT NULL,
	position INTEGER NOT NULL,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	reason_code TEXT,
	reason_text TEXT,
	needs TEXT NOT NULL,
	runs_on TEXT NOT NULL,
	exit_code INTEGER,
	attempt INTEGER NOT NULL, -- the number of the newest attempt
	created_at INTEGER NOT NULL,
	queued_at INTEGER,
	started_at INTEGER,
	finished_at INTEGER,
	partition_id INTEGER NOT NULL,
	entry INTEGER NOT NULL, -- the place in the partition
	matrix TEXT,
	allow_failure INTEGER NOT NULL DEFAULT 0,
	outputs TEXT,
	result_attempt TEXT, -- the attempt whose artifacts count
	approved_by TEXT,
	group_key TEXT,
	snoozes INTEGER NOT NULL DEFAULT 0, -- attempts that ended before they began and do not count
	approvals TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_rev ON jobs(rev);
CREATE INDEX jobs_in_group ON jobs(group_key, state) WHERE group_key IS NOT NULL;
CREATE INDEX jobs_of_partition ON jobs(partition_id);
CREATE INDEX jobs_of_run ON jobs(run_id, position);
CREATE INDEX jobs_waiting ON jobs(partition_id, entry) WHERE state = 'queued';

-- Where each ref of a compared project was last.
CREATE TABLE known_refs (
	project TEXT NOT NULL,
	ref TEXT NOT NULL,
	sha TEXT NOT NULL,
	tag_object TEXT,
	at INTEGER NOT NULL,
	PRIMARY KEY (project, ref)
) STRICT, WITHOUT ROWID;

-- Single values: the version of the schema, the newest revision, the pause of the queue, the team.
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which job needs which.
CREATE TABLE needs (
	job_id TEXT NOT NULL,
	needs_id TEXT NOT NULL,
	PRIMARY KEY (job_id, needs_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX needs_reverse ON needs(needs_id);

-- The newest delivery of each pull request whose discovery job has ended.
CREATE TABLE newest_deliveries (
	project TEXT NOT NULL,
	pull_request INTEGER NOT NULL,
	delivery TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (project, pull_request)
) STRICT, WITHOUT ROWID;
CREATE INDEX newest_deliveries_by_age ON newest_deliveries(at);

-- Jobs that are given to an agent which has not named them yet.
CREATE TABLE offers (
	attempt_id TEXT PRIMARY KEY,
	job_id TEXT NOT NULL UNIQUE,
	agent_id TEXT NOT NULL,
	session INTEGER NOT NULL,
	lease_id TEXT NOT NULL,
	shard INTEGER NOT NULL,
	expires_at INTEGER NOT NULL, -- the end of the claim window; of an assigned job, the end of its lease
	poll_seq INTEGER NOT NULL DEFAULT 0, -- the poll whose answer carries it
	is_assigned INTEGER NOT NULL DEFAULT 0, -- 1: the answer carries the whole job, and the agent may have begun
	made_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Runs with changed rows that are not yet copied to D1.
CREATE TABLE outbox (
	run_id TEXT PRIMARY KEY,
	since INTEGER NOT NULL, -- rows with this revision or a newer one have changed
	rev INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_age ON outbox(since);

-- Rows that D1 rejected for what they are; tried again every hour.
CREATE TABLE outbox_dead (
	id TEXT PRIMARY KEY,
	run_id TEXT NOT NULL,
	rev INTEGER NOT NULL,
	error TEXT NOT NULL,
	at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs that the same agents can take, in one order.
CREATE TABLE queue_partitions (
	id INTEGER PRIMARY KEY,
	requirements TEXT NOT NULL,
	project TEXT NOT NULL,
	priority INTEGER NOT NULL,
	group_key TEXT NOT NULL,
	is_trusted INTEGER NOT NULL, -- 0 for jobs of forks
	UNIQUE (requirements, project, priority, group_key, is_trusted)
) STRICT;

-- Tokens with which agents register.
CREATE TABLE registration_tokens (
	hash TEXT PRIMARY KEY,
	uses_left INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	labels TEXT NOT NULL,
	id TEXT NOT NULL DEFAULT '',
	uses INTEGER NOT NULL DEFAULT 0,
	projects TEXT NOT NULL DEFAULT '[]',
	runs TEXT NOT NULL DEFAULT 'any',
	created_by TEXT NOT NULL DEFAULT 'unknown',
	created_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX registration_tokens_by_id ON registration_tokens(id);

-- Live runs, and ended ones that are not yet recorded in D1. Columns of the record, and those of the queue.
CREATE TABLE runs (
	id TEXT PRIMARY KEY,
	team TEXT NOT NULL,
	rev INTEGER NOT NULL, -- the revision of the newest change
	project TEXT NOT NULL,
	number INTEGER NOT NULL,
	pipeline TEXT NOT NULL,
	state TEXT NOT NULL,
	reason_code TEXT,
	reason_text TEXT,
	trigger_kind TEXT NOT NULL,
	trigger_actor TEXT NOT NULL,
	trigger_delivery TEXT, -- the webhook delivery that made it
	source_git TEXT,
	source_ref TEXT,
	branch TEXT,
	tag TEXT,
	commit_sha TEXT,
	commit_message TEXT,
	commit_author TEXT,
	priority INTEGER NOT NULL,
	warnings INTEGER NOT NULL,
	definition TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	started_at INTEGER,
	finished_at INTEGER,
	cancel_requested INTEGER NOT NULL DEFAULT 0, -- 0 nobody, 1 a person, 2 the timeout of the run
	source_upload TEXT,
	params TEXT NOT NULL DEFAULT '{}',
	rerun_of TEXT,
	group_key TEXT,
	holds_group INTEGER NOT NULL DEFAULT 0, -- whether the run entered, waits for, or holds a slot of its concurrency group
	kind TEXT NOT NULL DEFAULT 'pipeline',
	discovered_by TEXT, -- the discovery run that made it
	file TEXT,
	pull_request INTEGER,
	is_trusted INTEGER NOT NULL DEFAULT 1, -- 0 for a fork: no secrets, and an approval first
	approved_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_awaiting_approval ON runs(project, pull_request) WHERE is_trusted = 0 AND finished_at IS NULL;
CREATE INDEX runs_by_definition ON runs(definition);
CREATE INDEX runs_by_rev ON runs(rev);
CREATE INDEX runs_in_group ON runs(group_key) WHERE group_key IS NOT NULL;

-- Schedules, of files and of people.
CREATE TABLE schedules (
	id TEXT PRIMARY KEY,
	project TEXT NOT NULL,
	origin TEXT NOT NULL,
	file TEXT,
	pipeline TEXT,
	cron TEXT NOT NULL,
	timezone TEXT NOT NULL,
	branch TEXT,
	params TEXT NOT NULL,
	paused_by TEXT,
	next_at INTEGER,
	fired_at INTEGER,
	run_id TEXT,
	created_at INTEGER NOT NULL,
	error TEXT,
	success_within_ms INTEGER,
	expected_since INTEGER NOT NULL DEFAULT 0,
	succeeded_at INTEGER,
	recent_runs TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_of_project ON schedules(project, id);

-- The status that each context of a commit shows, for forty days.
CREATE TABLE shown_statuses (
	key TEXT PRIMARY KEY,
	run_id TEXT NOT NULL,
	result TEXT, -- JSON of the last final status
	at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX shown_statuses_by_age ON shown_statuses(at);

-- What falls due when; the earliest arms the alarm.
CREATE TABLE timers (
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	due_at INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_due ON timers(due_at);

-- Transitions of runs and jobs that are not yet recorded in D1, one list for each run and command.
CREATE TABLE transitions (
	run_id TEXT NOT NULL,
	rev INTEGER NOT NULL,
	team TEXT NOT NULL,
	list TEXT NOT NULL,
	PRIMARY KEY (run_id, rev)
) STRICT, WITHOUT ROWID;

-- The agents that have run a job of a project lately.
CREATE TABLE warm_agents (
	project TEXT NOT NULL,
	agent_id TEXT NOT NULL,
	at INTEGER NOT NULL, -- refreshed once a day
	PRIMARY KEY (project, agent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX warm_agents_by_agent ON warm_agents(agent_id);
