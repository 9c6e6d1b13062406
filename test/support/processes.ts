import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

export const PROGRAM = path.resolve(import.meta.dirname, "../../dist/cli/main.js");
export const ADMIN_TOKEN = "test-admin-token-0123456789abcdef";

/**
 * The PATH of windlass in tests. An agent asks every tool for its version when it starts. These
 * need more time to answer than the agent needs to start, so others answer in their place.
 */
export const QUICK_PATH = [path.resolve(import.meta.dirname, "quick_tools"), process.env.PATH].join(path.delimiter);

/** Short times, so that a lost agent is noticed within a test: the lease is as short as the rule allows. */
const TIMES = { WINDLASS_LEASE_TTL: "10s", WINDLASS_RENEW_INTERVAL: "1s", WINDLASS_KILL_GRACE: "2s" };
export const LEASE_TTL_MS = 10_000;

/** Called with what is to be done when a thing is no longer needed. */
export type AtEnd = (clean: () => void | Promise<void>) => void;

/** A folder that is gone after the test. */
export function temporaryFolder(atEnd: AtEnd = onTestFinished): string {
	const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-test-"));
	atEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
	return folder;
}

/** A windlass process whose output is kept and can be waited for. */
export class Program {
	readonly child: ChildProcess;
	readonly exited: Promise<number | null>;
	#output = "";
	readonly #listeners = new Set<() => void>();

	/** @param command what it is started by; the arguments follow */
	constructor(args: string[], environment: Record<string, string> = {}, command: [string, ...string[]] = [process.execPath, PROGRAM]) {
		const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("WINDLASS_")));
		const [program, ...first] = command;
		this.child = spawn(program, [...first, ...args], {
			env: { ...inherited, PATH: QUICK_PATH, ...environment } as NodeJS.ProcessEnv,
			stdio: ["ignore", "pipe", "pipe"],
		});
		for (const stream of [this.child.stdout, this.child.stderr]) {
			stream?.on("data", (chunk) => {
				this.#output += chunk;
				for (const listener of this.#listeners) listener();
			});
		}
		this.exited = new Promise((resolve) => this.child.once("exit", (code) => resolve(code)));
		void this.exited.then(() => {
			for (const listener of this.#listeners) listener();
		});
	}

	get output(): string {
		return this.#output;
	}

	get pid(): number {
		return this.child.pid as number;
	}

	/** Waits until the output matches. */
	async says(pattern: RegExp): Promise<RegExpExecArray> {
		return new Promise((resolve, reject) => {
			const look = () => {
				const match = pattern.exec(this.#output);
				if (!match && this.child.exitCode === null) return;
				this.#listeners.delete(look);
				if (match) resolve(match);
				else reject(new Error(`ended with ${this.child.exitCode} before it said ${pattern}:\n${this.#output}`));
			};
			this.#listeners.add(look);
			look();
		});
	}

	signal(signal: NodeJS.Signals): void {
		this.child.kill(signal);
	}

	async kill(): Promise<void> {
		this.child.kill("SIGKILL");
		await this.exited;
	}
}

/** A coordinator as a process of its own, on its own data folder. */
export class TestCoordinator {
	readonly data: string;
	readonly program: Program;
	readonly url: string;
	readonly signInUrl: string;

	readonly #atEnd: AtEnd;

	private constructor(data: string, program: Program, urls: { url: string; signInUrl: string }, atEnd: AtEnd) {
		this.data = data;
		this.program = program;
		this.url = urls.url;
		this.signInUrl = urls.signInUrl;
		this.#atEnd = atEnd;
	}

	/** Starts one and stops it after the test, or when `atEnd` says. */
	static async start(
		options: { args?: string[]; data?: string; port?: string; environment?: Record<string, string>; atEnd?: AtEnd } = {},
	): Promise<TestCoordinator> {
		const { args = [], port = testPort(), environment = {}, atEnd = onTestFinished } = options;
		const data = options.data ?? path.join(temporaryFolder(atEnd), "data");
		const program = new Program(["serve", "--no-agent", "--port", port, "--data", data, ...args], {
			WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN,
			...TIMES,
			...environment,
		});
		let url = "";
		atEnd(async () => {
			await saveCounters(url);
			await program.kill();
			for (const pid of workerdsOf(data)) process.kill(pid, "SIGKILL");
		});
		[, url = ""] = await program.says(/status page +(http\S+)/);
		const [, signInUrl = ""] = await program.says(/sign in +(http\S+)/);
		return new TestCoordinator(data, program, { url, signInUrl }, atEnd);
	}

	get port(): string {
		return new URL(this.url).port;
	}

	/** The same coordinator for another test: the agents that this one starts end with that test. */
	lentUntil(atEnd: AtEnd): TestCoordinator {
		return new TestCoordinator(this.data, this.program, { url: this.url, signInUrl: this.signInUrl }, atEnd);
	}

	/** Kills the host and starts another one on the same data and port. */
	async restartAfterKill(): Promise<TestCoordinator> {
		await this.program.kill();
		return TestCoordinator.start({ data: this.data, port: this.port });
	}

	/** Kills workerd; its host starts another. */
	killWorkerd(): void {
		for (const pid of workerdsOf(this.data)) process.kill(pid, "SIGKILL");
	}

	/** An agent of this coordinator, in a process of its own. */
	async agent(
		name: string,
		options: { slots?: string; args?: string[]; environment?: Record<string, string>; workDir?: string } = {},
	): Promise<Program> {
		const { slots = "1", args = [], environment = {} } = options;
		const workDir = options.workDir ?? path.join(temporaryFolder(this.#atEnd), "agent");
		const program = new Program(["agent", "--server", this.url, "--name", name, "--slots", slots, "--work-dir", workDir, ...args], {
			WINDLASS_TOKEN: await this.registrationToken(),
			...environment,
		});
		this.#atEnd(() => program.kill());
		await program.says(/is ready at/);
		return program;
	}

	async registrationToken(): Promise<string> {
		return (await this.post<{ token: string }>("/api/v1/agent-tokens", {})).token;
	}

	request(address: string, init: RequestInit & { token?: string | null } = {}): Promise<Response> {
		const { token = ADMIN_TOKEN, headers, ...rest } = init;
		return fetch(address.startsWith("/") ? this.url + address : address, {
			...rest,
			headers: { ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...(headers as Record<string, string>) },
		});
	}

	async get<Body>(address: string): Promise<Body> {
		const response = await this.request(address);
		if (!response.ok) throw new Error(`GET ${address}: ${response.status} ${await response.text()}`);
		return (await response.json()) as Body;
	}

	async text(address: string): Promise<string> {
		const response = await this.request(address);
		if (!response.ok) throw new Error(`GET ${address}: ${response.status} ${await response.text()}`);
		return response.text();
	}

	async post<Body>(address: string, body: unknown): Promise<Body> {
		const response = await this.request(address, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
		if (!response.ok) throw new Error(`POST ${address}: ${response.status} ${await response.text()}`);
		return (await response.json()) as Body;
	}
}

/** Whether memory can be judged: a build with counters (`npm run coverage`) has more of it. */
export const isMemoryTold = process.env.COVERAGE_FOLDER === undefined;

/** A coordinator that was built with counters (`npm run coverage`) is asked for them before it goes. */
export async function saveCounters(url: string): Promise<void> {
	const { COVERAGE_FOLDER } = process.env;
	if (!COVERAGE_FOLDER) return;
	const counters = await fetch(`${url}/counters`).then(
		(response) => response.text(),
		() => null,
	);
	if (counters) writeFileSync(path.join(COVERAGE_FOLDER, `${randomUUID()}.json`), counters);
}

/** Below what the system gives to outgoing connections: a port is still free when a coordinator comes back to it. */
const FIRST_PORT = 20_000;
const PORTS_OF_A_WORKER = 1_500;
const poolId = Number(process.env.VITEST_POOL_ID ?? 1);
let lastPort = Math.floor(Math.random() * PORTS_OF_A_WORKER);

/** A port that no other test has: each of the test runner's workers has its own range, and goes round in it. */
export function testPort(): string {
	lastPort = (lastPort + 1) % PORTS_OF_A_WORKER;
	return String(FIRST_PORT + poolId * PORTS_OF_A_WORKER + lastPort);
}

/** The workerd processes of a data folder. */
export function workerdsOf(data: string): number[] {
	return processesWith(`WINDLASS_HOST=${data}`).filter((pid) => commandOf(pid).includes("workerd"));
}

/** The processes whose environment has this entry. */
export function processesWith(entry: string): number[] {
	return readdirSync("/proc")
		.map(Number)
		.filter((pid) => pid > 1)
		.filter((pid) => {
			try {
				const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
				return !isZombie && `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`.includes(`\0${entry}\0`);
			} catch {
				return false;
			}
		});
}

/** The processes on whose command line this stands. */
export function processesNaming(text: string): number[] {
	return readdirSync("/proc")
		.map(Number)
		.filter((pid) => pid > 1 && pid !== process.pid && commandOf(pid).includes(text));
}

/** How much memory a process has, in MiB. */
export function residentMib(pid: number): number {
	const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return Math.round(Number(kib) / 1024);
}

function commandOf(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "latin1");
	} catch {
		return "";
	}
}

/** Between two looks: each costs a request or more, and whatever takes long is looked for less often. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 150;

/** Waits until `look` gives something; for what no event tells of. */
export async function eventually<Value>(
	look: () => Promise<Value | false | null | undefined> | Value | false | null | undefined,
	what: string,
	timeoutMs = 60_000,
): Promise<Value> {
	const until = Date.now() + timeoutMs;
	for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.3, LONGEST_PAUSE_MS)) {
		const value = await look();
		if (value) return value;
		if (Date.now() > until) throw new Error(`never came about: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, pauseMs));
	}
}
