import type { Job, Run } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";

/** Whether a job waits for somebody to let it pass. */
export function awaitsApproval(job: Job): boolean {
	return job.state === "blocked" && job.reason?.code === "approval";
}

/** The two buttons of a gate of a job. */
export function Gate({ job }: { job: Job }) {
	return awaitsApproval(job) ? <Decision of={`/jobs/${job.id}`} /> : null;
}

/** Who may let a run pass that comes from another repository, and that it may not have secrets. */
export function RunGate({ run }: { run: Run }) {
	if (run.trusted || run.kind !== "pipeline") return null;
	const isOpen = run.approved_by === null && !isTerminal(run.state);
	return (
		<div class="reason gate-call">
			<div>
				<strong>From another repository.</strong> Its jobs get no secrets
				{run.approved_by
					? `; ${run.approved_by} let it pass.`
					: isOpen
						? ", and wait until somebody who has read what they do lets them run. They can read whatever the user of the agent can."
						: "."}
			</div>
			{isOpen && <Decision of={`/runs/${run.id}`} />}
		</div>
	);
}

function Decision({ of }: { of: string }) {
	return (
		<div class="gate">
			<form method="post" action={`${of}/approve`}>
				<button type="submit">Approve</button>
			</form>
			<form method="post" action={`${of}/decline`}>
				<button type="submit" class="danger">
					Decline
				</button>
			</form>
		</div>
	);
}
