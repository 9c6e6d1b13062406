import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { FolderLocked, lockFolder } from "../../agent/machine/folder_lock.ts";
import { sleep } from "../../agent/sleep.ts";
import { DISTRIBUTION } from "./distribution.ts";
import { withInheritedUmask } from "./private_files.ts";

/**
 * The agent beside the coordinator: a process in its own process group, so that a Ctrl-C reaches
 * the coordinator alone and it can let the agent finish. An agent that outlived its coordinator is
 * adopted with the jobs that it runs. An agent that ends by itself is started again.
 */

export interface LocalAgentOptions {
	folder: string;
	server: string;
	slots: number;
	/** Makes a registration token; each start gets one, and only the first needs it. */
	registrationToken(): Promise<string>;
}

interface AgentProcess {
	drain(): void;
	ended: Promise<void>;
}

const CHECK_MS = 100;
const RESTART_PAUSE_MS = 2_000;

export class LocalAgent {
	readonly #options: LocalAgentOptions;
	#process: AgentProcess | null = null;
	#isStopping = false;
	/** Settles when the agent has ended after a drain. */
	readonly ended: Promise<void>;

	private constructor(options: LocalAgentOptions) {
		this.#options = options;
		this.ended = this.#keepRunning();
	}

	static start(options: LocalAgentOptions): LocalAgent {
		return new LocalAgent(options);
	}

	/** Lets the agent finish its jobs and end; a second call cancels the jobs. */
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
			this.#process = (await adoptSurvivor(this.#options)) ?? (await this.#launch());
			if (this.#isStopping) this.#process.drain();
			await this.#process.ended;
			if (this.#isStopping) return;
			process.stderr.write("windlass: The agent beside the coordinator has ended. Starting it again.\n");
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

/** The agent's settings that may be given to the coordinator's command. */
const AGENT_SETTINGS: ReadonlySet<string> = new Set([
	"WINDLASS_LABELS",
	"WINDLASS_PASS_ENV",
	"WINDLASS_SPOOL_LIMIT",
	"WINDLASS_CACHE_LIMIT",
	"WINDLASS_WARM",
	"WINDLASS_WARM_TIME",
	"WINDLASS_HEALTH_PORT",
]);

/** The agent does not get the coordinator's own settings, such as its admin token. */
export function withoutOwnSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("WINDLASS_") || AGENT_SETTINGS.has(name)));
}

/**
 * The agent that outlived an earlier coordinator. One that knows the coordinator by another address
 * is ended first.
 */
async function adoptSurvivor({ folder, server }: LocalAgentOptions): Promise<AgentProcess | null> {
	const pid = survivorPid(folder);
	if (pid === null) return null;
	const survivor = attach(pid);
	if (serverOf(folder) === server) return survivor;
	survivor.drain();
	survivor.drain();
	await survivor.ended;
	return null;
}

/** The process that holds the lock of the agent's folder, if there is one. */
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

/** A process that is no child of this one: its end is found by checks. */
function attach(pid: number): AgentProcess {
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
		}, CHECK_MS);
	});
	return { drain: () => void signal("SIGTERM"), ended };
}
