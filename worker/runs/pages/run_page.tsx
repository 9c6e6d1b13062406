import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, Run, RunSummary, RunTests } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { awaitsApproval, Gate, RunGate } from "../../approvals/pages/approval.tsx";
import { TestResults } from "../../test_results/pages/test_results.tsx";
import { Ago, CancelButton, State, Took } from "../../ui/words.tsx";
import { JobGraph } from "./job_graph.tsx";
import { RunTimeline } from "./run_timeline.tsx";
import { RunTable, Source } from "./runs_page.tsx";
import type { Move } from "./timeline_bars.ts";

interface RunPageProps {
	run: Run;
	/** How long runs of this pipeline take that succeed, in milliseconds; null if nobody knows. */
	usualMs: number | null;
	/** When its jobs were queued and offered, by job. */
	moves: ReadonlyMap<string, readonly Move[]>;
	/** What its queued jobs wait for, by job. */
	waits: Readonly<Record<string, string>>;
	/** What jobs say of themselves, as HTML. */
	summaries: { job: Job; html: string }[];
	tests: RunTests | null;
	/** How many of its failed tests are passed over. */
	failedFrom: number;
	/** Runs that repeat this one. */
	reruns: RunSummary[];
	/** Of a discovery run: the runs that it has made. */
	discovered: RunSummary[];
	/** Whether its pipeline names somebody who is told of it. */
	isTelling: boolean;
}

/** One run: its state, the graph of its jobs, when they ran, what they say of themselves, their tests, and each job. */
export function RunPage({ run, usualMs, moves, waits, summaries, tests, failedFrom, reruns, discovered, isTelling }: RunPageProps) {
	const gates = run.jobs.filter(awaitsApproval);
	return (
		<section id="run" data-refresh>
			<div class="title">
				<h1>
					{run.pipeline} <span class="muted">{`${run.project} #${run.number}`}</span>
				</h1>
				<CancelButton action={`/runs/${run.id}/cancel`} what="run" state={run.state} />
				{isTerminal(run.state) && <EndedActions run={run} isTelling={isTelling} />}
			</div>
			<p class="facts">
				<State state={run.state} />
				<span>
					<Took from={run.started_at} to={run.finished_at} />
					<Left run={run} usualMs={usualMs} />
				</span>
				{run.warnings > 0 && <span class="state errored">{`${run.warnings} allowed to fail`}</span>}
				<span>
					submitted <Ago at={run.created_at} /> by {run.trigger.actor}
				</span>
				<Source run={run} />
				{run.pull_request !== null && <span>{`pull request #${run.pull_request}`}</span>}
				{run.file && <code>{run.file}</code>}
				{run.discovered_by && <a href={`/runs/${run.discovered_by}`}>its discovery run</a>}
				{run.rerun_of && <a href={`/runs/${run.rerun_of}`}>repeats an earlier run</a>}
				{reruns.map((again) => (
					<a key={again.id} href={`/runs/${again.id}`}>{`repeated as #${again.number}`}</a>
				))}
			</p>
			<Parameters run={run} />
			{run.reason && <p class="reason">{run.reason.text}</p>}
			<RunGate run={run} />
			{run.kind !== "pipeline" && <DiscoveredRuns run={run} discovered={discovered} />}
			{gates.map((job) => (
				<div key={job.id} class="reason gate-call">
					<a href={`/jobs/${job.id}`}>
						<strong>{job.name}</strong>
					</a>{" "}
					{job.reason?.text}
					<Gate job={job} />
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
					{run.jobs.map((job) => (
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
		</section>
	);
}

/** What a discovery job has found: the runs that it has made, and what was not to be run, with the reason. */
function DiscoveredRuns({ run, discovered }: { run: Run; discovered: RunSummary[] }) {
	const left = Object.entries(run.jobs[0]?.outputs ?? {}).filter(([, text]) => !text.startsWith("run_"));
	if (discovered.length === 0 && left.length === 0) return null;
	return (
		<>
			<h2>What is to be run</h2>
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

function EndedActions({ run, isTelling }: { run: Run; isTelling: boolean }) {
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
			{isTelling && (
				<form method="post" action={`/runs/${run.id}/notify`}>
					<button type="submit" class="quiet" title="All whom its pipeline names are told once more, marked as a test">
						Test notifications
					</button>
				</form>
			)}
			<form method="post" action={`/runs/${run.id}/delete`}>
				<button type="submit" class="quiet" title="The run goes with its logs and artifacts">
					Delete run
				</button>
			</form>
		</div>
	);
}

/** How long a run that goes on will take, if it takes as long as others before it. */
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
