import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type AtEnd, Program, processesWith, TestCoordinator, temporaryFolder, workerdsOf } from "../support/processes.ts";
import { Network } from "./network.ts";

/** The processes that everything is done to: a coordinator, and agents with a network of their own. */

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const DISK = "2g";

export class Stage {
	readonly data: string;
	readonly agents: StageAgent[] = [];
	readonly atEnd: AtEnd;
	readonly #disk: string | null;
	#coordinator: TestCoordinator;
	/** What former coordinators have said. */
	#said = "";

	private constructor(coordinator: TestCoordinator, disk: string | null, atEnd: AtEnd) {
		this.#coordinator = coordinator;
		this.data = coordinator.data;
		this.#disk = disk;
		this.atEnd = atEnd;
	}

	/** A coordinator on a disk of its own, where one can be mounted, and agents; the clock of the second one is an hour ahead. */
	static async open(agents: number, atEnd: AtEnd): Promise<Stage> {
		const folder = temporaryFolder(atEnd);
		const disk = process.getuid?.() === 0 && mountDisk(folder, atEnd) ? folder : null;
		const coordinator = await TestCoordinator.start({ data: path.join(folder, "data"), args: ["--log-level", "debug"], atEnd });
		const stage = new Stage(coordinator, disk, atEnd);
		const { token } = await coordinator.post<{ token: string }>("/api/v1/agent-tokens", { uses: 1_000, expires_in: "24h" });
		for (let index = 0; index < agents; index += 1) {
			const network = await Network.open(Number(coordinator.port));
			atEnd(() => network.close());
			const isAhead = index === 1 && existsSync(FAKETIME);
			const agent = new StageAgent(`agent-${index}`, network, token, temporaryFolder(atEnd), isAhead);
			atEnd(() => agent.program.kill());
			await agent.program.says(/is ready at/);
			stage.agents.push(agent);
		}
		return stage;
	}

	get url(): string {
		return this.#coordinator.url;
	}

	get coordinator(): TestCoordinator {
		return this.#coordinator;
	}

	/** All that any coordinator has said. */
	get said(): string {
		return this.#said + this.#coordinator.program.output;
	}

	get canBeFilled(): boolean {
		return this.#disk !== null;
	}

	/** Does something to workerd, whichever process that is at the moment. */
	signalWorkerd(signal: NodeJS.Signals): void {
		for (const pid of workerdsOf(this.data)) {
			try {
				process.kill(pid, signal);
			} catch {
				// It has just ended by itself.
			}
		}
	}

	/** Ends the host, in this way, and starts another on the same data and port after a while. */
	async replaceHost(end: "SIGKILL" | "SIGTERM", downMs: number): Promise<void> {
		const { program } = this.#coordinator;
		program.signal(end);
		await program.exited;
		this.#said += program.output;
		await pause(downMs);
		this.#coordinator = await this.#startHost();
	}

	/** As a service manager would: one that cannot start yet is started again. */
	async #startHost(): Promise<TestCoordinator> {
		for (let tries = 1; ; tries += 1) {
			try {
				return await TestCoordinator.start({
					data: this.data,
					port: this.#coordinator.port,
					args: ["--log-level", "debug"],
					atEnd: this.atEnd,
				});
			} catch (error) {
				if (tries === 5) throw error;
				await pause(1_000);
			}
		}
	}

	/** Fills the disk of the data to the last byte for this long. */
	async fillDisk(ms: number): Promise<void> {
		if (!this.#disk) return;
		const file = path.join(this.#disk, "filler");
		try {
			writeFileSync(file, "");
			execFileSync("sh", ["-c", `cat /dev/zero > ${file} 2>/dev/null || true`]);
			await pause(ms);
		} finally {
			rmSync(file, { force: true });
		}
	}

	/** The processes of any job. */
	jobProcesses(mark: string): number[] {
		return processesWith(`CHAOS=${mark}`);
	}
}

/** An agent in a process of its own, behind its network. */
export class StageAgent {
	readonly name: string;
	readonly network: Network;
	readonly workDir: string;
	readonly #token: string;
	readonly #isAhead: boolean;
	program: Program;

	constructor(name: string, network: Network, token: string, folder: string, isAhead: boolean) {
		this.name = name;
		this.network = network;
		this.workDir = path.join(folder, "agent");
		this.#token = token;
		this.#isAhead = isAhead;
		this.program = this.#start();
	}

	#start(): Program {
		const clock = { LD_PRELOAD: FAKETIME, FAKETIME: "+1h", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
		return new Program(["agent", "--server", this.network.url, "--name", this.name, "--slots", "2", "--work-dir", this.workDir], {
			WINDLASS_TOKEN: this.#token,
			...(this.#isAhead ? clock : {}),
		});
	}

	/** Ends the process, in this way, and starts another one after a while. */
	async replace(end: "SIGKILL" | "SIGTERM", downMs: number): Promise<void> {
		this.program.signal(end);
		await this.program.exited;
		await pause(downMs);
		this.program = this.#start();
	}
}

function mountDisk(folder: string, atEnd: AtEnd): boolean {
	try {
		execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", folder], { stdio: "ignore" });
	} catch {
		return false;
	}
	atEnd(() => void execFileSync("umount", ["-l", folder]));
	return true;
}
