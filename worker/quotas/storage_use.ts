/** What a team stores, in numbers. */
export interface StorageUse {
	runs: number;
	logs: number;
	logBytes: number;
	artifacts: number;
	artifactBytes: number;
	sources: number;
	sourceBytes: number;
}

/** Counting whole tables takes a second with a million runs: the answer is used for a minute. */
const USED_MS = 60_000;
const known = new Map<string, { at: number; use: StorageUse }>();

export async function storageUse(db: D1Database, team: string): Promise<StorageUse> {
	const found = known.get(team);
	if (found && Date.now() - found.at < USED_MS) return found.use;
	const use = await count(db, team);
	known.set(team, { at: Date.now(), use });
	return use;
}

async function count(db: D1Database, team: string): Promise<StorageUse> {
	const [runs, logs, artifacts, sources] = await db.batch<{ n: number; bytes: number | null }>([
		db.prepare("SELECT count(*) AS n, 0 AS bytes FROM runs WHERE team = ?").bind(team),
		db
			.prepare("SELECT count(*) AS n, sum(log_bytes) AS bytes FROM attempts WHERE team = ? AND log_bytes > 0 AND log_expired_at IS NULL")
			.bind(team),
		db.prepare("SELECT count(*) AS n, sum(size) AS bytes FROM artifacts WHERE team = ? AND expired_at IS NULL").bind(team),
		db.prepare("SELECT count(*) AS n, sum(size) AS bytes FROM sources WHERE team = ?").bind(team),
	]);
	const of = (answer: typeof runs) => answer?.results[0] ?? { n: 0, bytes: 0 };
	return {
		runs: of(runs).n,
		logs: of(logs).n,
		logBytes: of(logs).bytes ?? 0,
		artifacts: of(artifacts).n,
		artifactBytes: of(artifacts).bytes ?? 0,
		sources: of(sources).n,
		sourceBytes: of(sources).bytes ?? 0,
	};
}
