import type { Artifact, Explanation, Job } from "../../schema/wire/resources.ts";
import { LogLines } from "./log_lines.tsx";
import { CancelButton, State, size, Took } from "./words.tsx";

/** The beginning of a log, as a page shows it before any script has run. */
export interface LogPreview {
	attempt: number;
	lines: string[];
	/** Where the rest begins; null if there is no rest and none will come. */
	nextOffset: number | null;
}

interface JobPageProps {
	job: Job;
	explanation: Explanation | null;
	log: LogPreview | null;
	artifacts: Artifact[];
}

/** One job: why it waits or how it ended, its steps, its files and its log. */
export function JobPage({ job, explanation, log, artifacts }: JobPageProps) {
	return (
		<section>
			<div id="job" data-refresh>
				<p class="crumbs">
					<a href={`/runs/${job.run_id}`}>← run</a>
				</p>
				<div class="title">
					<h1>{job.name}</h1>
					<CancelButton action={`/jobs/${job.id}/cancel`} what="job" state={job.state} />
				</div>
				<p class="facts">
					<State state={job.state} />
					<span>
						<Took from={job.started_at} to={job.finished_at} />
					</span>
					{job.attempts.length > 0 && <span>on {job.attempts.at(-1)?.agent.name}</span>}
					{job.exit_code !== null && job.exit_code !== 0 && <span>exit code {job.exit_code}</span>}
				</p>
				{job.reason && <p class="reason">{job.reason.text}</p>}
				{explanation && <Explain explanation={explanation} />}
				<Attempts job={job} shown={log?.attempt ?? null} />
				<Steps job={job} />
				<Artifacts artifacts={artifacts} />
			</div>
			{log && <Log job={job} log={log} />}
		</section>
	);
}

function Explain({ explanation }: { explanation: Explanation }) {
	return (
		<div class="explain">
			<p>
				{explanation.summary}
				{explanation.position !== null && explanation.position > 1 && ` ${explanation.position - 1} before it in its lane.`}
			</p>
			{explanation.agents.length > 0 && (
				<ul>
					{explanation.agents.map((agent) => (
						<li key={agent.id}>
							<strong>{agent.name}</strong> {agent.reason}
						</li>
					))}
				</ul>
			)}
		</div>
	);
}

function Attempts({ job, shown }: { job: Job; shown: number | null }) {
	if (job.attempts.length < 2) return null;
	return (
		<ul class="attempts">
			{job.attempts.map((attempt) => (
				<li key={attempt.id} class={attempt.number === shown ? "shown" : ""}>
					<a href={`/jobs/${job.id}?attempt=${attempt.number}`}>Attempt {attempt.number}</a>{" "}
					<span class="muted">
						{attempt.state} on {attempt.agent.name}
						{attempt.reason && `: ${attempt.reason.text}`}
					</span>
				</li>
			))}
		</ul>
	);
}

function Steps({ job }: { job: Job }) {
	if (job.steps.length === 0) return null;
	return (
		<ol class="steps">
			{job.steps.map((step, index) => (
				<li key={index}>
					<State state={step.state} /> <span class="name">{step.name}</span> <Took from={step.started_at} to={step.finished_at} />
				</li>
			))}
		</ol>
	);
}

function Artifacts({ artifacts }: { artifacts: Artifact[] }) {
	if (artifacts.length === 0) return null;
	return (
		<>
			<h2>Artifacts</h2>
			<ul class="artifacts">
				{artifacts.map((artifact) => (
					<li key={artifact.path}>
						<a href={artifact.url} download>
							{artifact.path}
						</a>{" "}
						<span class="muted">{size(artifact.size)}</span>
					</li>
				))}
			</ul>
		</>
	);
}

function Log({ job, log }: { job: Job; log: LogPreview }) {
	const address = `/api/v1/jobs/${job.id}/log?attempt=${log.attempt}`;
	const isMore = log.nextOffset !== null;
	return (
		<>
			<div class="title">
				<h2>Log</h2>
				<a href={address}>as text</a>
			</div>
			<ol
				class="log"
				id="log"
				data-stream={
					isMore ? `/jobs/${job.id}/lines?attempt=${log.attempt}&offset=${log.nextOffset}&number=${log.lines.length + 1}` : undefined
				}
			>
				<LogLines lines={log.lines} firstNumber={1} />
			</ol>
			{isMore && (
				<noscript>
					<p>
						There is more: <a href={address}>the whole log</a>.
					</p>
				</noscript>
			)}
			<p id="log-end" class="muted" aria-live="polite" />
		</>
	);
}
