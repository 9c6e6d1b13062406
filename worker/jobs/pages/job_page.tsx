import type { Artifact, Explanation, Job } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { JobApproval } from "../../approvals/pages/approval.tsx";
import { type LogPreview, LogView } from "../../logs/pages/log_view.tsx";
import { CancelButton, State, size, Took } from "../../ui/words.tsx";

interface JobPageProps {
	job: Job;
	explanation: Explanation | null;
	log: LogPreview | null;
	artifacts: Artifact[];
	/** The summary of the job, as HTML; null if it has none. */
	summary: string | null;
}

/** A job: why it waits or how it ended, its steps, artifacts and log. */
export function JobPage({ job, explanation, log, artifacts, summary }: JobPageProps) {
	return (
		<section>
			<div id="job" data-refresh>
				<p class="crumbs">
					<a href={`/runs/${job.run_id}`}>← run</a>
				</p>
				<div class="title">
					<h1>{job.name}</h1>
					<CancelButton action={`/jobs/${job.id}/cancel`} what="job" state={job.state} />
					<JobApproval job={job} />
					{isTerminal(job.state) && (
						<form method="post" action={`/jobs/${job.id}/rerun`}>
							<button type="submit" title="This job, and those that need it, in a new run">
								Rerun job
							</button>
						</form>
					)}
				</div>
				<p class="facts">
					<State state={job.state} />
					{job.started_at !== null && (
						<span>
							<Took from={job.started_at} to={job.finished_at} />
						</span>
					)}
					{job.attempts.length > 0 && <span>on {job.attempts.at(-1)?.agent.name}</span>}
					{job.exit_code !== null && job.exit_code !== 0 && <span>exit code {job.exit_code}</span>}
					{job.allow_failure && <span class="muted">may fail</span>}
					{job.approved_by && <span class="muted">{`approved by ${job.approved_by}`}</span>}
					{Object.entries(job.matrix ?? {}).map(([axis, value]) => (
						<span key={axis}>
							<span class="muted">{axis}</span> <code>{value}</code>
						</span>
					))}
				</p>
				{job.reason && <p class="reason">{job.reason.text}</p>}
				{explanation && <Explain explanation={explanation} />}
				<Attempts job={job} shown={log?.attempt ?? null} />
				<Steps job={job} />
				<Outputs job={job} />
				{summary !== null && (
					<article class="summary">
						<div dangerouslySetInnerHTML={{ __html: summary }} />
					</article>
				)}
				<Artifacts job={job} artifacts={artifacts} />
			</div>
			{log && <LogView job={job} log={log} />}
		</section>
	);
}

function Explain({ explanation }: { explanation: Explanation }) {
	return (
		<div class="explain">
			<p>
				{explanation.summary}
				{explanation.position !== null && explanation.position > 1 && ` Position ${explanation.position} in its queue partition.`}
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
				<li key={index} data-line={step.log_line ?? undefined}>
					<State state={step.state} /> <span class="name">{step.name}</span> <Took from={step.started_at} to={step.finished_at} />
				</li>
			))}
		</ol>
	);
}

function Outputs({ job }: { job: Job }) {
	const entries = Object.entries(job.outputs ?? {});
	if (entries.length === 0) return null;
	return (
		<>
			<h2>Outputs</h2>
			<dl class="outputs">
				{entries.map(([name, value]) => (
					<>
						<dt>{name}</dt>
						<dd>
							<code>{value}</code>
						</dd>
					</>
				))}
			</dl>
		</>
	);
}

/** The names of artifacts in alphabetical order; null, for artifacts without a name, comes last. */
function namesOf(artifacts: readonly Artifact[]): (string | null)[] {
	const names = new Set(artifacts.map(({ name }) => name).sort((a, b) => (a ?? "").localeCompare(b ?? "")));
	return names.delete(null) ? [...names, null] : [...names];
}

/** The artifacts with one name, or without a name. */
function NamedArtifacts({ job, name, artifacts }: { job: Job; name: string | null; artifacts: Artifact[] }) {
	return (
		<>
			{name !== null && (
				<div class="title">
					<h3>{name}</h3>
					{artifacts.some(({ expired_at }) => expired_at === null) && (
						<a href={`/api/v1/jobs/${job.id}/artifacts.zip?name=${encodeURIComponent(name)}`} download>
							{name} as zip
						</a>
					)}
				</div>
			)}
			<ul class="artifacts">
				{artifacts.map((artifact) => (
					<li key={artifact.path}>
						{artifact.expired_at === null ? (
							<a href={artifact.url} download>
								{artifact.path}
							</a>
						) : (
							<s title={`expired and deleted at ${artifact.expired_at}`}>{artifact.path}</s>
						)}{" "}
						<span class="muted">
							{size(artifact.size)}
							{artifact.expired_at !== null && ", expired"}
							{artifact.expired_at === null && artifact.expires_at !== null && (
								<>
									, expires <time dateTime={artifact.expires_at}>{artifact.expires_at.slice(0, 16).replace("T", " ")} UTC</time>
								</>
							)}
						</span>
					</li>
				))}
			</ul>
		</>
	);
}

function Artifacts({ job, artifacts }: { job: Job; artifacts: Artifact[] }) {
	if (artifacts.length === 0) return null;
	return (
		<>
			<div class="title">
				<h2>Artifacts</h2>
				{artifacts.some(({ expired_at }) => expired_at === null) && (
					<a href={`/api/v1/jobs/${job.id}/artifacts.zip`} download>
						all as zip
					</a>
				)}
			</div>
			{namesOf(artifacts).map((name) => (
				<NamedArtifacts job={job} name={name} artifacts={artifacts.filter((one) => one.name === name)} />
			))}
		</>
	);
}
