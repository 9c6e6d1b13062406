import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, Run } from "../../../schema/wire/resources.ts";
import { type Bar, barsOf, type Move } from "./timeline_bars.ts";

/**
 * When each job of a run waited, was offered and ran its steps: a row per job, on one time scale.
 */

const WIDTH = 1000;
const LABEL = 190;
const ROW = 22;
const BAR = 12;
const MAX_ROWS = 100;
const TICKS = 5;

interface TimelineProps {
	run: Run;
	/** By job. */
	moves: ReadonlyMap<string, readonly Move[]>;
}

/** Converts a moment to a position on the scale. */
type Scale = (at: number) => number;

export function RunTimeline({ run, moves }: TimelineProps) {
	const begun = run.jobs.filter((job) => job.started_at !== null || job.queued_at !== null);
	const jobs = begun.slice(0, MAX_ROWS);
	if (jobs.length === 0) return null;
	const now = Date.now();
	const from = Date.parse(run.created_at);
	const span = Math.max(1, (run.finished_at === null ? now : Date.parse(run.finished_at)) - from);
	const scale: Scale = (at) => LABEL + ((WIDTH - LABEL) * Math.min(span, Math.max(0, at - from))) / span;
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
					<Row key={job.id} job={job} bars={barsOf(job, moves.get(job.id) ?? [], now)} y={index * ROW} scale={scale} />
				))}
			</svg>
			{begun.length > jobs.length && <p class="muted small">{`and ${begun.length - jobs.length} more jobs`}</p>}
		</details>
	);
}

function Row({ job, bars, y, scale }: { job: Job; bars: readonly Bar[]; y: number; scale: Scale }) {
	const top = y + (ROW - BAR) / 2;
	const name = job.name.length > 24 ? `${job.name.slice(0, 23)}…` : job.name;
	return (
		<g>
			<a href={`/jobs/${job.id}`}>
				<text x={0} y={y + ROW / 2 + 5}>
					{name}
				</text>
			</a>
			{bars.map((bar, index) => (
				<g key={index}>
					<rect
						class={bar.kind === "ran" ? `ran ${bar.attempt.state}` : bar.kind}
						x={scale(bar.from)}
						y={top}
						width={Math.max(1.5, scale(bar.to) - scale(bar.from))}
						height={BAR}
					>
						<title>{titleOf(job, bar)}</title>
					</rect>
					{bar.kind === "ran" && <Steps job={job} bar={bar} y={top + BAR - 3} scale={scale} />}
				</g>
			))}
		</g>
	);
}

function Steps({ job, bar, y, scale }: { job: Job; bar: Extract<Bar, { kind: "ran" }>; y: number; scale: Scale }) {
	return (
		<>
			{bar.attempt.steps.map((step, index) => {
				if (step.started_at === null) return null;
				const from = scale(Date.parse(step.started_at));
				const to = scale(step.finished_at === null ? bar.to : Date.parse(step.finished_at));
				return (
					<rect key={index} class="step" x={from} y={y} width={Math.max(1, to - from - 1)} height={3}>
						<title>{`${job.name} › ${step.name}: ${step.state}`}</title>
					</rect>
				);
			})}
		</>
	);
}

function titleOf(job: Job, bar: Bar): string {
	const took = formatDuration(bar.to - bar.from);
	switch (bar.kind) {
		case "waited":
			return `${job.name}: blocked or waiting for a retry, ${took}`;
		case "queued":
			return `${job.name}: waited for an agent, ${took}`;
		case "offered":
			return `${job.name}: offered to an agent, ${took}`;
		case "ran":
			return `${job.name}, attempt ${bar.attempt.number}: ${bar.attempt.state}, ${took}`;
	}
}
