import { plainText } from "../../schema/text/ansi.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import { type Assignment, assignment, type FinishBody, finishAnswer, type Intervals } from "../../schema/wire/protocol.ts";
import { sha256 } from "../files/hashing.ts";
import { LogShipper } from "../log/log_shipper.ts";
import { log } from "../logger.ts";
import { logLost, withReason } from "../outcome.ts";
import type { Coordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import type { CoordinatorClock } from "./coordinator_clock.ts";
import type { Job, JobFactory, JobResult, StopReason } from "./job.ts";
import { MAX_RESULT_CHARS, type PendingResults } from "./pending_results.ts";
import { StepReporter } from "./step_reporter.ts";

/** The parts of the agent that an attempt uses. */
export interface AttemptContext {
	client: Coordinator;
	intervals: Intervals;
	jobFactory: JobFactory;
	clock: CoordinatorClock;
	/** The results that the next poll carries. */
	results: PendingResults;
}

/** The time for the last signal to arrive, before the lease expires. */
const FENCE_MARGIN_MS = 2_000;
/**
 * The coordinator checks every artifact before it answers, and reads artifacts that came in parts.
 */
const FINISH_TIMEOUT_MS = 30_000;
const CHECK_MS = 30;
const CHECKED_BYTES_PER_MS = 20_000;

/**
 * One attempt on this agent, from the claim to the delivered result. It fences itself: if the agent
 * cannot renew the lease in time, it ends the attempt's processes before the coordinator may give
 * the job to another agent.
 */
export class Attempt {
	readonly id: string;
	readonly #token: string;
	readonly #context: AttemptContext;
	readonly #lost = new AbortController();
	#job: Job | null = null;
	#shipper: LogShipper | null = null;
	#assigned: Assignment | null = null;
	#stopReason: StopReason | null = null;
	#isWatched = false;
	/** Whether nothing of the job runs any more and its result waits for the next poll. */
	isDelivering = false;
	#fence: NodeJS.Timeout | undefined;
	/**
	 * When the agent ends the job if the lease is not renewed, on the monotonic clock. It only
	 * grows.
	 */
	#fenceAt = 0;

	#endedAs: string | null = null;

	constructor(id: string, leaseToken: string, context: AttemptContext) {
		this.id = id;
		this.#token = leaseToken;
		this.#context = context;
	}

	/** The state in which it has ended; null while it runs, and if it never began. */
	get endedAs(): string | null {
		return this.#endedAs;
	}

	/** Whether the attempt has its lease. */
	get isClaimed(): boolean {
		return this.#fenceAt > 0;
	}

	/**
	 * Runs the job, delivers the result, cleans up. Never throws.
	 * @param assigned the assignment that came with the offer; null: the offer has to be claimed
	 */
	async run(assigned: Assignment | null): Promise<void> {
		try {
			const claimed = assigned ?? (await this.#claim());
			if (claimed) await this.#runClaimed(claimed);
		} catch (error) {
			log("error", `attempt ${this.id}: ${(error as Error).stack ?? error}`);
		} finally {
			clearTimeout(this.#fence);
			await this.#context.jobFactory
				.remove(this.id)
				.catch((error) => log("warn", `The agent cannot remove the files of ${this.id}: ${error}`));
		}
	}

	/** Ends the job's processes. The first reason counts. */
	stop(reason: StopReason): void {
		this.#stopReason ??= reason;
		if (reason === "lost") this.#lost.abort();
		this.#job?.stop(reason);
	}

	/** The job; null before the claim. */
	get job(): { id: string; name: string; run: string } | null {
		return this.#assigned && { id: this.#assigned.job.id, name: this.#assigned.job.name, run: this.#assigned.run.id };
	}

	watch(isWatched: boolean): void {
		this.#isWatched = isWatched;
		this.#shipper?.watch(isWatched);
	}

	/**
	 * Extends the lease to `ttlMs` after `sentAt`.
	 * @param sentAt when the confirmed request was sent, on the monotonic clock
	 */
	extend(ttlMs: number, sentAt: number): void {
		const fenceAt = sentAt + ttlMs - this.#context.intervals.kill_grace_ms - FENCE_MARGIN_MS;
		if (fenceAt <= this.#fenceAt) return;
		this.#fenceAt = fenceAt;
		clearTimeout(this.#fence);
		this.#fence = setTimeout(
			() => {
				// A finished job only delivers its result: nothing of it can run twice.
				if (this.#job?.isOver) return;
				log("warn", `attempt ${this.id}: the agent ends the job, because it cannot renew the lease`);
				this.stop("lost");
			},
			Math.min(2 ** 31 - 1, Math.max(0, fenceAt - performance.now())),
		);
	}

	/** Whether the lease has expired, or may have. */
	#isLost(): boolean {
		return this.#lost.signal.aborted || this.#fenceAt <= performance.now();
	}

	/** Claims the offer; null if it has expired. */
	async #claim(): Promise<Assignment | null> {
		const path = `/api/v1/attempts/${this.id}/start`;
		const { signal } = this.#lost;
		try {
			return await untilAnswered(async () => {
				const sentAt = performance.now();
				const claimed = await this.#context.client.fetch(assignment, { method: "POST", path, token: this.#token, json: {}, signal });
				this.#context.clock.update(claimed.now, sentAt);
				this.extend(claimed.ttl_ms, sentAt);
				return claimed;
			}, signal);
		} catch (error) {
			if (signal.aborted) return null;
			if (!(error instanceof ApiError)) throw error;
			log("info", `The agent cannot claim the offer ${this.id}: ${error.message}`);
			return null;
		}
	}

	async #runClaimed(claimed: Assignment): Promise<void> {
		const { client, intervals, jobFactory, clock } = this.#context;
		// This process may have slept meanwhile: then the lease has expired.
		if (this.#isLost()) return;
		this.#assigned = claimed;
		log("info", `job ${claimed.job.name} of ${claimed.pipeline} #${claimed.run.number}, attempt ${claimed.number}`);
		const started = performance.now();
		let job: Job;
		try {
			job = await jobFactory.prepare(claimed, this.#token, { intervals, clock });
		} catch (error) {
			await this.#finish({ ...failedResult(`The agent could not prepare the job: ${(error as Error).message}`), steps: [], log: NO_LOG });
			return;
		}
		if (this.#isLost()) {
			await job.close();
			return;
		}
		const address = { id: this.id, token: this.#token };
		const pace = { watchedMs: intervals.log_flush_watched_ms, unwatchedMs: intervals.log_flush_ms };
		const shipper = new LogShipper(client, address, job.spool, pace);
		const reporter = new StepReporter(client, address);
		this.#job = job;
		this.#shipper = shipper;
		shipper.watch(this.#isWatched);
		job.onSteps = (steps) => reporter.report(steps);
		if (this.#stopReason) job.stop(this.#stopReason);
		try {
			const result = await job.run();
			reporter.stop();
			const state = this.#lost.signal.aborted ? null : await this.#deliver(result, job, shipper);
			this.#endedAs = this.#lost.signal.aborted ? "lost" : (state ?? result.state);
			const end = this.#lost.signal.aborted ? "abandoned, because the lease was lost" : (state ?? result.state);
			log("info", `job ${claimed.job.name}: ${end} after ${formatDuration(performance.now() - started)}`);
		} finally {
			reporter.stop();
			await shipper.drop();
			await job.close();
		}
	}

	/**
	 * Sends the rest of the log and then the result, however long it takes.
	 * @returns the state of the attempt at the coordinator; null if the coordinator rejects the
	 * result
	 */
	async #deliver(result: JobResult, job: Job, shipper: LogShipper): Promise<string | null> {
		const onLost = () => void shipper.drop();
		this.#lost.signal.addEventListener("abort", onLost, { once: true });
		const whole = isPlain(result) ? await shipper.takeWhole() : null;
		if (whole) {
			const log = { bytes: whole.byteLength, sha256: sha256(whole), incomplete: false };
			const delivered = await this.#deliverByPoll({ ...result, steps: job.steps, log }, whole);
			if (delivered !== undefined && !(delivered instanceof ApiError)) return delivered;
			if (delivered && !UNUSABLE.has(delivered.code)) return null;
		}
		const sent = await shipper.finish();
		const isOver = shipper.rejection?.code === "attempt_finished" || shipper.rejection?.code === "attempt_superseded";
		if (this.#lost.signal.aborted || isOver) return null;
		const declared = { ...sent, incomplete: sent.incomplete || shipper.rejection !== null || shipper.readError !== null };
		const deliverable = shipper.readError === null ? result : withLostLog(result, shipper.readError);
		const body = { ...deliverable, steps: job.steps, log: declared };
		const byPoll = isPlain(body) && whole === null ? await this.#deliverByPoll(body, null) : undefined;
		// The poll may have been rejected for another result that it carried.
		const isAlone = byPoll === undefined || (byPoll instanceof ApiError && UNUSABLE.has(byPoll.code));
		const delivered = isAlone ? await this.#finish(body) : byPoll;
		if (!(delivered instanceof ApiError)) return delivered;
		if (!UNUSABLE.has(delivered.code)) return null;
		const failed = failedResult(`The coordinator rejected the result: ${delivered.message}`);
		const state = await this.#finish({ ...failed, steps: [], log: declared });
		return state instanceof ApiError ? null : state;
	}

	/**
	 * Delivers a result with the next poll, which may bring the next job: the slot is free from
	 * here.
	 * @param whole the log, if no byte of it was sent before
	 * @returns as `#finish` does; undefined for a result that is too large for a poll
	 */
	async #deliverByPoll(body: FinishBody, whole: Uint8Array | null): Promise<string | ApiError | null | undefined> {
		const { artifacts: _files, discovery: _discovery, refs: _refs, ...plain } = body;
		const log_text = whole && Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).toString("base64");
		const result = { ...plain, attempt_id: this.id, lease_token: this.#token, log_text };
		if (JSON.stringify(result).length > MAX_RESULT_CHARS) return undefined;
		const { signal } = this.#lost;
		this.isDelivering = true;
		try {
			const delivery = await this.#context.results.deliver(result, signal);
			if (delivery instanceof ApiError) log("warn", `The coordinator rejected the result of ${this.id}: ${delivery.message}`);
			return delivery;
		} catch (error) {
			if (signal.aborted) return null;
			throw error;
		}
	}

	/**
	 * Delivers a result.
	 * @returns the state of the attempt, or the rejection; null if the lease is lost
	 */
	async #finish(body: FinishBody): Promise<string | ApiError | null> {
		const path = `/api/v1/attempts/${this.id}/finish`;
		const { signal } = this.#lost;
		try {
			const { attempt_state } = await untilAnswered(
				() =>
					this.#context.client.fetch(finishAnswer, {
						method: "POST",
						path,
						token: this.#token,
						json: body,
						timeoutMs: finishTimeoutOf(body),
						signal,
					}),
				signal,
				(error) => log("warn", `The result of ${this.id} is not delivered yet: ${error.message}`),
			);
			return attempt_state;
		} catch (error) {
			if (signal.aborted) return null;
			if (!(error instanceof ApiError)) throw error;
			log("warn", `The coordinator rejected the result of ${this.id}: ${error.message}`);
			return error;
		}
	}
}

/** Whether a poll can carry the result: it has no files, and nothing that a discovery job found. */
function isPlain({ artifacts, discovery, refs }: Pick<FinishBody, "artifacts" | "discovery" | "refs">): boolean {
	return artifacts.length === 0 && !discovery && !refs;
}

/** The errors after which a shorter result can still be delivered. */
const UNUSABLE: ReadonlySet<string> = new Set(["validation_failed", "too_large", "malformed"]);

function finishTimeoutOf({ artifacts }: FinishBody): number {
	const bytesInParts = artifacts.reduce((sum, { size }) => sum + (size > SINGLE_PART_BYTES ? size : 0), 0);
	return FINISH_TIMEOUT_MS + artifacts.length * CHECK_MS + Math.ceil(bytesInParts / CHECKED_BYTES_PER_MS);
}

const NO_LOG = { bytes: 0, sha256: null, incomplete: true };

/** The result of a job whose log cannot be read for sending. */
function withLostLog({ state, exit_code, reason, ...rest }: JobResult, why: string): JobResult {
	const outcome = withReason({ state, exitCode: exit_code, reason }, logLost(why).outcome);
	return { ...rest, state: outcome.state, exit_code: outcome.exitCode, reason: outcome.reason };
}

/** The result of a job that the agent itself failed to run. */
function failedResult(text: string): JobResult {
	return {
		state: "errored",
		exit_code: null,
		reason: { code: "agent_failed", text: plainText(text).slice(0, 2000) },
		artifacts: [],
		outputs: {},
		tests: null,
		coverage: null,
		usage: null,
		annotations: [],
		caches: [],
		discovery: null,
		refs: null,
	};
}
