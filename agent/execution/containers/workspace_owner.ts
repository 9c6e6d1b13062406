import { existsSync } from "node:fs";
import { JobError } from "../../outcome.ts";
import { attemptPaths } from "../attempt_paths.ts";
import type { ExecutorPaths } from "../step_executor.ts";
import { AGENT_USER, type Answer, changeOwner, docker, lastLine } from "./docker.ts";
import { OWN_FOLDER } from "./run_options.ts";

interface OwnerContext {
	/** The name of the job's container. */
	name: string;
	image: string;
	labels: readonly string[];
	/** The folder of the attempt. */
	folder: string;
	paths: ExecutorPaths;
}

/**
 * Gives the workspace to the container's user while the job runs, and back to the agent afterwards.
 */
export class WorkspaceOwner {
	readonly #context: OwnerContext;
	/** Whether files in the workspace may belong to another user than the agent's. */
	isOtherUser = false;

	constructor(context: OwnerContext) {
		this.#context = context;
	}

	/** @throws JobError if the container's user cannot become the owner */
	async give(): Promise<void> {
		const { name, image, paths } = this.#context;
		const asked = await docker(["exec", name, "id", "-u"]);
		const user = Number(asked.stdout.trim());
		if (asked.code !== 0 || !Number.isInteger(user))
			throw new JobError("container_failed", `The agent cannot find out the user of the image ${image}: ${lastLine(asked)}`);
		this.isOtherUser = user !== process.getuid?.();
		if (user === 0 || !this.isOtherUser) return;
		const given = await this.#changeOwner(String(user), [paths.workspace]);
		if (given.code === 0) return;
		const why = lastLine(given);
		throw new JobError(
			"container_failed",
			/"?chown"?: executable file not found|chown: no such file/i.test(why)
				? `The image ${image} has no chown, which gives the workspace to user ${user}. Use an image that has it, or set container.user to 0.`
				: `The workspace cannot be given to user ${user} of the image ${image}: ${why}`,
		);
	}

	/**
	 * The agent becomes the owner of all files, so that it can save and remove them.
	 * @returns why it could not; null if it could
	 */
	async takeBack(): Promise<string | null> {
		if (!this.isOtherUser) return null;
		const { folder, paths } = this.#context;
		const { workspace, temporary, home, credentials } = paths;
		const mounted = existsSync(attemptPaths(folder).credentials) ? [credentials] : [];
		const given = await this.#changeOwner(AGENT_USER, [workspace, `${OWN_FOLDER}/files`, temporary, home, ...mounted]);
		return given.code === 0 ? null : lastLine(given);
	}

	#changeOwner(owner: string, folders: readonly string[]): Promise<Answer> {
		const { name, image, labels } = this.#context;
		return changeOwner({ container: name, image, owner, folders, labels });
	}
}
