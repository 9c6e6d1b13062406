import { LogFormatter } from "../../schema/text/log_formatter.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { FollowedFormat } from "../../schema/wire/log_formats.ts";
import { exitCodeOf } from "../../schema/wire/run_exit_codes.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { FollowedText, readLog } from "../logs/service.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { sleep } from "../platform/sleep.ts";
import { findRun, type RunRecord } from "../record/runs.ts";
import { PrefixedLines, WritersTurn } from "./prefixed_lines.ts";

/**
 * Writes a run as text: the logs of its jobs, and `::exit N` as the last line. The log of a single
 * job is copied byte for byte.
 * With several jobs, complete lines are written, each after `job | `. Eight logs are open at once;
 * others wait.
 */

type Write = (text: string | Uint8Array) => Promise<void>;

const MAX_OPEN_LOGS = 8;
const HOLD_MS = 10_000;
/** The pause between two looks at a changing run. */
const PACE_MS = 50;

/**
 * Writes the logs and the end of a run. Returns when the run has ended and all logs are written.
 */
export async function followRun(
	environment: Environment,
	team: string,
	runId: string,
	baseUrl: string,
	write: Write,
	{ notices = [], format = "raw" }: { notices?: readonly string[]; format?: FollowedFormat } = {},
): Promise<void> {
	const text = new FollowedText(write);
	const turn = new WritersTurn();
	const open = new Map<string, Promise<void>>();
	const followed = new Set<string>();
	let failure: unknown = null;
	let rev = 0;
	let record = await findRun(environment, team, runId);
	if (record) await text.notice(`:: run ${record.run.pipeline} #${record.run.number} ${baseUrl}/runs/${runId}`);
	for (const notice of notices) await text.notice(`:: ${notice}`);
	while (record) {
		for (const { attempt, prefix } of attemptsOf(record)) {
			// Without prefixes, logs of attempts are written one after another.
			if (open.size >= (prefix === "" ? 1 : MAX_OPEN_LOGS) || followed.has(attempt.id)) continue;
			followed.add(attempt.id);
			const copy = copyLog(environment, attempt, new LogFormatter(format), linesTo(text, prefix, turn))
				.catch((error) => {
					failure = error;
				})
				.finally(() => open.delete(attempt.id));
			open.set(attempt.id, copy);
		}
		// On a client disconnect or an unreadable log, `::exit` is missing and the result stays
		// unknown.
		if (failure) throw failure;
		if (isTerminal(record.run.state) && open.size === 0 && attemptsOf(record).every(({ attempt }) => followed.has(attempt.id))) break;
		await text.keepAlive(stillRunning(record));
		const isBehind = attemptsOf(record).some(({ attempt }) => !followed.has(attempt.id));
		if (isTerminal(record.run.state) || isBehind) await Promise.race([...open.values(), sleep(HOLD_MS)]);
		else {
			const change = await dispatcherOf(environment, team).followRun(runId, rev, HOLD_MS);
			rev = change?.rev ?? 0;
			record = change?.rows ?? (await findRun(environment, team, runId));
			await sleep(PACE_MS);
		}
	}
	if (record) await text.notice(`::exit ${runExitCode(record)}`);
}

function attemptsOf({ jobs, attempts }: RunRecord) {
	return attempts.map((attempt) => {
		const job = jobs.find(({ id }) => id === attempt.job_id);
		const again = attempt.number > 1 ? ` (attempt ${attempt.number})` : "";
		return { attempt, prefix: jobs.length > 1 ? `${job?.name}${again} | ` : "" };
	});
}

/** Receives the log of an attempt. */
type LogSink = Pick<PrefixedLines, "push" | "end" | "close">;

function linesTo(text: FollowedText, prefix: string, turn: WritersTurn): LogSink {
	const write = (bytes: Uint8Array) => text.write(bytes);
	if (prefix !== "") return new PrefixedLines(prefix, turn, write);
	return { push: write, end: () => Promise.resolve(), close: () => undefined };
}

async function copyLog(
	environment: Environment,
	attempt: RunRecord["attempts"][number],
	formatter: LogFormatter,
	sink: LogSink,
): Promise<void> {
	try {
		for await (const bytes of readLog(environment, attempt, { offset: 0, until: null, isFollowing: true }))
			if (bytes) await sink.push(formatter.push(bytes));
		await sink.push(formatter.flush());
		await sink.end();
	} finally {
		sink.close();
	}
}

const stillRunning =
	({ run, jobs }: RunRecord) =>
	() => {
		const running = jobs.filter((job) => job.state === "running").map((job) => job.name);
		const since = formatDuration(Date.now() - (run.started_at ?? run.created_at));
		return running.length > 0 ? `:: still running, ${running.join(", ")} ${since}` : `:: still ${run.state}, ${since}`;
	};

function runExitCode({ run, jobs }: RunRecord): number {
	const failed = jobs
		.filter((job) => job.state === "failed" && job.allow_failure === 0)
		.sort((a, b) => (a.finished_at ?? 0) - (b.finished_at ?? 0));
	return exitCodeOf(
		run.state,
		failed.map((job) => job.exit_code),
	);
}
