import type { Attempt, Job } from "../../../schema/wire/resources.ts";

/** A phase of a job; times in milliseconds since 1970. */
export type Bar = { from: number; to: number } & ({ kind: "waited" | "queued" | "offered" } | { kind: "ran"; attempt: Attempt });

/** When a job was queued or offered to an agent. */
export interface Move {
	to: "queued" | "offered";
	at: number;
}

/** A job's end is recorded at most this long after the end of its last attempt. */
const MOMENT_MS = 20;

/**
 * The phases of a job until now: before each attempt it waits, is queued, and is offered.
 * @param moves in their order; a phase whose start is unknown is part of the phase before it
 */
export function barsOf(job: Job, moves: readonly Move[], now: number): Bar[] {
	const timeOf = (time: string | null) => (time === null ? now : Date.parse(time));
	const known = [...moves];
	const isQueueKnown = moves.some(({ to, at }) => to === "queued" && at >= timeOf(job.queued_at));
	if (job.queued_at !== null && !isQueueKnown) known.push({ to: "queued", at: timeOf(job.queued_at) });
	const bars: Bar[] = [];
	let from = timeOf(job.created_at);
	for (const attempt of job.attempts) {
		const [start, end] = [timeOf(attempt.started_at), timeOf(attempt.finished_at)];
		bars.push(...waitsBetween(from, start, known), { kind: "ran", from: start, to: end, attempt });
		from = end;
	}
	const end = timeOf(job.finished_at);
	const isEndOfAttempt = job.attempts.length > 0 && end - from < MOMENT_MS;
	return isEndOfAttempt ? bars : [...bars, ...waitsBetween(from, end, known)];
}

function waitsBetween(from: number, to: number, moves: readonly Move[]): Bar[] {
	const bars: Bar[] = [];
	let kind: "waited" | "queued" | "offered" = "waited";
	let since = from;
	for (const move of moves) {
		if (move.at < from || move.at > to) continue;
		if (move.at > since) bars.push({ kind, from: since, to: move.at });
		kind = move.to;
		since = move.at;
	}
	return to > since ? [...bars, { kind, from: since, to }] : bars;
}
