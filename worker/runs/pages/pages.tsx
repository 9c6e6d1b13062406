import type { RunRow } from "../../../schema/database/tables.ts";
import { readDefinition } from "../../../schema/pipeline/resolve/resolved.ts";
import { notFound } from "../../../schema/wire/errors.ts";
import type { Run } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import type { Environment } from "../../bindings.ts";
import { pageOf } from "../../http/pages.ts";
import { idCursor, integer, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { presentRun, presentRunSummary } from "../../record/present.ts";
import { findDefinition, findRun, listDiscovered, listReruns, listRuns, type RunRecord, usualDuration } from "../../record/runs.ts";
import { listWaits } from "../../record/transitions.ts";
import { presentQueue } from "../../system/service.ts";
import { readSummary, testsOfRun } from "../../test_results/service.ts";
import { page } from "../../ui/layout.tsx";
import { renderSummary } from "../../ui/markdown.ts";
import { RunPage } from "./run_page.tsx";
import { RunsPage } from "./runs_page.tsx";
import type { Move } from "./timeline_bars.ts";

type Reader = RequestContext<"user">;

const RUNS_PER_PAGE = 50;

const FAILURES_SHOWN = 50;

const SUMMARIES_LOOKED_FOR = 20;

const FAILED_FROM = { failed_from: integer("the failed test to begin with", { least: 0, most: 1_000_000, fallback: 0 }) };

export async function runsPage({ url, environment, principal, baseUrl }: Reader): Promise<Response> {
	const { cursor: after } = valuesOf({ cursor: idCursor("run") }, url.searchParams);
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
	const { failed_from: failedFrom } = valuesOf(FAILED_FROM, url.searchParams);
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
				hasNotifications={run.trusted && definition !== null && readDefinition(definition).notify.length > 0}
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

/** The summaries of the jobs of a run, at most the first few. */
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
