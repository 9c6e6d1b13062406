import type { ResolvedJob, ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { MAX_JOBS } from "../../schema/wire/limits.ts";
import { isTerminal, type JobState, type RunState } from "../../schema/wire/states.ts";
import { lateMatrixJobs } from "./late_matrix.ts";

/**
 * What becomes of the jobs of runs, by the rules of the language alone: plain, slow, and looking at
 * everything again and again until nothing changes. It knows nothing of CEL: the conditions that it
 * is given are made of the few that stand in `ATOMS`.
 */

export interface GraphRun {
	id: string;
	number: number;
	project: string;
	pipeline: ResolvedPipeline;
	/** 0: by nobody; 1: by a person; 2: its time was over. */
	cancelled: 0 | 1 | 2;
	jobs: GraphJob[];
	state: RunState;
	holdsGroup: boolean;
	startedAt: number | null;
	/** When its time is over; null if it has as much as it wants. */
	timeoutAt: number | null;
}

export interface GraphJob {
	/** Empty until the queue has given it one. */
	id: string;
	run: GraphRun;
	definition: ResolvedJob;
	needs: GraphJob[];
	state: JobState;
	/** Whether it was ended with another that failed. */
	wasEndedWith: boolean;
	hasQueued: boolean;
	/** Until when it waits for its next attempt. */
	backoffAt: number | null;
	outputs: Record<string, string>;
}

/** How the graph reports its events to the world around it. */
export interface GraphWorld {
	now(): number;
	/** A job that runs is asked to end. */
	onStop(job: GraphJob): void;
	/** A job is about to be stopped while it is leased: it may have begun already. */
	onStopLeased(job: GraphJob): void;
	/** A job that is offered is taken back. */
	onWithdraw(job: GraphJob): void;
}

const FAILURES: ReadonlySet<JobState> = new Set(["failed", "errored", "timed_out"]);

function isBad({ state, definition }: GraphJob): boolean {
	return FAILURES.has(state) && !definition.allow_failure;
}

function isGood({ state, definition }: GraphJob): boolean {
	return state === "succeeded" || (FAILURES.has(state) && definition.allow_failure);
}

/**
 * The conditions that runs at random are made of, joined by &&. Those that are early speak of
 * nothing that happens later.
 */
const ATOMS: readonly {
	pattern: RegExp;
	isEarly: boolean;
	isStatus: boolean;
	holds: (job: GraphJob, match: RegExpExecArray) => boolean;
}[] = [
	{ pattern: /^always\(\)$/, isEarly: false, isStatus: true, holds: () => true },
	{ pattern: /^success\(\)$/, isEarly: false, isStatus: true, holds: ({ needs }) => needs.every(isGood) },
	{ pattern: /^(!?)failure\(\)$/, isEarly: false, isStatus: true, holds: (job, [, not]) => ancestors(job).some(isBad) !== (not === "!") },
	{
		pattern: /^needs\.(\w+)\.result == "(\w+)"$/,
		isEarly: false,
		isStatus: false,
		holds: ({ needs }, [, key, result]) => worst(needs.filter(({ definition }) => definition.key === key)) === result,
	},
	{
		pattern: /^needs\.(\w+)\.outputs\.(\w+) == "(\w*)"$/,
		isEarly: false,
		isStatus: false,
		holds: ({ needs }, [, key, name = "", value]) =>
			(needs.find(({ definition }) => definition.key === key)?.outputs[name] ?? "") === value,
	},
	{
		pattern: /^params\.(\w+) == "(\w+)"$/,
		isEarly: true,
		isStatus: false,
		holds: ({ run }, [, name = "", value]) => run.pipeline.params[name] === value,
	},
	{
		pattern: /^changed\("(.+)"\)$/,
		isEarly: true,
		isStatus: false,
		holds: ({ run }, [, pattern = ""]) => run.pipeline.changed[pattern] ?? true,
	},
];

function worst(jobs: readonly GraphJob[]): JobState | undefined {
	const order: JobState[] = ["failed", "timed_out", "errored", "cancelled", "succeeded", "skipped"];
	return order.find((state) => jobs.some((job) => job.state === state));
}

function ancestors(job: GraphJob): GraphJob[] {
	return job.needs.flatMap((need) => [need, ...ancestors(need)]);
}

function atomsOf(job: GraphJob) {
	return (job.definition.condition ?? "").split(" && ").flatMap((text) => {
		if (text === "") return [];
		for (const atom of ATOMS) {
			const match = atom.pattern.exec(text);
			if (match) return [{ ...atom, isTrue: () => atom.holds(job, match) }];
		}
		throw new Error(`the model does not know the condition ${text}`);
	});
}

export class GraphModel {
	readonly runs = new Map<string, GraphRun>();
	/** Group → how many at once. */
	readonly #limits = new Map<string, number>();
	/** Jobs that had no matrix: all that waited for the same job decide for themselves before one of them ends the others. */
	#notExpanded: GraphJob[] = [];
	readonly #world: GraphWorld;

	constructor(world: GraphWorld) {
		this.#world = world;
	}

	/**
	 * Takes a run.
	 * @param ids the ids of its jobs, in their order
	 * @param reused what is taken over from another run, by position
	 */
	submit(
		run: Pick<GraphRun, "id" | "number" | "project" | "pipeline">,
		ids: readonly string[],
		reused: ReadonlyMap<number, { state: JobState; outputs: Record<string, string> }> = new Map(),
	): GraphRun {
		const made: GraphRun = { ...run, cancelled: 0, jobs: [], state: "queued", holdsGroup: false, startedAt: null, timeoutAt: null };
		this.#insert(made, run.pipeline.jobs);
		for (const [position, job] of made.jobs.entries()) {
			const taken = reused.get(position);
			Object.assign(job, { id: ids[position], state: taken?.state ?? "blocked", outputs: taken?.outputs ?? {} });
		}
		this.runs.set(made.id, made);
		const { concurrency } = run.pipeline;
		const group = this.#runGroupOf(made);
		if (group && concurrency) {
			this.#limits.set(group, concurrency.limit);
			if (concurrency.cancel_in_progress) for (const other of this.#inGroup(group)) if (other !== made) this.cancelRun(other, 1);
		}
		this.#enter([...made.jobs]);
		this.settle();
		return made;
	}

	/** A run gets more jobs while it is under way. */
	add(run: GraphRun, definitions: readonly ResolvedJob[]): void {
		const before = run.jobs.length;
		this.#insert(run, definitions);
		this.#enter(run.jobs.slice(before));
	}

	/** New jobs go as far as they can, one after the other. */
	#enter(jobs: readonly GraphJob[]): void {
		for (const job of jobs) {
			this.#advance(job);
			this.#endOthers();
		}
	}

	#endOthers(): void {
		for (const job of this.#notExpanded.splice(0)) this.#failFast(job);
	}

	/** Jobs that wait for whatever they need of the run. */
	#insert(run: GraphRun, definitions: readonly ResolvedJob[]): void {
		const made = definitions.map((definition): GraphJob => blockedJob(run, definition));
		run.jobs.push(...made);
		for (const job of made) {
			this.#noteLimit(job);
			job.needs = run.jobs.filter(({ definition }) =>
				job.definition.needs.some(
					({ key, matrix }) =>
						definition.key === key && Object.entries(matrix ?? {}).every(([axis, value]) => definition.matrix?.[axis] === value),
				),
			);
		}
	}

	/** The newest job that names a group says how many of it run at once. */
	#noteLimit(job: GraphJob): void {
		const group = this.groupOf(job);
		const { concurrency } = job.definition;
		if (group && concurrency) this.#limits.set(group, concurrency.limit);
	}

	/** Matrix jobs take the place of the job that stood for them: jobs that need it need all of them. */
	#expand(job: GraphJob): void {
		const { run } = job;
		const outputOf = (key: string, name: string) => job.needs.find(({ definition }) => definition.key === key)?.outputs[name] ?? "";
		const [first, ...others] = lateMatrixJobs(job.definition, outputOf) ?? [];
		if (!first || run.jobs.length + others.length > MAX_JOBS) {
			job.state = "errored";
			this.#notExpanded.push(job);
			return;
		}
		job.definition = first;
		this.#noteLimit(job);
		const made = others.map((definition) => ({ ...blockedJob(run, definition), needs: job.needs }));
		for (const dependent of run.jobs) if (dependent.needs.includes(job)) dependent.needs = [...dependent.needs, ...made];
		run.jobs.push(...made);
	}

	groupOf({ run, definition }: GraphJob): string | null {
		return definition.concurrency && JSON.stringify(["job", run.project, definition.concurrency.group]);
	}

	#runGroupOf({ project, pipeline }: GraphRun): string | null {
		return pipeline.concurrency && JSON.stringify(["run", project, pipeline.concurrency.group]);
	}

	#inGroup(group: string): GraphRun[] {
		return [...this.runs.values()].filter((run) => this.#runGroupOf(run) === group && !isTerminal(run.state));
	}

	/** Whether the group of a job has room for it. */
	hasRoom(job: GraphJob): boolean {
		const group = this.groupOf(job);
		if (group === null) return true;
		const holding = [...this.runs.values()]
			.flatMap(({ jobs }) => jobs)
			.filter((one) => this.groupOf(one) === group && ["leased", "running", "cancelling"].includes(one.state));
		return holding.length < (this.#limits.get(group) ?? 1);
	}

	/** A job is over. What follows from it follows with `settle`. */
	end(job: GraphJob, state: JobState): void {
		job.state = state;
		job.backoffAt = null;
		this.#failFast(job);
	}

	#failFast(job: GraphJob): void {
		if (!isBad(job)) return;
		const { run } = job;
		const isOfRun = run.pipeline.fail_fast;
		if (!isOfRun && !job.definition.fail_fast) return;
		for (const other of run.jobs) {
			if (other === job || isTerminal(other.state) || (!isOfRun && other.definition.key !== job.definition.key)) continue;
			if (atomsOf(other).some(({ isStatus }) => isStatus)) continue;
			this.#stop(other, "skipped", true);
		}
	}

	#stop(job: GraphJob, waiting: "cancelled" | "skipped", isEndedWith: boolean): void {
		if (job.state === "leased") this.#world.onStopLeased(job);
		if (job.state === "running") {
			job.state = "cancelling";
			job.wasEndedWith = isEndedWith;
			this.#world.onStop(job);
		} else if (!isTerminal(job.state) && job.state !== "cancelling") {
			if (job.state === "leased") this.#world.onWithdraw(job);
			job.wasEndedWith = isEndedWith;
			this.end(job, waiting);
		}
	}

	cancelJob(job: GraphJob): void {
		this.#stop(job, "cancelled", false);
	}

	cancelRun(run: GraphRun, by: 1 | 2): void {
		if (run.cancelled === 0) run.cancelled = by;
		for (const job of run.jobs) this.#stop(job, "cancelled", false);
	}

	/** A run of which nothing can be run. */
	submitBroken(run: Pick<GraphRun, "id" | "number" | "project" | "pipeline">): void {
		this.submit(run, []).state = "errored";
	}

	/** The next attempt follows without a pause: the job keeps its place among its variants. */
	retryAtOnce(job: GraphJob): void {
		this.#advance(job);
	}

	/** A pause before the next attempt is over. */
	endBackoff(job: GraphJob): void {
		job.backoffAt = null;
	}

	/** Brings everything to where it belongs. */
	settle(): void {
		for (let hasChanged = true; hasChanged; ) {
			hasChanged = false;
			for (const run of this.runs.values()) {
				if (isTerminal(run.state)) continue;
				for (const job of run.jobs) hasChanged = this.#advance(job) || hasChanged;
				this.#endOthers();
				hasChanged = this.#update(run) || hasChanged;
			}
		}
	}

	/** @returns whether anything has changed */
	#advance(job: GraphJob): boolean {
		if (job.state !== "blocked" || job.backoffAt !== null) return false;
		const { run } = job;
		if (run.cancelled !== 0) {
			this.end(job, "cancelled");
			return true;
		}
		const decision = this.#decision(job);
		if (decision === "waiting") return false;
		if (decision === "skipped") {
			this.end(job, "skipped");
			return true;
		}
		if (job.definition.expansion !== null) {
			this.#expand(job);
			// The first one takes its turn before those that came with it.
			this.#advance(job);
			return true;
		}
		if (run.pipeline.concurrency && !run.holdsGroup) return false;
		const { max_parallel, key } = job.definition;
		const variants = run.jobs.filter(
			(other) => other.definition.key === key && ["queued", "leased", "running", "cancelling"].includes(other.state),
		);
		if (max_parallel !== null && variants.length >= max_parallel) return false;
		job.state = "queued";
		job.hasQueued = true;
		if (job.definition.concurrency?.cancel_in_progress) this.#supersede(job);
		return true;
	}

	#supersede(job: GraphJob): void {
		const group = this.groupOf(job);
		for (const run of this.runs.values()) {
			for (const other of run.jobs) {
				const isBefore = other !== job && other.hasQueued && !isTerminal(other.state) && this.groupOf(other) === group;
				if (isBefore) this.#stop(other, "cancelled", false);
			}
		}
	}

	#decision(job: GraphJob): "waiting" | "skipped" | "ready" {
		const atoms = atomsOf(job);
		const isEarly = atoms.every((atom) => atom.isEarly);
		const isTrue = () => atoms.every((atom) => atom.isTrue());
		if (isEarly && !isTrue()) return "skipped";
		const asksForStatus = atoms.some(({ isStatus }) => isStatus);
		const isHopeless = job.needs.some((need) => isTerminal(need.state) && !isGood(need));
		if (isHopeless && !asksForStatus) return "skipped";
		if (behind(job).some(({ state }) => !isTerminal(state))) return "waiting";
		return isTrue() ? "ready" : "skipped";
	}

	/** The state of a run, and its place in its group. @returns whether anything has changed */
	#update(run: GraphRun): boolean {
		const before = JSON.stringify([run.state, run.holdsGroup]);
		run.state = stateOf(run);
		if (run.startedAt === null && run.jobs.some(({ state }) => state === "running")) {
			run.startedAt = this.#world.now();
			if (run.pipeline.timeout_ms !== null) run.timeoutAt = run.startedAt + run.pipeline.timeout_ms;
		}
		if (isTerminal(run.state)) run.timeoutAt = null;
		const group = this.#runGroupOf(run);
		if (group) {
			if (isTerminal(run.state)) run.holdsGroup = false;
			this.#admit(group);
		}
		return before !== JSON.stringify([run.state, run.holdsGroup]);
	}

	#admit(group: string): void {
		for (;;) {
			const members = this.#inGroup(group);
			if (members.filter(({ holdsGroup }) => holdsGroup).length >= (this.#limits.get(group) ?? 1)) return;
			const [next] = members
				.filter(({ holdsGroup, cancelled }) => !holdsGroup && cancelled === 0)
				.sort((a, b) => b.pipeline.priority - a.pipeline.priority || a.number - b.number);
			if (!next) return;
			next.holdsGroup = true;
		}
	}
}

function blockedJob(run: GraphRun, definition: ResolvedJob): GraphJob {
	return { id: "", run, definition, needs: [], state: "blocked", wasEndedWith: false, hasQueued: false, backoffAt: null, outputs: {} };
}

/** The state of a run, from those of its jobs. */
function stateOf(run: GraphRun): RunState {
	const outcomes = run.jobs.map((job): JobState => {
		if (job.state === "cancelled" && job.wasEndedWith) return "skipped";
		return isTerminal(job.state) && isGood(job) ? "succeeded" : job.state;
	});
	if (outcomes.some((state) => !isTerminal(state))) {
		if (run.cancelled !== 0) return "cancelling";
		const hasBegun = outcomes.some((state) => !["blocked", "queued", "leased", "skipped"].includes(state));
		return hasBegun ? "running" : "queued";
	}
	if (run.cancelled === 2) return "timed_out";
	if (run.cancelled === 1 && outcomes.includes("cancelled")) return "cancelled";
	for (const state of ["failed", "timed_out", "errored", "cancelled", "succeeded"] as const) if (outcomes.includes(state)) return state;
	return "skipped";
}

/**
 * What must have ended before a job: its needs; where its condition asks how others ended, all that
 * those have needed, too.
 */
function behind(job: GraphJob): GraphJob[] {
	return atomsOf(job).some(({ isStatus }) => isStatus) ? ancestors(job) : job.needs;
}

/** How many warnings a run has. */
export function warningsOf(run: GraphRun): number {
	return run.jobs.filter(({ state, definition }) => FAILURES.has(state) && definition.allow_failure).length;
}
