import { formatDuration } from "../../schema/wire/duration.ts";
import type { FollowedFormat } from "../../schema/wire/log_formats.ts";
import { isTerminal, type RunState } from "../../schema/wire/states.ts";
import { findRun, type RunRecord } from "../catalog/record.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import type { Environment } from "../environment.ts";
import { LogFormatter } from "../logs/format.ts";
import { LineSplitter } from "../logs/lines.ts";
import { readLog } from "../logs/reader.ts";

/**
 * A run as text: the logs of its jobs as they are written, and `::exit N` as the last line. With one job its lines come
 * as they are; with several each begins with `job | `. Eight logs are open at once; those that start later follow as
 * others end.
 */

type Write = (text: string) => Promise<void>;

const MAX_OPEN_LOGS = 8;
const HOLD_MS = 10_000;
const SILENCE_MS = 30_000;
/** A burst of changes is looked at at most this often. */
const PACE_MS = 50;

/** Writes a run's logs and its end. Returns when the run is over and all of it was written. */
export async function followRun(
	environment: Environment,
	team: string,
	runId: string,
	baseUrl: string,
	write: Write,
	{ notices = [], format = "raw" }: { notices?: readonly string[]; format?: FollowedFormat } = {},
): Promise<void> {
	let lastWriteAt = Date.now();
	const say: Write = (text) => {
		lastWriteAt = Date.now();
		return write(text);
	};
	const open = new Map<string, Promise<void>>();
	const followed = new Set<string>();
	let failure: unknown = null;
	let rev = 0;
	let record = await findRun(environment, team, runId);
	if (record) await say(`:: run ${record.run.pipeline} #${record.run.number} ${baseUrl}/runs/${runId}\n`);
	for (const notice of notices) await say(`:: ${notice}\n`);
	while (record) {
		for (const { attempt, prefix } of attemptsOf(record)) {
			if (open.size >= MAX_OPEN_LOGS || followed.has(attempt.id)) continue;
			followed.add(attempt.id);
			const copy = copyLog(environment, attempt, new LogFormatter(format), prefix, say)
				.catch((error) => {
					failure = error;
				})
				.finally(() => open.delete(attempt.id));
			open.set(attempt.id, copy);
		}
		// The reader went away, or a log cannot be read: without `::exit` the result stays unknown, as it should.
		if (failure) throw failure;
		if (isTerminal(record.run.state) && open.size === 0 && attemptsOf(record).every(({ attempt }) => followed.has(attempt.id))) break;
		if (Date.now() - lastWriteAt >= SILENCE_MS) await say(stillRunning(record));
		if (isTerminal(record.run.state)) await Promise.race(open.values());
		else {
			const change = await dispatcherOf(environment, team).followRun(runId, rev, HOLD_MS);
			rev = change?.rev ?? 0;
			record = change?.rows ?? (await findRun(environment, team, runId));
			await new Promise((resolve) => setTimeout(resolve, PACE_MS));
		}
	}
	if (record) await say(`::exit ${exitCodeOf(record)}\n`);
}

function attemptsOf({ jobs, attempts }: RunRecord) {
	return attempts.map((attempt) => {
		const job = jobs.find(({ id }) => id === attempt.job_id);
		const again = attempt.number > 1 ? ` (attempt ${attempt.number})` : "";
		return { attempt, prefix: jobs.length > 1 ? `${job?.name}${again} | ` : "" };
	});
}

async function copyLog(
	environment: Environment,
	attempt: RunRecord["attempts"][number],
	formatter: LogFormatter,
	prefix: string,
	say: Write,
): Promise<void> {
	const splitter = new LineSplitter(0);
	for await (const bytes of readLog(environment, attempt, { offset: 0, until: null, isFollowing: true })) {
		if (bytes === null) continue;
		const batch = splitter.push(formatter.push(bytes));
		if (batch) await say(joined(batch.lines, prefix));
	}
	const rest = splitter.flush();
	if (rest) await say(joined(rest.lines, prefix));
}

function joined(lines: readonly string[], prefix: string): string {
	return lines.map((line) => `${prefix}${line}\n`).join("");
}

function stillRunning({ run, jobs }: RunRecord): string {
	const running = jobs.filter((job) => job.state === "running").map((job) => job.name);
	const since = formatDuration(Date.now() - (run.started_at ?? run.created_at));
	return running.length > 0 ? `:: still running, ${running.join(", ")} ${since}\n` : `:: still ${run.state}, ${since}\n`;
}

const EXIT_CODES: Partial<Record<RunState, number>> = { succeeded: 0, skipped: 0, timed_out: 124, errored: 125, cancelled: 130 };

/** What a shell is told of a run that is over: 0, the exit code of the first job that failed, 124, 125 or 130. */
function exitCodeOf({ run, jobs }: RunRecord): number {
	const known = EXIT_CODES[run.state];
	if (known !== undefined) return known;
	const failed = jobs
		.filter((job) => job.state === "failed" && job.allow_failure === 0)
		.sort((a, b) => (a.finished_at ?? 0) - (b.finished_at ?? 0));
	return failed[0]?.exit_code || 1;
}
