import type { Command } from "commander";
import { composedText } from "../../schema/pipeline/compose/composed_text.ts";
import { cacheUseWords } from "../../schema/wire/cache_words.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { Explanation, Job, Run, RunEstimate, UsualDuration } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { includedTexts, readPipeline } from "../pipeline_file.ts";
import { ago, paint, print, printJson, progressBar, stateText, table, took } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";
import { isEnding, isWaiting } from "./explain.ts";
import { showErrors, validationErrorsIn } from "./validation_errors.ts";
import { kindOf, ONE_JOB, RUN_OR_JOB, resolveId } from "./which_run.ts";

/** `windlass show`: a run with its jobs, or a job with its steps. */

/** For this many waiting jobs the command asks for the reason. */
const MAX_EXPLAINED = 20;
const MAX_REASON = 100;
const MAX_OUTPUT = 100;

export function showCommand(): Command {
	return command(
		"show",
		"Show a run with its jobs, or a job with its steps; or a pipeline file as it is after its includes and templates.",
		"windlass show latest\n  windlass show latest build\n  windlass show --resolved .windlass.yml",
	)
		.argument("[id]", RUN_OR_JOB[1])
		.argument(...ONE_JOB)
		.option("--resolved <file>", "show this pipeline file after its includes and templates, and where each value is from")
		.action(async (named: string | undefined, job: string | undefined, flags: Flags & { resolved?: string }) => {
			if (flags.resolved !== undefined) return print(await resolvedText(flags.resolved));
			if (named === undefined) throw new UsageError("Name a run or a job, or a pipeline file with --resolved.");
			const connection = new Connection(flags);
			const id = await resolveId(connection, named, job);
			const found = await connection.json<Run | Job>(`/api/v1/${kindOf(id)}/${id}`);
			if (flags.output === "json") printJson(found);
			else
				print("jobs" in found ? runText(found, await reasonsOf(connection, found), await estimateOf(connection, found)) : jobText(found));
		});
}

/** @throws UsageError for a file with errors */
async function resolvedText(file: string): Promise<string> {
	const pipeline = await readPipeline(file);
	try {
		return composedText(pipeline.text, includedTexts(pipeline.included)).trimEnd();
	} catch (error) {
		const errors = validationErrorsIn(error);
		if (errors.length === 0) throw error;
		process.stderr.write(`${showErrors(pipeline, errors)}\n`);
		throw new UsageError("The pipeline cannot be put together. Fix the errors above.");
	}
}

/** The reasons of the jobs' states, by the ids of the jobs. */
async function reasonsOf(connection: Connection, run: Run): Promise<Map<string, string>> {
	const reasons = new Map(run.jobs.flatMap(({ id, reason }) => (reason ? [[id, reason.text]] : [])));
	const unexplained = run.jobs.filter((job) => (isWaiting(job) && !job.reason) || isEnding(job)).slice(0, MAX_EXPLAINED);
	const explained = await Promise.all(unexplained.map(({ id }) => connection.json<Explanation>(`/api/v1/jobs/${id}/explain`)));
	for (const { job_id, summary } of explained) reasons.set(job_id, summary);
	return reasons;
}

/** How long a run that has not ended usually takes; null for one that has. */
async function estimateOf(connection: Connection, run: Run): Promise<RunEstimate | null> {
	return run.finished_at === null ? connection.json<RunEstimate>(`/api/v1/runs/${run.id}/estimate`) : null;
}

function runText(run: Run, reasons: ReadonlyMap<string, string>, estimate: RunEstimate | null): string {
	const usual = new Map(estimate?.jobs.map((job) => [job.id, job.usual]));
	const progress = ({ id, started_at, finished_at }: Pick<Job, "id" | "started_at" | "finished_at">) => {
		const usualMs = usual.get(id)?.p50_ms;
		return usualMs === undefined || started_at === null || finished_at !== null ? null : progressBar(started_at, usualMs);
	};
	const rows = run.jobs.map((job) => [
		stateText(job.state),
		job.name,
		took(job.started_at, job.finished_at),
		job.attempts.at(-1)?.agent.name ?? "–",
		job.id,
		reasons.get(job.id)?.slice(0, MAX_REASON) ?? progress(job) ?? "",
	]);
	const details = [
		run.branch,
		run.commit?.sha.slice(0, 12),
		`by ${run.trigger.actor}`,
		ago(run.created_at),
		run.rerun_of && `repeats ${run.rerun_of}`,
		run.pull_request && `pull request #${run.pull_request}`,
		!run.trusted && (run.approved_by ? `approved by ${run.approved_by}` : "untrusted: gets no secrets, waits for an approval"),
	].filter(Boolean);
	const head = `${stateText(run.state)}  ${paint("bold", `${run.pipeline} #${run.number}`)}  ${details.join(" · ")}`;
	const reason = run.reason ? `${run.reason.text}\n` : "";
	const expected = estimate?.run ? `${expectedText(run, estimate.run)}\n` : "";
	return `${head}\n${paint("gray", run.url)}\n${reason}${expected}\n${table([["state", "job", "took", "agent", "id", "reason"], ...rows])}`;
}

function expectedText({ started_at }: Run, { p50_ms, p90_ms, counted }: UsualDuration): string {
	const usual = `usually ${formatDuration(p50_ms)}, nine in ten within ${formatDuration(p90_ms)} (of ${counted})`;
	return started_at === null ? usual : `${progressBar(started_at, p50_ms)}  ${paint("gray", usual)}`;
}

function jobText(job: Job): string {
	const rows = job.steps.map((step) => [stateText(step.state), step.name, took(step.started_at, step.finished_at)]);
	const outputs = Object.entries(job.outputs ?? {}).map(
		([name, value]) => `  ${name}=${value.length > MAX_OUTPUT ? `${value.slice(0, MAX_OUTPUT - 1)}…` : value}\n`,
	);
	const caches = (job.attempts.at(-1)?.caches ?? []).map((use) => `  ${use.key}: ${cacheUseWords(use)}\n`);
	const head = `${stateText(job.state)}  ${paint("bold", job.name)}  ${took(job.started_at, job.finished_at)}`;
	const reason = job.reason ? `${job.reason.text}\n` : "";
	return `${head}\n${reason}\n${table([["state", "step", "took"], ...rows])}${listed("outputs", outputs)}${listed("caches", caches)}`;
}

function listed(title: string, lines: readonly string[]): string {
	return lines.length === 0 ? "" : `\n${title}\n${lines.join("")}`;
}
