import { ApiError } from "../schema/wire/errors.ts";
import { type Assignment, assignment, finishAnswer, type Intervals } from "../schema/wire/protocol.ts";
import { type Client, untilAnswered } from "./client.ts";
import { type JobResult, JobRun, type StopReason } from "./job_run.ts";
import { LogShipper } from "./log_shipper.ts";

import { removeFolder } from "./state_folder.ts";
import { StepReporter } from "./step_reporter.ts";
import { say } from "./voice.ts";

/** What an attempt needs of its agent. */
export interface AttemptContext {
	client: Client;
	intervals: Intervals;
	/** The folder of this attempt; made and removed by it. */
	folder: string;
	/** The agent's own environment. */
	environment: NodeJS.ProcessEnv;
}

/** Kept from the lease for the way of the last signal. */
const FENCE_MARGIN_MS = 2_000;

/**
 * One attempt on this agent, from the claim to the delivered result. It is self-fencing: when the lease cannot be renewed in
 * time, its processes are ended before the coordinator may give the job to somebody else.
 */
export class Attempt {
	readonly id: string;
	readonly #token: string;
	readonly #context: AttemptContext;
	readonly #lost = new AbortController();
	#job: JobRun | null = null;
	#shipper: LogShipper | null = null;
	#stopReason: StopReason | null = null;
	#isWatched = false;
	#fence: NodeJS.Timeout | undefined;

	constructor(id: string, leaseToken: string, context: AttemptContext) {
		this.id = id;
		this.#token = leaseToken;
		this.#context = context;
	}

	/** Whether the coordinator has given the job to this attempt. */
	get isClaimed(): boolean {
		return this.#fence !== undefined;
	}

	/** Claims the offer, runs the job, delivers the result, cleans up. Never throws. */
	async run(): Promise<void> {
		try {
			const claimed = await this.#claim();
			if (claimed) await this.#runClaimed(claimed);
		} catch (error) {
			say("error", `attempt ${this.id}: ${(error as Error).stack ?? error}`);
		} finally {
			clearTimeout(this.#fence);
			await removeFolder(this.#context.folder).catch((error) => say("warn", `cannot remove ${this.#context.folder}: ${error}`));
		}
	}

	/** Ends the job's processes; what comes after depends on the reason. A first reason stays. */
	stop(reason: StopReason): void {
		this.#stopReason ??= reason;
		if (reason === "lost") this.#lost.abort();
		this.#job?.stop(this.#stopReason);
	}

	watch(isWatched: boolean): void {
		this.#isWatched = isWatched;
		this.#shipper?.watch(isWatched);
	}

	/**
	 * The lease holds for `ttlMs` from the moment at which the request that was confirmed had been sent.
	 * @param sentAt that moment, on the monotonic clock
	 */
	extend(ttlMs: number, sentAt: number): void {
		clearTimeout(this.#fence);
		const fenceAt = sentAt + ttlMs - this.#context.intervals.kill_grace_ms - FENCE_MARGIN_MS;
		this.#fence = setTimeout(
			() => {
				// A finished job waits for its result to be taken; nothing of it could run twice.
				if (this.#job?.isOver) return;
				say("warn", `attempt ${this.id}: the lease cannot be renewed; ending the job`);
				this.stop("lost");
			},
			Math.max(0, fenceAt - performance.now()),
		);
	}

	/** Takes the offer up; null if it is gone. */
	async #claim(): Promise<Assignment | null> {
		const sentAt = performance.now();
		try {
			const claimed = await untilAnswered(
				() =>
					this.#context.client.fetch(assignment, {
						method: "POST",
						path: `/api/v1/attempts/${this.id}/start`,
						token: this.#token,
						json: {},
						signal: this.#lost.signal,
					}),
				this.#lost.signal,
			);
			this.extend(claimed.ttl_ms, sentAt);
			return claimed;
		} catch (error) {
			if (this.#lost.signal.aborted) return null;
			if (!(error instanceof ApiError)) throw error;
			say("info", `offer ${this.id} is gone: ${error.message}`);
			return null;
		}
	}

	async #runClaimed(claimed: Assignment): Promise<void> {
		const { client, intervals, folder, environment } = this.#context;
		const address = { id: this.id, token: this.#token };
		say("info", `job ${claimed.job.name} of ${claimed.pipeline} #${claimed.run.number}, attempt ${claimed.number}`);
		const started = performance.now();
		const job = await JobRun.prepare({
			assignment: claimed,
			folder,
			environment,
			client,
			token: this.#token,
			killGraceMs: intervals.kill_grace_ms,
		});
		const shipper = new LogShipper(client, address, job.spool, {
			watchedMs: intervals.log_flush_watched_ms,
			unwatchedMs: intervals.log_flush_ms,
		});
		const reporter = new StepReporter(client, address);
		this.#job = job;
		this.#shipper = shipper;
		shipper.watch(this.#isWatched);
		job.onSteps = (steps) => reporter.report(steps);
		if (this.#stopReason) job.stop(this.#stopReason);
		const result = await job.run();
		reporter.stop();
		if (this.#stopReason === "lost") await shipper.drop();
		else await this.#deliver(result, shipper);
		await job.spool.close();
		say(
			"info",
			`job ${claimed.job.name}: ${this.#stopReason === "lost" ? "given up, the lease is lost" : result.state} after ${Math.round((performance.now() - started) / 100) / 10} s`,
		);
	}

	/** Sends the rest of the log and then the result, for as long as it takes. */
	async #deliver(result: JobResult, shipper: LogShipper): Promise<void> {
		const onLost = () => void shipper.drop();
		this.#lost.signal.addEventListener("abort", onLost, { once: true });
		const log = await shipper.finish();
		if (this.#lost.signal.aborted || shipper.refusal?.code === "attempt_finished" || shipper.refusal?.code === "attempt_superseded") return;
		const body = { ...result, log: { ...log, incomplete: log.incomplete || shipper.refusal !== null } };
		try {
			await untilAnswered(
				() =>
					this.#context.client.fetch(finishAnswer, {
						method: "POST",
						path: `/api/v1/attempts/${this.id}/finish`,
						token: this.#token,
						json: body,
						signal: this.#lost.signal,
					}),
				this.#lost.signal,
				(error) => say("warn", `the result of ${this.id} is not taken yet: ${error.message}`),
			);
		} catch (error) {
			if (this.#lost.signal.aborted) return;
			if (!(error instanceof ApiError)) throw error;
			say("warn", `the result of ${this.id} is refused: ${error.message}`);
		}
	}
}
