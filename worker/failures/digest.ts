import { plainText } from "../../schema/text/ansi.ts";
import { withoutStamp } from "../../schema/text/time_stamp.ts";
import type { FailedTest, Failure } from "../../schema/wire/failures.ts";
import type { Job, Run, RunTests, Step } from "../../schema/wire/resources.ts";
import { isFailure, shownState } from "../../schema/wire/state_words.ts";
import type { Environment } from "../bindings.ts";
import { readLineBlock } from "../logs/service.ts";
import { presentRun } from "../record/present.ts";
import type { RunRecord } from "../record/runs.ts";
import { testsOfRun } from "../test_results/service.ts";
import { type ExcerptLine, excerptOf, OWN } from "./excerpt.ts";
import { comparedWithEarlier } from "./since.ts";

/** The last lines of a step that are searched for the cause. */
const LINES_READ = 2_000;
const LINES_SHOWN = 40;
const TESTS_SHOWN = 5;
/** The output of a failed test is shown up to this length. */
const OUTPUT_CHARACTERS = 1_500;
const OTHERS_SHOWN = 20;

/** Why a run failed; null if it has not failed. */
export async function failureOf(environment: Environment, record: RunRecord, baseUrl: string): Promise<Failure | null> {
	const run = presentRun(record, baseUrl);
	const failed = run.jobs.filter(({ state, allow_failure }) => isFailure(state) && !allow_failure).sort(byEnd);
	const [job = null, ...others] = failed;
	if (job === null && !isFailure(run.state)) return null;
	const attempt = job && record.attempts.filter(({ job_id }) => job_id === job.id).at(-1);
	const step = job?.steps.find(({ state }) => state === "failed" || state === "timed_out") ?? null;
	const hasTests = record.attempts.some(({ tests }) => tests !== null);
	const [log, tests, compared] = await Promise.all([
		attempt && attempt.log_expired_at === null ? excerpt(environment, attempt, job, step) : [],
		hasTests ? testsOfRun(environment, record, { state: "failed", from: 0, count: TESTS_SHOWN }) : null,
		comparedWithEarlier(environment, record.run, job, baseUrl),
	]);
	return {
		run: { id: run.id, number: run.number, url: run.url, project: run.project, pipeline: run.pipeline, state: run.state },
		cause: causeOf(run, job, step, tests),
		job: job && {
			id: job.id,
			name: job.name,
			state: job.state,
			attempt: job.attempt,
			agent: job.attempts.at(-1)?.agent.name ?? null,
			url: `${baseUrl}/jobs/${job.id}`,
		},
		step: step && { name: step.name, exit_code: step.exit_code },
		tests: presentTests(tests),
		log: log.map(({ number, text }) => ({ line: number + 1, text })),
		others: others.slice(0, OTHERS_SHOWN).map(({ id, name, state, reason }) => ({ id, name, state, reason: reason?.text ?? null })),
		...compared,
		next: nextCommands(run, job),
	};
}

function byEnd(a: Job, b: Job): number {
	return (a.finished_at ?? "") < (b.finished_at ?? "") ? -1 : 1;
}

async function excerpt(
	environment: Environment,
	attempt: RunRecord["attempts"][number],
	job: Job | null,
	step: Step | null,
): Promise<ExcerptLine[]> {
	const next = job?.steps.find(({ log_line }) => log_line !== null && log_line > (step?.log_line ?? Number.POSITIVE_INFINITY));
	const end = next?.log_line ?? null;
	const begin = end === null ? -LINES_READ : Math.max(0, end - LINES_READ);
	const block = await readLineBlock(environment, attempt, begin, end === null ? LINES_READ : end - begin);
	// The last lines of a log may begin before the step.
	const lines = block.lines.map(withoutStamp);
	const skipped = Math.max(0, (step?.log_line ?? 0) - block.first);
	// A step of the agent, such as one that finds failed tests, has the cause in the steps before it.
	const isOfAgent = lines.slice(skipped).every((line) => OWN.test(line));
	const from = isOfAgent ? 0 : skipped;
	return excerptOf(lines.slice(from), block.first + from, LINES_SHOWN);
}

function causeOf(run: Run, job: Job | null, step: Step | null, tests: RunTests | null): string {
	if (job === null) return run.reason?.text ?? `The run is ${shownState(run.state).word}.`;
	const where = step ? `${job.name}, step ${step.name}` : job.name;
	const counts =
		tests && tests.totals.failed > 0 ? `${tests.totals.failed} of ${tests.totals.failed + tests.totals.passed} tests failed` : null;
	const code = step?.exit_code ?? job.exit_code;
	const ended = step?.state === "timed_out" || job.state === "timed_out" ? "timed out" : code === null ? null : `exit code ${code}`;
	const facts = [ended, counts].filter((one) => one !== null);
	const what =
		facts.length > 0 && job.state !== "errored" ? `${facts.join(", ")}.` : (job.reason?.text ?? `${shownState(job.state).word}.`);
	return `${where}: ${what}${newness(tests)}`;
}

/** Whether the failed tests are new: the first question of the person who pushed. */
function newness(tests: RunTests | null): string {
	const items = tests?.items ?? [];
	const fresh = items.filter(({ newly_failing }) => newly_failing).length;
	if (fresh === 0) return items.some(({ flaky }) => flaky) ? " Some are flaky." : "";
	if (fresh === items.length) return items.length === 1 ? " The failure is new." : " All of them are new.";
	return ` ${fresh} of them ${fresh === 1 ? "is" : "are"} new.`;
}

function presentTests(tests: RunTests | null): Failure["tests"] {
	if (!tests || tests.totals.failed === 0) return null;
	const items: FailedTest[] = tests.items.map(({ suite, name, message, output, newly_failing, flaky }) => ({
		suite,
		name,
		message: message && wholeLines(plainText(message), OUTPUT_CHARACTERS),
		output: output && wholeLines(plainText(output), OUTPUT_CHARACTERS),
		newly_failing,
		flaky,
	}));
	return { failed: tests.totals.failed, total: tests.totals.failed + tests.totals.passed, items };
}

/** The first lines of a text, as many as fit. */
function wholeLines(text: string, length: number): string {
	if (text.length <= length) return text;
	const end = text.lastIndexOf("\n", length);
	return text.slice(0, end > 0 ? end : length);
}

function nextCommands(run: Run, job: Job | null): string[] {
	if (job === null) return [`windlass show ${run.id}`];
	return [
		`windlass logs ${job.id}`,
		`windlass rerun ${run.id} --failed`,
		...(run.file === null ? [] : [`windlass exec --file ${run.file} ${job.key}`]),
	];
}
