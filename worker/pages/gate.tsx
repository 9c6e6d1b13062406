import type { Job } from "../../schema/wire/resources.ts";

/** Whether a job waits for somebody to let it pass. */
export function isAtGate(job: Job): boolean {
	return job.state === "blocked" && job.reason?.code === "gate";
}

/** The two buttons of a gate. */
export function Gate({ job }: { job: Job }) {
	if (!isAtGate(job)) return null;
	return (
		<div class="gate">
			<form method="post" action={`/jobs/${job.id}/approve`}>
				<button type="submit">Approve</button>
			</form>
			<form method="post" action={`/jobs/${job.id}/decline`}>
				<button type="submit" class="danger">
					Decline
				</button>
			</form>
		</div>
	);
}
