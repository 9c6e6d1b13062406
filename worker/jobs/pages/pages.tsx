import type { ComponentChildren } from "preact";
import { isTerminal } from "../../../schema/wire/states.ts";
import { presentArtifacts } from "../../artifacts/service.ts";
import { usualDurations } from "../../estimates/service.ts";
import { attempt as attemptParameter, oneOf, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { isVisitor } from "../../identity/visitors.ts";
import { beginOfLog, previewLog } from "../../logs/pages/log_preview.ts";
import { LogView } from "../../logs/pages/log_view.tsx";
import { presentRunSummary } from "../../record/present.ts";
import { requireJob, requireRunRow } from "../../record/require.ts";
import { TestResults } from "../../test_results/pages/test_results.tsx";
import { readSummary, testsOfRun } from "../../test_results/service.ts";
import { page } from "../../ui/layout.tsx";
import { wantsUpdates } from "../../ui/live.ts";
import { renderSummary } from "../../ui/markdown.ts";
import { Part } from "../../ui/parts.ts";
import { describeJob, explain } from "../service.ts";
import { JOB_TABS, JobPage, type JobTab } from "./job_page.tsx";
import { ArtifactsView, AttemptsView, DetailsView, Steps, WaitsView } from "./job_views.tsx";
import { ResourcesView } from "./resources_view.tsx";

const FAILURES_SHOWN = 50;

const VIEW = { attempt: attemptParameter, tab: oneOf("the view of the job", JOB_TABS) };

/** GET /jobs/:id */
export async function jobPage(context: RequestContext<"user">): Promise<Response> {
	const { url, environment, principal, params, baseUrl } = context;
	const { team } = principal;
	const record = await requireJob(environment, team, params.id ?? "");
	const { attempt: asked, tab: chosen } = valuesOf(VIEW, url.searchParams);
	const [job, run] = await Promise.all([describeJob(environment, record), requireRunRow(environment, team, record.job.run_id)]);
	const number = asked ?? job.attempt;
	const attempt = record.attempts.find((one) => one.number === number);
	const shownAttempt = job.attempts.find((one) => one.number === number);
	const shown = attempt?.id ?? record.job.result_attempt;
	const isWaiting = job.state === "blocked" || job.state === "queued" || job.state === "leased";
	const [explanation, artifacts, summary, usual] = await Promise.all([
		// What a job waits for may be of other projects, and names all agents.
		(isWaiting || job.state === "cancelling") && !isVisitor(principal) ? explain(environment, record) : null,
		shown ? presentArtifacts(environment, team, job.id, shown) : [],
		shown ? readSummary(environment, team, shown) : null,
		usualDurations(environment.DB, run),
	]);
	const has: Record<JobTab, boolean> = {
		log: attempt !== undefined,
		tests:
			shownAttempt != null &&
			(shownAttempt.tests !== null || shownAttempt.coverage !== null) &&
			shownAttempt.id === record.job.result_attempt,
		waits: true,
		attempts: job.attempts.length > 1,
		resources: shownAttempt?.usage != null,
		artifacts: artifacts.length > 0,
		summary: summary !== null,
		details: true,
	};
	const tabs = JOB_TABS.filter((one) => has[one]);
	const tab = chosen !== null && has[chosen] ? chosen : (tabs[0] ?? "details");
	const view = async (): Promise<ComponentChildren> => {
		if (tab === "waits") return <WaitsView explanation={isWaiting ? explanation : null} job={job} />;
		if (tab === "resources" && shownAttempt?.usage) return <ResourcesView usage={shownAttempt.usage} steps={shownAttempt.steps} />;
		if (tab === "tests") {
			const ofJob = { run, jobs: [record.job], attempts: record.attempts };
			const tests = await testsOfRun(environment, ofJob, { state: "failed", from: 0, count: FAILURES_SHOWN });
			return <TestResults run={presentRunSummary(run, baseUrl)} tests={tests} from={0} />;
		}
		if (tab === "attempts") return <AttemptsView job={job} />;
		if (tab === "artifacts") return <ArtifactsView job={job} artifacts={artifacts} />;
		if (tab === "details") return <DetailsView job={job} />;
		if (tab === "summary") return <article class="card summary" dangerouslySetInnerHTML={{ __html: await renderSummary(summary ?? "") }} />;
		return attempt ? (
			<Part id={`log-${attempt.number}`} hasOwnScript>
				<LogView job={job} log={wantsUpdates(context) ? beginOfLog(attempt) : await previewLog(environment, record, attempt)} />
			</Part>
		) : null;
	};
	return page(context, {
		title: `${job.name} · ${run.project} #${run.number}`,
		state: job.state,
		section: "runs",
		follows: isTerminal(job.state) ? null : { run: run.id },
		children: (
			<JobPage
				job={job}
				run={presentRunSummary(run, baseUrl)}
				reason={job.state === "cancelling" ? (explanation?.summary ?? null) : (job.reason?.text ?? null)}
				usual={usual.jobs.get(job.name) ?? null}
				tabs={tabs}
				tab={tab}
				attempt={number}
			>
				{await view()}
				{tab === "log" && <Steps job={job} />}
			</JobPage>
		),
	});
}
