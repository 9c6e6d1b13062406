import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, UsualDuration } from "../../../schema/wire/resources.ts";
import { isFailure, shownState } from "../../../schema/wire/state_words.ts";
import { aggregateState, isTerminal } from "../../../schema/wire/states.ts";
import { awaitsApproval } from "../../approvals/pages/approval.tsx";
import { Part } from "../../ui/parts.ts";
import { Mark, Meter, Took } from "../../ui/words.tsx";

interface RunJobsProps {
	jobs: readonly Job[];
	/** What the queued jobs wait for, by job. */
	waits: Readonly<Record<string, string>>;
	/** The usual durations in milliseconds, by the names of the jobs. */
	/** How long jobs usually take, by their names. */
	usual: ReadonlyMap<string, UsualDuration>;
}

/** The jobs of a run: first what failed, then what needs a person. Matrix jobs are one entry. */
export function RunJobs({ jobs, waits, usual }: RunJobsProps) {
	const groups = [...Map.groupBy(jobs, ({ key }) => key).values()].sort((a, b) => urgencyOf(a) - urgencyOf(b));
	return (
		<nav class="card jobs" aria-label="Jobs" data-list>
			{groups.map((group) => {
				const [first] = group;
				if (!first) return null;
				if (group.length > 1) return <MatrixJobs key={first.key} jobs={group} waits={waits} usual={usual} />;
				return <JobLink key={first.id} job={first} wait={waits[first.id]} usualMs={usual.get(first.name)?.p50_ms} />;
			})}
		</nav>
	);
}

/**
 * Failed jobs first, then those that need a person. All others stay in the order of the pipeline: a
 * list that moves while jobs begin and end cannot be read.
 */
function urgencyOf(jobs: readonly Job[]): number {
	return Math.min(...jobs.map((job) => (awaitsApproval(job) ? 1 : toneOf(job) === "bad" ? 0 : 2)));
}

function toneOf({ state, allow_failure }: Job): string {
	return isFailure(state) && allow_failure ? "wait" : shownState(state).tone;
}

function shownAs(job: Job): string {
	return awaitsApproval(job) ? "waiting" : job.state;
}

interface LinkProps {
	job: Job;
	wait: string | undefined;
	usualMs: number | undefined;
	/** Whether the reason stands elsewhere. */
	isPlain?: boolean;
}

function JobLink({ job, wait, usualMs, isPlain = false }: LinkProps) {
	const why = isPlain ? undefined : (wait ?? (job.state === "succeeded" || job.state === "running" ? undefined : job.reason?.text));
	return (
		<Part id={`j-${job.id}`} as="a" class="first" href={`/jobs/${job.id}`}>
			<Mark state={shownAs(job)} isAlone />
			<span class="cut" title={job.name}>
				{isFailure(job.state) ? <b>{job.name}</b> : job.name}
				{job.attempt > 1 && <span class="soft">{` attempt ${job.attempt}`}</span>}
				{job.allow_failure && <span class="soft"> may fail</span>}
			</span>
			{job.started_at === null ? <span class="soft">–</span> : <Took from={job.started_at} to={job.finished_at} />}
			{why !== undefined && <span class="why soft small wraps">{why}</span>}
			<Meter from={job.started_at} to={job.finished_at} usualMs={usualMs ?? null} state={job.state} />
		</Part>
	);
}

/** The states of matrix jobs that are folded: they say little, and are many. */
const FOLDED = [
	{ states: ["queued", "blocked", "leased"], word: "waiting", mark: "queued" },
	{ states: ["succeeded"], word: "succeeded", mark: "succeeded" },
	{ states: ["skipped", "cancelled"], word: "did not run", mark: "skipped" },
] as const;

function MatrixJobs({ jobs, waits, usual }: RunJobsProps) {
	const sorted = [...jobs].sort((a, b) => urgencyOf([a]) - urgencyOf([b]));
	const folded = FOLDED.map((fold) => ({ ...fold, jobs: sorted.filter((job) => isIn(fold.states, job) && !awaitsApproval(job)) }));
	const isFolded = new Set(folded.flatMap((fold) => fold.jobs));
	const listed = sorted.filter((job) => !isFolded.has(job));
	const [first] = jobs;
	return (
		<details id={`g-${first?.id}`} open={listed.length > 0}>
			<Part id={`m-${first?.id}`} as="summary">
				<Mark state={aggregateState(jobs.map(({ state }) => state)) ?? "blocked"} isAlone />
				<span class="cut">
					{first?.key} <span class="soft">{matrixText(jobs)}</span>
				</span>
				<span>{longest(jobs)}</span>
			</Part>
			{listed.map((job) => (
				<JobLink key={job.id} job={job} wait={waits[job.id]} usualMs={usual.get(job.name)?.p50_ms} />
			))}
			{folded.map((fold) => (
				<FoldedJobs key={fold.word} {...fold} isAlone={fold.jobs.length === jobs.length} waits={waits} usual={usual} />
			))}
		</details>
	);
}

function isIn(states: readonly string[], { state }: Job): boolean {
	return states.includes(state);
}

/** Jobs in one state behind one line, with one reason for all. */
function FoldedJobs({ jobs, word, mark, isAlone, waits, usual }: RunJobsProps & { word: string; mark: string; isAlone: boolean }) {
	const [first] = jobs;
	if (!first) return null;
	const links = jobs.map((job) => <JobLink key={job.id} job={job} wait={undefined} usualMs={usual.get(job.name)?.p50_ms} isPlain />);
	if (isAlone) return <>{links}</>;
	return (
		<details id={`f-${mark}-${first.key}`}>
			<summary>
				<Mark state={mark} isAlone />
				<span class="soft">{`${jobs.length} ${word}`}</span>
				{waits[first.id] !== undefined && <span class="why soft small wraps">{waits[first.id]}</span>}
			</summary>
			{links}
		</details>
	);
}

/** `10 of 12, 2 failed`. */
export function matrixText(jobs: readonly Job[]): string {
	const count = (test: (job: Job) => boolean) => jobs.filter(test).length;
	const failed = count(({ state }) => isFailure(state));
	const done = count(({ state }) => state === "succeeded");
	const running = count(({ state }) => state === "running");
	const parts = [`${done} of ${jobs.length}`, failed > 0 && `${failed} failed`, running > 0 && `${running} running`];
	return parts.filter(Boolean).join(", ");
}

function longest(jobs: readonly Job[]): string {
	const took = jobs.flatMap(({ state, started_at, finished_at }) =>
		isTerminal(state) && started_at !== null && finished_at !== null ? Date.parse(finished_at) - Date.parse(started_at) : [],
	);
	return took.length === 0 ? "" : formatDuration(Math.max(...took));
}
