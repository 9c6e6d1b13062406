import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { Agent, type Dispatcher, request } from "undici";

export const PROGRAM = path.resolve(import.meta.dirname, "../dist/cli/main.js");
export const ADMIN_TOKEN = "bench-admin-token-0123456789abcdef";
/** Longer than a long poll of 55 s: a request that takes longer fails the bench. */
const TIMEOUT_MS = 90_000;

/** Without a limit of connections: waiting for one would count as the coordinator's time. */
const dispatcher = new Agent({ keepAliveTimeout: 8_000, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });

interface Call {
	method: "GET" | "POST" | "PUT" | "PATCH";
	/** The admin token, unless another one is given; null for none. */
	token?: string | null;
	json?: unknown;
	bytes?: Uint8Array;
	headers?: Record<string, string>;
}

/** The coordinator under measurement: a process of its own, on a data folder of its own. */
export class Target {
	readonly url: string;
	readonly #process: ChildProcess;
	/** Called with each line that the coordinator logs, if that is not shown. */
	onLogged: (line: string) => void = () => undefined;

	private constructor(url: string, child: ChildProcess) {
		this.url = url;
		this.#process = child;
	}

	/** Starts a coordinator on this data folder; when this returns it serves. */
	static async start(data: string, args: readonly string[] = ["--no-agent"]): Promise<Target> {
		const child = spawnCoordinator(data, ["--port", "0", ...args]);
		const url = await new Promise<string>((resolve, reject) => {
			let text = "";
			child.stdout?.on("data", (chunk) => {
				text += chunk;
				const [, address] = /status page +(http\S+)/.exec(text) ?? [];
				// An agent beside the coordinator runs the example first, which is not measured.
				if (address && (args.includes("--no-agent") || text.includes("::exit"))) resolve(address);
			});
			child.once("exit", () => reject(new Error(`The coordinator did not start:\n${text}`)));
		});
		const target = new Target(url, child);
		if (child.stderr) createInterface(child.stderr).on("line", (line) => target.onLogged(line));
		return target;
	}

	/** The host process; workerd is its child. */
	get pid(): number {
		return this.#process.pid as number;
	}

	/** Ends the coordinator as an operator would. */
	stop(): Promise<void> {
		return stopCoordinator(this.#process);
	}

	/**
	 * One request, its answer as it comes.
	 * @throws Error for any error of the coordinator: no measured request may fail
	 */
	async open(address: string, { method, token = ADMIN_TOKEN, json, bytes, headers }: Call): Promise<Dispatcher.ResponseData> {
		const response = await request(this.url + address, {
			method,
			dispatcher,
			headers: { ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...headers },
			body: json === undefined ? (bytes ?? null) : JSON.stringify(json),
		});
		if (response.statusCode >= 300) throw new Error(`${method} ${address}: ${response.statusCode} ${await response.body.text()}`);
		return response;
	}

	/** One request, its answer as JSON. */
	async send<Answer>(address: string, call: Call): Promise<Answer> {
		const { body } = await this.open(address, call);
		const text = await body.text();
		return (text === "" ? {} : JSON.parse(text)) as Answer;
	}

	get<Answer>(address: string): Promise<Answer> {
		return this.send(address, { method: "GET" });
	}

	post<Answer>(address: string, json: unknown): Promise<Answer> {
		return this.send(address, { method: "POST", json });
	}
}

/** Measures on a new coordinator, and stops it afterwards. */
export async function onTarget<Value>(data: string, args: readonly string[], measure: (target: Target) => Promise<Value>): Promise<Value> {
	const target = await Target.start(data, args);
	try {
		return await measure(target);
	} finally {
		await target.stop();
	}
}

/**
 * Starts the process and does not wait for it. Its logged errors are shown, because they spoil the
 * figures; the lines of an agent beside it are not. With another log level they are for `onLogged`. Leases are long: the agents of the bench do not
 * renew theirs.
 */
export function spawnCoordinator(data: string, args: readonly string[]): ChildProcess {
	return spawn(process.execPath, [PROGRAM, "serve", "--data", data, "--log-level", "error", "--lease-ttl", "1h", ...args], {
		env: { ...process.env, WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN },
		stdio: ["ignore", "pipe", args.includes("--log-level") ? "pipe" : args.includes("--no-agent") ? "inherit" : "ignore"],
	});
}

export async function stopCoordinator(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = new Promise((resolve) => child.once("exit", resolve));
	child.kill("SIGTERM");
	await exited;
}
