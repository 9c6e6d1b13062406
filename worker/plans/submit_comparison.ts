import { sha256 } from "../auth/digest.ts";
import type { ComparedProject } from "../dispatch/core/comparisons.ts";
import { SUBMITTED, type Submit } from "../dispatch/core/submit.ts";
import { comparisonPipeline } from "./comparison_pipeline.ts";
import { newRunId } from "./submit_plan.ts";

/** The submission of a comparison of a project's refs. */
export async function comparisonSubmission(
	{ project, repository }: ComparedProject,
	trigger: { kind: "schedule" | "manual"; actor: string },
): Promise<Submit> {
	const pipeline = comparisonPipeline(repository);
	return {
		runId: newRunId(),
		pipeline,
		definition: await sha256(JSON.stringify(pipeline)),
		project,
		trigger: { ...trigger, delivery: null },
		commit: null,
		origin: SUBMITTED,
		rerun: null,
		idempotency: null,
	};
}
