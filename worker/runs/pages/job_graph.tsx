import type { Job } from "../../../schema/wire/resources.ts";
import type { JobState } from "../../../schema/wire/states.ts";

/**
 * The job graph of a run: one column per level of needs, an arrow per need. Matrix jobs share a
 * box.
 */

const WIDTH = 190;
const HEIGHT = 40;
const GAP_X = 56;
const GAP_Y = 14;
const MAX_DRAWN = 200;

/** A job, or all matrix jobs of one job. */
interface Box {
	/** The job's key in the pipeline. */
	base: string;
	name: string;
	state: JobState;
	jobs: Job[];
	needs: string[];
}

interface Place extends Box {
	x: number;
	y: number;
}

export function JobGraph({ jobs }: { jobs: Job[] }) {
	const boxes = fold(jobs);
	if (jobs.length < 2) return null;
	if (boxes.length > MAX_DRAWN)
		return <p class="muted">{`The run has ${boxes.length} jobs. Graphs of more than ${MAX_DRAWN} jobs are not shown.`}</p>;
	const places = layOut(boxes);
	const byKey = new Map(places.map((place) => [place.base, place]));
	const width = Math.max(...places.map(({ x }) => x)) + WIDTH + 6;
	const height = Math.max(...places.map(({ y }) => y)) + HEIGHT + 6;
	return (
		<div class="graph">
			<svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label="The jobs of this run and their needs">
				{places.flatMap((place) => place.needs.map((need) => <Edge key={`${need} ${place.base}`} from={byKey.get(need)} to={place} />))}
				{places.map((place) => (
					<Node key={place.base} {...place} />
				))}
			</svg>
		</div>
	);
}

/** The states of matrix jobs that their box shows first, such as failed or running. */
const SHOWN_FIRST: readonly JobState[] = [
	"failed",
	"timed_out",
	"errored",
	"running",
	"cancelling",
	"leased",
	"queued",
	"blocked",
	"cancelled",
	"succeeded",
	"skipped",
];

function fold(jobs: readonly Job[]): Box[] {
	const boxes = new Map<string, Job[]>();
	for (const job of jobs) boxes.set(job.key, [...(boxes.get(job.key) ?? []), job]);
	return [...boxes].map(([base, members]) => ({
		base,
		name: members.length === 1 ? (members[0]?.name ?? base) : base,
		state: SHOWN_FIRST.find((state) => members.some((job) => job.state === state)) ?? "blocked",
		jobs: members,
		needs: members[0]?.needs ?? [],
	}));
}

function Edge({ from, to }: { from: Place | undefined; to: Place }) {
	if (!from) return null;
	const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
	const middle = (x1 + x2) / 2;
	return <path class="edge" d={`M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`} />;
}

function Node({ name, state, jobs, x, y }: Place) {
	const label = name.length > 20 ? `${name.slice(0, 19)}…` : name;
	const done = jobs.filter((job) => job.finished_at !== null).length;
	const isFolded = jobs.length > 1;
	const target = isFolded ? `#job-${jobs[0]?.id}` : `/jobs/${jobs[0]?.id}`;
	return (
		<a href={target} class={`node ${state}${jobs.every((job) => job.allow_failure) ? " allowed" : ""}`}>
			<title>{isFolded ? `${name}: ${done} of ${jobs.length} matrix jobs have ended` : `${name}: ${state}`}</title>
			{isFolded && <rect x={x + 4} y={y + 4} width={WIDTH} height={HEIGHT} rx="8" />}
			<rect x={x} y={y} width={WIDTH} height={HEIGHT} rx="8" />
			<circle cx={x + 18} cy={y + HEIGHT / 2} r="6" />
			<text x={x + 34} y={y + HEIGHT / 2 + 5}>
				{label}
			</text>
			{isFolded && (
				<text class="count" x={x + WIDTH - 12} y={y + HEIGHT / 2 + 5} text-anchor="end">
					{`${done}/${jobs.length}`}
				</text>
			)}
		</a>
	);
}

function layOut(boxes: Box[]): Place[] {
	const depths = new Map<string, number>();
	const byKey = new Map(boxes.map((box) => [box.base, box]));
	const depthOf = (box: Box): number => {
		const known = depths.get(box.base);
		if (known !== undefined) return known;
		const depth = Math.max(0, ...box.needs.flatMap((need) => byKey.get(need) ?? []).map((need) => 1 + depthOf(need)));
		depths.set(box.base, depth);
		return depth;
	};
	const rows = new Map<number, number>();
	return boxes.map((box) => {
		const column = depthOf(box);
		const row = rows.get(column) ?? 0;
		rows.set(column, row + 1);
		return { ...box, x: 1 + column * (WIDTH + GAP_X), y: 1 + row * (HEIGHT + GAP_Y) };
	});
}
