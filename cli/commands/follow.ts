import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Connection } from "../connection.ts";
import { paint, print, stateText, took } from "../terminal.ts";

/** Following a run in the terminal. */

const INTERRUPTED = 130;
const UNKNOWN = 125;
const COLORS = ["cyan", "magenta", "yellow", "blue", "green"] as const;

/**
 * Prints the logs of a run as they are written, and at the end how it went.
 * @returns its exit code: 0, that of the first job that failed, 124 timed out, 125 errored, 130 cancelled
 */
export async function followRun(connection: Connection, run: Pick<Run, "id" | "url">): Promise<number> {
	let isInterrupted = false;
	const body = await connection.stream(`/api/v1/runs/${run.id}/log`);
	const onInterrupt = () => {
		isInterrupted = true;
		body.destroy();
	};
	process.once("SIGINT", onInterrupt);
	try {
		const told = await printLines(body).catch((error) => {
			if (isInterrupted) return null;
			process.stderr.write(`windlass: the log broke off (${(error as Error).message}); waiting for the end\n`);
			return null;
		});
		if (isInterrupted) {
			process.stderr.write(`\nStill going on: ${run.url}\n  windlass logs -f ${run.id}\n  windlass cancel ${run.id}\n`);
			return INTERRUPTED;
		}
		const ended = await waitForEnd(connection, run.id);
		print(summaryOf(ended));
		return told ?? exitCodeOf(ended);
	} finally {
		process.off("SIGINT", onInterrupt);
	}
}

/** @returns what `::exit N` says; null without one */
async function printLines(body: Readable): Promise<number | null> {
	const painted = new Map<string, string>();
	let code: number | null = null;
	for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
		const [, told] = /^::exit (\d+)$/.exec(line) ?? [];
		if (told !== undefined) {
			code = Number(told);
			continue;
		}
		const [, prefix, rest] = /^([^|]{1,220}) \| (.*)$/s.exec(line) ?? [];
		if (prefix === undefined || rest === undefined) print(line.startsWith(":: ") ? paint("gray", line) : line);
		else {
			const color = COLORS[painted.size % COLORS.length] ?? "cyan";
			if (!painted.has(prefix)) painted.set(prefix, paint(color, `${prefix} |`));
			print(`${painted.get(prefix)} ${rest.startsWith(":: ") ? paint("gray", rest) : rest}`);
		}
	}
	return code;
}

async function waitForEnd(connection: Connection, runId: string): Promise<Run> {
	for (;;) {
		const run = await connection.json<Run>(`/api/v1/runs/${runId}/wait?timeout=300`);
		if (isTerminal(run.state)) return run;
	}
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
	return run.jobs.find((job) => job.state === "failed" && !job.allow_failure)?.exit_code || 1;
}
