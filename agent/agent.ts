import { exposition } from "../schema/text/exposition.ts";
import { JobFolders } from "./execution/job_folders.ts";
import { log } from "./logger.ts";
import { AgentInfo } from "./machine/agent_info.ts";
import { agentMetrics, diskOf } from "./machine/agent_metrics.ts";
import { serveHealth } from "./machine/health.ts";
import { Leftovers } from "./machine/leftovers.ts";
import { StateFolder } from "./machine/state_folder.ts";
import { type AgentOptions, InvalidOption } from "./options.ts";
import { Cgroups } from "./processes/cgroup.ts";
import { RunningAgent } from "./protocol/running_agent.ts";
import { Client } from "./transport/client.ts";

/** How long the end of an agent waits for the caches of its last jobs. */
const SAVING_MS = 5 * 60_000;

/** An agent on this machine: `windlass agent` opens it from its options, and runs it. */
export class Agent {
	readonly #running: RunningAgent;
	readonly #options: AgentOptions;
	readonly #state: StateFolder;
	readonly #clients: readonly Client[];
	readonly #leftovers: Leftovers;
	readonly #info: AgentInfo;
	readonly #jobs: JobFolders;
	/** Ends what waits for Docker. */
	readonly #ended = new AbortController();
	/** Aborted by the second call of `drain`: caches are not waited for. */
	readonly #hurried = new AbortController();
	/** Aborted by the first call. */
	readonly #draining = new AbortController();
	/** Resolves when no mirror is fetched any more. */
	#mirrors: Promise<void> = Promise.resolve();

	private constructor(options: AgentOptions, version: string, state: StateFolder) {
		const [client, renewals] = [new Client(options.server, options), new Client(options.server, options)];
		const cgroups = Cgroups.open(state.path);
		this.#options = options;
		this.#state = state;
		this.#clients = [client, renewals];
		this.#leftovers = new Leftovers(state, cgroups);
		this.#info = new AgentInfo(options, version, cgroups !== null);
		this.#jobs = new JobFolders({ options, folders: state, client, cgroups, offering: () => this.#info.offering() });
		this.#running = new RunningAgent({
			options,
			memory: state,
			client,
			renewals,
			jobFactory: this.#jobs,
			info: () => this.#info.current,
			onLabels: (labels) => this.#info.setAcceptedLabels(labels),
			beforePolls: async (token, signal) => {
				const { warm, warmTimeMs } = options;
				const stopped = AbortSignal.any([signal, this.#draining.signal]);
				if (warm > 0) await this.#jobs.warmUp(warm, warmTimeMs, token(), stopped);
				this.#mirrors = this.#jobs.keepMirrorsWarm(token, stopped);
			},
		});
	}

	/**
	 * Opens the state folder.
	 * @throws FolderLocked if another agent uses it; InvalidOption if the agent has to register and
	 * cannot read its token
	 */
	static async open(options: AgentOptions, version: string): Promise<Agent> {
		const state = await StateFolder.open(options.workDir);
		if (state.identity === null && options.tokenError !== null) {
			state.close();
			throw new InvalidOption(options.tokenError);
		}
		return new Agent(options, version, state);
	}

	/**
	 * Works until the agent is stopped.
	 * @throws ApiError when the coordinator rejects the agent
	 */
	async run(): Promise<void> {
		const { healthPort, healthHost } = this.#options;
		let health: Awaited<ReturnType<typeof serveHealth>> | null = null;
		try {
			if (healthPort !== null)
				health = await serveHealth(healthHost, healthPort, { health: () => this.#running.health, metrics: () => this.#metrics() });
			const cleanUp = this.#leftovers
				.removeFiles(await this.#leftovers.endProcesses())
				.catch((error) => log("warn", `The clean-up after an earlier process failed: ${error}`));
			this.#jobs.prepareAhead(this.#options.slots);
			// The detection starts some forty programs: the coordinator hears of the agent before.
			void this.#running.joined.then(() => this.#detect(cleanUp));
			await this.#running.run();
		} finally {
			this.#ended.abort();
			health?.close();
			await this.#jobs.finishSaves(AbortSignal.any([this.#hurried.signal, AbortSignal.timeout(SAVING_MS)]));
			await this.#mirrors;
			await this.#jobs.close();
			await Promise.all(this.#clients.map((client) => client.close()));
			this.#state.close();
		}
	}

	/**
	 * Takes no further job, finishes the running jobs, saves their caches, and ends. A second call
	 * cancels the running jobs.
	 */
	drain(): void {
		if (this.#draining.signal.aborted) this.#hurried.abort();
		this.#draining.abort(new Error("the agent is stopped"));
		this.#running.drain();
	}

	/** Looks again for tools, GPUs and Docker: somebody has installed something. */
	async detectAgain(): Promise<void> {
		log("info", "Looking again for tools, GPUs and Docker.");
		await this.#info.detectAgain();
		await this.#running.sendInfo();
	}

	async #metrics(): Promise<string> {
		const { free, total } = await diskOf(this.#state.path);
		return exposition(agentMetrics({ ...this.#running.numbers, version: this.#info.current.version, disk: { free, total } }));
	}

	/** Finds out the capabilities of this machine, and sends them to the coordinator. */
	async #detect(cleanUp: Promise<void>): Promise<void> {
		const send = () => this.#running.sendInfo();
		const { signal: ended } = this.#ended;
		try {
			await this.#info.detect(cleanUp, send);
			await this.#info.waitForDocker(() => this.#leftovers.removeContainers(), send, ended);
		} catch (error) {
			if (!ended.aborted) log("warn", `The detection of this machine's tools failed: ${error}`);
		}
	}
}
