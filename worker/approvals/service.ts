export { type AskedApproval, approvalOf } from "./asked_approval.ts";

import { ApiError } from "../../schema/wire/errors.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import type { Principal } from "../identity/principal.ts";
import { assertMayIn } from "../identity/project_scope.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { Approver } from "../queue/core/runs/approvals.ts";
import { alreadyOver } from "../queue/core/runs/cancel.ts";
import { approvesForks, findProject } from "../record/projects.ts";
import { requireJob, requireRun } from "../record/require.ts";
import type { JobRecord, RunRecord } from "../record/runs.ts";

/** Approves and declines jobs, and runs of forks. */

type Caller = RequestContext<"user" | "host">;

type Deciding = Pick<Caller, "environment" | "principal" | "params" | "requestId" | "noted">;

/** Who decides, and their role: the host acts as an operator. */
function approverOf(principal: Extract<Principal, { kind: "user" | "host" }>): Approver {
	const name = actorOf(principal);
	return principal.kind === "user"
		? { name, role: principal.role, isPerson: principal.personId !== null }
		: { name, role: "operator", isPerson: false };
}

/** @throws ApiError `forbidden` for somebody who may decide about no job of a project */
export function assertMayDecideIn(principal: Caller["principal"], project: string): void {
	assertMayIn(principal, project, "runs.approve");
}

/** @throws ApiError `not_found`, `conflict` if the job waits for no approval */
export async function approveJobOf(
	{ environment, principal, params, requestId, noted }: Deciding,
	comment: string | null,
): Promise<Pick<JobRecord, "job" | "attempts">> {
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const { job } = record;
	Object.assign(noted, { job: job.name, comment });
	if (isApproved(job, actorOf(principal))) noted.counted = "no";
	if (isTerminal(job.state) && job.approved_by !== null) return record;
	assertOpen(job);
	const rows = unwrap(await dispatcherOf(environment, principal.team).approve(job.id, approverOf(principal), comment));
	log("info", "job approved", { request_id: requestId, job: job.id, actor: actorOf(principal) });
	return rows;
}

/** Whether another approval of this person changes nothing. */
function isApproved({ approved_by, approvals }: JobRecord["job"], name: string): boolean {
	return approved_by !== null || (approvals !== null && (JSON.parse(approvals) as { by: string }[]).some(({ by }) => by === name));
}

/** @throws ApiError as `approveJobOf` does */
export async function declineJobOf(
	{ environment, principal, params, requestId, noted }: Deciding,
	comment: string | null,
): Promise<Pick<JobRecord, "job" | "attempts">> {
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	Object.assign(noted, { job: job.name, comment });
	assertOpen(job);
	const rows = unwrap(await dispatcherOf(environment, principal.team).decline(job.id, approverOf(principal), comment));
	log("info", "job declined", { request_id: requestId, job: job.id, actor: actorOf(principal) });
	return rows;
}

/** @throws ApiError `conflict` for an ended job: its run may have left the queue */
function assertOpen(job: JobRecord["job"]): void {
	if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
}

/** @throws ApiError `not_found`, `conflict` if the run waits for no approval, `forbidden` as `assertApprovesForks` */
export async function approveRunOf(context: Deciding): Promise<RunRecord> {
	const { environment, principal, requestId } = context;
	const run = await requireOpenRun(context);
	await assertApprovesForks(environment, principal, run.project);
	const rows = unwrap(await dispatcherOf(environment, principal.team).approveRun(run.id, approverOf(principal)));
	log("info", "run approved", { request_id: requestId, run: run.id, actor: actorOf(principal) });
	return rows;
}

/** @throws ApiError `forbidden` for those whom the project does not let decide about its forks */
async function assertApprovesForks({ DB }: Caller["environment"], principal: Caller["principal"], name: string): Promise<void> {
	const project = (await findProject(DB, principal.team, name)) ?? null;
	if (approvesForks(project, principal)) return;
	const approvers = project?.fork_approvers ?? [];
	throw new ApiError("forbidden", `Runs of forks of ${name} are for ${approvers.join(", ")}; you are ${actorOf(principal)}.`, {
		details: { fork_approvers: approvers },
		suggestions: ["Ask one of them, or change the setting fork_approvers of the project."],
	});
}

/** @throws ApiError `not_found`, `conflict` for an ended run: it may have left the queue */
async function requireOpenRun(context: Deciding): Promise<RunRecord["run"]> {
	const { run } = await requireRun(context);
	Object.assign(context.noted, { project: run.project, pipeline: run.pipeline, number: String(run.number) });
	if (isTerminal(run.state)) throw alreadyOver("run", run.id, run.state);
	return run;
}

/** @throws ApiError as `approveRunOf` does */
export async function declineRunOf(context: Deciding, comment: string | null): Promise<RunRecord> {
	const { environment, principal, requestId } = context;
	const run = await requireOpenRun(context);
	await assertApprovesForks(environment, principal, run.project);
	const rows = unwrap(await dispatcherOf(environment, principal.team).declineRun(run.id, approverOf(principal), comment));
	log("info", "run declined", { request_id: requestId, run: run.id, actor: actorOf(principal) });
	return rows;
}
