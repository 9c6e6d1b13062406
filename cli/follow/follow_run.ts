import type { LogFormat } from "../../schema/wire/log_formats.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Connection } from "../connection.ts";
import { taken } from "../standard_output.ts";
import { isColored, paint, print, stateText, took } from "../terminal.ts";
import { followLog } from "./follow_log.ts";

/** Following a run, or one of its jobs, in the terminal. */

const INTERRUPTED = 130;
const UNKNOWN = 125;
/** The end of a run may be known a moment after its log has ended. */
const END_S = 10;
const COLORS = ["cyan", "magenta", "yellow", "blue", "green"] as const;

/**
 * Prints the logs of a run as they are written, and at the end how it went. Waits for a coordinator that is away.
 * @returns its exit code: 0, that of the first job that failed, 124 timed out, 125 errored, 130 cancelled
 */
export async function followRun(connection: Connection, run: Pick<Run, "id" | "url" | "jobs">): Promise<number> {
	const interrupted = new Promise<null>((resolve) => process.once("SIGINT", () => resolve(null)));
	const followed = followLog<Run>(connection, {
		log: `/api/v1/runs/${run.id}/log?format=${logFormat()}`,
		state: (isWhole) => (isWhole ? `/api/v1/runs/${run.id}/wait?timeout=${END_S}` : `/api/v1/runs/${run.id}`),
		endsWithExit: true,
		isByLine: run.jobs.length > 1,
		onText: run.jobs.length > 1 ? linePrinter() : (text) => process.stdout.write(text),
		taken,
		...notices(connection),
	});
	const ended = await Promise.race([followed, interrupted]);
	if (ended === null) {
		process.stderr.write(`\nStill going on: ${run.url}\n  windlass logs -f ${run.id}\n  windlass cancel ${run.id}\n`);
		return INTERRUPTED;
	}
	print(summaryOf(ended));
	return exitCodeOf(ended);
}

/** Prints the log of a job as it is written, to its end. @returns the job as it ended */
export function followJob(connection: Connection, id: string): Promise<Job> {
	return followLog<Job>(connection, {
		log: `/api/v1/jobs/${id}/log?format=${logFormat()}&follow=1`,
		state: () => `/api/v1/jobs/${id}`,
		endsWithExit: false,
		isByLine: false,
		onText: (text) => process.stdout.write(text),
		taken,
		...notices(connection),
	});
}

/** With colours only where there may be any. */
export function logFormat(): LogFormat {
	return isColored() ? "raw" : "clean";
}

function notices({ server }: Connection) {
	const say = (text: string) => process.stderr.write(`windlass: ${text}\n`);
	return {
		onWaiting: () => say(`${server} does not answer; waiting for it (Ctrl-C ends the waiting, not what runs)`),
		onIncomplete: () => say("the log cannot be read to its end"),
	};
}

/** Each job's lines in its own colour, where there may be any. */
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

/** How a run went, in a few lines. */
function summaryOf(run: Run): string {
	const bad = run.jobs.filter((job) => isTerminal(job.state) && job.state !== "succeeded" && job.state !== "skipped");
	const warnings = run.warnings > 0 ? paint("yellow", `, ${run.warnings} allowed to fail`) : "";
	const head = `\n${stateText(run.state)}  ${run.pipeline} #${run.number} in ${took(run.started_at, run.finished_at)}${warnings}  ${paint("gray", run.url)}`;
	return [head, ...bad.map((job) => `  ${stateText(job.state)} ${job.name}${job.reason ? `: ${job.reason.text}` : ""}`)].join("\n");
}

const EXIT_CODES: Partial<Record<Run["state"], number>> = {
	succeeded: 0,
	skipped: 0,
	timed_out: 124,
	errored: UNKNOWN,
	cancelled: INTERRUPTED,
};

function exitCodeOf(run: Run): number {
	const known = EXIT_CODES[run.state];
	if (known !== undefined) return known;
	const failed = run.jobs.filter((job) => job.state === "failed" && !job.allow_failure);
	const [first] = failed.sort((a, b) => (a.finished_at ?? "").localeCompare(b.finished_at ?? ""));
	return first?.exit_code || 1;
}
