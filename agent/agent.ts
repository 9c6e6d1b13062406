import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { Assignment } from "../schema/wire/protocol.ts";
import { CONTAINER_LEFT, removeLabelled, takeBackLabelled } from "./execution/containers/docker.ts";
import { inheritedEnvironment, inheritedInContainers } from "./execution/environment.ts";
import { JobRun } from "./execution/job_run.ts";
import { isUntrusted } from "./execution/untrusted_jobs.ts";
import { sha256 } from "./files/hashing.ts";
import { sweepMirrors } from "./git/mirror.ts";
import { SpoolBudget } from "./log/spool_budget.ts";
import { say } from "./logger.ts";
import { AgentFacts } from "./machine/agent_info.ts";
import { serveHealth } from "./machine/health.ts";
import { removeFolder, StateFolder } from "./machine/state_folder.ts";
import { type AgentOptions, BadOption } from "./options.ts";
import { AttemptProcesses } from "./processes/attempt_processes.ts";
import { Cgroups } from "./processes/cgroup.ts";
import type { Job, JobFactory } from "./protocol/job.ts";
import { RunningAgent } from "./protocol/running_agent.ts";
import { Client } from "./transport/client.ts";

/** The agent on this machine: its folder, its connections, and the processes that it starts. */
export class AgentHost {
	readonly agent: RunningAgent;
	readonly #options: AgentOptions;
	readonly #state: StateFolder;
	readonly #clients: readonly Client[];
	readonly #cgroups: Cgroups | null;
	readonly #facts: AgentFacts;

	private constructor(options: AgentOptions, version: string, state: StateFolder) {
		const [client, renewals] = [new Client(options.server, options), new Client(options.server, options)];
		const cgroups = Cgroups.open(state.path);
		this.#options = options;
		this.#state = state;
		this.#clients = [client, renewals];
		this.#cgroups = cgroups;
		this.#facts = new AgentFacts(options, version, cgroups !== null);
		this.agent = new RunningAgent({
			options,
			memory: state,
			client,
			renewals,
			workshop: new Folders(options, state, client, cgroups, this.#facts),
			facts: () => this.#facts.told,
			onLabels: (labels) => this.#facts.countLabels(labels),
		});
	}

	/**
	 * Opens the state folder.
	 * @throws FolderLocked if another agent uses it; BadOption if the agent has to register, and the token that it was to read is not there
	 */
	static async open(options: AgentOptions, version: string): Promise<AgentHost> {
		const state = await StateFolder.open(options.workDir);
		if (state.identity === null && options.tokenError !== null) {
			state.close();
			throw new BadOption(options.tokenError);
		}
		return new AgentHost(options, version, state);
	}

	/**
	 * Works until the agent is told to stop.
	 * @throws ApiError where the coordinator refuses the agent for good
	 */
	async run(): Promise<void> {
		const { healthPort } = this.#options;
		let health: Awaited<ReturnType<typeof serveHealth>> | null = null;
		const isOver = new AbortController();
		try {
			if (healthPort !== null) health = await serveHealth(healthPort, () => this.agent.health);
			const cleanUp = this.#cleanUp(await this.#endLeft()).catch((error) =>
				say("warn", `the clean-up after a former life failed: ${error}`),
			);
			// Some forty programs start at once then: the coordinator is to know of the agent before.
			void this.agent.joined.then(() => this.#look(cleanUp, isOver.signal));
			await this.agent.run();
		} finally {
			isOver.abort();
			health?.close();
			await Promise.all(this.#clients.map((client) => client.close()));
			this.#state.close();
		}
	}

	/** Finds out what this machine has, and tells the coordinator. */
	async #look(cleanUp: Promise<void>, isOver: AbortSignal): Promise<void> {
		const tell = () => this.agent.tellFacts();
		const removeLeft = async () => {
			await takeBackLabelled(containerLabel(this.#state));
			await removeLabelled(containerLabel(this.#state));
		};
		try {
			await this.#facts.look(cleanUp, tell);
			await this.#facts.waitForContainers(removeLeft, tell, isOver);
		} catch (error) {
			if (!isOver.aborted) say("warn", `looking at this machine failed: ${error}`);
		}
	}

	/** Ends the processes of jobs of a former life: nobody looks after them any more. @returns the attempts that have left a folder */
	async #endLeft(): Promise<string[]> {
		for (const cgroup of this.#cgroups?.left() ?? []) {
			cgroup.kill();
			cgroup.remove();
		}
		const left = await readdir(this.#state.jobsFolder);
		for (const name of left) await new AttemptProcesses(name, this.#state.jobFolder(name), null).endAll(0);
		return left;
	}

	/** Removes what a former life has left behind: its containers, and the folders of these attempts. */
	async #cleanUp(left: readonly string[]): Promise<void> {
		await takeBackLabelled(containerLabel(this.#state));
		const isAlone = await removeLabelled(containerLabel(this.#state));
		await sweepMirrors(this.#state.mirrorsFolder, Date.now());
		for (const name of left) {
			const folder = this.#state.jobFolder(name);
			if (!isAlone) {
				say("warn", `the files of ${name} stay: Docker could not remove the containers of this agent`);
				continue;
			}
			await removeFolder(folder).catch((error) => say("warn", `cannot remove what ${name} has left: ${error}`));
		}
	}
}

/** What everything in the container runtime is labelled with that belongs to the agent of this folder. */
function containerLabel(state: StateFolder): string {
	return `windlass.agent=${sha256(state.path).slice(0, 20)}`;
}

/** Jobs as processes, each in a folder of its own. */
class Folders implements JobFactory {
	readonly #state: StateFolder;
	readonly #client: Client;
	readonly #cgroups: Cgroups | null;
	readonly #budget: SpoolBudget;
	readonly #options: AgentOptions;
	readonly #facts: AgentFacts;

	constructor(options: AgentOptions, state: StateFolder, client: Client, cgroups: Cgroups | null, facts: AgentFacts) {
		this.#state = state;
		this.#client = client;
		this.#cgroups = cgroups;
		this.#budget = new SpoolBudget(options.spoolLimit);
		this.#options = options;
		this.#facts = facts;
	}

	prepare(assignment: Assignment, token: string, { intervals, clock }: Parameters<JobFactory["prepare"]>[2]): Promise<Job> {
		const { passEnv } = this.#options;
		const passed = isUntrusted(assignment) ? [] : passEnv;
		return JobRun.prepare({
			assignment,
			folder: this.#state.jobFolder(assignment.attempt_id),
			environment: inheritedEnvironment(process.env, passed),
			containerEnvironment: inheritedInContainers(process.env, passed),
			checkoutEnvironment: inheritedEnvironment(process.env, passEnv),
			mirrors: this.#state.mirrorsFolder,
			cgroup: this.#cgroups?.create(assignment.attempt_id) ?? null,
			client: this.#client,
			token,
			killGraceMs: intervals.kill_grace_ms,
			budget: this.#budget,
			maxLogBytes: intervals.log_max_bytes,
			now: () => clock.now(),
			offering: () => this.#facts.offering(),
			containerLabel: containerLabel(this.#state),
			containerLimits: this.#options,
			registryCredentials: this.#options.registryCredentials,
		});
	}

	async remove(attemptId: string): Promise<void> {
		const folder = this.#state.jobFolder(attemptId);
		if (!existsSync(path.join(folder, CONTAINER_LEFT))) await removeFolder(folder);
	}
}
