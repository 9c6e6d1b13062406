import type { Trigger } from "../../schema/wire/triggers.ts";

/** A trigger that means a branch, wherever that is when it is looked at. */
export function ofBranch(kind: "schedule" | "manual", branch: string, actor: string): Trigger {
	return { kind, ref: `refs/heads/${branch}`, branch, tag: null, sha: null, before: null, message: null, pull_request: null, actor };
}
