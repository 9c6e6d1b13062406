import type { Trigger } from "../../schema/wire/triggers.ts";

/** A trigger of the newest commit of a branch; the agent resolves the commit. */
export function ofBranch(kind: "schedule" | "manual", branch: string, actor: string): Trigger {
	return { kind, ref: `refs/heads/${branch}`, branch, tag: null, sha: null, before: null, message: null, pull_request: null, actor };
}
