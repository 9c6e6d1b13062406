import { ulid } from "ulid";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import type { Database, Statement } from "../coordinator/database.ts";
import { PEOPLE } from "./people.ts";
import { seededRandom } from "./random.ts";
import type { Commit } from "./repositories.ts";

/**
 * The runs before today. Real runs are all of today, so each run of history is a copy of one of
 * them in D1, with the commit and the times of another day. Ids begin with their time, so lists have
 * the copies in their place.
 */

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS = 30;
/** A run of the content takes seconds, a believable one minutes. */
const LEAST_STRETCH = 25;
const MOST_STRETCH = 60;
/** From a commit to its run. */
const DELIVERY_MS = 20_000;
/** Copies in one transaction. */
const AT_ONCE = 10;

type Row = Record<string, string | number | null>;

/** A run of today with its rows. */
interface Template {
	run: Row;
	jobs: Row[];
	attempts: Row[];
	artifacts: Row[];
	transitions: Row[];
}

/** The shape of the history of a project. */
export interface PastRuns {
	project: string;
	/** Oldest first; the first has the number 1. */
	commits: Commit[];
	/** The numbers of failed runs. */
	failed: number[];
	/** The numbers of runs of a feature branch, with the branches. */
	branches: Map<number, string>;
}

/** When the past commits of a project were made: on working days, oldest first. */
export function pastTimes(count: number, seed: number): number[] {
	const random = seededRandom(seed);
	const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS;
	const times = Array.from({ length: count }, (_, index) => {
		const day = midnight - Math.ceil(((count - index) / count) * (DAYS - 2)) * DAY_MS;
		return workingDay(day) + (7 + random() * 10) * HOUR_MS;
	});
	return times.sort((one, other) => one - other);
}

/** The day itself, or the Friday before it. */
function workingDay(day: number): number {
	const weekday = new Date(day).getUTCDay();
	return day - (weekday === 6 ? DAY_MS : weekday === 0 ? 2 * DAY_MS : 0);
}

/** Writes the history of a project. */
export async function writeHistory(database: Database, past: PastRuns): Promise<void> {
	const random = seededRandom(past.commits.length);
	const templates = await templatesOf(database, past.project);
	const succeeded = templates.filter(({ run }) => run.state === "succeeded");
	const failed = templates.filter(({ run }) => run.state === "failed");
	const statements: Statement[][] = past.commits.map((commit, index) => {
		const number = index + 1;
		const branch = past.branches.get(number) ?? "main";
		const ended = past.failed.includes(number) && failed.length > 0 ? failed : succeeded;
		// A pipeline that only branches have is no template for the default branch.
		const fitting = preferred(ended, ({ run }) => (branch === "main") === (run.branch === "main"));
		const template = pick(preferred(fitting, hasLogs), random);
		const stretch = LEAST_STRETCH + random() * (MOST_STRETCH - LEAST_STRETCH);
		return new Copy(template, { commit, number, branch, stretch }).statements();
	});
	for (let from = 0; from < statements.length; from += AT_ONCE) await database.batch(statements.slice(from, from + AT_ONCE).flat());
}

/** Those of the items that are so, or else all. */
function preferred<Item>(items: readonly Item[], isSo: (item: Item) => boolean): readonly Item[] {
	const found = items.filter(isSo);
	return found.length > 0 ? found : items;
}

/** Whether the copies of a run can have its logs: the queue no longer holds them. */
function hasLogs({ attempts }: Template): boolean {
	return attempts.every(({ log_held }) => log_held === 0);
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
	const item = items[Math.floor(random() * items.length)];
	if (item === undefined) throw new Error("no run of today has ended that history could copy");
	return item;
}

async function templatesOf(database: Database, project: string): Promise<Template[]> {
	const ended = `project = ? AND kind = 'pipeline' AND state IN ('succeeded', 'failed') AND is_trusted = 1 AND trigger_kind = 'push'`;
	const ofRuns = (table: string) => ({
		sql: `SELECT * FROM ${table} WHERE run_id IN (SELECT id FROM runs WHERE ${ended})`,
		values: [project],
	});
	const [runs = [], jobs = [], attempts = [], artifacts = [], transitions = []] = await database.batch([
		{ sql: `SELECT * FROM runs WHERE ${ended} ORDER BY id`, values: [project] },
		...["jobs", "attempts", "artifacts", "transitions"].map(ofRuns),
	]);
	return runs.map((run) => {
		const ofRun = (rows: Row[]) => rows.filter(({ run_id }) => run_id === run.id);
		return { run, jobs: ofRun(jobs), attempts: ofRun(attempts), artifacts: ofRun(artifacts), transitions: ofRun(transitions) };
	});
}

/** A copy of a run with another commit at another time. */
class Copy {
	readonly #template: Template;
	readonly #commit: Commit;
	readonly #number: number;
	readonly #branch: string;
	readonly #stretch: number;
	/** The ids of the copies by those of the originals. */
	readonly #ids = new Map<unknown, string>();

	constructor(template: Template, copied: { commit: Commit; number: number; branch: string; stretch: number }) {
		this.#template = template;
		this.#commit = copied.commit;
		this.#number = copied.number;
		this.#branch = copied.branch;
		this.#stretch = copied.stretch;
		this.#addIds("run", [template.run], "created_at");
		this.#addIds("job", template.jobs, "created_at");
		this.#addIds("attempt", template.attempts, "started_at");
	}

	#addIds(kind: "run" | "job" | "attempt", rows: readonly Row[], time: string): void {
		for (const row of rows) this.#ids.set(row.id, `${ID_PREFIXES[kind]}_${ulid(this.#moved(Number(row[time])))}`);
	}

	/**
	 * A time of the original at the place that it has in the copy. The wait for an agent stays short:
	 * the agents of the fill have more to do at once than those of a day.
	 */
	#moved(at: number): number {
		const created = Number(this.#template.run.created_at);
		const started = Number(this.#template.run.started_at);
		const waited = Math.min(at, started) - created;
		return Math.round(this.#commit.at + DELIVERY_MS + waited + Math.max(0, at - started) * this.#stretch);
	}

	#row(row: Row, other: Row = {}): Row {
		const copied = Object.entries(row).map(([name, value]): [string, Row[string]] => {
			if (typeof value === "number" && name.endsWith("_at")) return [name, this.#moved(value)];
			return [name, this.#ids.get(value) ?? value];
		});
		return { ...Object.fromEntries(copied), ...other };
	}

	statements(): Statement[] {
		const { run, jobs, attempts, artifacts, transitions } = this.#template;
		const { sha, subject, author } = this.#commit;
		const ofRun = {
			number: this.#number,
			branch: this.#branch,
			commit_sha: sha,
			commit_message: subject,
			commit_author: PEOPLE[author],
			trigger_actor: author,
			trigger_delivery: null,
			discovered_by: null,
			source_ref: sha,
		};
		return [
			...insert("runs", [this.#row(run, ofRun)]),
			...insert(
				"jobs",
				jobs.map((job) => this.#row(job)),
			),
			...insert(
				"attempts",
				attempts.map((attempt) => this.#row(attempt, { steps: this.#steps(String(attempt.steps)), ...withoutHeldLog(attempt) })),
			),
			...insert(
				"artifacts",
				artifacts.map((artifact) => this.#row(artifact, { expires_at: null })),
			),
			...insert(
				"transitions",
				transitions.map((transition) => this.#row(transition, { list: this.#transitions(String(transition.list)) })),
			),
			...attempts.map((attempt) => this.#testResults(attempt)),
		];
	}

	#steps(json: string): string {
		const moved = (time: string | null) => time && new Date(this.#moved(Date.parse(time))).toISOString();
		const steps = JSON.parse(json) as { started_at: string | null; finished_at: string | null }[];
		return JSON.stringify(steps.map((step) => ({ ...step, started_at: moved(step.started_at), finished_at: moved(step.finished_at) })));
	}

	/** Each is a list in the order of `EventRow`: the second is the job, the last is the time. */
	#transitions(json: string): string {
		const list = JSON.parse(json) as [number, string | null, ...unknown[]][];
		return JSON.stringify(
			list.map(([rev, job, ...rest]) => [rev, job && (this.#ids.get(job) ?? job), ...rest.slice(0, -1), this.#moved(Number(rest.at(-1)))]),
		);
	}

	#testResults({ id, job_id, finished_at }: Row): Statement {
		return {
			sql: `INSERT INTO test_results (test_id, attempt_id, run_id, job_id, branch, commit_sha, state, duration_ms, at)
				SELECT test_id, ?, ?, ?, ?, ?, state, duration_ms, ? FROM test_results WHERE attempt_id = ?`,
			values: [
				this.#copied(id),
				this.#copied(this.#template.run.id),
				this.#copied(job_id),
				this.#branch,
				this.#commit.sha,
				this.#moved(Number(finished_at)),
				String(id),
			],
		};
	}

	#copied(id: unknown): string {
		return this.#ids.get(id) ?? String(id);
	}
}

/** The queue still holds the log of this attempt, and not that of its copy. */
function withoutHeldLog(attempt: Row): Row {
	return attempt.log_held === 1 ? { log_held: 0, log_archived: 1, log_bytes: 0, log_sha256: null } : {};
}

/** Inserts rows, each with all columns of the first. */
function insert(table: string, rows: readonly Row[]): Statement[] {
	const [first] = rows;
	if (!first) return [];
	const columns = Object.keys(first);
	const read = columns.map((column) => `value ->> '${column}'`);
	return [
		{ sql: `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${read.join(", ")} FROM json_each(?)`, values: [JSON.stringify(rows)] },
	];
}
