import type { Job } from "../../schema/wire/resources.ts";

/** The jobs of a run as a picture: one column per depth of need, an arrow per need. */

const WIDTH = 190;
const HEIGHT = 40;
const GAP_X = 56;
const GAP_Y = 14;
const MAX_DRAWN = 200;

interface Place {
	job: Job;
	x: number;
	y: number;
}

export function JobGraph({ jobs }: { jobs: Job[] }) {
	if (jobs.length < 2 || jobs.length > MAX_DRAWN) return null;
	const places = layOut(jobs);
	const byKey = new Map(places.map((place) => [place.job.key, place]));
	const width = Math.max(...places.map(({ x }) => x)) + WIDTH + 2;
	const height = Math.max(...places.map(({ y }) => y)) + HEIGHT + 2;
	return (
		<div class="graph">
			<svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label="The jobs of this run and what they need">
				{places.flatMap((place) =>
					place.job.needs.map((need) => <Edge key={`${need} ${place.job.key}`} from={byKey.get(need)} to={place} />),
				)}
				{places.map((place) => (
					<Node key={place.job.id} {...place} />
				))}
			</svg>
		</div>
	);
}

function Edge({ from, to }: { from: Place | undefined; to: Place }) {
	if (!from) return null;
	const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
	const middle = (x1 + x2) / 2;
	return <path class="edge" d={`M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`} />;
}

function Node({ job, x, y }: Place) {
	const label = job.name.length > 20 ? `${job.name.slice(0, 19)}…` : job.name;
	return (
		<a href={`/jobs/${job.id}`} class={`node ${job.state}`}>
			<title>{`${job.name}: ${job.state}`}</title>
			<rect x={x} y={y} width={WIDTH} height={HEIGHT} rx="8" />
			<circle cx={x + 18} cy={y + HEIGHT / 2} r="6" />
			<text x={x + 34} y={y + HEIGHT / 2 + 5}>
				{label}
			</text>
		</a>
	);
}

function layOut(jobs: Job[]): Place[] {
	const depths = new Map<string, number>();
	const byKey = new Map(jobs.map((job) => [job.key, job]));
	const depthOf = (job: Job): number => {
		const known = depths.get(job.key);
		if (known !== undefined) return known;
		const depth = Math.max(0, ...job.needs.map((need) => 1 + depthOf(byKey.get(need) as Job)));
		depths.set(job.key, depth);
		return depth;
	};
	const rows = new Map<number, number>();
	return jobs.map((job) => {
		const column = depthOf(job);
		const row = rows.get(column) ?? 0;
		rows.set(column, row + 1);
		return { job, x: 1 + column * (WIDTH + GAP_X), y: 1 + row * (HEIGHT + GAP_Y) };
	});
}
