import { createHash } from "node:crypto";
import type { SendableLog } from "../../agent/log/log_shipper.ts";
import type { Job, JobFactory, JobResult, StopReason } from "../../agent/protocol/job.ts";
import { untilAnswered } from "../../agent/transport/retry.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { type Assignment, artifactUploads, commitAnswer, type Intervals, uploadedPipeline } from "../../schema/wire/protocol.ts";
import type { Step } from "../../schema/wire/resources.ts";
import type { Network } from "./network.ts";
import { randomFiles, type Script } from "./pipelines.ts";
import type { Life, World } from "./world.ts";

/** Jobs, in place of processes: they take their time, write their lines, and end as their script says. */

/** The log of an attempt, in memory. */
class JobLog implements SendableLog {
	#bytes = new Uint8Array();
	#waiting: (() => void)[] = [];
	readonly isTruncated = false;
	/** How much the coordinator has said that it has. */
	acknowledged = 0;

	get size(): number {
		return this.#bytes.byteLength;
	}

	get bytes(): Uint8Array {
		return this.#bytes;
	}

	write(text: string): void {
		const added = new TextEncoder().encode(text);
		const joined = new Uint8Array(this.size + added.byteLength);
		joined.set(this.#bytes);
		joined.set(added, this.size);
		this.#bytes = joined;
		for (const wake of this.#waiting.splice(0)) wake();
	}

	grown(have: number, signal: AbortSignal): Promise<void> {
		if (this.size > have || signal.aborted) return Promise.resolve();
		return new Promise((resolve) => {
			this.#waiting.push(resolve);
			signal.addEventListener("abort", () => resolve(), { once: true });
		});
	}

	async settled(): Promise<void> {}

	async read(offset: number, limit: number): Promise<Uint8Array> {
		return this.#bytes.slice(offset, offset + limit);
	}

	async acknowledge(bytes: Uint8Array): Promise<void> {
		this.acknowledged += bytes.byteLength;
	}
}

/** The place of one agent's jobs. */
export class SimulatedJobFactory implements JobFactory {
	readonly #world: World;
	readonly #witness: JobWitness;
	readonly #client: ReturnType<Network["client"]>;
	readonly #bucket: Map<string, Uint8Array>;

	constructor(world: World, witness: JobWitness, client: ReturnType<Network["client"]>, bucket: Map<string, Uint8Array>) {
		this.#world = world;
		this.#witness = witness;
		this.#client = client;
		this.#bucket = bucket;
	}

	async prepare(assignment: Assignment, token: string, { intervals }: { intervals: Intervals }): Promise<Job> {
		const job = new SimulatedJob(this.#world, this.#client, this.#bucket, assignment, token, intervals.kill_grace_ms);
		this.#witness.jobStarted(job);
		return job;
	}

	async remove(): Promise<void> {}
}

/** Hears of each job that begins to run. */
interface JobWitness {
	jobStarted(job: SimulatedJob): void;
}

export class SimulatedJob implements Job {
	readonly assignment: Assignment;
	readonly spool = new JobLog();
	/** Whose process it is. */
	readonly life: Life;
	readonly steps: Step[];
	onSteps: (steps: Step[]) => void = () => undefined;
	isOver = false;
	readonly #freezesBefore: number;
	readonly #world: World;
	readonly #client: ReturnType<Network["client"]>;
	readonly #bucket: Map<string, Uint8Array>;
	readonly #token: string;
	readonly #killGraceMs: number;
	readonly #script: Script;
	readonly #stopped = Promise.withResolvers<void>();
	readonly #stop = new AbortController();
	#stopReason: StopReason | null = null;

	constructor(
		world: World,
		client: ReturnType<Network["client"]>,
		bucket: Map<string, Uint8Array>,
		assignment: Assignment,
		token: string,
		killGraceMs: number,
	) {
		this.#world = world;
		this.#client = client;
		this.#bucket = bucket;
		this.assignment = assignment;
		this.#token = token;
		this.#killGraceMs = killGraceMs;
		this.life = world.life;
		this.#freezesBefore = world.life.freezes;
		const [step] = assignment.steps;
		this.#script = step ? (JSON.parse(step.run) as Script) : NO_SCRIPT;
		const [name = ""] = assignment.steps.map((one) => one.name);
		this.steps = [
			{ name: name.slice(0, 20), state: "pending", exit_code: null, started_at: null, finished_at: null, log_offset: null, log_line: null },
		];
	}

	/** Whether its process could act all the while: nobody can end what is frozen, or what nobody looks after. */
	get couldAct(): boolean {
		return !this.life.isDead && this.life.freezes === this.#freezesBefore;
	}

	/** Like a job's processes: those that do not heed the signal are ended after the grace. */
	stop(reason: StopReason): void {
		if (this.#stopReason !== null || this.isOver) return;
		this.#stopReason = reason;
		this.#stop.abort();
		const last = reason === "lost" || reason === "agent_stopped" ? null : this.assignment.finally;
		const cleaning = last === null ? 0 : Math.min(this.#script.stubbornMs * 2, last.timeout_ms);
		setTimeout(() => this.#stopped.resolve(), Math.min(this.#script.stubbornMs, this.#killGraceMs) + cleaning);
	}

	async run(): Promise<JobResult> {
		const timeout = setTimeout(() => this.stop("timed_out"), this.assignment.timeout_ms);
		const [step] = this.steps as [Step];
		Object.assign(step, { state: "running", started_at: new Date().toISOString(), log_offset: 0, log_line: 0 });
		this.onSteps(this.steps);
		let result: JobResult;
		try {
			result = await this.#work();
		} catch (error) {
			if (!this.#stop.signal.aborted) {
				this.isOver = true;
				throw error;
			}
			await this.#stopped.promise;
			result = this.#ended();
		}
		clearTimeout(timeout);
		this.isOver = true;
		this.spool.write(`ends ${result.state}\n`);
		const state = result.state === "succeeded" ? "succeeded" : "failed";
		Object.assign(step, { state, exit_code: result.exit_code, finished_at: new Date().toISOString() });
		this.onSteps(this.steps);
		return result;
	}

	async close(): Promise<void> {}

	async #work(): Promise<JobResult> {
		const { assignment } = this;
		const { ms, lines, ends, uploads } = this.#script;
		this.spool.write(`attempt ${assignment.number} of ${assignment.job.id}\n`);
		if (assignment.lists_refs) return this.#listRefs();
		if (assignment.source) await this.#pinCommit();
		if (assignment.discovery) return this.#discover();
		if (uploads !== null && !(await this.#upload(atob(uploads)))) return REFUSED;
		for (let line = 0; line < lines; line += 1) {
			await this.#pause(ms / lines);
			this.spool.write(`line ${line} ${"x".repeat(this.#world.random.below(200))}\n`);
		}
		if (lines === 0) await this.#pause(ms);
		const end = ends[Math.min(assignment.number, ends.length) - 1] ?? "succeeded";
		const artifacts = end === "succeeded" && this.#script.saves && assignment.artifacts.save.length > 0 ? await this.#save() : [];
		const failed = { code: end === "failed" ? "step_failed" : "agent_failed", text: `Ends ${end}.` };
		return {
			state: end,
			exit_code: end === "errored" ? null : end === "failed" ? this.#script.exitCode : 0,
			reason: end === "succeeded" ? null : failed,
			artifacts,
			...NOTHING_ELSE,
			outputs: Object.fromEntries(this.#script.outputs),
		};
	}

	/** Looks up what is to be run: nothing of that takes long. */
	async #discover(): Promise<JobResult> {
		const { random } = this.#world;
		await this.#pause(random.between(0, 5_000));
		const failed = random.chance(0.15);
		return {
			state: failed ? "errored" : "succeeded",
			exit_code: null,
			reason: failed ? { code: "checkout_failed", text: "There is no such repository." } : null,
			artifacts: [],
			...NOTHING_ELSE,
			discovery: failed
				? null
				: { files: randomFiles(random), changed: random.chance(0.5) ? ["src/a.ts"] : null, base: null, included: [] },
		};
	}

	/** Lists refs: of a repository that lives, and loses branches at times. */
	async #listRefs(): Promise<JobResult> {
		const { random } = this.#world;
		await this.#pause(random.between(0, 5_000));
		const failed = random.chance(0.15);
		const names = ["refs/heads/main", "refs/heads/topic", "refs/tags/v1"].filter(() => random.chance(0.7));
		const commit = () =>
			createHash("sha1")
				.update(String(random.below(5)))
				.digest("hex");
		return {
			state: failed ? "errored" : "succeeded",
			exit_code: null,
			reason: failed ? { code: "checkout_failed", text: "There is no such repository." } : null,
			artifacts: [],
			...NOTHING_ELSE,
			refs: failed ? null : names.map((ref) => ({ ref, sha: commit(), tag_object: null })),
		};
	}

	/** Time passes; less than wanted if the job is stopped. @throws when it is */
	#pause(ms: number): Promise<void> {
		return new Promise((resolve, reject) => {
			if (this.#stop.signal.aborted) return reject(this.#stop.signal.reason);
			this.#stop.signal.addEventListener("abort", () => reject(this.#stop.signal.reason), { once: true });
			setTimeout(resolve, ms);
		});
	}

	async #pinCommit(): Promise<void> {
		const { source } = this.assignment;
		const found = createHash("sha1")
			.update(String(this.#world.random.below(1000)))
			.digest("hex");
		const sha = (source && "git" in source ? source.commit : null) ?? found;
		const json = { sha, branch: "main", tag: null, message: "a change", author: "somebody" };
		const path = `/api/v1/attempts/${this.assignment.attempt_id}/commit`;
		const call = () => this.#client.fetch(commitAnswer, { method: "POST", path, token: this.#token, json, signal: this.#stop.signal });
		const answer = await untilAnswered(call, this.#stop.signal);
		this.spool.write(`commit ${answer.sha}\n`);
	}

	/** Adds jobs to the run. @returns false if they are refused, or nothing is added to the run any more */
	async #upload(text: string): Promise<boolean> {
		await this.#pause(this.#world.random.between(0, 3_000));
		const path = `/api/v1/attempts/${this.assignment.attempt_id}/pipeline`;
		const bytes = new TextEncoder().encode(text);
		const call = () => this.#client.fetch(uploadedPipeline, { method: "POST", path, token: this.#token, bytes, signal: this.#stop.signal });
		try {
			const { jobs } = await untilAnswered(call, this.#stop.signal);
			this.spool.write(`added ${jobs.length}\n`);
			return true;
		} catch (error) {
			if (error instanceof ApiError && (error.code === "validation_failed" || error.code === "conflict")) return false;
			throw error;
		}
	}

	/** Saves one file; its bytes are put where the coordinator says. */
	async #save(): Promise<JobResult["artifacts"]> {
		const bytes = new TextEncoder().encode(`made by ${this.assignment.attempt_id}`);
		const file = { path: "made.txt", size: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") };
		const path = `/api/v1/attempts/${this.assignment.attempt_id}/artifacts`;
		const call = () =>
			this.#client.fetch(artifactUploads, {
				method: "POST",
				path,
				token: this.#token,
				json: { files: [file] },
				signal: this.#stop.signal,
			});
		const { files } = await untilAnswered(call, this.#stop.signal);
		const key = files[0]?.key ?? "";
		this.#bucket.set(key, bytes);
		return [{ ...file, executable: false, key }];
	}

	#ended(): JobResult {
		const reasons: Record<StopReason, JobResult["state"]> = {
			cancelled: "cancelled",
			lost: "cancelled",
			timed_out: "timed_out",
			idle_timed_out: "timed_out",
			agent_stopped: "errored",
		};
		const reason = this.#stopReason ?? "cancelled";
		return {
			state: reasons[reason],
			exit_code: null,
			reason: { code: reason === "lost" ? "cancelled" : reason, text: "Ended." },
			artifacts: [],
			...NOTHING_ELSE,
		};
	}
}

/** Of a plan, which has no step. */
const NO_SCRIPT: Script = { ms: 0, lines: 0, ends: [], stubbornMs: 0, saves: false, exitCode: 0, outputs: [], uploads: null };
const NOTHING_ELSE = { outputs: {}, tests: null, coverage: null, usage: null, annotations: [], caches: [], discovery: null, refs: null };
/** Of a job that could not add what it wanted to. */
const REFUSED: JobResult = {
	state: "failed",
	exit_code: 1,
	reason: { code: "step_failed", text: "No job was added." },
	artifacts: [],
	...NOTHING_ELSE,
};
