import type { Failure } from "../../../schema/wire/failures.ts";
import type { Job, Run, RunSummary } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { awaitsApproval, JobApproval, RunApproval } from "../../approvals/pages/approval.tsx";
import { CachesOfRun } from "../../caches/pages/cache_uses.tsx";
import { FailureView } from "../../failures/pages/failure_view.tsx";
import { Annotations } from "../../jobs/pages/annotations.tsx";
import type { RunWait } from "../../queue/core/runs/explain.ts";
import { Part } from "../../ui/parts.ts";
import { counted } from "../../ui/words.tsx";
import { type RunArtifact, RunArtifacts } from "./run_artifacts.tsx";
import { RunList } from "./run_list.tsx";

interface OverviewProps {
	run: Run;
	failure: Failure | null;
	/** Why the run does not go on. */
	wait: RunWait | null;
	/** The summaries of its jobs, as HTML. */
	summaries: readonly { job: Job; html: string }[];
	artifacts: readonly RunArtifact[];
	/** For a discovery run: the runs that it created. */
	discovered: readonly RunSummary[];
}

/** What a reader of the run needs first. */
export function RunOverview({ run, failure, wait, summaries, artifacts, discovered }: OverviewProps) {
	const asked = run.jobs.filter(awaitsApproval);
	return (
		<>
			<RunApproval run={run} />
			{asked.map((job) => (
				<div key={job.id} class="reason row">
					<span class="grow">
						<a href={`/jobs/${job.id}`}>
							<b>{job.name}</b>
						</a>{" "}
						{job.reason?.text}
					</span>
					<JobApproval job={job} />
				</div>
			))}
			{wait && asked.length === 0 && <p class="reason">{wait.text}</p>}
			{failure && <FailureView failure={failure} />}
			{run.kind !== "pipeline" && <DiscoveredRuns run={run} discovered={discovered} />}
			{!isTerminal(run.state) && run.jobs.length > 1 && <Progress jobs={run.jobs} />}
			<Annotations jobs={run.jobs} hasLinks />
			<CachesOfRun jobs={run.jobs} />
			{summaries.map(({ job, html }) => (
				<article key={job.id} class="card summary">
					<h2>{job.name}</h2>
					<div dangerouslySetInnerHTML={{ __html: html }} />
				</article>
			))}
			{artifacts.length > 0 && <RunArtifacts run={run} artifacts={artifacts} isShort />}
			<Details run={run} />
			{isTerminal(run.state) && !failure && run.jobs.length === 0 && <p class="empty">The run has no jobs.</p>}
		</>
	);
}

/** How far a run is, in a line: the list of jobs has the rest. */
function Progress({ jobs }: { jobs: readonly Job[] }) {
	const count = (test: (job: Job) => boolean) => jobs.filter(test).length;
	const ended = count(({ state }) => isTerminal(state));
	const running = count(({ state }) => state === "running" || state === "cancelling");
	const parts = [
		`${ended} of ${counted(jobs.length, "job")} ended`,
		running > 0 && `${running} running`,
		`${jobs.length - ended - running} waiting`,
	];
	return (
		<Part id="progress" as="p" class="soft">
			{`${parts.filter(Boolean).join(", ")}.`}
		</Part>
	);
}

/** Parameters, commit and the other inputs. */
function Details({ run }: { run: Run }) {
	const params = Object.entries(run.params);
	const source = run.source === null ? null : "git" in run.source ? run.source.git : `upload ${run.source.upload}`;
	return (
		<details class="details" open={params.length > 0}>
			<summary>
				<b>Inputs</b>
			</summary>
			<dl class="pairs params">
				{params.map(([name, value]) => (
					<>
						<dt>{name}</dt>
						<dd>
							<code>{String(value)}</code>
						</dd>
					</>
				))}
				{run.commit && (
					<>
						<dt>Commit</dt>
						<dd>
							<code>{run.commit.sha}</code>
							<div class="wraps">{run.commit.message.trim()}</div>
							<div class="soft">{run.commit.author}</div>
						</dd>
					</>
				)}
				{source !== null && (
					<>
						<dt>Source</dt>
						<dd>{source}</dd>
					</>
				)}
				{run.file !== null && (
					<>
						<dt>File</dt>
						<dd>
							<code>{run.file}</code>
						</dd>
					</>
				)}
				<dt>Run</dt>
				<dd>
					<code>{run.id}</code>
				</dd>
				{run.priority !== 0 && (
					<>
						<dt>Priority</dt>
						<dd>{run.priority}</dd>
					</>
				)}
			</dl>
		</details>
	);
}

/**
 * The result of a discovery job: the created runs, and the files that do not run, with the reason.
 */
function DiscoveredRuns({ run, discovered }: { run: Run; discovered: readonly RunSummary[] }) {
	const left = Object.entries(run.jobs[0]?.outputs ?? {}).filter(([, text]) => !text.startsWith("run_"));
	if (discovered.length === 0 && left.length === 0) return null;
	return (
		<>
			<h2>Discovered runs</h2>
			{discovered.length > 0 && <RunList runs={discovered} waits={{}} />}
			<ul class="soft">
				{left.map(([file, why]) => (
					<li key={file}>
						<code>{file}</code> {why}
					</li>
				))}
			</ul>
		</>
	);
}
