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
/** The newest runs of the team that are looked at: there is no index by agent, because few ask for it. */
const RUNS_SEEN = 2_000;

/** The newest attempts of an agent, newest first. */
export async function historyOfAgent(db: D1Database, team: string, agentId: string): Promise<PastAttempt[]> {
	const { results } = await db
		.prepare(
			`SELECT a.id, a.job_id, a.number, a.state, a.reason_text AS reason, j.name AS job, r.project, r.number AS run_number, a.started_at, a.finished_at
			FROM (SELECT id, project, number FROM runs WHERE team = ?1 ORDER BY id DESC LIMIT ${RUNS_SEEN}) AS r
			JOIN attempts AS a ON a.run_id = r.id JOIN jobs AS j ON j.id = a.job_id
			WHERE a.agent_id = ?2 ORDER BY a.id DESC LIMIT ${SHOWN}`,
		)
		.bind(team, agentId)
		.all<Omit<PastAttempt, "started_at" | "finished_at"> & { started_at: number; finished_at: number | null }>();
	return results.map((row) => ({ ...row, started_at: isoTime(row.started_at), finished_at: isoTime(row.finished_at) }));
}
