import type { Notification } from "../../../../schema/pipeline/resolve/resolved.ts";
import type { NotifyEvent } from "../../../../schema/pipeline/validate/notifications.ts";
import type { RunState } from "../../../../schema/wire/states.ts";

/** The side effects that the queue asks for. Each is stored as JSON: a new field is optional. */

/** A ref at a commit that a comparison has found and no delivery has brought. */
export interface FoundRef {
	ref: string;
	sha: string;
	/** The commit before; null for a new ref. */
	before: string | null;
}
/** Closes a log: its shard accepts no byte beyond the declared ones, and archives it. */
interface ArchiveLogEffect {
	kind: "archive_log";
	attemptId: string;
	leaseId: string;
	runId: string;
	jobId: string;
	shard: number;
	/** How many bytes the agent says that it sent; null if it has said nothing. */
	declaredBytes: number | null;
}
/** Adds the test results of an attempt to the history of the tests. */
interface IndexTestsEffect {
	kind: "index_tests";
	attemptId: string;
	runId: string;
	jobId: string;
	project: string;
	pipeline: string;
	branch: string | null;
	commit: string | null;
	at: number;
	/** The R2 object of the test cases, and its size. */
	key: string;
	size: number;
}
/** Submits the run of a due schedule. */
interface FireScheduleEffect {
	kind: "fire_schedule";
	scheduleId: string;
	/** The due time. */
	at: number;
}
/** Submits the comparison of a project's refs. */
interface CompareRefsEffect {
	kind: "compare_refs";
	project: string;
}
/** Starts a comparison of the refs of every project, after an outage. */
interface CompareAllEffect {
	kind: "compare_all";
}
/** Submits discovery runs for the refs that a comparison has found. */
export interface SubmitFoundRefsEffect {
	kind: "submit_found_refs";
	project: string;
	/** The run of the comparison. */
	comparison: string;
	refs: FoundRef[];
}
/** Sends the status of a commit to its forge. */
export interface CommitStatusEffect {
	kind: "commit_status";
	runId: string;
	project: string;
	/** The repository that the commit is in. */
	repository: string;
	sha: string;
	/** The branch or tag, as the forge calls it. Stored statuses of version 0.1.0 have none. */
	ref?: string | null;
	/** The name of the status. With the project's prefix, it is the name that the forge shows. */
	name: string;
	state: RunState;
	description: string;
}
/** Revokes the token of a GitHub App that an attempt had. */
interface RevokeForgeTokenEffect {
	kind: "revoke_forge_token";
	attemptId: string;
	project: string;
}
/** Sends a notification to a recipient of the pipeline. */
export interface NotifyEffect {
	kind: "notify";
	/** The id of the notification. A repeat has the same one. */
	id: string;
	runId: string;
	project: string;
	event: NotifyEvent;
	/** The job that waits for an approval; missing for what is about the run. */
	jobId?: string;
	notification: Notification;
	at: number;
	/** Whether a person requested it as a test. */
	isTest: boolean;
}
export type Effect =
	| ArchiveLogEffect
	| IndexTestsEffect
	| FireScheduleEffect
	| CompareRefsEffect
	| CompareAllEffect
	| SubmitFoundRefsEffect
	| CommitStatusEffect
	| RevokeForgeTokenEffect
	| NotifyEffect;
