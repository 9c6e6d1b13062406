import type { Assignment } from "../../../schema/wire/protocol.ts";
import type { LogSpool } from "../../log/log_spool.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import type { ServicePlaces } from "../service_variables.ts";
import { assertDaemon, removeLabelled } from "./docker.ts";
import { pullImage } from "./pull_image.ts";
import type { RegistryAccess } from "./registries.ts";
import { attemptLabel, type ContainerLimits, containerName, limitOptions } from "./run_options.ts";
import { Services } from "./services.ts";

interface HostServicesContext {
	assignment: Pick<Assignment, "attempt_id" | "services">;
	processes: AttemptProcesses;
	/** The label of all containers and networks of this agent. */
	label: string;
	limits: ContainerLimits;
	registries: RegistryAccess;
	spool: LogSpool;
	signal: AbortSignal;
}

/** The services of a job whose steps run on this machine. */
export class HostServices {
	readonly #context: HostServicesContext;

	constructor(context: HostServicesContext) {
		this.#context = context;
	}

	/**
	 * Pulls missing images, starts the services, and waits until they are healthy.
	 * @throws JobError if one cannot be started. `remove` must be called in any case.
	 */
	async start(): Promise<ServicePlaces> {
		const { assignment, label, limits, spool, signal } = this.#context;
		await assertDaemon();
		for (const image of assignment.services) await pullImage(this.#context, image);
		const services = new Services({
			services: assignment.services,
			name: containerName(assignment.attempt_id),
			labels: ["--label", label, "--label", this.#label],
			limits: limitOptions(limits),
			isForHost: true,
			spool,
			signal,
		});
		await services.start();
		await services.untilHealthy();
		return services.places();
	}

	async remove(): Promise<void> {
		if (await removeLabelled(this.#label)) return;
		await this.#context.spool.writeLine(":: Docker could not remove the job's services; they stay until this agent starts again");
	}

	get #label(): string {
		return attemptLabel(this.#context.assignment.attempt_id);
	}
}
