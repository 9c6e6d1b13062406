import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DISTRIBUTION } from "../coordinator/distribution.ts";
import { withoutOwnSettings } from "../coordinator/local_agent.ts";

/** The agents of the content: processes of this program. */

export interface AgentSettings {
	name: string;
	slots: number;
	labels: string[];
	/** The projects whose jobs it takes; an empty list means every project. */
	projects: string[];
}

/** Agents that take jobs of every project. */
export const BUILDERS: AgentSettings[] = [
	{ name: "builder-1", slots: 6, labels: ["jvm"], projects: [] },
	{ name: "builder-2", slots: 6, labels: ["jvm"], projects: [] },
];
/** Has the phone for the device tests, and is lost while it runs one. */
export const LOST_AGENT: AgentSettings = { name: "pixel-lab-1", slots: 1, labels: ["android"], projects: ["mobile-app"] };
/** Takes over the device tests. */
export const SECOND_PHONE: AgentSettings = { name: "pixel-lab-2", slots: 1, labels: ["android"], projects: ["mobile-app"] };
export const DRAINED_AGENT: AgentSettings = { name: "soak-1", slots: 1, labels: ["soak"], projects: ["mobile-app"] };
export const DISABLED_AGENT: AgentSettings = { name: "mac-mini-1", slots: 2, labels: ["xcode"], projects: ["mobile-app"] };

/** How long a stopped agent may take to end its jobs. */
const STOP_MS = 8_000;

export class DemoAgent {
	readonly #process: ChildProcess;
	readonly #ended: Promise<void>;

	/**
	 * Starts an agent, in a process group of its own: a Ctrl-C reaches this process alone.
	 * @param folder where its state is
	 */
	constructor(folder: string, server: string, { name, slots, labels }: AgentSettings, registrationToken: string) {
		this.#process = spawn(process.execPath, [path.join(DISTRIBUTION, "cli/main.js"), "agent", "--token", "-"], {
			detached: true,
			stdio: ["pipe", "ignore", "ignore"],
			env: {
				...withoutOwnSettings(process.env),
				WINDLASS_SERVER: server,
				WINDLASS_NAME: name,
				WINDLASS_SLOTS: String(slots),
				WINDLASS_LABELS: labels.join(","),
				WINDLASS_WORK_DIR: path.join(folder, name),
			},
		});
		this.#process.stdin?.on("error", () => undefined).end(registrationToken);
		this.#ended = new Promise((resolve) => {
			this.#process.once("exit", () => resolve());
			this.#process.once("error", () => resolve());
		});
	}

	/** Ends the agent as a power cut would. */
	kill(): void {
		this.#process.kill("SIGKILL");
	}

	/** Cancels the jobs of the agent and ends it. */
	async stop(): Promise<void> {
		this.#process.kill("SIGTERM");
		this.#process.kill("SIGINT");
		await Promise.race([this.#ended, sleep(STOP_MS, undefined, { ref: false })]);
		this.kill();
		await this.#ended;
	}
}
