import type { Attempt, Job } from "../../../schema/wire/resources.ts";

/** What a job did, from one moment to another, both in milliseconds since 1970. */
export type Bar = { from: number; to: number } & ({ kind: "waited" | "queued" | "offered" } | { kind: "ran"; attempt: Attempt });

/** When a job came into the queue, or was offered to an agent. */
export interface Move {
	to: "queued" | "offered";
	at: number;
}

/** The end of a job is written down so long after that of its last attempt, at most. */
const MOMENT_MS = 20;

/**
 * The life of a job up to now, piece by piece: before each attempt it waits (for other jobs, or to be tried again), then in the queue, and while
 * it is offered.
 * @param moves in their order; one that is not known (yet) leaves the piece that it begins with the one before
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
