import type { SimulatedJob } from "./jobs.ts";

/** What everybody outside of the coordinator knows: what was promised to them, and what they did. */
export class Ledger {
	/** Submission → its run, as it was acknowledged. */
	readonly runs = new Map<string, string>();
	/** Submission → when it was acknowledged. */
	readonly acknowledgedAt = new Map<string, number>();
	/** Attempt → the job that ran on an agent. */
	readonly jobs = new Map<string, SimulatedJob>();
	/** Agents of which there was a copy: whichever of them says hello ends the jobs of the other, which hears of it only later. */
	readonly copied = new Set<string>();
	/** Called when a job begins to run. */
	onJobStarted: (job: SimulatedJob) => void = () => undefined;

	jobStarted(job: SimulatedJob): void {
		this.onJobStarted(job);
		this.jobs.set(job.assignment.attempt_id, job);
	}
}
