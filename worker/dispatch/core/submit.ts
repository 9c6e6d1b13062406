import type { ResolvedPipeline } from "../../../schema/pipeline/resolve.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import type { Reason } from "../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "./core.ts";
import { noteEvent } from "./events.ts";
import { markDirty } from "./outbox.ts";
import { findRun, type JobRow } from "./rows.ts";
import { setTimer } from "./timers.ts";
import { moveJob } from "./transitions.ts";

export interface Submit {
	/** Given by the caller, so that a call repeated after a lost answer is seen to be the same. */
	runId: string;
	pipeline: ResolvedPipeline;
	/** sha256 of the resolved pipeline. */
	definition: string;
	project: string;
	trigger: { kind: string; actor: string };
	/** The caller's Idempotency-Key, with who used it and the digest of what was sent. */
	idempotency: { scope: string; key: string; digest: string } | null;
}

const IDEMPOTENCY_MS = 24 * 60 * 60_000;
const NEEDS: Reason = { code: "needs", text: "Waits for the jobs that it needs." };

/**
 * Accepts a run; from the answer on it is never lost.
 * @param checkRoom throws where nothing new can be accepted; what was accepted before is answered all the same
 * @throws ApiError `conflict` if the Idempotency-Key was used for another content
 */
export function submitRun(core: Core, submit: Submit, checkRoom: () => void = () => undefined): { runId: string; isReplay: boolean } {
	const body = () => {
		const known = knownRun(core, submit);
		if (known) return { runId: known, isReplay: true };
		checkRoom();
		insertRun(core, submit);
		insertJobs(core, submit);
		if (submit.idempotency) {
			const { scope, key, digest } = submit.idempotency;
			core.sql.all("INSERT INTO idempotency (scope, key, digest, run_id) VALUES (?, ?, ?, ?)", scope, key, digest, submit.runId);
			setTimer(core, "idempotency", JSON.stringify([scope, key]), core.now() + IDEMPOTENCY_MS);
		}
		return { runId: submit.runId, isReplay: false };
	};
	return command(core, body, submit.trigger.actor);
}

function knownRun(core: Core, submit: Submit): string | null {
	if (findRun(core, submit.runId)) return submit.runId;
	if (!submit.idempotency) return null;
	const { scope, key, digest } = submit.idempotency;
	const used = core.sql.all<{ digest: string; run_id: string }>(
		"SELECT digest, run_id FROM idempotency WHERE scope = ? AND key = ?",
		scope,
		key,
	)[0];
	if (!used) return null;
	if (used.digest !== digest) {
		throw new ApiError("conflict", "This Idempotency-Key was used for another submission.", {
			details: { idempotency_key: key, run_id: used.run_id },
			suggestions: ["Use a new key for a new submission, or send the first content again."],
		});
	}
	return used.run_id;
}

function insertRun(core: Core, { runId, pipeline, definition, project, trigger }: Submit): void {
	core.sql.all("INSERT INTO definitions (digest, json) VALUES (?, ?) ON CONFLICT DO NOTHING", definition, JSON.stringify(pipeline));
	const [counter] = core.sql.all<{ runs: number }>(
		"INSERT INTO counters (project, runs) VALUES (?, 1) ON CONFLICT (project) DO UPDATE SET runs = runs + 1 RETURNING runs",
		project,
	);
	const git = pipeline.source && "git" in pipeline.source ? pipeline.source : null;
	core.sql.all(
		`INSERT INTO runs (id, team, rev, project, number, pipeline, state, trigger_kind, trigger_actor, source_git, source_ref,
		source_upload, priority, warnings, definition, created_at) VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
		runId,
		core.team,
		nextRev(core),
		project,
		counter?.runs ?? 1,
		pipeline.name,
		trigger.kind,
		trigger.actor,
		git?.git ?? null,
		git?.ref ?? null,
		pipeline.source && "upload" in pipeline.source ? pipeline.source.upload : null,
		pipeline.priority,
		definition,
		core.now(),
	);
	noteEvent(core, { runId, jobId: null, from: null, to: "queued", reason: null });
	markDirty(core, runId, runId);
}

function insertJobs(core: Core, { runId, pipeline, project }: Submit): void {
	const ids = new Map(pipeline.jobs.map((job) => [job.key, core.newId("job")]));
	const now = core.now();
	for (const [position, job] of pipeline.jobs.entries()) {
		const id = ids.get(job.key) as string;
		const entry = nextRev(core);
		const lane = laneOf(core, JSON.stringify(job.runs_on), project, pipeline.priority);
		const rows = core.sql.all<JobRow>(
			`INSERT INTO jobs (id, team, rev, run_id, position, key, name, state, reason_code, reason_text, needs, runs_on, attempt, created_at, lane_id, entry)
			VALUES (?, ?, ?, ?, ?, ?, ?, 'blocked', ?, ?, ?, ?, 0, ?, ?, ?) RETURNING *`,
			id,
			core.team,
			nextRev(core),
			runId,
			position,
			job.key,
			job.name,
			NEEDS.code,
			NEEDS.text,
			JSON.stringify(job.needs),
			JSON.stringify(job.runs_on),
			now,
			lane,
			entry,
		);
		for (const need of job.needs) core.sql.all("INSERT INTO needs (job_id, needs_id) VALUES (?, ?)", id, ids.get(need) as string);
		if (job.needs.length === 0) moveJob(core, rows[0] as JobRow, "queue", null);
		else markDirty(core, id, runId);
	}
}

/** Jobs that the same agents can take, of one project and one priority, wait in one lane. */
function laneOf(core: Core, requirements: string, project: string, priority: number): number {
	core.sql.all(
		"INSERT INTO lanes (requirements, project, priority) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		requirements,
		project,
		priority,
	);
	const [lane] = core.sql.all<{ id: number }>(
		"SELECT id FROM lanes WHERE requirements = ? AND project = ? AND priority = ?",
		requirements,
		project,
		priority,
	);
	return (lane as { id: number }).id;
}
