import { notFound } from "../../schema/wire/errors.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { presentArtifacts } from "../api/artifacts.ts";
import type { RequestContext } from "../api/context.ts";
import { describeJob, explain, requireJob } from "../api/jobs.ts";
import { presentAgent, presentRun, presentRunSummary } from "../api/present.ts";
import { integerParameter, pageOf } from "../api/queries.ts";
import { presentQueue } from "../api/queue.ts";
import { findRun, listRuns } from "../catalog/record.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import { AgentsPage } from "./agents_page.tsx";
import { JobPage } from "./job_page.tsx";
import { page } from "./layout.tsx";
import { previewLog } from "./log_preview.ts";
import { RunPage } from "./run_page.tsx";
import { RunsPage } from "./runs_page.tsx";

type Reader = RequestContext<"user">;

const RUNS_PER_PAGE = 50;

export async function runsPage({ url, environment, principal, baseUrl }: Reader): Promise<Response> {
	const after = url.searchParams.get("cursor");
	const [rows, pause] = await Promise.all([
		listRuns(environment.DB, principal.team, { limit: RUNS_PER_PAGE + 1, after, state: null, project: null }),
		dispatcherOf(environment, principal.team).readPause(),
	]);
	const runs = pageOf(rows, RUNS_PER_PAGE, (run) => presentRunSummary(run, baseUrl));
	return page({ title: "Runs", user: principal.name, isLive: true, children: <RunsPage runs={runs} queue={presentQueue(pause)} /> });
}

export async function runPage({ environment, principal, params, baseUrl }: Reader): Promise<Response> {
	const record = await findRun(environment, principal.team, params.id ?? "");
	if (!record) throw notFound("run", params.id ?? "");
	const run = presentRun(record, baseUrl);
	return page({
		title: `${run.pipeline} #${run.number}`,
		user: principal.name,
		isLive: !isTerminal(run.state),
		children: <RunPage run={run} />,
	});
}

export async function jobPage({ url, environment, principal, params }: Reader): Promise<Response> {
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const job = await describeJob(environment, record);
	const number = integerParameter(url, "attempt", { least: 1, most: 1000, fallback: job.attempt });
	const attempt = record.attempts.find((one) => one.number === number);
	const isWaiting = job.state === "blocked" || job.state === "queued" || job.state === "leased";
	const [explanation, log, artifacts] = await Promise.all([
		isWaiting ? explain(environment, record) : null,
		attempt ? previewLog(environment, record, attempt) : null,
		attempt ? presentArtifacts(environment, principal.team, job.id, attempt.id) : [],
	]);
	return page({
		title: job.name,
		user: principal.name,
		isLive: !isTerminal(job.state),
		children: <JobPage job={job} explanation={explanation} log={log} artifacts={artifacts} />,
	});
}

export async function agentsPage({ environment, principal }: Reader): Promise<Response> {
	const agents = await dispatcherOf(environment, principal.team).readAgents();
	return page({ title: "Agents", user: principal.name, isLive: true, children: <AgentsPage agents={agents.map(presentAgent)} /> });
}
