import { isTerminal } from "../../../schema/wire/states.ts";
import { presentArtifacts } from "../../artifacts/service.ts";
import { attempt as attemptParameter, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { previewLog } from "../../logs/pages/log_preview.ts";
import { requireJob } from "../../record/require.ts";
import { readSummary } from "../../test_results/service.ts";
import { page } from "../../ui/layout.tsx";
import { renderSummary } from "../../ui/markdown.ts";
import { describeJob, explain } from "../service.ts";
import { JobPage } from "./job_page.tsx";

type Reader = RequestContext<"user">;

export async function jobPage({ url, environment, principal, params }: Reader): Promise<Response> {
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const job = await describeJob(environment, record);
	const number = valuesOf({ attempt: attemptParameter }, url.searchParams).attempt ?? job.attempt;
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
