import type { ComponentChildren } from "preact";
import type { ArtifactRow, RunRow } from "../../../schema/database/tables.ts";
import { type ResolvedPipeline, readDefinition } from "../../../schema/pipeline/resolve/resolved.ts";
import { notFound } from "../../../schema/wire/errors.ts";
import type { Job, Run, RunSummary } from "../../../schema/wire/resources.ts";
import { isFailure } from "../../../schema/wire/state_words.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { filesOf, present } from "../../artifacts/service.ts";
import type { Environment } from "../../bindings.ts";
import { type UsualDurations, usualDurations } from "../../estimates/service.ts";
import { failureOf } from "../../failures/service.ts";
import { integer, oneOf, text, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { isVisitor } from "../../identity/visitors.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import type { RunWait } from "../../queue/core/runs/explain.ts";
import { listEarlier } from "../../record/earlier_runs.ts";
import { presentRun, presentRunSummary } from "../../record/present.ts";
import {
	findDefinition,
	findRun,
	listArtifactsOfRun,
	listDiscovered,
	listRecordedArtifacts,
	listReruns,
	type RunRecord,
} from "../../record/runs.ts";
import { listWaits } from "../../record/transitions.ts";
import { TestResults } from "../../test_results/pages/test_results.tsx";
import { readSummary, testsOfRun, totalsOfRun } from "../../test_results/service.ts";
import { page } from "../../ui/layout.tsx";
import { renderSummary } from "../../ui/markdown.ts";
import { compareRuns } from "../compare.ts";
import { waitsOf } from "../waits.ts";
import { CompareView } from "./compare_view.tsx";
import { JobGraph } from "./job_graph.tsx";
import { type RunArtifact, RunArtifacts } from "./run_artifacts.tsx";
import { RunOverview } from "./run_overview.tsx";
import { RUN_TABS, RunPage } from "./run_page.tsx";
import { RunTimeline } from "./run_timeline.tsx";
import type { Move } from "./timeline_bars.ts";

const FAILURES_SHOWN = 50;
const SUMMARIES_SHOWN = 20;
const COMPARED_WITH = 20;

const VIEW = {
	tab: oneOf("the view of the run", RUN_TABS),
	with: text("the run to compare with"),
	failed_from: integer("the failed test to begin with", { least: 0, most: 1_000_000, fallback: 0 }),
};

/** A run with what every view of it shows. */
interface Shown {
	context: RequestContext<"user">;
	record: RunRecord;
	run: Run;
	/** Of a run that has ended, and for its graph. */
	pipeline: ResolvedPipeline | null;
	usual: UsualDurations;
	wait: RunWait | null;
	artifacts: readonly ArtifactRow[];
	earlier: readonly RunSummary[];
}

/** GET /runs/:id */
export async function runPage(context: RequestContext<"user">): Promise<Response> {
	const { url, environment, principal, params, baseUrl } = context;
	const { team } = principal;
	const record = await findRun(environment, team, params.id ?? "");
	if (!record) throw notFound("run", params.id ?? "");
	const run = presentRun(record, baseUrl);
	const { tab } = valuesOf(VIEW, url.searchParams);
	const isOpen = !isTerminal(run.state);
	const dispatcher = dispatcherOf(environment, team);
	const [usual, reruns, earlierRows, definition, waits, waitById, artifacts] = await Promise.all([
		usualDurations(environment.DB, record.run),
		listReruns(environment.DB, team, run.id),
		listEarlier(environment.DB, record.run, COMPARED_WITH),
		isOpen && tab !== "graph" ? null : findDefinition(environment, team, record.run),
		// What a run waits for may be of other projects, and names agents.
		run.jobs.some(({ state }) => state === "queued") && !isVisitor(principal) ? dispatcher.explainQueued(run.id) : {},
		isVisitor(principal) ? ({} as Record<string, RunWait>) : waitsOf(environment, team, [record.run]),
		resultsOf(environment, team, record),
	]);
	const wait = waitById[run.id] ?? null;
	const earlier = earlierRows.map((row) => presentRunSummary(row, baseUrl));
	const pipeline = definition === null ? null : readDefinition(definition);
	const shown: Shown = { context, record, run, pipeline, usual, wait, artifacts, earlier };
	const { children, isMoving } = await viewOf(shown);
	return page(context, {
		title: `${run.pipeline} #${run.number}`,
		state: wait?.isStuck ? "stuck" : run.state,
		section: "runs",
		follows: isOpen || isMoving ? { run: run.id } : null,
		children: (
			<RunPage
				run={run}
				usual={usual.run}
				usualJobs={usual.jobs}
				waits={waits}
				isStuck={wait?.isStuck ?? false}
				previous={earlier.find(({ state }) => state === "succeeded" || isFailure(state)) ?? null}
				reruns={reruns.map((again) => presentRunSummary(again, baseUrl))}
				tests={totalsOfRun(record)}
				artifacts={filesOf(artifacts).length}
				hasNotifications={!isOpen && run.trusted && (pipeline?.notify.length ?? 0) > 0}
				includes={isVisitor(principal) ? [] : (pipeline?.includes ?? [])}
				tab={tab ?? "overview"}
			>
				{children}
			</RunPage>
		),
	});
}

/** The chosen view, and whether it follows more than the run. */
async function viewOf(shown: Shown): Promise<{ children: ComponentChildren; isMoving?: boolean }> {
	const { context, record, run, pipeline, artifacts, earlier } = shown;
	const { environment, url } = context;
	const { tab, failed_from: from, with: other } = valuesOf(VIEW, url.searchParams);
	switch (tab) {
		case "graph":
			return { children: <JobGraph jobs={run.jobs} addedBy={addedJobs(pipeline)} /> };
		case "timeline":
			return { children: <RunTimeline run={run} moves={await movesOf(environment, record.run)} /> };
		case "tests": {
			const tests = await testsOfRun(environment, record, { state: "failed", from, count: FAILURES_SHOWN });
			return { children: <TestResults run={run} tests={tests} from={from} /> };
		}
		case "artifacts":
			return { children: <RunArtifacts run={run} artifacts={presentFiles(run, record, artifacts)} /> };
		case "compare":
			return { children: await compareView(shown, other ?? earlier[0]?.id ?? null) };
		default:
			return overview(shown);
	}
}

async function overview({ context, record, run, wait, artifacts }: Shown) {
	const { environment, principal, baseUrl } = context;
	const [failure, discovered, summaries] = await Promise.all([
		failureOf(environment, record, baseUrl),
		run.kind === "discovery" ? listDiscovered(environment, record) : [],
		summariesOf(environment, principal.team, run, artifacts),
	]);
	return {
		isMoving: discovered.some(({ state }) => !isTerminal(state)),
		children: (
			<RunOverview
				run={run}
				failure={failure}
				wait={wait}
				summaries={summaries}
				artifacts={presentFiles(run, record, artifacts)}
				discovered={discovered.map((one) => presentRunSummary(one, baseUrl))}
			/>
		),
	};
}

async function compareView({ context, record, run, earlier }: Shown, otherId: string | null) {
	const { environment, principal, baseUrl } = context;
	const found = otherId === null ? null : await findRun(environment, principal.team, otherId);
	// Who looks at one project compares within it.
	const other = found && (principal.projects?.includes(found.run.project) ?? true) ? found : null;
	const before = other && presentRun(other, baseUrl);
	const comparison = other && before && (await compareRuns(environment, { run: before, record: other }, { run, record }));
	const isListed = before === null || earlier.some(({ id }) => id === before.id);
	return <CompareView run={run} before={before} comparison={comparison} choices={isListed ? earlier : [before, ...earlier]} />;
}

/** The artifacts of the attempts whose results count. Reused jobs have those of an earlier run. */
async function resultsOf(environment: Environment, team: string, { run, jobs, attempts }: RunRecord): Promise<ArtifactRow[]> {
	const counted = new Set(jobs.flatMap(({ result_attempt }) => result_attempt ?? []));
	if (counted.size === 0) return [];
	const own = new Set(attempts.map(({ id }) => id));
	const reused = [...counted].filter((id) => !own.has(id));
	const [ofRun, ofOthers] = await Promise.all([
		listArtifactsOfRun(environment, team, run.id),
		reused.length === 0 ? [] : listRecordedArtifacts(environment.DB, team, reused),
	]);
	return [...ofRun.filter(({ attempt_id }) => counted.has(attempt_id)), ...ofOthers];
}

function presentFiles(run: Run, { jobs: reusedAttempts }: RunRecord, artifacts: readonly ArtifactRow[]): RunArtifact[] {
	const jobOf = new Map(run.jobs.map((job) => [job.id, job]));
	const reusedBy = new Map(reusedAttempts.flatMap(({ id, result_attempt }) => (result_attempt === null ? [] : [[result_attempt, id]])));
	return filesOf(artifacts).flatMap((row) => {
		const job = jobOf.get(row.job_id) ?? jobOf.get(reusedBy.get(row.attempt_id) ?? "");
		return job ? [{ job, artifact: present(job.id, row) }] : [];
	});
}

/** The jobs that other jobs have added, with the keys of those. */
function addedJobs(pipeline: ResolvedPipeline | null): Map<string, string> {
	const jobs = pipeline?.jobs ?? [];
	return new Map(jobs.flatMap(({ key, added_by }) => (added_by === null ? [] : [[key, added_by.key]])));
}

/** The summaries of the jobs of a run, at most the first few. */
async function summariesOf(environment: Environment, team: string, run: Run, artifacts: readonly ArtifactRow[]) {
	const stored = artifacts.filter(({ kind, expired_at }) => kind === "summary" && expired_at === null).slice(0, SUMMARIES_SHOWN);
	const found: { job: Job; html: string }[] = [];
	for (const { attempt_id, job_id } of stored) {
		const job = run.jobs.find(({ id }) => id === job_id);
		const markdown = job && (await readSummary(environment, team, attempt_id));
		if (markdown) found.push({ job, html: await renderSummary(markdown) });
	}
	return found;
}

async function movesOf({ DB }: Environment, { team, id }: RunRow): Promise<Map<string, Move[]>> {
	const moves = new Map<string, Move[]>();
	for (const { job_id, to_state, at } of await listWaits(DB, team, id)) {
		if (job_id === null) continue;
		const known = moves.get(job_id) ?? [];
		known.push({ to: to_state === "leased" ? "offered" : "queued", at });
		moves.set(job_id, known);
	}
	return moves;
}
