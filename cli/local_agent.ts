import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { FolderLocked, lockFolder } from "../agent/folder_lock.ts";
import { DISTRIBUTION } from "./coordinator.ts";

/**
 * The agent beside the coordinator: a process of its own, in a process group of its own, so that a Ctrl-C reaches the coordinator
 * alone and it can let the agent finish. One that has outlived its coordinator is taken on, with the job it runs.
 */
export interface LocalAgent {
	pid: number;
	/** Ask it to finish what runs and end; asked again, it ends what runs. */
	drain(): void;
	ended: Promise<void>;
}

interface LocalAgentOptions {
	folder: string;
	server: string;
	slots: number;
	registrationToken: string;
}

export async function startLocalAgent({ folder, server, slots, registrationToken }: LocalAgentOptions): Promise<LocalAgent> {
	const survivor = survivorPid(folder);
	if (survivor !== null) return adopt(survivor);
	const child: ChildProcess = spawn(process.execPath, [path.join(DISTRIBUTION, "cli/main.js"), "agent"], {
		detached: true,
		stdio: ["ignore", "ignore", "inherit"],
		env: {
			...process.env,
			WINDLASS_SERVER: server,
			WINDLASS_TOKEN: registrationToken,
			WINDLASS_NAME: "local",
			WINDLASS_SLOTS: String(slots),
			WINDLASS_WORK_DIR: folder,
		},
	});
	const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	return { pid: child.pid as number, drain: () => void child.kill("SIGTERM"), ended };
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

const LOOK_MS = 100;

/** Not a child of this process: its end cannot be waited for, only seen. */
function adopt(pid: number): LocalAgent {
	const isAlive = () => {
		try {
			process.kill(pid, 0);
			return true;
		} catch {
			return false;
		}
	};
	const ended = new Promise<void>((resolve) => {
		const timer = setInterval(() => {
			if (isAlive()) return;
			clearInterval(timer);
			resolve();
		}, LOOK_MS);
		timer.unref();
	});
	return { pid, drain: () => void (isAlive() && process.kill(pid, "SIGTERM")), ended };
}
