export { deleteLogs, type StoredLog } from "./delete_logs.ts";
export { FollowedText } from "./followed_text.ts";
export { readLineBlock } from "./line_index.ts";
export { ShownLineSplitter } from "./lines.ts";
export { logProgress, readLog } from "./reader.ts";

import type { AttemptRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { requireJob } from "../record/require.ts";
import type { JobRecord } from "../record/runs.ts";
import type { LineBuffer } from "./line_buffer.ts";
import { type LineBatch, LineSplitter, type ShownLineSplitter } from "./lines.ts";
import { OpenLine } from "./open_line.ts";
import { readLog } from "./reader.ts";

const HOLD_MS = 10_000;

/** @throws ApiError `gone` for an expired log */
export function assertNotExpired(attempt: AttemptRow): void {
	if (attempt.log_expired_at === null) return;
	throw new ApiError("gone", `This log expired and was deleted at ${new Date(attempt.log_expired_at).toISOString()}.`, {
		suggestions: ["Rerun the job for a new log. To keep logs for longer, set --keep-logs of windlass serve or of the project."],
	});
}

/** The attempt of this number, or the newest. @throws ApiError `not_found`, `gone` */
export async function requireAttempt(environment: Environment, team: string, jobId: string, number: number | null): Promise<AttemptRow> {
	const record = await requireJob(environment, team, jobId);
	const attempt = attemptOf(record, number);
	if (!attempt) throw notFound("attempt", `of job ${jobId}`);
	assertNotExpired(attempt);
	return attempt;
}

/**
 * The attempt of this number, or the newest; null before the first. @throws ApiError `not_found`
 */
export function attemptOf({ job, attempts }: JobRecord, number: number | null): AttemptRow | null {
	if (number === null) return attempts.at(-1) ?? null;
	const attempt = attempts.find((one) => one.number === number);
	if (!attempt) throw notFound("attempt", `${number} of job ${job.id}`);
	return attempt;
}

/** Where to resume: an offset in the log of one attempt; null stands for the requested attempt. */
export interface ResumePoint {
	attempt: number | null;
	offset: number;
}

/** Receives complete lines. */
export interface LineSink {
	lines(batch: LineBatch, attempt: number): Promise<void>;
	/** The incomplete line after these, now and then while it grows. */
	partial(line: LineBuffer): Promise<void>;
	idle(): Promise<void>;
	end(state: string): Promise<void>;
}

/** Sends the lines of one attempt to the sink, from an offset until the log ends. */
export async function followLines(
	environment: Environment,
	record: JobRecord,
	number: number | null,
	resume: ResumePoint,
	sink: LineSink,
	splitterAt: (offset: number) => LineSplitter | ShownLineSplitter = (offset) => new LineSplitter(offset),
): Promise<void> {
	for await (const attempt of attemptsToFollow(environment, record, number, () => sink.idle())) {
		const isThisOne = resume.attempt === attempt.number || (resume.attempt === null && number !== null);
		const offset = isThisOne ? resume.offset : 0;
		const splitter = splitterAt(offset);
		const open = new OpenLine((line) => sink.partial(line));
		try {
			for await (const bytes of readLog(environment, attempt, { offset, until: null, isFollowing: true })) {
				if (bytes === null) await sink.idle();
				else {
					open.push(bytes);
					const batch = splitter.push(bytes);
					if (batch) await sink.lines(batch, attempt.number);
				}
			}
		} finally {
			open.stop();
		}
		const rest = splitter.flush();
		if (rest) await sink.lines(rest, attempt.number);
		break;
	}
	const { job } = await requireJob(environment, record.job.team, record.job.id);
	await sink.end(job.state);
}

/** The attempts of a job as they start, until the job ends; or only the requested attempt. */
export async function* attemptsToFollow(
	environment: Environment,
	record: JobRecord,
	number: number | null,
	idle: (state: string) => Promise<void>,
): AsyncGenerator<AttemptRow> {
	const requested = number === null ? null : attemptOf(record, number);
	if (requested) {
		yield requested;
		return;
	}
	let current = record;
	let seen = Math.max(0, record.job.attempt - 1);
	let rev = 0;
	while (true) {
		const next = current.attempts.find((attempt) => attempt.number > seen);
		if (next) {
			seen = next.number;
			yield next;
			current = await requireJob(environment, record.job.team, record.job.id);
			continue;
		}
		if (isTerminal(current.job.state)) return;
		await idle(current.job.state);
		rev = (await dispatcherOf(environment, record.job.team).followRun(record.job.run_id, rev, HOLD_MS))?.rev ?? 0;
		current = await requireJob(environment, record.job.team, record.job.id);
	}
}
