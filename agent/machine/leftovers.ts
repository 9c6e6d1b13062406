import { readdir } from "node:fs/promises";
import { removeLabelled, takeBackLabelled } from "../execution/containers/docker.ts";
import { ownerOf } from "../execution/folder_names.ts";
import { agentLabel } from "../execution/job_folders.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { sweepMirrors } from "../git/mirror.ts";
import { log } from "../logger.ts";
import { AttemptProcesses } from "../processes/attempt_processes.ts";
import type { Cgroups } from "../processes/cgroup.ts";
import type { StateFolder } from "./state_folder.ts";

/** The processes, containers and files that an earlier process of this agent left behind. */
export class Leftovers {
	readonly #state: StateFolder;
	readonly #cgroups: Cgroups | null;

	constructor(state: StateFolder, cgroups: Cgroups | null) {
		this.#state = state;
		this.#cgroups = cgroups;
	}

	/** Ends the processes of earlier jobs. @returns the names of the folders that they left */
	async endProcesses(): Promise<string[]> {
		for (const cgroup of this.#cgroups?.left() ?? []) {
			cgroup.kill();
			cgroup.remove();
		}
		const attempts = await readdir(this.#state.jobsFolder);
		for (const name of attempts) {
			const folder = this.#state.jobFolder(name);
			await AttemptProcesses.left(ownerOf(folder, name), folder).endAll(0);
		}
		return attempts;
	}

	/**
	 * Removes the containers of earlier jobs, and gives their files back to the agent first.
	 * @returns whether none is left
	 */
	async removeContainers(): Promise<boolean> {
		await takeBackLabelled(agentLabel(this.#state.path));
		return removeLabelled(agentLabel(this.#state.path));
	}

	/** Removes containers, unused mirrors, and the folders of these attempts. */
	async removeFiles(attempts: readonly string[]): Promise<void> {
		const areContainersGone = await this.removeContainers();
		await sweepMirrors(this.#state.mirrorsFolder, Date.now());
		for (const id of attempts) {
			if (!areContainersGone) {
				log("warn", `The agent keeps the files of ${id}: Docker could not remove the agent's containers.`);
				continue;
			}
			await removeFolder(this.#state.jobFolder(id)).catch((error) => log("warn", `The agent cannot remove the files of ${id}: ${error}`));
		}
	}
}
