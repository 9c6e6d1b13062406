import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import type { GraphJob, GraphRun } from "./graph_model.ts";
import { termsOf } from "./late_matrix.ts";
import type { ObjectPlace } from "./platform/durable_objects.ts";
import { Violation } from "./world.ts";

/** The queue gives jobs their ids: those that it makes of a run under way are found by their key and their place in the matrix. */
export class JobIds {
	readonly #place: ObjectPlace;

	constructor(place: ObjectPlace) {
		this.#place = place;
	}

	/** @returns the jobs that have an id now, and had none */
	give(runs: Iterable<GraphRun>): GraphJob[] {
		return [...runs].filter(({ jobs }) => jobs.some(({ id }) => id === "")).flatMap((run) => this.#giveTo(run));
	}

	#giveTo(run: GraphRun): GraphJob[] {
		const rows = this.#place.database.all<{ id: string; key: string; matrix: string | null; position: number }>(
			"SELECT id, key, matrix, position FROM jobs WHERE run_id = ?",
			run.id,
		);
		const byName = new Map(rows.map((row) => [nameOf(row.key, row.matrix === null ? null : JSON.parse(row.matrix)), row]));
		const [stored] = this.#place.database.all<{ json: string }>(
			"SELECT json FROM definitions WHERE digest = (SELECT definition FROM runs WHERE id = ?)",
			run.id,
		);
		const { jobs: definitions } = readDefinition(stored?.json ?? "");
		const rowOf = ({ definition: { key, matrix } }: GraphJob) => {
			const row = byName.get(nameOf(key, matrix));
			if (!row) throw new Violation("a run lacks a job", `${nameOf(key, matrix)} of ${run.id}`);
			return row;
		};
		const positions = new Map(run.jobs.map((job) => [job, rowOf(job).position]));
		const added = run.jobs.filter(({ id }) => id === "");
		for (const job of added) job.id = rowOf(job).id;
		for (const [job, position] of positions) {
			const is = definitions[position];
			if (!is || termsOf(is) !== termsOf(job.definition))
				throw new Violation("a job is not what it should be", `${job.id}: ${is && termsOf(is)}; the model has ${termsOf(job.definition)}`);
		}
		run.jobs.sort((a, b) => (positions.get(a) as number) - (positions.get(b) as number));
		return added;
	}
}

function nameOf(key: string, matrix: Record<string, string> | null): string {
	return `${key} ${JSON.stringify(Object.entries(matrix ?? {}).sort())}`;
}
