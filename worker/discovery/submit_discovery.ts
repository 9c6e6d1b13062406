import type { ProjectRow } from "../../schema/database/tables.ts";
import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import { sha256 } from "../identity/digest.ts";
import type { Submit } from "../queue/core/runs/submit.ts";
import { type DiscoveryOptions, discoveryPipeline } from "./discovery_pipeline.ts";

/**
 * The submission of a discovery run for a trigger.
 * @param delivery the id of the delivery of the trigger; null without one
 * @param idempotency the key of a repeat
 * @throws ApiError `conflict` for a project without a repository
 */
export async function discoverySubmission(
	project: ProjectRow,
	trigger: Trigger,
	options: DiscoveryOptions,
	{ delivery, idempotency }: { delivery: string | null; idempotency: { scope: string; key: string } | null },
): Promise<Submit> {
	const pipeline = discoveryPipeline(project, trigger, options);
	const content = definitionJson(pipeline);
	const definition = await sha256(content);
	return {
		runId: newId("run"),
		pipeline,
		definition,
		project: project.name,
		trigger: { kind: trigger.kind, actor: trigger.actor, delivery },
		commit:
			trigger.sha === null ? null : { sha: trigger.sha, message: trigger.message, author: null, branch: trigger.branch, tag: trigger.tag },
		origin: {
			...{ discoveredBy: null, file: null, isTrusted: !trigger.pull_request?.is_from_fork },
			approvedBy: isByTrustedAuthor(project, trigger) ? "the setting trusted_authors" : null,
		},
		rerun: null,
		// The first submission of a key counts, even if the project changes in between.
		idempotency: idempotency && { ...idempotency, digest: "" },
	};
}

/**
 * Whether the runs of a pull request from a fork need no approval. Its author and who acts now must
 * both be trusted: others may push to the branch, or mark the pull request of a stranger as ready.
 */
function isByTrustedAuthor({ trusted_authors }: ProjectRow, { actor, pull_request }: Trigger): boolean {
	const trusted = new Set(trusted_authors?.map((name) => name.toLowerCase()));
	const author = pull_request?.author;
	return author !== undefined && pull_request?.is_from_fork === true && [author, actor].every((name) => trusted.has(name.toLowerCase()));
}
