import { formatDuration } from "../../schema/wire/duration.ts";
import type { Job, Run } from "../../schema/wire/resources.ts";

/** When the jobs of a run waited, for what, and when their steps ran: a bar for each job, on one scale. */

const WIDTH = 1000;
const LABEL = 190;
const ROW = 22;
const BAR = 12;
const MAX_ROWS = 100;
const TICKS = 5;

export function RunTimeline({ run }: { run: Run }) {
	const jobs = run.jobs.filter((job) => job.started_at !== null || job.queued_at !== null).slice(0, MAX_ROWS);
	if (jobs.length === 0) return null;
	const from = Date.parse(run.created_at);
	const to = run.finished_at === null ? Date.now() : Date.parse(run.finished_at);
	const span = Math.max(1, to - from);
	const at = (time: string | null) =>
		LABEL + ((WIDTH - LABEL) * Math.min(span, Math.max(0, (time === null ? to : Date.parse(time)) - from))) / span;
	const height = jobs.length * ROW + 24;
	return (
		<details class="timeline" open={jobs.length > 1}>
			<summary>Timeline</summary>
			<svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label="When each job waited and ran">
				{Array.from({ length: TICKS }, (_, index) => {
					const x = LABEL + ((WIDTH - LABEL) * index) / (TICKS - 1);
					return (
						<g key={index} class="tick">
							<line x1={x} x2={x} y1={0} y2={height - 18} />
							<text x={x} y={height - 4} text-anchor={index === 0 ? "start" : index === TICKS - 1 ? "end" : "middle"}>
								{formatDuration((span * index) / (TICKS - 1))}
							</text>
						</g>
					);
				})}
				{jobs.map((job, index) => (
					<Row key={job.id} job={job} y={index * ROW} at={at} />
				))}
			</svg>
		</details>
	);
}

function Row({ job, y, at }: { job: Job; y: number; at: (time: string | null) => number }) {
	const top = y + (ROW - BAR) / 2;
	const begin = job.started_at ?? job.finished_at;
	const bar = (from: number, to: number, kind: string, title: string) => (
		<rect class={kind} x={from} y={top} width={Math.max(1.5, to - from)} height={BAR}>
			<title>{title}</title>
		</rect>
	);
	const name = job.name.length > 24 ? `${job.name.slice(0, 23)}…` : job.name;
	return (
		<g>
			<a href={`/jobs/${job.id}`}>
				<text x={0} y={y + ROW / 2 + 5}>
					{name}
				</text>
			</a>
			{bar(at(job.created_at), at(job.queued_at), "waited", `${job.name}: waited for other jobs`)}
			{job.queued_at !== null && bar(at(job.queued_at), at(begin), "queued", `${job.name}: waited for an agent`)}
			{job.started_at !== null && bar(at(job.started_at), at(job.finished_at), `ran ${job.state}`, `${job.name}: ${job.state}`)}
			{job.steps.map((step, index) =>
				step.started_at === null ? null : (
					<rect
						key={index}
						class="step"
						x={at(step.started_at)}
						y={top + BAR - 3}
						width={Math.max(1, at(step.finished_at) - at(step.started_at) - 1)}
						height={3}
					>
						<title>{`${job.name} › ${step.name}: ${step.state}`}</title>
					</rect>
				),
			)}
		</g>
	);
}
