import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import { sha256 } from "../files/hashing.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { SpoolBudget } from "../log/spool_budget.ts";
import { log } from "../logger.ts";
import type { Cgroups } from "../processes/cgroup.ts";
import { Starter } from "../processes/starter.ts";
import type { Job, JobFactory } from "../protocol/job.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { CONTAINER_LEFT } from "./containers/docker.ts";
import type { RegistryCredentials } from "./containers/registries.ts";
import type { ContainerLimits } from "./containers/run_options.ts";
import { inheritedEnvironment, inheritedInContainers } from "./environment.ts";
import { JobRun } from "./job_run.ts";
import { isUntrusted } from "./untrusted_jobs.ts";

export interface JobFoldersParts {
	options: ContainerLimits & {
		/** Names of the agent's variables that trusted jobs inherit. */
		passEnv: readonly string[];
		/** How much disk unsent logs may take, in bytes. */
		spoolLimit: number;
		registryCredentials: Readonly<Record<string, RegistryCredentials>>;
	};
	/** Where the agent keeps its files. */
	folders: { path: string; mirrorsFolder: string; jobFolder(attemptId: string): string };
	client: FileCoordinator;
	cgroups: Cgroups | null;
	/** The labels and capabilities of this machine at this moment. */
	offering: () => Promise<Offering>;
}

/** Makes jobs that run on this machine, each in a folder of its own. */
export class JobFolders implements JobFactory {
	readonly #parts: JobFoldersParts;
	readonly #budget: SpoolBudget;
	/** Processes that wait for the first steps of the next jobs. */
	readonly #starters: Starter[] = [];
	/** How many of them are to wait. */
	#wanted = 0;
	#filling: NodeJS.Timeout | undefined;

	constructor(parts: JobFoldersParts) {
		this.#parts = parts;
		this.#budget = new SpoolBudget(parts.options.spoolLimit);
	}

	/**
	 * Prepares what the jobs of this many slots need. Call it once nothing of an earlier process is
	 * left.
	 */
	prepareAhead(slots: number): void {
		this.#wanted = Math.min(2 * slots + SPARE, MOST_AHEAD);
		this.#fill();
	}

	#fill(): void {
		const { cgroups } = this.#parts;
		try {
			while (cgroups && this.#starters.length < this.#wanted) this.#starters.push(Starter.prepare(cgroups.create(`ready-${randomUUID()}`)));
		} catch (error) {
			// The next jobs start their steps without one.
			log("warn", `The agent cannot prepare processes for the next jobs: ${(error as Error).message}`);
		}
	}

	/**
	 * While a process joins a group, the kernel starts and ends no other one, so a running job would
	 * wait. Many that join together take no longer than one. So all are replaced at once: when none
	 * is left, or when the agent is idle.
	 */
	#fillLater(): void {
		clearTimeout(this.#filling);
		if (this.#starters.length === 0) this.#fill();
		else this.#filling = setTimeout(() => this.#fill(), IDLE_MS).unref();
	}

	/** A waiting process for a job that can use it. */
	#takeStarter({ container }: Assignment): Starter | null {
		if (container) return null;
		for (let starter = this.#starters.shift(); starter; starter = this.#starters.shift()) {
			if (starter.isWaiting) return starter;
			starter.cgroup.remove();
		}
		return null;
	}

	/** Ends what was prepared ahead. */
	async close(): Promise<void> {
		this.#wanted = 0;
		clearTimeout(this.#filling);
		await Promise.all(this.#starters.splice(0).map(remove));
	}

	async prepare(assignment: Assignment, token: string, { intervals, clock }: Parameters<JobFactory["prepare"]>[2]): Promise<Job> {
		const { options, folders, client, cgroups, offering } = this.#parts;
		clearTimeout(this.#filling);
		const starter = this.#takeStarter(assignment);
		const passed = isUntrusted(assignment) ? [] : options.passEnv;
		try {
			return JobRun.prepare({
				assignment,
				folder: folders.jobFolder(assignment.attempt_id),
				environment: inheritedEnvironment(process.env, passed),
				containerEnvironment: inheritedInContainers(process.env, passed),
				checkoutEnvironment: inheritedEnvironment(process.env, options.passEnv),
				mirrors: folders.mirrorsFolder,
				cgroup: starter?.cgroup ?? cgroups?.create(assignment.attempt_id) ?? null,
				starter,
				client,
				token,
				killGraceMs: intervals.kill_grace_ms,
				budget: this.#budget,
				maxLogBytes: intervals.log_max_bytes,
				now: () => clock.now(),
				offering,
				containerLabel: agentLabel(folders.path),
				containerLimits: options,
				registryCredentials: options.registryCredentials,
			});
		} catch (error) {
			if (starter) await remove(starter);
			throw error;
		}
	}

	async remove(attemptId: string): Promise<void> {
		const folder = this.#parts.folders.jobFolder(attemptId);
		if (!existsSync(path.join(folder, CONTAINER_LEFT))) await removeFolder(folder);
		this.#fillLater();
	}
}

/** Ends a process that no job will use, and removes its group. */
async function remove(starter: Starter): Promise<void> {
	await starter.drop();
	starter.cgroup.remove();
}

/** More jobs than this hardly begin within a moment. */
const MOST_AHEAD = 8;
const SPARE = 2;
/** No job has ended for so long: the next one hardly comes at once. */
const IDLE_MS = 100;

const LABEL_DIGITS = 20;

/** The label of every container and network of the agent that has this state folder. */
export function agentLabel(stateFolder: string): string {
	return `windlass.agent=${sha256(stateFolder).slice(0, LABEL_DIGITS)}`;
}
