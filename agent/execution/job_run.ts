import { mkdir, realpath, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import { firstUnmetRequirement } from "../../schema/pipeline/validate/requirements.ts";
import { plainText } from "../../schema/text/ansi.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { DiscoveryResult, DiscoveryWork } from "../../schema/wire/plans.ts";
import { type Assignment, type Commit, commitAnswer } from "../../schema/wire/protocol.ts";
import type { ListedRef } from "../../schema/wire/refs.ts";
import type { Step } from "../../schema/wire/resources.ts";
import type { Reason } from "../../schema/wire/states.ts";
import { type Checkout, checkOut, fetchOnly } from "../git/checkout.ts";
import { CredentialHelper } from "../git/credential_helper.ts";
import { lookUp } from "../git/discover_pipelines.ts";
import { CheckoutFailed, Git, gitCredentials, ownCredentials, settingsEnvironment } from "../git/git.ts";
import { listRefs } from "../git/list_refs.ts";
import { LogSpool } from "../log/log_spool.ts";
import { Masker } from "../log/masker.ts";
import type { SpoolBudget } from "../log/spool_budget.ts";
import { JobError, logLost, type Outcome, SUCCESS, withReason } from "../outcome.ts";
import { AttemptProcesses } from "../processes/attempt_processes.ts";
import { CannotStart } from "../processes/cannot_start.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import type { Job, JobResult, StopReason } from "../protocol/job.ts";
import { fetchFiles } from "../results/fetch_files.ts";
import { collectResults, type Results } from "../results/results.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { ContainerExecutor, type ContainerLimits } from "./containers/container_executor.ts";
import { buildImage } from "./containers/image_build.ts";
import { type RegistryAccess, type RegistryCredentials, registryEnvironment } from "./containers/registries.ts";
import { jobEnvironment, withHome } from "./environment.ts";
import { attemptPaths, HostExecutor, type StepExecutor } from "./host_executor.ts";
import { JobSteps } from "./job_steps.ts";
import { unpackSource } from "./unpack_source.ts";
import { isUntrusted, rejectUntrusted } from "./untrusted_jobs.ts";

export interface JobContext {
	assignment: Assignment;
	folder: string;
	/** What the job inherits of the agent's environment. */
	environment: Record<string, string>;
	/** What git inherits of it, for the checkout. */
	checkoutEnvironment: Record<string, string>;
	/** What a job in a container inherits of it. */
	containerEnvironment: Record<string, string>;
	/** The folder of the agent's mirrors. */
	mirrors: string;
	/** The control group of the attempt, where there are any. */
	cgroup: Cgroup | null;
	client: FileCoordinator;
	token: string;
	killGraceMs: number;
	budget: SpoolBudget;
	maxLogBytes: number;
	/** The time that steps and log lines are told by, in milliseconds since the epoch. */
	now: () => number;
	/** What this machine has, at this moment. */
	offering: () => Promise<Offering>;
	/** What containers of this agent are labelled with. */
	containerLabel: string;
	containerLimits: ContainerLimits;
	registryCredentials: Readonly<Record<string, RegistryCredentials>>;
}

type GitSource = Extract<NonNullable<Assignment["source"]>, { git: string }>;

const NOTHING: Results = { outputs: {}, artifacts: [], tests: null, coverage: null };

/**
 * Runs the steps of a job in a fresh workspace: check out, fetch, the steps until one fails; what they have left is collected even then.
 * However it ends, no process and no container of it is left.
 */
export class JobRun implements Job {
	readonly spool: LogSpool;
	readonly #context: JobContext;
	readonly #workspace: string;
	readonly #masker: Masker;
	readonly #steps: JobSteps;
	readonly #phases: Phases;
	readonly #processes: AttemptProcesses;
	readonly #stop = new AbortController();
	#place: StepExecutor;
	#stopReason: StopReason | null = null;
	#ending: Promise<void> | null = null;
	#lastOutputAt = 0;
	/** What a plan has found. */
	#planned: DiscoveryResult | null = null;
	/** By what git in the steps reads and writes the project's own repository. */
	#credentialHelper: CredentialHelper | null = null;
	/** The refs that were listed. */
	#refs: ListedRef[] | null = null;
	/** Whether nothing of the job runs any more. */
	isOver = false;

	private constructor(context: JobContext, workspace: string, spool: LogSpool, masker: Masker) {
		this.#masker = masker;
		this.#context = context;
		this.#workspace = workspace;
		this.spool = spool;
		this.#processes = new AttemptProcesses(context.assignment.attempt_id, context.folder, context.cgroup);
		this.#place = new HostExecutor(context.folder, workspace, this.#processes);
		this.#phases = phasesOf(context.assignment);
		this.#steps = new JobSteps(this.#phases.names, spool, context.now);
	}

	/** Makes the folders of an attempt. */
	static async prepare(context: JobContext): Promise<JobRun> {
		const masker = new Masker(secretsOf(context));
		const workspace = path.join(context.folder, "workspace");
		const { steps, own, emptyHome, temporary, home, files, output, summary } = attemptPaths(context.folder);
		for (const folder of [workspace, files, own, emptyHome, temporary, home]) await mkdir(folder, { recursive: true, mode: 0o700 });
		await mkdir(steps, { mode: context.assignment.container ? 0o755 : 0o700 });
		for (const file of [output, summary]) await writeFile(file, "", { mode: 0o600 });
		return new JobRun(
			context,
			await realpath(workspace),
			await LogSpool.create(path.join(context.folder, "log"), context.budget, context.maxLogBytes, masker, context.now),
			masker,
		);
	}

	get steps(): Step[] {
		return this.#steps.list;
	}

	set onSteps(listen: (steps: Step[]) => void) {
		this.#steps.onChange = listen;
	}

	/** Ends everything that runs now: SIGTERM, the grace, SIGKILL. The first reason counts. */
	stop(reason: StopReason): void {
		if (this.#stopReason !== null || this.isOver) return;
		this.#stopReason = reason;
		this.#stop.abort();
		this.#ending = this.#endAll();
	}

	/** Runs the job to its end. Never throws: what goes wrong is part of the result. */
	async run(): Promise<JobResult> {
		const { assignment } = this.#context;
		const timeout = setTimeout(() => {
			void this.spool.say(`:: the job has reached its timeout of ${formatDuration(assignment.timeout_ms)}`);
			this.stop("timed_out");
		}, assignment.timeout_ms);
		let outcome: Outcome;
		let results = NOTHING;
		try {
			outcome = await this.#runSteps();
			// What the steps have left running would go on writing to what is collected now.
			if (this.#stopReason === null) await this.#endAll();
			if (this.#stopReason === null) ({ outcome, results } = await this.#collect(outcome));
		} catch (error) {
			outcome = this.#stopReason ? this.#stopped() : await this.#fault(error);
		}
		clearTimeout(timeout);
		await (this.#ending ?? this.#endAll());
		await this.#credentialHelper?.close();
		this.#processes.cgroup?.remove();
		this.isOver = true;
		this.#steps.skipOpen();
		await this.spool.endLine();
		await this.spool.seal();
		outcome = this.#withLogFault(outcome);
		const { state, exitCode: exit_code } = outcome;
		const reason = outcome.reason && { ...outcome.reason, text: plainText(this.#masker.text(outcome.reason.text)) };
		const outputs = Object.fromEntries(Object.entries(results.outputs).map(([name, value]) => [name, this.#masker.text(value)]));
		return { state, exit_code, reason, ...results, outputs, plan: this.#planned, refs: this.#refs };
	}

	/** The outcome, with a word on what the disk has not taken of the log. */
	#withLogFault(outcome: Outcome): Outcome {
		const { fault } = this.spool;
		if (fault === null) return outcome;
		if (!fault.isSaid) return withReason(outcome, logLost(fault.text).outcome);
		const text = `The agent could not write all of the log to its disk: ${fault.text}. The log says where something is missing.`;
		return withReason(outcome, { ...outcome, reason: { code: "log_incomplete", text } });
	}

	async #fault(error: unknown): Promise<Outcome> {
		if (error instanceof JobError) {
			await this.spool.say(`:: ${error.message}`);
			return error.outcome;
		}
		return new JobError("agent_failed", `The agent failed: ${(error as Error).message}`).outcome;
	}

	async #runSteps(): Promise<Outcome> {
		const { assignment, cgroup } = this.#context;
		const lack = firstUnmetRequirement(assignment.runs_on, await this.#context.offering());
		if (lack !== null) throw new JobError("agent_unsuitable", `This agent does not fit the job (any more): it ${lack}.`);
		rejectUntrusted(assignment);
		if (!cgroup)
			await this.spool.say(":: this agent has no control group of its own: a process that detaches itself completely may outlive the job");
		if (assignment.plan && assignment.source && "git" in assignment.source) return this.#plan(assignment.source, assignment.plan);
		if (assignment.lists_refs && assignment.source && "git" in assignment.source) return this.#listRefs(assignment.source);
		let commit: Commit | null = null;
		if (assignment.source) {
			const checkedOut = await this.#checkOut(assignment.source);
			if (checkedOut && "state" in checkedOut) return checkedOut;
			commit = checkedOut;
		}
		if (this.#phases.fetch !== null) await this.#fetch(this.#phases.fetch);
		if (this.#phases.container !== null) await this.#openContainer(this.#phases.container);
		const inherited = assignment.container
			? this.#context.containerEnvironment
			: withHome(this.#context.environment, this.#place.paths.home);
		const environment = {
			...jobEnvironment(inherited, assignment, this.#place.paths, commit),
			...assignment.container?.env,
			...assignment.secrets,
		};
		const idle = this.#watchIdleness();
		try {
			for (const [index, step] of assignment.steps.entries()) {
				const outcome = await this.#runStep(this.#phases.steps + index, step, environment);
				if (outcome.state !== "succeeded") return outcome;
			}
		} finally {
			clearInterval(idle);
		}
		return SUCCESS;
	}

	/** Runs a phase of the agent's own as a step of the job. */
	async #phase<Value>(position: number, line: string, body: () => Promise<Value>): Promise<Value> {
		await this.#steps.begin(position, line);
		try {
			const value = await body();
			this.#steps.end(position, "succeeded", null);
			return value;
		} catch (error) {
			this.#steps.end(position, this.#stopReason ? stepStateOf(this.#stopReason) : "failed", null);
			throw error;
		}
	}

	async #fetch(position: number): Promise<void> {
		const { assignment, client, token } = this.#context;
		await this.#phase(position, `:: fetch the artifacts of ${assignment.artifacts.fetch.join(", ")}`, async () => {
			const attempt = { id: assignment.attempt_id, token };
			const items = await fetchFiles({
				client,
				attempt,
				workspace: this.#workspace,
				signal: this.#stop.signal,
				say: (text) => this.spool.say(text),
			});
			for (const item of items) await this.spool.say(`:: fetched ${item.path} (${item.size} bytes) from ${item.job}`);
		});
	}

	async #openContainer(position: number): Promise<void> {
		const { assignment, folder, containerLabel: label, containerLimits: limits } = this.#context;
		const { container } = assignment;
		if (!container) return;
		const names = [container.image, ...assignment.services.map(({ name, image }) => `${name} (${image})`)];
		this.#place = await this.#phase(position, `:: prepare ${names.join(", ")}`, () =>
			ContainerExecutor.open({
				assignment,
				container,
				folder,
				workspace: this.#workspace,
				processes: this.#processes,
				label,
				limits,
				registries: this.#registries,
				spool: this.spool,
				signal: this.#stop.signal,
			}),
		);
		// Stopped while it was being opened: what was to be ended then was not there yet.
		if (this.#stopReason) this.#ending = this.#endAll();
	}

	/** Ends a job that says nothing for too long. */
	#watchIdleness(): NodeJS.Timeout | undefined {
		const { idle_timeout_ms } = this.#context.assignment;
		if (idle_timeout_ms === null) return undefined;
		this.#lastOutputAt = performance.now();
		const look = () => {
			if (performance.now() - this.#lastOutputAt < idle_timeout_ms || this.#stopReason) return;
			void this.spool.say(`:: nothing was written for ${formatDuration(idle_timeout_ms)}`);
			this.stop("idle_timed_out");
		};
		return setInterval(look, Math.min(5_000, Math.max(50, idle_timeout_ms / 10)));
	}

	/** The log, as the steps write to it. */
	get #output(): Output {
		return {
			write: (bytes) => {
				this.#lastOutputAt = performance.now();
				return this.spool.write(bytes);
			},
		};
	}

	/** Makes the workspace of its source. @returns the commit; null for a source without one */
	async #checkOut(source: NonNullable<Assignment["source"]>): Promise<Commit | Outcome | null> {
		return this.#firstPhase(async () => {
			const commit = "git" in source ? await this.#clone(source) : await this.#unpack(source);
			this.#steps.end(0, "succeeded", 0);
			return commit;
		});
	}

	/** Finds out what the repository wants to be run, in place of running anything. */
	async #plan(source: GitSource, plan: DiscoveryWork): Promise<Outcome> {
		return this.#firstPhase(async () => {
			const checkout = await this.#beginCheckout(source);
			const { commit, ref } = await fetchOnly(checkout);
			await this.#sayCommit(commit);
			this.#steps.end(0, "succeeded", 0);
			this.#planned = await this.#phase(1, ":: what is to be run", () =>
				lookUp(new Git(checkout, this.#workspace), { sha: commit.sha, ref }, plan, (text) => this.spool.say(text)),
			);
			return SUCCESS;
		});
	}

	/** Lists what branches and tags there are, in place of running anything. */
	async #listRefs(source: GitSource): Promise<Outcome> {
		return this.#firstPhase(async () => {
			const checkout = await this.#beginCheckout(source, "list the refs of");
			this.#refs = await listRefs(new Git(checkout, this.#workspace), source.git, (text) => this.spool.say(text));
			this.#steps.end(0, "succeeded", 0);
			return SUCCESS;
		});
	}

	/** What has to do with the source: what goes wrong there is not the job's own fault. */
	async #firstPhase<Value>(body: () => Promise<Value>): Promise<Value | Outcome> {
		try {
			return await body();
		} catch (error) {
			if (this.#stopReason) return this.#stopped(0);
			if (!(error instanceof CheckoutFailed)) throw error;
			await this.spool.say(`:: ${error.message}`);
			if (this.#steps.list[0]?.state === "running") this.#steps.end(0, "failed", null);
			return { state: "errored", exitCode: null, reason: { code: "checkout_failed", text: error.message } };
		}
	}

	async #clone(source: GitSource): Promise<Commit> {
		const { commit } = await checkOut(await this.#beginCheckout(source));
		await this.#sayCommit(commit);
		if (source.credentials !== null && source.is_trusted) {
			const { credentials: folder } = attemptPaths(this.#context.folder);
			this.#credentialHelper = await CredentialHelper.open(
				folder,
				ownCredentials(gitCredentials(source.git, source.credentials), source.git),
			);
		}
		return commit;
	}

	async #beginCheckout(source: GitSource, verb = "check out"): Promise<Checkout> {
		await this.#steps.begin(0, `:: ${verb} ${source.git}${source.ref ? ` ${source.ref}` : ""}`);
		const { client, token, assignment, checkoutEnvironment, mirrors, folder } = this.#context;
		return {
			source,
			workspace: this.#workspace,
			mirrors,
			env: jobEnvironment(checkoutEnvironment, { ...assignment, env: {} }, this.#place.paths, null),
			emptyHome: attemptPaths(folder).emptyHome,
			scratch: path.join(attemptPaths(folder).own, "large-files.git"),
			reader: source.credentials === null ? "" : assignment.run.project,
			credentials: source.credentials === null ? null : gitCredentials(source.git, source.credentials),
			cgroup: this.#processes.cgroup,
			spool: this.spool,
			signal: this.#stop.signal,
			onStart: (started) => this.#processes.add(started.pid),
			pin: async (found, tag_object) => {
				const path = `/api/v1/attempts/${assignment.attempt_id}/commit`;
				const json = { ...found, ...(tag_object === null ? {} : { tag_object }) };
				const call = () => client.fetch(commitAnswer, { method: "POST", path, token, json, signal: this.#stop.signal });
				return (await untilAnswered(call, this.#stop.signal)).sha;
			},
		};
	}

	async #sayCommit({ sha, message }: Commit): Promise<void> {
		await this.spool.say(`:: at ${sha.slice(0, 12)} ${message.split("\n", 1)[0]}`);
	}

	async #unpack(source: { upload: string }): Promise<null> {
		await this.#steps.begin(0, `:: unpack the source ${source.upload}`);
		const { client, token, assignment, folder } = this.#context;
		const entries = await unpackSource({
			client,
			attempt: { id: assignment.attempt_id, token },
			workspace: this.#workspace,
			file: path.join(folder, "source"),
			signal: this.#stop.signal,
			say: (text) => this.spool.say(text),
		});
		await this.spool.say(`:: ${entries} ${entries === 1 ? "entry" : "entries"}`);
		return null;
	}

	async #runStep(position: number, step: Assignment["steps"][number], environment: Record<string, string>): Promise<Outcome> {
		if (this.#stopReason) return this.#stopped(position);
		await this.#steps.begin(position, `:: ${step.name}`);
		let isStepTimeOver = false;
		let running: RunningProcess | null = null;
		const onStepTimeOver = () => {
			isStepTimeOver = true;
			void (running ? this.#place.endStep(running, this.#context.killGraceMs) : this.#processes.endAll(this.#context.killGraceMs));
		};
		const timer = step.timeout_ms === null ? undefined : setTimeout(onStepTimeOver, step.timeout_ms);
		let code = 0;
		let failure: Outcome | null = null;
		try {
			if (step.build) failure = await this.#build(step.build, () => isStepTimeOver);
			else {
				running = await this.#startStep(position, step, environment);
				// Stopped while it was being started: the sweep over the groups may have come too early for this one.
				if (this.#stopReason) this.#ending = this.#endAll();
				code = await running.exited;
			}
		} catch (error) {
			if (this.#stopReason) return this.#stopped(position);
			if (error instanceof JobError) {
				this.#steps.end(position, "failed", null);
				throw error;
			}
			if (!(error instanceof CannotStart)) throw error;
			return this.#failed(position, { code: error.code, text: error.message });
		} finally {
			clearTimeout(timer);
		}
		this.#processes.forgetEnded();
		await this.spool.settled();
		if (this.#stopReason) return this.#stopped(position, code);
		if (isStepTimeOver) return this.#stepTimedOut(position, step, code);
		if (failure) return this.#failed(position, failure.reason as Reason, failure.exitCode);
		if (code === 0) {
			this.#steps.end(position, "succeeded", 0);
			return SUCCESS;
		}
		return this.#stepFailed(position, step, code);
	}

	#startStep(position: number, step: Assignment["steps"][number], environment: Record<string, string>): Promise<RunningProcess> {
		const { run: text, shell, working_directory: workingDirectory } = step;
		const env = { ...environment, ...step.env };
		const settings = this.#credentialHelper?.settings(this.#place.paths.credentials) ?? [];
		const git = settings.length > 0 ? settingsEnvironment(settings, Number(env.GIT_CONFIG_COUNT ?? 0) || 0) : {};
		return this.#place.start({ text, shell, number: position, workingDirectory, env: { ...env, ...git } }, this.#output);
	}

	async #build(build: NonNullable<Assignment["steps"][number]["build"]>, isTimeOver: () => boolean): Promise<Outcome | null> {
		return buildImage({
			build,
			// The project's own jobs would take what goes by such a name for theirs.
			isNamed: !isUntrusted(this.#context.assignment),
			registryEnvironment: await registryEnvironment(this.#registries, build.credentials),
			workspace: this.#workspace,
			workspaceOfSteps: this.#place.paths.workspace,
			processes: this.#processes,
			output: this.#output,
			say: (text) => this.spool.say(text),
			isStopping: () => this.#stopReason !== null || isTimeOver(),
		});
	}

	get #registries(): RegistryAccess {
		const { assignment, registryCredentials: known, folder } = this.#context;
		return { known, isAnonymous: isUntrusted(assignment), folder: attemptPaths(folder).own };
	}

	async #stepTimedOut(position: number, step: Assignment["steps"][number], code: number): Promise<Outcome> {
		const text = `The step ${JSON.stringify(step.name)} ran longer than ${formatDuration(step.timeout_ms ?? 0)}.`;
		await this.spool.say(`:: ${text}`);
		this.#steps.end(position, "timed_out", code);
		return { state: "timed_out", exitCode: code, reason: { code: "step_timed_out", text } };
	}

	async #stepFailed(position: number, step: Assignment["steps"][number], code: number): Promise<Outcome> {
		await this.spool.say(`:: exit code ${code}`);
		let why: string | null;
		try {
			why = await this.#place.explainExit(code);
		} catch (error) {
			this.#steps.end(position, "failed", code);
			throw error;
		}
		const text = `The step ${JSON.stringify(step.name)} failed with exit code ${code}${why ? `: ${why}` : ""}.`;
		return this.#failed(position, { code: "step_failed", text }, code);
	}

	/** What the steps have left behind for others. */
	async #collect(outcome: Outcome): Promise<{ outcome: Outcome; results: Results }> {
		const { assignment, client, token, folder } = this.#context;
		const position = this.#phases.results;
		const begin = (line: string) => (position === null ? this.spool.say(line) : this.#steps.begin(position, line));
		const collected = await collectResults({
			assignment,
			client,
			attempt: { id: assignment.attempt_id, token },
			workspace: this.#workspace,
			workspaceOfSteps: this.#place.paths.workspace,
			folders: attemptPaths(folder),
			signal: this.#stop.signal,
			masker: this.#masker,
			say: (text) => this.spool.say(text),
			begin,
		});
		if (this.#stopReason) return { outcome: this.#stopped(position), results: NOTHING };
		if (position !== null) this.#steps.end(position, collected.fault ? "failed" : "succeeded", null);
		const { fault, results } = collected;
		return { outcome: fault && outcome.state === "succeeded" ? fault : outcome, results };
	}

	#failed(position: number, reason: Reason, code: number | null = null): Outcome {
		this.#steps.end(position, "failed", code);
		if (code === null) void this.spool.say(`:: ${reason.text}`);
		return { state: "failed", exitCode: code, reason };
	}

	/** The outcome of a job that was ended from outside. */
	#stopped(position: number | null = null, code: number | null = null): Outcome {
		const { timeout_ms, idle_timeout_ms } = this.#context.assignment;
		const reason = this.#stopReason ?? "cancelled";
		if (position !== null) this.#steps.end(position, stepStateOf(reason), code);
		switch (reason) {
			case "timed_out": {
				const text = `The job ran longer than its timeout of ${formatDuration(timeout_ms)}.`;
				return { state: "timed_out", exitCode: code, reason: { code: "timed_out", text } };
			}
			case "idle_timed_out": {
				const text = `The job wrote nothing for ${formatDuration(idle_timeout_ms ?? 0)}.`;
				return { state: "timed_out", exitCode: code, reason: { code: "idle_timed_out", text } };
			}
			case "agent_stopped":
				return { state: "errored", exitCode: code, reason: { code: "agent_stopped", text: "The agent was stopped while the job ran." } };
			default:
				return { state: "cancelled", exitCode: code, reason: { code: "cancelled", text: "Cancelled." } };
		}
	}

	async close(): Promise<void> {
		await this.spool.close();
	}

	async #endAll(): Promise<void> {
		// Containers first: who stands before them would otherwise be gone before they have said their last.
		await this.#place.end(this.#context.killGraceMs);
		await this.#processes.endAll(this.#context.killGraceMs);
	}
}

/** Everything that nobody is to see in what the job tells. */
function secretsOf({ assignment: { secrets, source }, registryCredentials }: JobContext): string[] {
	const passwords = Object.values(registryCredentials).map(({ password }) => password);
	const given = source && "git" in source && source.credentials !== null ? [source.credentials] : [];
	const parts = given.map((text) => gitCredentials("http://any", text).password);
	return [...Object.values(secrets), ...passwords, ...given, ...parts];
}

function stepStateOf(reason: StopReason): "timed_out" | "cancelled" {
	return reason === "timed_out" || reason === "idle_timed_out" ? "timed_out" : "cancelled";
}

/** The steps of a job by name, and where among them stands what the agent does itself; null for what this job does not have. */
interface Phases {
	names: string[];
	fetch: number | null;
	container: number | null;
	/** The first of the pipeline's own. */
	steps: number;
	results: number | null;
}

function phasesOf({ source, steps, artifacts, container, reports, plan, lists_refs }: Assignment): Phases {
	const names: string[] = [];
	const add = (name: string | null) => (name === null ? null : names.push(name) - 1);
	const checkOutName = lists_refs ? "list the refs" : "check out";
	add(source ? ("git" in source ? checkOutName : "unpack the source") : null);
	add(plan ? "find out what is to be run" : null);
	const fetch = add(artifacts.fetch.length > 0 ? "fetch artifacts" : null);
	const prepared = add(container ? "prepare the container" : null);
	const first = names.length;
	names.push(...steps.map((step) => step.name));
	const hasReports = reports !== null;
	const results = add(hasReports ? "collect results" : artifacts.save.length > 0 ? "save artifacts" : null);
	return { names, fetch, container: prepared, steps: first, results };
}
