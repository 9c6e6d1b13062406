import { formatDuration } from "../../schema/wire/duration.ts";
import type { LogFormat } from "../../schema/wire/log_formats.ts";
import type { Job, Run, RunEstimate } from "../../schema/wire/resources.ts";
import { exitCodeOf } from "../../schema/wire/run_exit_codes.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Connection } from "../connection.ts";
import { EXIT } from "../exit_codes.ts";
import { outputDrained } from "../standard_output.ts";
import { isColored, paint, print, stateText, took } from "../terminal.ts";
import { followLog } from "./follow_log.ts";

/** Follows a run, or one of its jobs, in the terminal. */

/** The state of a run may be recorded a moment after its log has ended. */
const END_TIMEOUT_S = 10;
const COLORS = ["cyan", "magenta", "yellow", "blue", "green"] as const;

/**
 * Prints the logs of a run as they grow, and a summary at the end.
 * @returns the exit code of the run
 */
export async function followRun(connection: Connection, run: Pick<Run, "id" | "url" | "jobs">): Promise<number> {
	const interrupted = new Promise<null>((resolve) => process.once("SIGINT", () => resolve(null)));
	const isByLine = run.jobs.length > 1;
	if (isColored(process.stderr)) await printEstimate(connection, run.id);
	const followed = followLog<Run>(connection, {
		log: `/api/v1/runs/${run.id}/log?format=${logFormat()}`,
		state: (isWhole) => (isWhole ? `/api/v1/runs/${run.id}/wait?timeout=${END_TIMEOUT_S}` : `/api/v1/runs/${run.id}`),
		endsWithExit: true,
		isByLine,
		onText: isByLine ? linePrinter() : (text) => process.stdout.write(text),
		drained: outputDrained,
		...notices(connection),
	});
	const ended = await Promise.race([followed, interrupted]);
	if (ended === null) {
		process.stderr.write(
			`\nThe run continues: ${run.url}\n  follow it: windlass logs -f ${run.id}\n  cancel it: windlass cancel ${run.id}\n`,
		);
		return EXIT.cancelled;
	}
	print(summaryOf(ended));
	return runExitCode(ended);
}

/** Says how long the run usually takes, to a person who waits for it. */
async function printEstimate(connection: Connection, id: string): Promise<void> {
	// The run matters, not its estimate.
	const estimate = await connection.json<RunEstimate>(`/api/v1/runs/${id}/estimate`).catch(() => null);
	if (!estimate?.run) return;
	const { p50_ms, p90_ms } = estimate.run;
	process.stderr.write(`windlass: It usually takes ${formatDuration(p50_ms)}, nine times in ten at most ${formatDuration(p90_ms)}.\n`);
}

/** Prints the log of a job as it grows, to its end. @returns the job after its end */
export function followJob(connection: Connection, id: string): Promise<Job> {
	return followLog<Job>(connection, {
		log: `/api/v1/jobs/${id}/log?format=${logFormat()}&follow=1`,
		state: () => `/api/v1/jobs/${id}`,
		endsWithExit: false,
		isByLine: false,
		onText: (text) => process.stdout.write(text),
		drained: outputDrained,
		...notices(connection),
	});
}

/** The format with colors if standard output shows colors. */
export function logFormat(): LogFormat {
	return isColored() ? "raw" : "clean";
}

function notices({ server }: Connection) {
	const notify = (text: string) => process.stderr.write(`windlass: ${text}\n`);
	return {
		onWaiting: () => notify(`The coordinator at ${server} does not answer. Waiting for it; Ctrl-C stops only this command, not the run.`),
		onIncomplete: () => notify("The rest of the log is not readable."),
	};
}

/** Prints the lines of each job in its own color, if standard output shows colors. */
function linePrinter(): (line: Buffer) => void {
	if (!isColored()) return (line) => process.stdout.write(line);
	const painted = new Map<string, string>();
	return (bytes) => {
		const line = bytes.subarray(0, -1).toString();
		const [, prefix, rest] = /^([^|]{1,220}) \| (.*)$/s.exec(line) ?? [];
		if (prefix === undefined || rest === undefined)
			return process.stdout.write(line.startsWith(":: ") ? `${paint("gray", line)}\n` : bytes);
		const color = COLORS[painted.size % COLORS.length] ?? "cyan";
		if (!painted.has(prefix)) painted.set(prefix, paint(color, `${prefix} |`));
		process.stdout.write(`${painted.get(prefix)} ${rest.startsWith(":: ") ? paint("gray", rest) : rest}\n`);
	};
}

/** The state of a run and of its jobs that did not succeed. */
function summaryOf(run: Run): string {
	const unsuccessful = run.jobs.filter((job) => isTerminal(job.state) && job.state !== "succeeded" && job.state !== "skipped");
	const warnings = run.warnings > 0 ? paint("yellow", `, ${run.warnings} allowed to fail`) : "";
	const name = `${run.pipeline} #${run.number} in ${took(run.started_at, run.finished_at)}`;
	const head = `\n${stateText(run.state)}  ${name}${warnings}  ${paint("gray", run.url)}`;
	return [head, ...unsuccessful.map((job) => `  ${stateText(job.state)} ${job.name}${job.reason ? `: ${job.reason.text}` : ""}`)].join(
		"\n",
	);
}

function runExitCode(run: Run): number {
	const failed = run.jobs.filter((job) => job.state === "failed" && !job.allow_failure);
	failed.sort((a, b) => (a.finished_at ?? "").localeCompare(b.finished_at ?? ""));
	return exitCodeOf(
		run.state,
		failed.map((job) => job.exit_code),
	);
}
