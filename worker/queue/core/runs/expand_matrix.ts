import type { ResolvedJob } from "../../../../schema/pipeline/resolve/resolved.ts";
import { expand } from "../../../../schema/pipeline/runtime/decide.ts";
import { MAX_JOBS } from "../../../../schema/wire/limits.ts";
import type { Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";
import { addNeed, columnsOf, idsOf, insertJob, ownerOf, replaceDefinition } from "./job_rows.ts";
import { circumstancesOf } from "./readiness.ts";

/** A matrix from the outputs of needed jobs: it becomes matrix jobs once these have ended. */

/**
 * Puts matrix jobs in the place of the job that stood for them: the first one takes over its row.
 * Call it inside a command.
 * @returns the matrix jobs, which are blocked; or why there are none
 */
export function expandMatrix(core: Core, job: JobRow): JobRow[] | Reason {
	const run = findRun(core, job.run_id) as RunRow;
	const before = pipelineOf(core, run);
	const placeholder = definitionOf(core, job);
	const expansion = expand(placeholder, circumstancesOf(core, job));
	if ("problem" in expansion) return notExpanded(expansion.problem);
	const [first, ...others] = expansion.jobs as [ResolvedJob, ...ResolvedJob[]];
	const count = before.jobs.length + others.length;
	if (count > MAX_JOBS) return notExpanded(`A run has at most ${MAX_JOBS} jobs; with these it would have ${count}.`);
	const pipeline = {
		...before,
		jobs: [...before.jobs.map((one) => (one === placeholder ? first : one)), ...others],
		placeholders: { ...before.placeholders, [job.key]: placeholder },
	};
	const ids = idsOf(core, run.id, before);
	ids.set(first, job.id);
	for (const one of others) ids.set(one, core.newId("job"));
	const dependents = core.sql.all<{ job_id: string }>("SELECT job_id FROM needs WHERE needs_id = ?", job.id);
	replaceDefinition(core, run, pipeline);
	const owner = ownerOf(run, pipeline);
	changeRow(core, "jobs", job.id, { ...columnsOf(core, owner, first), rev: nextRev(core) });
	markDirty(core, run.id);
	for (const [index, one] of others.entries()) {
		insertJob(core, owner, before.jobs.length + index, ids);
		for (const { job_id } of dependents) addNeed(core, job_id, ids.get(one) as string);
	}
	return [first, ...others].map((one) => findJob(core, ids.get(one) as string) as JobRow);
}

function notExpanded(problem: string): Reason {
	return { code: "config_invalid", text: `The matrix cannot be made of the outputs: ${problem}`.slice(0, 2000) };
}
