import { type ResolvedJob, type ResolvedPipeline, readDefinition } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { Core } from "../core.ts";
import type { JobRow } from "../rows.ts";

/**
 * The pipelines of live runs. A definition is stored by its digest and never changes, so the newest
 * few are cached after parsing.
 */

/** The pipeline of a run. */
export function pipelineOf(core: Core, run: { definition: string }): ResolvedPipeline {
	const known = core.definitions.get(run.definition);
	if (known) return known;
	const [row] = core.sql.all<{ json: string }>("SELECT json FROM definitions WHERE digest = ?", run.definition);
	const pipeline = readDefinition((row as { json: string }).json);
	core.definitions.set(run.definition, pipeline);
	return pipeline;
}

/** The definition of a job in its pipeline. */
export function definitionOf(core: Core, job: JobRow): ResolvedJob {
	const definition = core.rows.peek("runs", job.run_id)?.definition as string;
	return pipelineOf(core, { definition }).jobs[job.position] as ResolvedJob;
}
