import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import { newId } from "../../schema/wire/ids.ts";
import { sha256 } from "../identity/digest.ts";
import type { ComparedProject } from "../queue/core/discovery/comparisons.ts";
import { SUBMITTED, type Submit } from "../queue/core/runs/submit.ts";
import { comparisonPipeline } from "./comparison_pipeline.ts";

/** The submission of a comparison of a project's refs. */
export async function comparisonSubmission(
	{ project, repository }: ComparedProject,
	trigger: { kind: "schedule" | "manual"; actor: string },
): Promise<Submit> {
	const pipeline = comparisonPipeline(repository);
	return {
		runId: newId("run"),
		pipeline,
		definition: await sha256(definitionJson(pipeline)),
		project,
		trigger: { ...trigger, delivery: null },
		commit: null,
		origin: SUBMITTED,
		rerun: null,
		idempotency: null,
	};
}
