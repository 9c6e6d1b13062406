import { execFile } from "node:child_process";
import { accessSync, constants, statfsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import type { Facts } from "../../schema/wire/protocol.ts";
import type { Capabilities } from "../../schema/wire/requirements.ts";
import { dockerVersion } from "../execution/containers/docker.ts";
import { sleep } from "../sleep.ts";
import { findTools } from "./tools.ts";

const PROBE_MS = 2_000;
const FIRST_DOCKER_PAUSE_MS = 3_000;
const MAX_DOCKER_PAUSE_MS = 5 * 60_000;
const SHELLS = ["bash", "sh", "python3", "node"];

interface AgentInfoOptions {
	slots: number;
	labels: readonly string[];
	/** The folder whose free disk space counts. */
	workDir: string;
	/** Tool → command that prints its version. */
	probes: Readonly<Record<string, string>>;
}

/**
 * The agent info: slots, labels and capabilities. Tools, GPUs and Docker take time to detect, so
 * they follow later.
 */
export class AgentInfo {
	readonly #options: AgentInfoOptions;
	readonly #version: string;
	readonly #hasCgroups: boolean;
	/** The labels that the coordinator accepts; null before it has answered. */
	#acceptedLabels: readonly string[] | null = null;
	#detected: Pick<Capabilities, "container" | "gpus" | "tools" | "looking_for"> = {
		container: null,
		gpus: [],
		tools: {},
		looking_for: ["tools", "gpus", "container"],
	};

	constructor(options: AgentInfoOptions, version: string, hasCgroups: boolean) {
		this.#options = options;
		this.#version = version;
		this.#hasCgroups = hasCgroups;
	}

	/**
	 * Detects tools, GPUs and Docker.
	 * @param cleanUp the removal of earlier containers, which must end before a job may run in a
	 * container
	 * @param send called when there is more to send
	 */
	async detect(cleanUp: Promise<void> = Promise.resolve(), send: () => Promise<void> = async () => undefined): Promise<void> {
		const container = cleanUp.then(() => dockerVersion(PROBE_MS)).then((version) => this.#add({ container: version }));
		const [tools, gpus] = await Promise.all([findTools(this.#options.probes), findGpus()]);
		this.#add({ tools, gpus });
		await send();
		if (!this.#detected.looking_for.includes("container")) return;
		await container;
		await send();
	}

	/** Detects tools, GPUs and Docker again. Until then, what was known counts. */
	async detectAgain(): Promise<void> {
		const [tools, gpus, container] = await Promise.all([findTools(this.#options.probes), findGpus(), dockerVersion(PROBE_MS)]);
		// A daemon that was not there before is for `waitForDocker`, which prepares it.
		this.#add({ tools, gpus, ...(this.#detected.container === null ? {} : { container }) });
	}

	/**
	 * Waits for a Docker daemon that starts later than the agent, if the docker command is installed.
	 * The agent has to ask: the daemon may be anywhere (DOCKER_HOST, contexts).
	 * @param prepare called before a job may run in a container
	 */
	async waitForDocker(prepare: () => Promise<unknown>, send: () => Promise<void>, signal: AbortSignal): Promise<void> {
		for (let wait = FIRST_DOCKER_PAUSE_MS; this.#detected.container === null && isOnPath("docker"); ) {
			await sleep(wait, signal);
			wait = Math.min(wait * 1.5, MAX_DOCKER_PAUSE_MS);
			if ((await dockerVersion(PROBE_MS)) === null) continue;
			await prepare();
			this.#add({ container: await dockerVersion(PROBE_MS) });
			await send();
		}
	}

	#add(found: Partial<Pick<Capabilities, "container" | "gpus" | "tools">>): void {
		const looking_for = this.#detected.looking_for.filter((one) => !(one in found));
		this.#detected = { ...this.#detected, ...found, looking_for };
	}

	/** A registration token may grant fewer labels than the agent declares, or others. */
	setAcceptedLabels(labels: readonly string[]): void {
		this.#acceptedLabels = labels;
	}

	/** The info as the coordinator gets it. */
	get current(): Facts {
		return {
			version: this.#version,
			slots: this.#options.slots,
			labels: this.#labels,
			facts: {
				hostname: os.hostname(),
				os: `${os.type()} ${os.release()}`,
				processes: this.#hasCgroups ? "held in control groups" : "no control groups: a detached process may outlive its job",
			},
			capabilities: this.#capabilities,
		};
	}

	/** The labels and capabilities that a starting job can use. */
	async offering(): Promise<Offering> {
		return { labels: this.#acceptedLabels ?? this.#labels, capabilities: this.#capabilities };
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
			// Every job asks for the capabilities, and hardly any for the shells.
			get shells() {
				return SHELLS.filter(isOnPath);
			},
			...this.#detected,
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

/** The names of the GPUs, as NVIDIA's tool prints them. */
function findGpus(): Promise<string[]> {
	const args = ["--query-gpu=name", "--format=csv,noheader"];
	return new Promise((resolve) => {
		execFile("nvidia-smi", args, { timeout: PROBE_MS, killSignal: "SIGKILL" }, (error, stdout) => {
			const lines = error ? [] : stdout.split("\n");
			resolve(lines.map((line) => line.trim()).filter(Boolean));
		});
	});
}
