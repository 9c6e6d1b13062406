import { execFile } from "node:child_process";
import { accessSync, constants, statfsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import type { Facts } from "../../schema/wire/protocol.ts";
import type { Capabilities } from "../../schema/wire/requirements.ts";
import { dockerVersion } from "../execution/containers/docker.ts";
import type { AgentOptions } from "../options.ts";
import { sleep } from "../sleep.ts";
import { findTools } from "./tools.ts";

/**
 * What an agent tells of itself. What is known at once is told at once; what takes a moment to find out (tools, the container
 * runtime, GPUs) follows.
 */

const PROBE_MS = 2_000;
const FIRST_CONTAINER_PAUSE_MS = 3_000;
const LAST_CONTAINER_PAUSE_MS = 5 * 60_000;
const SHELLS = ["bash", "sh", "python3", "node"];

type FactOptions = Pick<AgentOptions, "slots" | "labels" | "workDir" | "probes">;

export class AgentFacts {
	readonly #options: FactOptions;
	readonly #version: string;
	readonly #hasCgroups: boolean;
	/** The labels that the coordinator counts; null until it has said which. */
	#counted: readonly string[] | null = null;
	#found: Pick<Capabilities, "container" | "gpus" | "tools" | "looking_for"> = {
		container: null,
		gpus: [],
		tools: {},
		looking_for: ["tools", "gpus", "container"],
	};

	constructor(options: FactOptions, version: string, hasCgroups: boolean) {
		this.#options = options;
		this.#version = version;
		this.#hasCgroups = hasCgroups;
	}

	/**
	 * Looks at the machine.
	 * @param cleanUp what must be over before a job may run in a container
	 * @param tell called when there is more to tell
	 */
	async look(cleanUp: Promise<void> = Promise.resolve(), tell: () => Promise<void> = async () => undefined): Promise<void> {
		const container = cleanUp.then(() => dockerVersion(PROBE_MS)).then((version) => this.#add({ container: version }));
		const [tools, gpus] = await Promise.all([findTools(this.#options.probes), findGpus()]);
		this.#add({ tools, gpus });
		await tell();
		if (!this.#found.looking_for.includes("container")) return;
		await container;
		await tell();
	}

	/**
	 * Waits for a Docker that starts later than the agent, where its command is installed and no daemon answers. Nothing tells of a daemon
	 * that may be anywhere (DOCKER_HOST, contexts), so it is asked now and then.
	 * @param prepare what must be over before a job may run in a container
	 */
	async waitForContainers(prepare: () => Promise<void>, tell: () => Promise<void>, signal: AbortSignal): Promise<void> {
		for (let wait = FIRST_CONTAINER_PAUSE_MS; this.#found.container === null && isOnPath("docker"); ) {
			await sleep(wait, signal);
			wait = Math.min(wait * 1.5, LAST_CONTAINER_PAUSE_MS);
			if ((await dockerVersion(PROBE_MS)) === null) continue;
			await prepare();
			this.#add({ container: await dockerVersion(PROBE_MS) });
			await tell();
		}
	}

	#add(found: Partial<Pick<Capabilities, "container" | "gpus" | "tools">>): void {
		this.#found = { ...this.#found, ...found, looking_for: this.#found.looking_for.filter((one) => !(one in found)) };
	}

	/** Takes over which labels count: not all that are declared may be had, and a registration token may give others. */
	countLabels(labels: readonly string[]): void {
		this.#counted = labels;
	}

	/** As the coordinator is told. */
	get told(): Facts {
		return {
			version: this.#version,
			slots: this.#options.slots,
			labels: this.#labels,
			facts: {
				hostname: os.hostname(),
				os: `${os.type()} ${os.release()}`,
				processes: this.#hasCgroups ? "held in control groups" : "no control groups: what detaches itself completely may outlive its job",
			},
			capabilities: this.#capabilities,
		};
	}

	/** As a job that is about to start finds it. */
	async offering(): Promise<Offering> {
		return { labels: this.#counted ?? this.#labels, capabilities: this.#capabilities };
	}

	get #labels(): string[] {
		return [...new Set([os.platform(), os.arch(), ...this.#options.labels])];
	}

	get #capabilities(): Capabilities {
		return {
			os: os.platform(),
			arch: os.arch(),
			cores: os.availableParallelism(),
			memory: os.totalmem(),
			disk: freeDisk(this.#options.workDir),
			shells: SHELLS.filter(isOnPath),
			...this.#found,
		};
	}
}

function isOnPath(command: string): boolean {
	return (process.env.PATH ?? "").split(path.delimiter).some((folder) => {
		try {
			accessSync(path.join(folder, command), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

function freeDisk(folder: string): number {
	try {
		const { bavail, bsize } = statfsSync(folder);
		return bavail * bsize;
	} catch {
		return 0;
	}
}

/** The GPUs by name, as NVIDIA's own tool tells them. */
function findGpus(): Promise<string[]> {
	return new Promise((resolve) => {
		execFile("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], { timeout: PROBE_MS, killSignal: "SIGKILL" }, (error, stdout) =>
			resolve(
				error
					? []
					: stdout
							.split("\n")
							.map((line) => line.trim())
							.filter(Boolean),
			),
		);
	});
}
