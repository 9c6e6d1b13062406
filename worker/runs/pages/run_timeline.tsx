import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, Run } from "../../../schema/wire/resources.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import { counted, Took } from "../../ui/words.tsx";
import { type Bar, barsOf, type Move } from "./timeline_bars.ts";

/**
 * When each job of a run waited, was offered and ran its steps: a row per job, on one time scale.
 */

const WIDTH = 1000;
const BAR = 12;
const MAX_ROWS = 200;
const LEGEND = [
	["queued", "waited for an agent"],
	["offered", "starting"],
	["ok", "succeeded"],
	["bad", "failed"],
	["run", "running"],
] as const;

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
	if (jobs.length === 0) return <p class="empty">No job has begun.</p>;
	const now = Date.now();
	const from = Date.parse(run.created_at);
	const span = Math.max(1, (run.finished_at === null ? now : Date.parse(run.finished_at)) - from);
	const scale: Scale = (at) => Math.round((WIDTH * Math.min(span, Math.max(0, at - from))) / span);
	return (
		<>
			<p class="legend">
				{LEGEND.map(([kind, text]) => (
					<span key={kind}>
						<svg class={`timeline ${kind}`} viewBox="0 0 10 10" aria-hidden="true">
							<rect class={kind} width="10" height="10" rx="2" />
						</svg>{" "}
						{text}
					</span>
				))}
				<span>{`the whole width is ${formatDuration(span)}`}</span>
			</p>
			<ol class="timeline">
				{jobs.map((job) => (
					<li key={job.id}>
						<a class="cut" href={`/jobs/${job.id}`} title={job.name}>
							{job.name}
						</a>
						<Bars job={job} bars={barsOf(job, moves.get(job.id) ?? [], now)} scale={scale} />
						<span class="right">
							<Took from={job.started_at} to={job.finished_at} />
						</span>
					</li>
				))}
			</ol>
			{begun.length > jobs.length && <p class="soft small">{`and ${counted(begun.length - jobs.length, "more job")}`}</p>}
		</>
	);
}

function Bars({ job, bars, scale }: { job: Job; bars: readonly Bar[]; scale: Scale }) {
	const label = bars.map((bar) => titleOf(job, bar)).join("; ");
	return (
		<svg viewBox={`0 0 ${WIDTH} ${BAR + 2}`} preserveAspectRatio="none" role="img" aria-label={label}>
			{bars.map((bar, index) => (
				<rect
					key={index}
					class={bar.kind === "ran" ? shownState(bar.attempt.state).tone : bar.kind}
					x={scale(bar.from)}
					y={1}
					width={Math.max(2, scale(bar.to) - scale(bar.from))}
					height={BAR}
				>
					<title>{titleOf(job, bar)}</title>
				</rect>
			))}
			{bars.map((bar, index) => bar.kind === "ran" && <Steps key={index} job={job} bar={bar} scale={scale} />)}
		</svg>
	);
}

function Steps({ job, bar, scale }: { job: Job; bar: Extract<Bar, { kind: "ran" }>; scale: Scale }) {
	return (
		<>
			{bar.attempt.steps.map((step, index) => {
				if (step.started_at === null) return null;
				const from = scale(Date.parse(step.started_at));
				const to = scale(step.finished_at === null ? bar.to : Date.parse(step.finished_at));
				return (
					<rect key={index} class="step" x={from} y={BAR - 2} width={Math.max(1, to - from - 1)} height={3}>
						<title>{`${job.name} › ${step.name}: ${shownState(step.state).word}`}</title>
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
			return `${job.name}, attempt ${bar.attempt.number}: ${shownState(bar.attempt.state).word}, ${took}`;
	}
}
