import type { Environment } from "../bindings.ts";
import { COMPARISON_ACTOR } from "../discovery/service.ts";
import { sha256 } from "../identity/digest.ts";
import type { SubmitFoundRefsEffect } from "../queue/core/effects/effect_types.ts";
import { findProject } from "../record/projects.ts";
import { pushTrigger } from "./delivery.ts";
import { asMergeGroup } from "./github.ts";
import { resumeDelivery } from "./handle_delivery.ts";
import { recordDelivery } from "./store.ts";

/**
 * Handles the refs that a comparison has found as deliveries of the coordinator. They are shown
 * and replayed like deliveries of a forge. A repeated call changes nothing.
 */
export async function submitFoundRefs(
	environment: Environment,
	team: string,
	{ project, comparison, refs }: Pick<SubmitFoundRefsEffect, "project" | "comparison" | "refs">,
): Promise<void> {
	const row = await findProject(environment.DB, team, project);
	if (!row) return;
	const isOfGitHub = row.forge === null || row.forge === "github";
	for (const { ref, sha, before } of refs) {
		const push = pushTrigger({ ref, before, after: sha, message: null, actor: COMPARISON_ACTOR });
		const trigger = isOfGitHub ? asMergeGroup(push) : push;
		if (typeof trigger === "string") continue;
		const { row: recorded } = await recordDelivery(environment.DB, {
			team,
			project,
			forge: "comparison",
			// The name of a ref may be longer than the id of a delivery.
			delivery: `${comparison} ${await sha256(ref)}`,
			event: trigger.kind,
			outcome: "received",
			reason: "",
			trigger: JSON.stringify(trigger),
			repository: null,
			body_digest: null,
		});
		if (recorded.outcome === "received") await resumeDelivery(environment, recorded);
	}
}
