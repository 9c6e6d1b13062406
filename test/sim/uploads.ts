import type { ResolvedJob } from "../../schema/pipeline/resolve/resolved.ts";
import type { UploadedJobs } from "../../worker/queue/core/runs/add_jobs.ts";
import type { GraphJob, GraphRun } from "./graph_model.ts";
import type { ObjectPlace } from "./platform/durable_objects.ts";
import { Violation } from "./world.ts";

/** The jobs that jobs have added to their runs: what each upload must do, and be answered with. */
export class Uploads {
	readonly #place: ObjectPlace;
	/** Run → the uploads that it has taken: the key of the job with the digest of what it uploads. */
	readonly #taken = new WeakMap<GraphRun, Set<string>>();
	/** Whether the newest upload must be validated again. */
	#isOutdated = false;
	/** Whether the newest upload was taken before. */
	#isRepeated = false;

	constructor(place: ObjectPlace) {
		this.#place = place;
	}

	/** The jobs that an upload adds: none if its job has added them before, or the run has changed since they were validated. */
	take({ run, definition }: GraphJob, { digest, definition: target, jobs }: UploadedJobs): ResolvedJob[] {
		const taken = this.#takenBy(run);
		const id = nameOf(definition.key, digest);
		const [stored] = this.#place.database.all<{ definition: string }>("SELECT definition FROM runs WHERE id = ?", run.id);
		this.#isRepeated = taken.has(id);
		this.#isOutdated = !this.#isRepeated && stored?.definition !== target;
		if (this.#isOutdated || this.#isRepeated) return [];
		taken.add(id);
		return jobs;
	}

	/** Call it with the answer to the newest upload. */
	check({ jobs }: UploadedJobs, { value }: { value?: string[] | null }): void {
		if (value === undefined) return;
		// Meanwhile a matrix may have come of an output: then there are more jobs.
		const isShort = value !== null && (this.#isRepeated ? value.length < jobs.length : value.length !== jobs.length);
		if ((value === null) !== this.#isOutdated || isShort)
			throw new Violation("an upload was answered wrongly", `${JSON.stringify(value)} for ${jobs.map(({ name }) => name).join(", ")}`);
	}

	/** A rerun has taken over jobs that were added to the run before. */
	#takenBy(run: GraphRun): Set<string> {
		const known = this.#taken.get(run);
		if (known) return known;
		const inherited = run.pipeline.jobs.flatMap(({ added_by }) => (added_by === null ? [] : nameOf(added_by.key, added_by.digest)));
		const taken = new Set(inherited);
		this.#taken.set(run, taken);
		return taken;
	}
}

function nameOf(key: string, digest: string): string {
	return `${key} ${digest}`;
}
