import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { FolderLocked, lockFolder } from "../agent/machine/folder_lock.ts";
import { sleep } from "../agent/sleep.ts";
import { DISTRIBUTION } from "./coordinator.ts";
import { withInheritedUmask } from "./private_files.ts";

/**
 * The agent beside the coordinator: a process of its own, in a process group of its own, so that a Ctrl-C reaches the coordinator
 * alone and it can let the agent finish. One that has outlived its coordinator is taken on, with the job it runs; one that ends
 * unasked is started again.
 */

export interface LocalAgentOptions {
	folder: string;
	server: string;
	slots: number;
	/** Makes a registration token; each start is given one, and only the first needs it. */
	registrationToken(): Promise<string>;
}

interface AgentProcess {
	drain(): void;
	ended: Promise<void>;
}

const LOOK_MS = 100;
const RESTART_PAUSE_MS = 2_000;

export class LocalAgent {
	readonly #options: LocalAgentOptions;
	#process: AgentProcess | null = null;
	#isStopping = false;
	/** Settled when the agent has ended because it was asked to. */
	readonly ended: Promise<void>;

	private constructor(options: LocalAgentOptions) {
		this.#options = options;
		this.ended = this.#keepRunning();
	}

	static start(options: LocalAgentOptions): LocalAgent {
		return new LocalAgent(options);
	}

	/** Asks it to finish what runs and end; asked again, it ends what runs. */
	drain(): void {
		this.#isStopping = true;
		this.#process?.drain();
	}

	async #launch(): Promise<AgentProcess> {
		const token = await this.#options.registrationToken();
		return withInheritedUmask(() => launch(this.#options, token));
	}

	async #keepRunning(): Promise<void> {
		while (!this.#isStopping) {
			this.#process = (await takeOn(this.#options)) ?? (await this.#launch());
			if (this.#isStopping) this.#process.drain();
			await this.#process.ended;
			if (this.#isStopping) return;
			process.stderr.write("windlass: the agent here has ended; starting it again\n");
			await sleep(RESTART_PAUSE_MS);
		}
	}
}

function launch({ folder, server, slots }: LocalAgentOptions, registrationToken: string): AgentProcess {
	// By a pipe: jobs can read the variables and arguments of the process that runs them.
	const child: ChildProcess = spawn(process.execPath, [path.join(DISTRIBUTION, "cli/main.js"), "agent", "--token", "-"], {
		detached: true,
		stdio: ["pipe", "ignore", "inherit"],
		env: {
			...withoutOwnSettings(process.env),
			WINDLASS_SERVER: server,
			WINDLASS_NAME: "local",
			WINDLASS_SLOTS: String(slots),
			WINDLASS_WORK_DIR: folder,
		},
	});
	child.stdin?.on("error", () => undefined).end(registrationToken);
	const ended = new Promise<void>((resolve) => {
		child.once("exit", () => resolve());
		child.once("error", () => resolve());
	});
	return { drain: () => void child.kill("SIGTERM"), ended };
}

/** What of the agent's settings may be given to the coordinator's command. */
const AGENT_SETTINGS: ReadonlySet<string> = new Set([
	"WINDLASS_LABELS",
	"WINDLASS_PASS_ENV",
	"WINDLASS_SPOOL_LIMIT",
	"WINDLASS_HEALTH_PORT",
]);

/** The coordinator's own settings, its admin token among them, are nothing to the agent. */
function withoutOwnSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("WINDLASS_") || AGENT_SETTINGS.has(name)));
}

/** The agent that has outlived an earlier coordinator. One that looks for it at another address is ended first. */
async function takeOn({ folder, server }: LocalAgentOptions): Promise<AgentProcess | null> {
	const pid = survivorPid(folder);
	if (pid === null) return null;
	const survivor = adopt(pid);
	if (serverOf(folder) === server) return survivor;
	survivor.drain();
	survivor.drain();
	await survivor.ended;
	return null;
}

/** The process that holds the agent's folder, if one does. */
function survivorPid(folder: string): number | null {
	try {
		lockFolder(folder).release();
		return null;
	} catch (error) {
		if (error instanceof FolderLocked) return error.pid;
		throw error;
	}
}

function serverOf(folder: string): string | null {
	try {
		return JSON.parse(readFileSync(path.join(folder, "agent.json"), "utf8")).identity?.server ?? null;
	} catch {
		return null;
	}
}

/** Not a child of this process: its end cannot be waited for, only seen. */
function adopt(pid: number): AgentProcess {
	const signal = (name: NodeJS.Signals | 0) => {
		try {
			return process.kill(pid, name);
		} catch {
			return false;
		}
	};
	const ended = new Promise<void>((resolve) => {
		const timer = setInterval(() => {
			if (signal(0)) return;
			clearInterval(timer);
			resolve();
		}, LOOK_MS);
	});
	return { drain: () => void signal("SIGTERM"), ended };
}
