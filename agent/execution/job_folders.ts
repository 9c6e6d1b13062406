import { existsSync } from "node:fs";
import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import { type AgentCaches, openCaches } from "../caches/agent_caches.ts";
import { sha256 } from "../files/hashing.ts";
import { SpoolBudget } from "../log/spool_budget.ts";
import type { Cgroups } from "../processes/cgroup.ts";
import { Starters } from "../processes/starters.ts";
import type { Job, JobFactory } from "../protocol/job.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { AttemptFolders, makeAttemptFolders } from "./attempt_folders.ts";
import { CONTAINER_LEFT } from "./containers/docker.ts";
import type { RegistryCredentials } from "./containers/registries.ts";
import type { ContainerLimits } from "./containers/run_options.ts";
import { inheritedEnvironment, inheritedInContainers } from "./environment.ts";
import { FolderNumbers, noteOwner } from "./folder_names.ts";
import { writeJobCommand } from "./job_command/job_command.ts";
import type { JobContext } from "./job_context.ts";
import { JobRun } from "./job_run.ts";
import { isUntrusted } from "./untrusted_jobs.ts";

export interface JobFoldersParts {
	options: ContainerLimits & {
		/** Names of the agent's variables that trusted jobs inherit. */
		passEnv: readonly string[];
		/** How much disk unsent logs may take, in bytes. */
		spoolLimit: number;
		/** How much disk the caches on this machine may take, in bytes. */
		cacheLimit: number;
		registryCredentials: Readonly<Record<string, RegistryCredentials>>;
	};
	/** Where the agent keeps its files. */
	folders: { path: string; mirrorsFolder: string; spareFolder: string; cachesFolder: string; jobFolder(name: string): string };
	client: FileCoordinator;
	cgroups: Cgroups | null;
	/** The labels and capabilities of this machine at this moment. */
	offering: () => Promise<Offering>;
}

/** Makes jobs that run on this machine, each in a folder of its own. */
export class JobFolders implements JobFactory {
	readonly #parts: JobFoldersParts;
	readonly #budget: SpoolBudget;
	readonly #starters: Starters;
	readonly #folders: AttemptFolders;
	/** The variables that jobs inherit: the agent's own do not change. */
	readonly #trusted: Inherited;
	readonly #untrusted: Inherited;
	readonly #containerLabel: string;
	readonly #caches: AgentCaches;
	readonly #numbers: FolderNumbers;

	constructor(parts: JobFoldersParts) {
		this.#parts = parts;
		this.#starters = new Starters(parts.cgroups);
		this.#folders = new AttemptFolders(parts.folders.spareFolder);
		const { passEnv } = parts.options;
		this.#trusted = inheritedWith(passEnv, passEnv);
		this.#untrusted = inheritedWith([], passEnv);
		this.#containerLabel = agentLabel(parts.folders.path);
		this.#caches = openCaches(parts.client, parts.folders.cachesFolder, parts.options.cacheLimit);
		this.#numbers = new FolderNumbers((name) => parts.folders.jobFolder(name));
		this.#budget = new SpoolBudget(parts.options.spoolLimit);
		writeJobCommand(`${parts.folders.path}/bin`);
	}

	/**
	 * Prepares what the jobs of this many slots need. Call it once nothing of an earlier process is
	 * left.
	 */
	prepareAhead(slots: number): void {
		this.#starters.prepareAhead(slots);
	}

	/** Fetches the caches that jobs of this agent use most. @param token the agent's own */
	async warmUp(count: number, limitMs: number, token: string, signal: AbortSignal): Promise<void> {
		const { warm, arriving } = this.#caches;
		const { warmUp } = await import("../caches/warm_up.ts");
		await warmUp({ client: this.#parts.client, token, count, limitMs, warm, folder: arriving, signal });
	}

	/** Keeps mirrors warm until the signal is aborted. @param token the agent's own, as it is then */
	async keepMirrorsWarm(token: () => string, signal: AbortSignal): Promise<void> {
		const { client, folders } = this.#parts;
		const { keepMirrorsWarm } = await import("./keep_mirrors_warm.ts");
		await keepMirrorsWarm({ client, token, mirrors: folders.mirrorsFolder, env: this.#trusted.checkoutEnvironment, signal });
	}

	/** Waits for the caches that are being saved, unless the signal is aborted. */
	async finishSaves(signal: AbortSignal): Promise<void> {
		const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
		if (!signal.aborted) await Promise.race([this.#caches.saves.end(), aborted]);
	}

	/** Ends what was prepared ahead. */
	async close(): Promise<void> {
		await this.#caches.saves.stop();
		await Promise.all([this.#starters.close(), this.#folders.close()]);
	}

	async prepare(assignment: Assignment, token: string, { intervals, clock }: Parameters<JobFactory["prepare"]>[2]): Promise<Job> {
		const { options, folders, client, cgroups, offering } = this.#parts;
		const starter = assignment.container ? null : this.#starters.take();
		const cgroup = starter?.cgroup ?? cgroups?.create(assignment.attempt_id) ?? null;
		let hasLeft = false;
		const leaveCgroup = async () => {
			if (hasLeft) return;
			hasLeft = true;
			// An untrusted job may have changed the shell, such as its limits.
			if (starter) await this.#starters.giveBack(starter, !isUntrusted(assignment));
			else cgroup?.remove();
		};
		const { attempt_id, caches, build_cache } = assignment;
		const isNumbered = caches.length > 0 || build_cache !== null;
		const folder = folders.jobFolder(isNumbered ? this.#numbers.take(attempt_id) : attempt_id);
		try {
			if (isNumbered) makeAttemptFolders(folder, assignment);
			else this.#folders.make(folder, assignment);
			if (isNumbered) noteOwner(folder, attempt_id);
			return JobRun.prepare({
				assignment,
				folder,
				commands: `${folders.path}/bin`,
				...(isUntrusted(assignment) ? this.#untrusted : this.#trusted),
				mirrors: folders.mirrorsFolder,
				caches: this.#caches,
				cgroup,
				starter,
				leaveCgroup,
				client,
				token,
				killGraceMs: intervals.kill_grace_ms,
				budget: this.#budget,
				maxLogBytes: intervals.log_max_bytes,
				now: () => clock.now(),
				offering,
				containerLabel: this.#containerLabel,
				containerLimits: options,
				registryCredentials: options.registryCredentials,
			});
		} catch (error) {
			await leaveCgroup();
			throw error;
		}
	}

	async remove(attemptId: string): Promise<void> {
		const folder = this.#parts.folders.jobFolder(this.#numbers.nameOf(attemptId));
		try {
			if (!existsSync(`${folder}/${CONTAINER_LEFT}`)) await this.#folders.remove(folder);
		} finally {
			this.#numbers.giveBack(attemptId);
		}
	}
}

type Inherited = Pick<JobContext, "environment" | "containerEnvironment" | "checkoutEnvironment">;

/** @param passed names of further variables for the steps, and for the checkout */
function inheritedWith(passed: readonly string[], passedToCheckout: readonly string[]): Inherited {
	return {
		environment: inheritedEnvironment(process.env, passed),
		containerEnvironment: inheritedInContainers(process.env, passed),
		checkoutEnvironment: inheritedEnvironment(process.env, passedToCheckout),
	};
}

const LABEL_DIGITS = 20;

/** The label of every container and network of the agent that has this state folder. */
export function agentLabel(stateFolder: string): string {
	return `windlass.agent=${sha256(stateFolder).slice(0, LABEL_DIGITS)}`;
}
