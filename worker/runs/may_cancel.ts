import type { RunRow } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { ACTIONS, may } from "../../schema/wire/permissions.ts";
import type { Principal } from "../identity/principal.ts";

/** The part of a run that says whose it is. */
type Submitted = Pick<RunRow, "trigger_kind" | "trigger_actor" | "trigger_delivery" | "rerun_of" | "created_at">;

/** The events of a forge name their actors themselves. A rerun has the event of the first run, and the actor who made it. */
function isSubmittedBy(
	{ trigger_kind, trigger_actor, trigger_delivery, rerun_of, created_at }: Submitted,
	{ name, since }: { name: string; since: number },
): boolean {
	const isOfHere = rerun_of !== null || (trigger_delivery === null && (trigger_kind === "api" || trigger_kind === "manual"));
	// Somebody else may have had the name before.
	return isOfHere && trigger_actor === name && created_at >= since;
}

/** @throws ApiError `forbidden` for the run of somebody else, without the right to cancel every run */
export function assertMayCancel(principal: Extract<Principal, { kind: "user" | "host" }>, run: Submitted): void {
	if (principal.kind === "host" || may(principal.role, "runs.cancel_any") || isSubmittedBy(run, principal)) return;
	const { role } = ACTIONS["runs.cancel_any"];
	throw new ApiError("forbidden", `${principal.name} is ${principal.role}, and may cancel only runs that they submitted.`, {
		details: { role: principal.role, action: "runs.cancel_any", needed: role },
		suggestions: [`Ask ${run.trigger_actor}, or a person with the role ${role}.`],
	});
}
