import type { Job, Run } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { PostForm } from "../../ui/post_form.tsx";

/** Whether a job waits for an approval. */
export function awaitsApproval(job: Job): boolean {
	return job.state === "blocked" && job.reason?.code === "approval";
}

/** The buttons that approve or decline a job. */
export function JobApproval({ job }: { job: Job }) {
	return awaitsApproval(job) ? <Decision of={`/jobs/${job.id}`} hasWords /> : null;
}

/** The buttons for a run of a fork, and a warning that the run gets no secrets. */
export function RunApproval({ run }: { run: Run }) {
	if (run.trusted || run.kind !== "pipeline") return null;
	const isOpen = run.approved_by === null && !isTerminal(run.state);
	return (
		<div class="reason approval-call">
			<div>
				<strong>From a fork.</strong> Its jobs get no secrets
				{run.approved_by
					? `; ${run.approved_by} approved it.`
					: isOpen
						? ", and wait for an approval. Read what they do before you approve: they can read every file that the agent's user can read."
						: "."}
			</div>
			{isOpen && <Decision of={`/runs/${run.id}`} />}
		</div>
	);
}

/** @param hasWords whether the decision has words that the run keeps */
function Decision({ of, hasWords = false }: { of: string; hasWords?: boolean }) {
	return (
		<div class="approval">
			<PostForm action={`${of}/approve`} class="row">
				{hasWords && <input name="comment" placeholder="your words, if you like" aria-label="Words of the approval" maxLength={500} />}
				<button type="submit" class="main">
					Approve
				</button>
			</PostForm>
			<PostForm action={`${of}/decline`} class="row">
				{hasWords && <input name="comment" placeholder="why, if you decline" aria-label="Why it is declined" maxLength={500} />}
				<button type="submit" class="danger">
					Decline
				</button>
			</PostForm>
		</div>
	);
}
