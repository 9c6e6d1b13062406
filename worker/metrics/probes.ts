import type { Environment } from "../bindings.ts";

/** What metrics ask of the database and of the object storage. */

export interface Probes {
	seconds: Record<"d1" | "r2", number>;
	isUp: Record<"d1" | "r2", boolean>;
	databaseBytes: number | null;
}

/** The newest ended run of the default branch of a project. */
export interface BranchState {
	team: string;
	project: string;
	isFailing: boolean;
}

/** No key of an object. */
const NO_OBJECT = "metrics/nothing";
const MOST_PROJECTS = 500;

export async function probe({ DB, BUCKET }: Environment): Promise<Probes> {
	const [d1, r2] = await Promise.all([timed(() => DB.prepare("SELECT 1").run()), timed(() => BUCKET.head(NO_OBJECT))]);
	const size = d1.value?.meta?.size_after;
	return {
		seconds: { d1: d1.seconds, r2: r2.seconds },
		isUp: { d1: d1.isUp, r2: r2.isUp },
		databaseBytes: typeof size === "number" ? size : null,
	};
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ value: Value | null; seconds: number; isUp: boolean }> {
	const started = performance.now();
	const seconds = () => (performance.now() - started) / 1_000;
	try {
		const value = await work();
		return { value, seconds: seconds(), isUp: true };
	} catch {
		return { value: null, seconds: seconds(), isUp: false };
	}
}

export async function branchStates(db: D1Database): Promise<BranchState[]> {
	const { results } = await db
		.prepare(
			`SELECT p.team, p.name AS project, (
				SELECT state FROM runs AS r WHERE r.team = p.team AND r.project = p.name AND r.branch = p.default_branch
				AND r.kind = 'pipeline' AND r.finished_at IS NOT NULL AND r.state != 'cancelled' ORDER BY r.id DESC LIMIT 1
			) AS state FROM projects AS p ORDER BY p.team, p.name LIMIT ?`,
		)
		.bind(MOST_PROJECTS)
		.all<{ team: string; project: string; state: string | null }>();
	return results.flatMap(({ team, project, state }) => (state === null ? [] : { team, project, isFailing: state !== "succeeded" }));
}
