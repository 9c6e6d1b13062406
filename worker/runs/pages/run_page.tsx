import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, Run, RunSummary, RunTests } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { awaitsApproval, JobApproval, RunApproval } from "../../approvals/pages/approval.tsx";
import { TestResults } from "../../test_results/pages/test_results.tsx";
import { Ago, CancelButton, State, Took } from "../../ui/words.tsx";
import { JobGraph } from "./job_graph.tsx";
import { RunTimeline } from "./run_timeline.tsx";
import { RunTable, Source } from "./runs_page.tsx";
import type { Move } from "./timeline_bars.ts";

interface RunPageProps {
	run: Run;
	/** The usual duration of successful runs of this pipeline, in milliseconds; null if unknown. */
	usualMs: number | null;
	/** When its jobs were queued and offered, by job. */
	moves: ReadonlyMap<string, readonly Move[]>;
	/** Why its queued jobs wait, by job. */
	waits: Readonly<Record<string, string>>;
	/** The summaries of its jobs, as HTML. */
	summaries: { job: Job; html: string }[];
	tests: RunTests | null;
	/** The number of failed tests to skip. */
	failedFrom: number;
	/** Reruns of this run. */
	reruns: RunSummary[];
	/** For a discovery run: the runs that it created. */
	discovered: RunSummary[];
	/** Whether its pipeline has notifications. */
	hasNotifications: boolean;
}

/** A run: its state, its job graph, its timeline, summaries, tests, and each job. */
export function RunPage({ run, usualMs, moves, waits, summaries, tests, failedFrom, reruns, discovered, hasNotifications }: RunPageProps) {
	const waitingJobs = run.jobs.filter(awaitsApproval);
	return (
		<section id="run" data-refresh>
			<div class="title">
				<h1>
					{run.pipeline} <span class="muted">{`${run.project} #${run.number}`}</span>
				</h1>
				<CancelButton action={`/runs/${run.id}/cancel`} what="run" state={run.state} />
				{isTerminal(run.state) && <EndedActions run={run} hasNotifications={hasNotifications} />}
			</div>
			<p class="facts">
				<State state={run.state} />
				{run.started_at !== null && (
					<span>
						<Took from={run.started_at} to={run.finished_at} />
						<Left run={run} usualMs={usualMs} />
					</span>
				)}
				{run.warnings > 0 && <span class="state errored">{`${run.warnings} allowed to fail`}</span>}
				<span>
					submitted <Ago at={run.created_at} /> by {run.trigger.actor}
				</span>
				{run.source && <Source run={run} />}
				{run.pull_request !== null && <span>{`pull request #${run.pull_request}`}</span>}
				{run.file && <code>{run.file}</code>}
				{run.discovered_by && <a href={`/runs/${run.discovered_by}`}>its discovery run</a>}
				{run.rerun_of && <a href={`/runs/${run.rerun_of}`}>rerun of an earlier run</a>}
				{reruns.map((again) => (
					<a key={again.id} href={`/runs/${again.id}`}>{`rerun as #${again.number}`}</a>
				))}
			</p>
			<Parameters run={run} />
			{run.reason && <p class="reason">{run.reason.text}</p>}
			<RunApproval run={run} />
			{run.kind !== "pipeline" && <DiscoveredRuns run={run} discovered={discovered} />}
			{waitingJobs.map((job) => (
				<div key={job.id} class="reason approval-call">
					<a href={`/jobs/${job.id}`}>
						<strong>{job.name}</strong>
					</a>{" "}
					{job.reason?.text}
					<JobApproval job={job} />
				</div>
			))}
			<JobGraph jobs={run.jobs} />
			<RunTimeline run={run} moves={moves} />
			{tests && <TestResults run={run} tests={tests} from={failedFrom} />}
			{summaries.map(({ job, html }) => (
				<article key={job.id} class="summary">
					<h2>{job.name}</h2>
					<div dangerouslySetInnerHTML={{ __html: html }} />
				</article>
			))}
			{run.jobs.length > 0 && <JobTable jobs={run.jobs} waits={waits} />}
		</section>
	);
}

/** Each job with its state, its agent and its duration. */
function JobTable({ jobs, waits }: { jobs: Job[]; waits: RunPageProps["waits"] }) {
	return (
		<table>
			<thead>
				<tr>
					<th>Job</th>
					<th>State</th>
					<th>Agent</th>
					<th>Took</th>
				</tr>
			</thead>
			<tbody>
				{jobs.map((job) => (
					<tr key={job.id} id={`job-${job.id}`}>
						<td>
							<a href={`/jobs/${job.id}`}>
								<strong>{job.name}</strong>
							</a>
							{job.needs.length > 0 && <div class="muted small">needs {job.needs.join(", ")}</div>}
						</td>
						<td>
							<State state={job.state} />
							{job.allow_failure && <span class="muted small"> may fail</span>}
							{job.reason && <div class="muted small">{job.reason.text}</div>}
							{waits[job.id] && <div class="muted small">{waits[job.id]}</div>}
						</td>
						<td>
							{job.attempts.at(-1)?.agent.name ?? "–"}
							{job.attempt > 1 && <span class="muted"> attempt {job.attempt}</span>}
						</td>
						<td>
							<Took from={job.started_at} to={job.finished_at} />
						</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

/**
 * The result of a discovery job: the created runs, and the files that do not run, with the reason.
 */
function DiscoveredRuns({ run, discovered }: { run: Run; discovered: RunSummary[] }) {
	const left = Object.entries(run.jobs[0]?.outputs ?? {}).filter(([, text]) => !text.startsWith("run_"));
	if (discovered.length === 0 && left.length === 0) return null;
	return (
		<>
			<h2>Discovered runs</h2>
			{discovered.length > 0 && <RunTable runs={discovered} />}
			<ul class="muted">
				{left.map(([file, why]) => (
					<li key={file}>
						<code>{file}</code> {why}
					</li>
				))}
			</ul>
		</>
	);
}

function EndedActions({ run, hasNotifications }: { run: Run; hasNotifications: boolean }) {
	const hasMore = run.jobs.some((job) => job.state !== "succeeded");
	return (
		<div class="actions">
			<form method="post" action={`/runs/${run.id}/rerun`}>
				<button type="submit">Rerun</button>
			</form>
			{hasMore && (
				<form method="post" action={`/runs/${run.id}/rerun-failed`}>
					<button type="submit">Rerun failed</button>
				</form>
			)}
			{hasNotifications && (
				<form method="post" action={`/runs/${run.id}/notify`}>
					<button type="submit" class="quiet" title="Send all notifications of this pipeline again, marked as a test">
						Test notifications
					</button>
				</form>
			)}
			<form method="post" action={`/runs/${run.id}/delete`}>
				<button type="submit" class="quiet" title="Delete the run, its logs and its artifacts">
					Delete run
				</button>
			</form>
		</div>
	);
}

/** How long a running run will still take, if it takes the usual time. */
function Left({ run, usualMs }: { run: Run; usualMs: number | null }) {
	if (run.started_at === null || run.finished_at !== null || usualMs === null) return null;
	const left = usualMs - (Date.now() - Date.parse(run.started_at));
	return <span class="muted">{left > 0 ? ` · about ${formatDuration(left)} left` : ` · usually takes ${formatDuration(usualMs)}`}</span>;
}

function Parameters({ run }: { run: Run }) {
	const entries = Object.entries(run.params);
	if (entries.length === 0) return null;
	return (
		<p class="facts params">
			{entries.map(([name, value]) => (
				<span key={name}>
					<span class="muted">{name}</span> <code>{String(value)}</code>
				</span>
			))}
		</p>
	);
}
