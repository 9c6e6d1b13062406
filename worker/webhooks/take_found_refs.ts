import type { Environment } from "../bindings.ts";
import { COMPARISON_ACTOR } from "../discovery/service.ts";
import { sha256 } from "../identity/digest.ts";
import type { SubmitFoundRefsEffect } from "../queue/core/effects/effect_types.ts";
import { findProject } from "../record/projects.ts";
import { pushed } from "./delivery.ts";
import { ofQueue } from "./github.ts";
import { noteDelivery } from "./store.ts";
import { resumeDelivery } from "./take_delivery.ts";

/**
 * Takes what a comparison has found as deliveries of the coordinator's own: noted, settled, shown and replayed like those of a forge. A repeat
 * changes nothing.
 */
export async function takeFoundRefs(
	environment: Environment,
	team: string,
	{ project, comparison, refs }: Pick<SubmitFoundRefsEffect, "project" | "comparison" | "refs">,
): Promise<void> {
	const row = await findProject(environment.DB, team, project);
	if (!row) return;
	const isOfGitHub = row.forge === null || row.forge === "github";
	for (const { ref, sha, before } of refs) {
		const push = pushed({ ref, before, after: sha, message: null, actor: COMPARISON_ACTOR });
		const trigger = isOfGitHub ? ofQueue(push) : push;
		if (typeof trigger === "string") continue;
		const { row: noted } = await noteDelivery(environment.DB, {
			team,
			project,
			forge: "comparison",
			// Names of refs may be longer than those of deliveries.
			delivery: `${comparison} ${await sha256(ref)}`,
			event: trigger.kind,
			outcome: "received",
			reason: "",
			trigger: JSON.stringify(trigger),
			repository: null,
			body_digest: null,
		});
		if (noted.outcome === "received") await resumeDelivery(environment, noted);
	}
}
