import type { RunRow } from "../schema/database/tables.ts";
import { readDefinition } from "../schema/pipeline/resolve/resolved.ts";
import { notFound } from "../schema/wire/errors.ts";
import type { Run } from "../schema/wire/resources.ts";
import { isTerminal } from "../schema/wire/states.ts";
import { presentArtifacts } from "./artifacts/api.ts";
import type { Environment } from "./bindings.ts";
import { idCursor, integerParameter, pageOf } from "./http/queries.ts";
import type { RequestContext } from "./http/route.ts";
import { describeJob, explain, requireJob } from "./jobs/api.ts";
import { JobPage } from "./jobs/pages/job_page.tsx";
import { previewLog } from "./logs/pages/log_preview.ts";
import { dispatcherOf } from "./platform/dispatcher.ts";
import { RunPage } from "./runs/pages/run_page.tsx";
import { RunsPage } from "./runs/pages/runs_page.tsx";
import type { Move } from "./runs/pages/timeline_bars.ts";
import { presentRun, presentRunSummary } from "./runs/present.ts";
import { findDefinition, findRun, listDiscovered, listReruns, listRuns, type RunRecord, usualDuration } from "./runs/store.ts";
import { listWaits } from "./runs/transitions_store.ts";
import { presentQueue } from "./system/pause.ts";
import { readSummary } from "./test_results/api.ts";
import { TestPage } from "./test_results/pages/test_page.tsx";
import { testsOfRun } from "./test_results/run_tests.ts";
import { historyOf } from "./test_results/store.ts";
import { page } from "./ui/layout.tsx";
import { renderSummary } from "./ui/markdown.ts";

type Reader = RequestContext<"user">;

const RUNS_PER_PAGE = 50;
const FAILURES_SHOWN = 50;
const HISTORY_SHOWN = 100;
const SUMMARIES_LOOKED_FOR = 20;

export async function runsPage({ url, environment, principal, baseUrl }: Reader): Promise<Response> {
	const after = idCursor(url, "run");
	const [rows, pause] = await Promise.all([
		listRuns(environment.DB, principal.team, { limit: RUNS_PER_PAGE + 1, after, state: null, project: null }),
		dispatcherOf(environment, principal.team).readPause(),
	]);
	const runs = pageOf(rows, RUNS_PER_PAGE, (run) => presentRunSummary(run, baseUrl));
	return page({ title: "Runs", user: principal.name, isLive: true, children: <RunsPage runs={runs} queue={presentQueue(pause)} /> });
}

export async function runPage({ url, environment, principal, params, baseUrl }: Reader): Promise<Response> {
	const record = await findRun(environment, principal.team, params.id ?? "");
	if (!record) throw notFound("run", params.id ?? "");
	const run = presentRun(record, baseUrl);
	const failedFrom = integerParameter(url, "failed_from", { least: 0, most: 1_000_000, fallback: 0 });
	const hasResults = record.attempts.some(({ tests, coverage }) => tests !== null || coverage !== null) || run.rerun_of !== null;
	const [usualMs, reruns, discovered, definition, moves, waits, tests, summaries] = await Promise.all([
		usualDuration(environment.DB, record.run),
		listReruns(environment.DB, principal.team, run.id),
		run.kind === "discovery" ? listDiscovered(environment, record) : [],
		findDefinition(environment, principal.team, record.run),
		movesOf(environment, record.run),
		run.jobs.some(({ state }) => state === "queued") ? dispatcherOf(environment, principal.team).explainQueued(run.id) : {},
		hasResults ? testsOfRun(environment, record, { state: "failed", from: failedFrom, count: FAILURES_SHOWN }) : null,
		summariesOf(environment, principal.team, record, run),
	]);
	return page({
		title: `${run.pipeline} #${run.number}`,
		user: principal.name,
		isLive: !isTerminal(run.state) || discovered.some(({ state }) => !isTerminal(state)),
		children: (
			<RunPage
				run={run}
				usualMs={usualMs}
				moves={moves}
				waits={waits}
				tests={tests}
				failedFrom={failedFrom}
				summaries={summaries}
				reruns={reruns.map((again) => presentRunSummary(again, baseUrl))}
				discovered={discovered.map((one) => presentRunSummary(one, baseUrl))}
				isTelling={run.trusted && definition !== null && readDefinition(definition).notify.length > 0}
			/>
		),
	});
}

async function movesOf({ DB }: Environment, { team, id }: RunRow): Promise<Map<string, Move[]>> {
	const moves = new Map<string, Move[]>();
	for (const { job_id, to_state, at } of await listWaits(DB, team, id)) {
		if (job_id === null) continue;
		moves.set(job_id, [...(moves.get(job_id) ?? []), { to: to_state === "leased" ? "offered" : "queued", at }]);
	}
	return moves;
}

/** What the jobs of a run say of themselves: those that have said something, the first few. */
async function summariesOf(environment: Environment, team: string, record: RunRecord, run: Run) {
	const ended = record.jobs.filter((job) => job.result_attempt !== null).slice(0, SUMMARIES_LOOKED_FOR);
	const texts = await Promise.all(ended.map((job) => readSummary(environment, team, job.result_attempt as string)));
	const summaries: { job: Run["jobs"][number]; html: string }[] = [];
	for (const [index, text] of texts.entries()) {
		const job = run.jobs.find(({ id }) => id === ended[index]?.id);
		if (text && job) summaries.push({ job, html: await renderSummary(text) });
	}
	return summaries;
}

export async function testPage({ url, environment, principal }: Reader): Promise<Response> {
	const word = (name: string) => url.searchParams.get(name) ?? "";
	const test = { project: word("project"), pipeline: word("pipeline"), suite: word("suite"), name: word("name") };
	const rows = await historyOf(environment.DB, { team: principal.team, ...test }, HISTORY_SHOWN, null);
	const items = rows.map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
	return page({ title: test.name, user: principal.name, children: <TestPage test={test} history={{ items, next_cursor: null }} /> });
}

export async function jobPage({ url, environment, principal, params }: Reader): Promise<Response> {
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const job = await describeJob(environment, record);
	const number = integerParameter(url, "attempt", { least: 1, most: 1000, fallback: job.attempt });
	const attempt = record.attempts.find((one) => one.number === number);
	const isWaiting = job.state === "blocked" || job.state === "queued" || job.state === "leased";
	const shown = attempt?.id ?? record.job.result_attempt;
	const [explanation, log, artifacts, summary] = await Promise.all([
		isWaiting ? explain(environment, record) : null,
		attempt ? previewLog(environment, record, attempt) : null,
		shown ? presentArtifacts(environment, principal.team, job.id, shown) : [],
		shown ? readSummary(environment, principal.team, shown) : null,
	]);
	const html = summary && (await renderSummary(summary));
	return page({
		title: job.name,
		user: principal.name,
		isLive: !isTerminal(job.state),
		children: <JobPage job={job} explanation={explanation} log={log} artifacts={artifacts} summary={html} />,
	});
}
