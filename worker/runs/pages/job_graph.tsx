import type { Job } from "../../../schema/wire/resources.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import type { JobState } from "../../../schema/wire/states.ts";
import { Mark, State } from "../../ui/words.tsx";
import { matrixText } from "./run_jobs.tsx";

/**
 * The job graph of a run: one column per level of needs, an arrow per need. Matrix jobs share a
 * box.
 */

const WIDTH = 190;
const HEIGHT = 36;
const GAP_X = 48;
const GAP_Y = 12;
const MAX_DRAWN = 200;

/** A job, or all matrix jobs of one job. */
interface Box {
	/** The job's key in the pipeline. */
	base: string;
	name: string;
	state: JobState;
	jobs: Job[];
	needs: string[];
	/** The key of the job that has added it; null for a job of the file. */
	addedBy: string | null;
}

interface Place extends Box {
	x: number;
	y: number;
}

/** @param addedBy for a job that another one has added: the key of that one */
export function JobGraph({ jobs, addedBy }: { jobs: Job[]; addedBy: ReadonlyMap<string, string> }) {
	const boxes = fold(jobs, addedBy);
	if (boxes.length > MAX_DRAWN)
		return <p class="soft">{`The run has ${boxes.length} jobs. Graphs of more than ${MAX_DRAWN} jobs are not shown.`}</p>;
	const places = layOut(boxes);
	const byKey = new Map(places.map((place) => [place.base, place]));
	const width = Math.max(...places.map(({ x }) => x)) + WIDTH + 6;
	const height = Math.max(...places.map(({ y }) => y)) + HEIGHT + 6;
	return (
		<>
			<Legend hasAdded={places.some(({ addedBy: key }) => key !== null)} />
			<figure class="graph">
				<svg viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
					<title>The jobs of this run and their needs</title>
					{places.flatMap((place) => place.needs.map((need) => <Edge key={`${need} ${place.base}`} from={byKey.get(need)} to={place} />))}
					{places.map((place) => (
						<Node key={place.base} {...place} />
					))}
				</svg>
			</figure>
			<Levels places={places} />
		</>
	);
}

function Legend({ hasAdded }: { hasAdded: boolean }) {
	return (
		<p class="legend">
			{["succeeded", "failed", "running", "queued", "waiting", "skipped"].map((state) => (
				<State key={state} state={state} />
			))}
			{hasAdded && <span>dashed: added by a job</span>}
		</p>
	);
}

/** The same graph for narrow screens: the jobs of each level, and what they need. */
function Levels({ places }: { places: readonly Place[] }) {
	const levels = [...Map.groupBy(places, ({ x }) => x)].sort(([a], [b]) => a - b);
	return (
		<ol class="levels">
			{levels.map(([x, level], index) => (
				<li key={x}>
					<span class="soft small">{`Level ${index + 1}`}</span>
					{level.map((place) => (
						<a key={place.base} class="row" href={targetOf(place)}>
							<Mark state={place.state} isAlone />
							<span class="grow cut">{place.name}</span>
							{place.jobs.length > 1 && <span class="soft">{matrixText(place.jobs)}</span>}
							{place.needs.length > 0 && <span class="soft small cut">{`needs ${place.needs.join(", ")}`}</span>}
							{place.addedBy !== null && <span class="soft small cut">{`added by ${place.addedBy}`}</span>}
						</a>
					))}
				</li>
			))}
		</ol>
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

function fold(jobs: readonly Job[], addedBy: ReadonlyMap<string, string>): Box[] {
	const boxes = new Map<string, Job[]>();
	for (const job of jobs) boxes.set(job.key, [...(boxes.get(job.key) ?? []), job]);
	return [...boxes].map(([base, members]) => ({
		base,
		name: members.length === 1 ? (members[0]?.name ?? base) : base,
		state: SHOWN_FIRST.find((state) => members.some((job) => job.state === state)) ?? "blocked",
		jobs: members,
		needs: members[0]?.needs ?? [],
		addedBy: addedBy.get(base) ?? null,
	}));
}

function Edge({ from, to }: { from: Place | undefined; to: Place }) {
	if (!from) return null;
	const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
	const middle = (x1 + x2) / 2;
	return <path class="edge" d={`M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`} />;
}

function targetOf({ jobs }: Box): string {
	return jobs.length > 1 ? `#m-${jobs[0]?.id}` : `/jobs/${jobs[0]?.id}`;
}

function Node(place: Place) {
	const { name, state, jobs, addedBy, x, y } = place;
	const label = name.length > 20 ? `${name.slice(0, 19)}…` : name;
	const done = jobs.filter((job) => job.finished_at !== null).length;
	const isFolded = jobs.length > 1;
	const { mark, tone, word } = shownState(state);
	const isAllowed = tone === "bad" && jobs.every((job) => job.allow_failure);
	return (
		<a href={targetOf(place)} class={`node ${isAllowed ? "wait" : tone} ${state}${addedBy === null ? "" : " added"}`}>
			<title>
				{[isFolded ? `${name}: ${matrixText(jobs)}` : `${name}: ${word}`, addedBy && `added by ${addedBy}`].filter(Boolean).join(", ")}
			</title>
			{isFolded && <rect x={x + 4} y={y + 4} width={WIDTH} height={HEIGHT} rx="8" />}
			<rect x={x} y={y} width={WIDTH} height={HEIGHT} rx="8" />
			<text class="mark" x={x + 12} y={y + HEIGHT / 2 + 5}>
				{mark}
			</text>
			<text x={x + 32} y={y + HEIGHT / 2 + 5}>
				{label}
			</text>
			{isFolded && (
				<text class="count" x={x + WIDTH - 10} y={y + HEIGHT / 2 + 5} text-anchor="end">
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
