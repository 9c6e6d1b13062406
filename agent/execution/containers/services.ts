import { isDockerSetting } from "../../../schema/pipeline/validate/values.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import type { ReasonCode } from "../../../schema/wire/reasons.ts";
import type { LogSpool } from "../../log/log_spool.ts";
import { JobError } from "../../outcome.ts";
import { sleep } from "../../sleep.ts";
import type { ServicePlaces } from "../service_variables.ts";
import { docker, mustDocker } from "./docker.ts";

export type Service = Assignment["services"][number];

interface ServicesContext {
	services: readonly Service[];
	/**
	 * The name of the job's container. The network has it, too, and names of services begin with it.
	 */
	name: string;
	/** Options for every container and network. */
	labels: readonly string[];
	/** Options for every container. */
	limits: readonly string[];
	/** Whether the steps run on this machine, and reach the services at its ports. */
	isForHost: boolean;
	spool: LogSpool;
	signal: AbortSignal;
}

const SHOWN_LOG_LINES = "20";
/** For a service that declares no health check: until its image's own check succeeds. */
const DEFAULT_HEALTH = { interval_ms: 1_000, timeout_ms: 5_000, retries: 120 };

/** Only programs of this machine reach the ports. */
const LOCAL = "127.0.0.1";

/** The services of a job: containers on a network that only they and the job's container share. */
export class Services {
	readonly #context: ServicesContext;

	constructor(context: ServicesContext) {
		this.#context = context;
	}

	/** The network of the services; null if there are none. */
	get network(): string | null {
		return this.#context.services.length > 0 ? this.#context.name : null;
	}

	/** @throws JobError for a service that cannot be started */
	async start(): Promise<void> {
		const { services, labels, signal } = this.#context;
		const { network } = this;
		if (network === null) return;
		const args = ["network", "create", ...labels, network];
		await mustDocker(args, signal, { code: "network_failed", text: "The network of the services cannot be created" });
		for (const service of services) await this.#start(service, network);
	}

	/** @throws JobError for a service that ends, or does not get healthy in time */
	async untilHealthy(): Promise<void> {
		for (const service of this.#context.services) await this.#untilHealthy(service);
	}

	/**
	 * The ports of this machine where the services are reached.
	 * @throws JobError for a service that has ended
	 */
	async places(): Promise<ServicePlaces> {
		const places = new Map<string, Map<number, number>>();
		for (const service of this.#context.services) {
			const found = new Map<number, number>();
			for (const { port } of service.ports) {
				const { stdout } = await docker(["port", this.#nameOf(service), `${port}/tcp`]);
				const [, place] = /:(\d+)\s*$/m.exec(stdout) ?? [];
				if (place === undefined) throw await this.#errorOf(service, "service_failed", `has no port ${port} any more`);
				found.set(port, Number(place));
			}
			places.set(service.name, found);
		}
		return places;
	}

	async #start(service: Service, network: string): Promise<void> {
		const { labels, limits, isForHost, signal } = this.#context;
		// Every user of the machine can read command lines, so the values are passed in docker's
		// environment.
		const hidden = Object.fromEntries(Object.entries(service.env).filter(([name]) => !isDockerSetting(name)));
		const env = Object.entries(service.env).flatMap(([name, value]) => ["--env", name in hidden ? name : `${name}=${value}`]);
		const where = ["--name", this.#nameOf(service), "--network", network, "--network-alias", service.name];
		const published = isForHost ? service.ports.flatMap(({ port, on_host }) => ["--publish", `${LOCAL}:${on_host ?? ""}:${port}`]) : [];
		const args = ["run", "--detach", ...labels, ...limits, ...where, ...published, ...env, service.image, ...(service.command ?? [])];
		await mustDocker(args, signal, { code: "service_failed", text: `The service ${service.name} cannot be started` }, hidden);
	}

	async #untilHealthy(service: Service): Promise<void> {
		const { signal, spool } = this.#context;
		const name = this.#nameOf(service);
		const { interval_ms, timeout_ms, retries } = service.health ?? DEFAULT_HEALTH;
		for (let tried = 0; tried < retries; tried += 1) {
			signal.throwIfAborted();
			const state = await docker(["inspect", "--format", "{{.State.Running}} {{if .State.Health}}{{.State.Health.Status}}{{end}}", name]);
			const [isRunning, health = ""] = state.stdout.trim().split(" ");
			if (isRunning !== "true") throw await this.#errorOf(service, "service_failed", "has ended");
			if (service.health === null && (health === "" || health === "healthy")) return;
			if (service.health !== null && (await docker(["exec", name, "sh", "-c", service.health.command], timeout_ms)).code === 0) {
				await spool.writeLine(`:: the service ${service.name} is healthy`);
				return;
			}
			await sleep(interval_ms, signal);
		}
		throw await this.#errorOf(service, "service_unhealthy", `did not get healthy within ${formatDuration(interval_ms * retries)}`);
	}

	async #errorOf(service: Service, code: ReasonCode, what: string): Promise<JobError> {
		const { spool } = this.#context;
		const { stdout, stderr } = await docker(["logs", "--tail", SHOWN_LOG_LINES, this.#nameOf(service)]);
		await spool.writeLine(`:: the last ${SHOWN_LOG_LINES} lines of the service ${service.name}:`);
		await spool.write(Buffer.from(`${stdout}${stderr}`));
		await spool.endLine();
		return new JobError(code, `The service ${service.name} (${service.image}) ${what}. The job's log has its last lines.`);
	}

	#nameOf(service: Service): string {
		return `${this.#context.name}-${service.name}`;
	}
}
