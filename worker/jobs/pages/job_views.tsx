import { describeRequirements } from "../../../schema/pipeline/validate/requirements.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Artifact, Explanation, Job } from "../../../schema/wire/resources.ts";
import { ArtifactLine } from "../../artifacts/pages/artifact_line.tsx";
import { stepsInLog } from "../../logs/pages/steps_in_log.ts";
import { Part } from "../../ui/parts.ts";
import { State, Took } from "../../ui/words.tsx";

/** Why a job waits, or how long it waited: a sentence, and the first unmet requirement for each agent. */
export function WaitsView({ explanation, job }: { explanation: Explanation | null; job: Job }) {
	const waited = job.queued_at !== null && job.started_at !== null ? Date.parse(job.started_at) - Date.parse(job.queued_at) : null;
	return (
		<Part id="waits">
			{explanation && <p class="reason">{explanation.summary}</p>}
			{explanation && explanation.agents.length > 0 && (
				<ul class="list">
					{explanation.agents.map((agent) => (
						<li key={agent.id}>
							<span class={agent.fits ? "ok" : "soft"}>{agent.fits ? "✓ " : "✗ "}</span>
							<b>{agent.name}</b> {agent.reason}
						</li>
					))}
				</ul>
			)}
			{!explanation && waited !== null && <p>{`It waited ${formatDuration(waited)} for an agent.`}</p>}
			<h2>Requirements</h2>
			<p>{describeRequirements(job.runs_on).join(", ") || "none: any agent"}</p>
		</Part>
	);
}

/** All attempts side by side. */
export function AttemptsView({ job }: { job: Job }) {
	const names = [...new Set(job.attempts.flatMap(({ steps }) => steps.map(({ name }) => name)))];
	return (
		<div class="scroll">
			<table>
				<thead>
					<tr>
						<th scope="col">Attempt</th>
						{job.attempts.map(({ id, number }) => (
							<th key={id} scope="col">
								<a href={`/jobs/${job.id}?attempt=${number}`}>{number}</a>
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					<tr>
						<td>Result</td>
						{job.attempts.map((one) => (
							<td key={one.id}>
								<State state={one.state} /> {one.reason && <div class="soft small wraps">{one.reason.text}</div>}
							</td>
						))}
					</tr>
					<tr>
						<td>Agent</td>
						{job.attempts.map((one) => (
							<td key={one.id}>{one.agent.name}</td>
						))}
					</tr>
					<tr>
						<td>Duration</td>
						{job.attempts.map((one) => (
							<td key={one.id}>
								<Took from={one.started_at} to={one.finished_at} />
							</td>
						))}
					</tr>
					{names.map((name) => (
						<tr key={name}>
							<td>
								<code>{name}</code>
							</td>
							{job.attempts.map((one) => {
								const step = one.steps.find((candidate) => candidate.name === name);
								return (
									<td key={one.id}>
										{step ? (
											<>
												<State state={step.state} /> <Took from={step.started_at} to={step.finished_at} />
											</>
										) : (
											<span class="soft">–</span>
										)}
									</td>
								);
							})}
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

/** The steps that have no place in the log, and for scripts those that have one. */
export function Steps({ job }: { job: Job }) {
	const begun = stepsInLog(job.steps);
	const others = job.steps.filter(({ log_line }) => log_line === null);
	return (
		<Part id="steps">
			<ol class="steps" hidden>
				{begun.map((step, index) => (
					<li key={index} data-line={step.log_line}>
						<State state={step.state} /> <span class="name">{step.name}</span> <Took from={step.started_at} to={step.finished_at} />
					</li>
				))}
			</ol>
			{others.length > 0 && (
				<ul class="plain">
					{others.map((step, index) => (
						<li key={index}>
							<State state={step.state} /> <code>{step.name}</code>
						</li>
					))}
				</ul>
			)}
		</Part>
	);
}

/** Outputs, exit code and times. */
export function DetailsView({ job }: { job: Job }) {
	const outputs = Object.entries(job.outputs ?? {});
	return (
		<>
			{outputs.length > 0 && <h2>Outputs</h2>}
			<dl class="pairs">
				{outputs.map(([name, value]) => (
					<>
						<dt>{name}</dt>
						<dd>
							<code>{value}</code>
						</dd>
					</>
				))}
			</dl>
			<h2>Job</h2>
			<dl class="pairs">
				<dt>Id</dt>
				<dd>
					<code>{job.id}</code>
				</dd>
				<dt>Key</dt>
				<dd>
					<code>{job.key}</code>
				</dd>
				{job.needs.length > 0 && (
					<>
						<dt>Needs</dt>
						<dd>{job.needs.join(", ")}</dd>
					</>
				)}
				<Moment name="Created" at={job.created_at} />
				<Moment name="Queued" at={job.queued_at} />
				<Moment name="Started" at={job.started_at} />
				<Moment name="Ended" at={job.finished_at} />
			</dl>
		</>
	);
}

function Moment({ name, at }: { name: string; at: string | null }) {
	if (at === null) return null;
	return (
		<>
			<dt>{name}</dt>
			<dd>
				<time dateTime={at}>{`${at.slice(0, 19).replace("T", " ")} UTC`}</time>
			</dd>
		</>
	);
}

/** The names of artifacts in alphabetical order; null, for artifacts without a name, comes last. */
function namesOf(artifacts: readonly Artifact[]): (string | null)[] {
	const names = new Set(artifacts.map(({ name }) => name).sort((a, b) => (a ?? "").localeCompare(b ?? "")));
	return names.delete(null) ? [...names, null] : [...names];
}

/** The files of a job, by the names of their entries. */
export function ArtifactsView({ job, artifacts }: { job: Job; artifacts: readonly Artifact[] }) {
	const isAny = artifacts.some(({ expired_at }) => expired_at === null);
	return (
		<>
			{isAny && (
				<p class="right">
					<a href={`/api/v1/jobs/${job.id}/artifacts.zip`} download>
						all as zip
					</a>
				</p>
			)}
			{namesOf(artifacts).map((name) => (
				<NamedArtifacts key={name} job={job} name={name} artifacts={artifacts.filter((one) => one.name === name)} />
			))}
		</>
	);
}

/** The artifacts with one name, or without a name. */
function NamedArtifacts({ job, name, artifacts }: { job: Job; name: string | null; artifacts: readonly Artifact[] }) {
	return (
		<>
			{name !== null && (
				<div class="row">
					<h2 class="grow">{name}</h2>
					{artifacts.some(({ expired_at }) => expired_at === null) && (
						<a href={`/api/v1/jobs/${job.id}/artifacts.zip?name=${encodeURIComponent(name)}`} download>
							{name} as zip
						</a>
					)}
				</div>
			)}
			<ul class="list artifacts">
				{artifacts.map((artifact) => (
					<li key={artifact.path}>
						<ArtifactLine artifact={artifact} />
					</li>
				))}
			</ul>
		</>
	);
}
