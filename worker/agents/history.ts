import { isoTime } from "../record/iso_time.ts";

/** An attempt that an agent ran, with its job. */
export interface PastAttempt {
	id: string;
	job_id: string;
	number: number;
	state: string;
	reason: string | null;
	job: string;
	project: string;
	run_number: number;
	started_at: string;
	finished_at: string | null;
}

const SHOWN = 20;
/** The newest attempts that are looked at: there is no index by agent, because few ask for it. */
const ATTEMPTS_SEEN = 5_000;

/** The newest attempts of an agent, newest first. */
export async function historyOfAgent(db: D1Database, team: string, agentId: string): Promise<PastAttempt[]> {
	const { results } = await db
		.prepare(
			`SELECT a.id, a.job_id, a.number, a.state, a.reason_text AS reason, j.name AS job, r.project, r.number AS run_number, a.started_at, a.finished_at
			FROM (SELECT * FROM attempts ORDER BY id DESC LIMIT ${ATTEMPTS_SEEN}) AS a
			JOIN jobs AS j ON j.id = a.job_id JOIN runs AS r ON r.id = a.run_id
			WHERE a.team = ?1 AND a.agent_id = ?2 ORDER BY a.id DESC LIMIT ${SHOWN}`,
		)
		.bind(team, agentId)
		.all<Omit<PastAttempt, "started_at" | "finished_at"> & { started_at: number; finished_at: number | null }>();
	return results.map((row) => ({ ...row, started_at: isoTime(row.started_at), finished_at: isoTime(row.finished_at) }));
}
