import { realpathSync } from "node:fs";
import { cleanupLimit } from "../../schema/pipeline/runtime/cleanup.ts";
import { plainText } from "../../schema/text/ansi.ts";
import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { Commit } from "../../schema/wire/protocol.ts";
import type { ListedRef } from "../../schema/wire/refs.ts";
import type { Step } from "../../schema/wire/resources.ts";
import type { Usage } from "../../schema/wire/usage.ts";
import { gitCredentials } from "../git/credentials.ts";
import { LogSpool } from "../log/log_spool.ts";
import { Masker } from "../log/masker.ts";
import { JobError, logLost, type Outcome, SUCCESS, withReason } from "../outcome.ts";
import { AttemptProcesses } from "../processes/attempt_processes.ts";
import type { Output } from "../processes/start_process.ts";
import type { Job, JobResult, StopReason } from "../protocol/job.ts";
import { leavesResults } from "../results/leaves_results.ts";
import type { Results } from "../results/results.ts";
import { attemptPaths } from "./attempt_paths.ts";
import { buildCacheVariables } from "./build_cache_variables.ts";
import type { HostServices } from "./containers/host_services.ts";
import { jobEnvironment, withHome } from "./environment.ts";
import { HostExecutor } from "./host_executor.ts";
import { IdleWatch } from "./idle_watch.ts";
import { JobCaches } from "./job_caches.ts";
import { CommandResults } from "./job_command/command_results.ts";
import { JobRequests } from "./job_command/requests.ts";
import type { JobContext } from "./job_context.ts";
import { type JobPhases, phasesOf } from "./job_phases.ts";
import { endStoppedStep, type JobResources, registryAccess, runPhase } from "./job_resources.ts";
import type { JobSource } from "./job_source.ts";
import { JobSteps } from "./job_steps.ts";
import { JobStop, stoppedOutcome } from "./job_stop.ts";
import { type ServicePlaces, serviceVariables } from "./service_variables.ts";
import { SourceFailed } from "./source_failed.ts";
import { StepFiles } from "./step_files.ts";
import { StepRunner } from "./step_runner.ts";
import { StepSequence } from "./step_sequence.ts";
import { rejectUntrusted } from "./untrusted_jobs.ts";
import { UsageWatch } from "./usage_watch.ts";

const NO_RESULTS: Results = { outputs: {}, artifacts: [], tests: null, coverage: null };

/** The reasons for a stop after which `finally` does not run: another attempt may run already. */
const WITHOUT_CLEANUP: ReadonlySet<StopReason> = new Set(["lost", "agent_stopped"]);

/**
 * Runs one job in a fresh workspace. It checks out the source, fetches files, runs the steps and
 * those of `finally`, and collects the results in any case. However the job ends, it leaves no
 * process and no container.
 */
export class JobRun implements Job {
	readonly #job: JobResources;
	readonly #phases: JobPhases;
	/** The services beside steps that run on this machine; null if there are none. */
	#services: HostServices | null = null;
	/** The ports of those services. */
	#places: ServicePlaces | null = null;
	/** Null for a job without caches. */
	readonly #caches: JobCaches | null;
	/** Null for a job without a source, and before it is fetched. */
	#source: JobSource | null = null;
	readonly #idle: IdleWatch;
	readonly #usage: UsageWatch;
	/** When the job began, on the monotonic clock. */
	#began = 0;
	/** Ends the job when its time is over; undefined while no limit holds. */
	#timer: NodeJS.Timeout | undefined;
	/** Whether the steps of the pipeline have begun. */
	#hasBegun = false;
	/** Whether the steps run that follow a stop, or those of `finally`. */
	#isCleaning = false;
	/** Why the job was stopped, once steps run after the stop. */
	#stopped: StopReason | null = null;
	#used: Usage | null = null;
	/** What it has left through the `windlass` command. */
	readonly #left = new CommandResults();
	#discovered: DiscoveryResult | null = null;
	#refs: ListedRef[] | null = null;
	/** Whether nothing of the job runs any more. */
	isOver = false;

	private constructor(job: JobResources, phases: JobPhases) {
		const { idle_timeout_ms } = job.context.assignment;
		this.#job = job;
		this.#phases = phases;
		this.#caches = phases.caches === null ? null : new JobCaches(job, job.context.caches);
		this.#usage = new UsageWatch(() => job.executor.readUsage(), job.context.now);
		this.#idle = new IdleWatch(idle_timeout_ms, () => this.#stopIdle());
		job.stop = this.#newStop();
	}

	#newStop(): JobStop {
		const { context, processes } = this.#job;
		const mayContinue = (reason: StopReason) =>
			this.#hasBegun && !this.#isCleaning && !WITHOUT_CLEANUP.has(reason) && cleanupLimit(context.assignment) > 0;
		return new JobStop(processes, context.killGraceMs, () => this.#job.executor, mayContinue);
	}

	/** Prepares a job whose folders are made (attempt_folders.ts). */
	static prepare(context: JobContext): JobRun {
		const { assignment, cgroup, now } = context;
		const masker = new Masker(secretsOf(context));
		const workspace = realpathSync.native(attemptPaths(context.folder).workspace);
		const spool = LogSpool.create(`${context.folder}/log`, context.budget, context.maxLogBytes, masker, now);
		const phases = phasesOf(assignment);
		const processes = AttemptProcesses.begin(assignment.attempt_id, context.folder, cgroup);
		const job: JobResources = {
			context,
			workspace,
			spool,
			masker,
			steps: new JobSteps(phases.names, spool, now),
			processes,
			stop: new JobStop(processes, context.killGraceMs, () => job.executor),
			executor: new HostExecutor(context.folder, workspace, context.commands, processes, context.starter),
		};
		return new JobRun(job, phases);
	}

	get spool(): LogSpool {
		return this.#job.spool;
	}

	get steps(): Step[] {
		return this.#job.steps.list;
	}

	set onSteps(listen: (steps: Step[]) => void) {
		this.#job.steps.onChange = listen;
	}

	stop(reason: StopReason): void {
		if (this.isOver) return;
		// What cleans up goes on, and then the job ends for this reason.
		if (this.#isCleaning && !WITHOUT_CLEANUP.has(reason)) this.#stopped ??= reason;
		else this.#job.stop.stop(reason);
	}

	/** Why the job was stopped; null while it was not. */
	get #stopReason(): StopReason | null {
		return this.#stopped ?? this.#job.stop.reason;
	}

	/** Runs the job to its end. Never throws: every error becomes part of the result. */
	async run(): Promise<JobResult> {
		const { context, spool, steps, masker } = this.#job;
		this.#began = performance.now();
		this.#limitTime(context.assignment.timeout_ms);
		let outcome: Outcome;
		let results = NO_RESULTS;
		try {
			outcome = await this.#runSteps();
			// Processes in the background would still write to the files that are collected now.
			if (this.#stopReason === null) await this.#job.stop.endAll();
			if (this.#stopReason === null) ({ outcome, results } = await this.#collect(outcome));
		} catch (error) {
			outcome = this.#stopReason ? stoppedOutcome(this.#stopReason, context.assignment) : await this.#errored(error);
		}
		clearTimeout(this.#timer);
		await this.#job.stop.ended();
		await this.#services?.remove();
		await this.#source?.close();
		// Half of what a stopped job has made may be missing.
		if (this.#hasBegun && this.#stopReason === null) await this.#caches?.save(outcome);
		await context.leaveCgroup();
		this.isOver = true;
		steps.skipOpen();
		await spool.endLine();
		await spool.close();
		const { state, exitCode: exit_code, reason: unmasked } = withLogError(outcome, spool.error);
		const reason = unmasked && { ...unmasked, text: plainText(masker.text(unmasked.text)) };
		const outputs = Object.fromEntries(Object.entries(results.outputs).map(([name, value]) => [name, masker.text(value)]));
		const { annotations } = this.#left;
		return {
			state,
			exit_code,
			reason,
			...results,
			outputs,
			annotations,
			caches: this.#caches?.uses ?? [],
			usage: this.#used,
			discovery: this.#discovered,
			refs: this.#refs,
		};
	}

	/** Stops the job after this time. */
	#limitTime(ms: number): void {
		this.#timer = setTimeout(() => {
			void this.#job.spool.writeLine(`:: the job exceeded its timeout of ${formatDuration(this.#job.context.assignment.timeout_ms)}`);
			this.stop("timed_out");
		}, ms);
	}

	async close(): Promise<void> {
		const { context, spool } = this.#job;
		// The job has not left it where it did not run.
		await context.leaveCgroup();
		await spool.delete();
	}

	async #runSteps(): Promise<Outcome> {
		try {
			return await this.#runAll();
		} catch (error) {
			if (error instanceof SourceFailed) return error.outcome;
			throw error;
		}
	}

	async #runAll(): Promise<Outcome> {
		const { context, spool } = this.#job;
		const { assignment } = context;
		const { source } = assignment;
		await this.#assertSuitable();
		rejectUntrusted(assignment);
		if (!context.cgroup) await spool.writeLine(":: this agent has no control groups: a detached process may outlive the job");
		if (assignment.discovery && source && "git" in source) {
			this.#discovered = await (await this.#openSource()).discover(source, assignment.discovery);
			return SUCCESS;
		}
		if (assignment.lists_refs && source && "git" in source) {
			this.#refs = await (await this.#openSource()).listRefs(source);
			return SUCCESS;
		}
		const commit = source ? await (await this.#openSource()).prepare(source) : null;
		if (this.#phases.fetch !== null) await this.#fetchArtifacts(this.#phases.fetch);
		if (this.#phases.caches !== null) await this.#restoreCaches(this.#phases.caches);
		if (this.#phases.container !== null) await this.#openContainers(this.#phases.container);
		const sequence = this.#sequence(commit);
		this.#hasBegun = true;
		const requests = new JobRequests(attemptPaths(this.#job.context.folder).files, async (request) => {
			const { answerRequest } = await import("./job_command/commands.ts");
			return answerRequest(this.#job, this.#left, request);
		});
		this.#idle.start();
		this.#usage.start();
		try {
			const outcome = await sequence.run();
			this.#idle.stop();
			return await this.#cleanUp(sequence, outcome);
		} finally {
			this.#idle.stop();
			await requests.close();
			// The control group may serve another job soon.
			this.#used = this.#usage.stop();
		}
	}

	#sequence(commit: Commit | null): StepSequence {
		const { context, executor } = this.#job;
		return new StepSequence(this.#job, {
			runner: new StepRunner(this.#job, (folder) => this.#source?.credentialSettings(folder) ?? []),
			files: new StepFiles(attemptPaths(context.folder).files, executor.paths.files),
			first: this.#phases.steps,
			environment: this.#environment(commit),
			output: this.#output,
		});
	}

	/**
	 * Runs the steps that follow a stop, and those of `finally`, with a time limit of their own.
	 * @param outcome the outcome of the steps before, if the job was not stopped
	 */
	async #cleanUp(sequence: StepSequence, outcome: Outcome): Promise<Outcome> {
		const { context, stop, spool } = this.#job;
		const { assignment } = context;
		const { reason } = stop;
		const limit = cleanupLimit(assignment);
		const hasSteps = assignment.finally !== null || (reason !== null && sequence.mayResume);
		if (!hasSteps || (reason !== null && WITHOUT_CLEANUP.has(reason)))
			return reason === null ? outcome : stoppedOutcome(reason, assignment);
		if (reason !== null) await stop.ended();
		clearTimeout(this.#timer);
		const left = assignment.timeout_ms - (performance.now() - this.#began);
		this.#stopped = reason;
		this.#isCleaning = true;
		const cleaning = this.#newStop();
		this.#job.stop = cleaning;
		if (reason !== null) await spool.writeLine(`:: ${STOPPED[reason]}; the steps that clean up run for up to ${formatDuration(limit)}`);
		const timer = setTimeout(() => {
			void spool.writeLine(`:: the steps that clean up took longer than ${formatDuration(limit)}`);
			cleaning.stop("timed_out");
		}, limit);
		if (reason !== null) await sequence.resume(reason);
		let last = await sequence.finish();
		clearTimeout(timer);
		this.#isCleaning = false;
		if (cleaning.reason !== null && WITHOUT_CLEANUP.has(cleaning.reason)) return stoppedOutcome(cleaning.reason, assignment);
		if (cleaning.reason !== null && outcome.state === "succeeded") last = cleanupTimedOut(limit);
		await cleaning.endAll();
		if (this.#stopped !== null) return stoppedOutcome(this.#stopped, assignment);
		this.#job.stop = this.#newStop();
		this.#limitTime(Math.max(0, left));
		return last;
	}

	/** @throws JobError if the agent no longer meets the job's requirements */
	async #assertSuitable(): Promise<void> {
		const { assignment, offering } = this.#job.context;
		const { labels, ...others } = assignment.runs_on;
		if (labels.length === 0 && Object.values(others).every((one) => one === undefined)) return;
		const { firstUnmetRequirement } = await import("../../schema/pipeline/validate/requirements.ts");
		const unmet = firstUnmetRequirement(assignment.runs_on, await offering());
		if (unmet !== null) throw new JobError("agent_unsuitable", `This agent no longer meets the job's requirements: it ${unmet}.`);
	}

	async #openSource(): Promise<JobSource> {
		const { JobSource } = await import("./job_source.ts");
		this.#source = new JobSource(this.#job);
		return this.#source;
	}

	#environment(commit: Commit | null): Record<string, string> {
		const { context, executor } = this.#job;
		const { assignment, containerEnvironment, environment } = context;
		const inherited = assignment.container ? containerEnvironment : withHome(environment, executor.paths.home);
		return {
			...buildCacheVariables(context.client.server, assignment.build_cache, executor.paths.temporary),
			...jobEnvironment(inherited, assignment, executor.paths, commit),
			...serviceVariables(assignment.services, this.#places),
			...assignment.container?.env,
			...assignment.secrets,
		};
	}

	async #fetchArtifacts(position: number): Promise<void> {
		const { context, workspace, spool, stop } = this.#job;
		const { assignment, client, token } = context;
		await runPhase(this.#job, position, `:: fetch the artifacts of ${assignment.artifacts.fetch.join(", ")}`, async () => {
			const { fetchFiles } = await import("../results/fetch_files.ts");
			const items = await fetchFiles({
				client,
				attempt: { id: assignment.attempt_id, token },
				workspace,
				signal: stop.signal,
				writeLine: (text) => spool.writeLine(text),
			});
			for (const item of items) await spool.writeLine(`:: fetched ${item.path} (${item.size} bytes) from ${item.job}`);
		});
	}

	async #restoreCaches(position: number): Promise<void> {
		await runPhase(this.#job, position, ":: restore the caches", async () => this.#caches?.restore());
	}

	/** Starts the container of the job and its services; without a container, the services. */
	async #openContainers(position: number): Promise<void> {
		const { context, workspace, spool, stop, processes } = this.#job;
		const { assignment, folder, commands, containerLabel: label, containerLimits: limits } = context;
		const { container, services } = assignment;
		const names = [...(container ? [container.image] : []), ...services.map(({ name, image }) => `${name} (${image})`)];
		const shared = { assignment, processes, label, limits, registries: registryAccess(this.#job), spool, signal: stop.signal };
		await runPhase(this.#job, position, `:: prepare ${names.join(", ")}`, async () => {
			if (container) {
				const { ContainerExecutor } = await import("./containers/container_executor.ts");
				this.#job.executor = await ContainerExecutor.open({ ...shared, container, folder, commands, workspace });
			} else {
				const { HostServices } = await import("./containers/host_services.ts");
				this.#services = new HostServices(shared);
				this.#places = await this.#services.start();
			}
		});
		stop.endIfStopped();
	}

	async #collect(outcome: Outcome): Promise<{ outcome: Outcome; results: Results }> {
		const { context, workspace, spool, masker, steps, stop, executor } = this.#job;
		const { assignment, client, token, folder } = context;
		const saved = [...this.#left.artifacts.values()];
		if (!leavesResults(assignment, attemptPaths(folder))) return { outcome, results: { ...NO_RESULTS, artifacts: saved } };
		const position = this.#phases.results;
		const { collectResults } = await import("../results/results.ts");
		const { error, results } = await collectResults({
			assignment,
			client,
			attempt: { id: assignment.attempt_id, token },
			workspace,
			workspaceOfSteps: executor.paths.workspace,
			folders: attemptPaths(folder),
			signal: stop.signal,
			masker,
			writeLine: (text) => spool.writeLine(text),
			begin: (line) => (position === null ? spool.writeLine(line) : steps.begin([position], line)),
		});
		if (stop.reason) return { outcome: endStoppedStep(this.#job, position), results: NO_RESULTS };
		if (position !== null) steps.end(position, error ? "failed" : "succeeded", null);
		// A file that the pipeline saves, too, is the one that was there at the end.
		const paths = new Set(results.artifacts.map((file) => file.path));
		const artifacts = [...results.artifacts, ...saved.filter((file) => !paths.has(file.path))];
		return { outcome: error && outcome.state === "succeeded" ? error : outcome, results: { ...results, artifacts } };
	}

	/** The outcome of an error that is not a step's. */
	async #errored(error: unknown): Promise<Outcome> {
		if (error instanceof JobError) {
			await this.#job.spool.writeLine(`:: ${error.message}`);
			return error.outcome;
		}
		return new JobError("agent_failed", `The agent failed: ${(error as Error).message}`).outcome;
	}

	#stopIdle(): void {
		const { context, spool, stop } = this.#job;
		if (stop.reason) return;
		void spool.writeLine(`:: the job wrote nothing for ${formatDuration(context.assignment.idle_timeout_ms ?? 0)}`);
		this.stop("idle_timed_out");
	}

	/** The log, as the steps write to it. */
	get #output(): Output {
		return {
			write: (bytes) => {
				this.#idle.reset();
				return this.#job.spool.write(bytes);
			},
		};
	}
}

/** What the log says of a stop that steps follow. */
const STOPPED: Readonly<Record<StopReason, string>> = {
	cancelled: "the job was cancelled",
	timed_out: "the job timed out",
	idle_timed_out: "the job timed out",
	agent_stopped: "the agent was stopped",
	lost: "the lease was lost",
};

function cleanupTimedOut(limit: number): Outcome {
	const text = `The steps of \`finally\` took longer than ${formatDuration(limit)}.`;
	return { state: "timed_out", exitCode: null, reason: { code: "finally_timed_out", text } };
}

/** Everything that the log must not show. */
function secretsOf({ assignment: { secrets, source, discovery, build_cache }, registryCredentials }: JobContext): string[] {
	const passwords = Object.values(registryCredentials).map(({ password }) => password);
	const given = source && "git" in source && source.credentials !== null ? [source.credentials] : [];
	const ofProjects = (discovery?.projects ?? []).flatMap(({ credentials }) => credentials ?? []);
	const all = [...given, ...ofProjects];
	const parts = all.map((text) => gitCredentials("http://any", text).password);
	return [...Object.values(secrets), ...passwords, ...all, ...parts, ...(build_cache ? [build_cache.token] : [])];
}

/** Adds to an outcome that the disk could not store all of the log. */
function withLogError(outcome: Outcome, error: LogSpool["error"]): Outcome {
	if (error === null) return outcome;
	if (!error.isInLog) return withReason(outcome, logLost(error.text).outcome);
	const text = `The agent could not write all of the log to its disk: ${error.text}. The log says where something is missing.`;
	return withReason(outcome, { ...outcome, reason: { code: "log_incomplete", text } });
}
