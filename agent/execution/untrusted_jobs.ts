import type { Assignment } from "../../schema/wire/protocol.ts";
import { JobError } from "../outcome.ts";

/**
 * Jobs of forks. Anybody may have written what they run. They get no credentials and devices of the
 * agent, and leave nothing behind that the project's own jobs would find.
 */

/** Whether the job belongs to a run that may not use secrets. */
export function isUntrusted({ source }: Pick<Assignment, "source">): boolean {
	return source !== null && "git" in source && !source.is_trusted;
}

/**
 * @throws JobError for an untrusted job that asks for credentials or devices of the agent, or
 * pushes an image
 */
export function rejectUntrusted(assignment: Pick<Assignment, "source" | "container" | "services" | "steps" | "finally">): void {
	if (!isUntrusted(assignment)) return;
	const { container, services } = assignment;
	const steps = [...assignment.steps, ...(assignment.finally?.steps ?? [])];
	const users = [container, ...services, ...steps.map(({ build }) => build)];
	const credentials = users.find((user) => user && user.credentials !== null)?.credentials;
	if (credentials)
		throw new JobError(
			"credentials_unavailable",
			`The job asks for the registry credentials ${credentials}. Runs of forks cannot use this agent's credentials.`,
		);
	// Not even to a registry without credentials: it may have images of the project.
	const pushed = steps.find(({ build }) => build?.push)?.build?.tags[0];
	if (pushed !== undefined)
		throw new JobError(
			"credentials_unavailable",
			`The job pushes the image ${typeof pushed === "string" ? pushed : pushed.template}. Runs of forks cannot push images.`,
		);
	const device = container?.devices[0];
	if (device !== undefined)
		throw new JobError("device_rejected", `The job asks for the device ${device}. Runs of forks cannot use this agent's devices.`);
}

/**
 * Replaces `name:/path` or `name:/path:ro` by a nameless volume, which is empty and removed with
 * the container. It is writable, because nothing else would fill it.
 */
export function withoutVolumeName(volume: string): string {
	return volume.split(":")[1] ?? "";
}
