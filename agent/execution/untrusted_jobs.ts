import type { Assignment } from "../../schema/wire/protocol.ts";
import { JobError } from "../outcome.ts";

/**
 * Runs from other repositories: anybody may have written what they run. Of what whoever runs the agent has put there for the project they get
 * nothing, and they leave nothing behind that the project's own jobs would find.
 */

/** Whether the job is of a run from another repository. */
export function isUntrusted({ source }: Pick<Assignment, "source">): boolean {
	return source !== null && "git" in source && !source.is_trusted;
}

/** @throws JobError for a stranger's job that asks for credentials or devices of the agent, or is to push an image */
export function rejectUntrusted(assignment: Pick<Assignment, "source" | "container" | "services" | "steps">): void {
	if (!isUntrusted(assignment)) return;
	const { container, services, steps } = assignment;
	const users = [container, ...services, ...steps.map(({ build }) => build)];
	const credentials = users.find((user) => user && user.credentials !== null)?.credentials;
	if (credentials)
		throw new JobError(
			"credentials_unavailable",
			`The job wants the registry credentials ${credentials}; runs from other repositories get none of this agent's credentials.`,
		);
	// Not even to a registry that takes images from anybody: the project may have its own there.
	const pushed = steps.find(({ build }) => build?.push)?.build?.tags[0];
	if (pushed !== undefined)
		throw new JobError("credentials_unavailable", `The job is to push ${pushed}; runs from other repositories push no image.`);
	const device = container?.devices[0];
	if (device !== undefined)
		throw new JobError("device_refused", `The job wants ${device}; runs from other repositories get none of this agent's devices.`);
}

/**
 * What docker is told of a volume in place of `name:/path` or `name:/path:ro`: an empty one without a name, which goes with the container. It can be
 * written to, as nothing else would ever fill it.
 */
export function ownVolume(volume: string): string {
	return volume.split(":")[1] ?? "";
}
