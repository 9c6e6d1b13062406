import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { LogSpool } from "../log/log_spool.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import { COMMAND_NOT_FOUND } from "../processes/exit_codes.ts";
import { type RunningProcess, startProcess } from "../processes/start_process.ts";
import { sleep } from "../sleep.ts";
import { credentialEnvironment, type GitCredentials, settingsEnvironment } from "./credentials.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";

export interface GitContext {
	env: Record<string, string>;
	/** The credentials for the server; null: none. */
	credentials: GitCredentials | null;
	cgroup: Cgroup | null;
	spool: Pick<LogSpool, "write" | "writeLine">;
	signal: AbortSignal;
	/** Called with each process, so that the job can end it. */
	onStart(process: RunningProcess): void;
}

/**
 * Options for every call. Git must not run a program that the repository's address names, and
 * nothing in the background. It aborts if the server sends less than a kilobyte in a minute.
 */
const GIT = [
	"git",
	...["protocol.ext.allow=never", "advice.detachedHead=false", "init.defaultBranch=main", "gc.auto=0", "maintenance.auto=false"].flatMap(
		(setting) => ["-c", setting],
	),
	...["http.lowSpeedLimit=1000", "http.lowSpeedTime=60"].flatMap((setting) => ["-c", setting]),
	// The hooks of this machine's templates are not the job's. The LFS filter would fetch large files
	// from any server that the commit names (large_files.ts).
	...["core.hooksPath=/dev/null", "filter.lfs.process=", "filter.lfs.smudge=", "filter.lfs.clean=", "filter.lfs.required=false"].flatMap(
		(setting) => ["-c", setting],
	),
];

/** The settings for proxies and certificates. Git prints their names in lower case. */
const CONNECTION_SETTINGS = "^http\\.(.*\\.)?(proxy|sslcainfo|sslcapath|sslverify)$";
/** The connection settings that name files. */
const FILE_SETTINGS = /\.ssl(cainfo|capath)$/;

const TRIES = 3;
const FIRST_PAUSE_MS = 1_000;
const KEPT_CHARACTERS = 4_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The messages of git about a failed connection: another try may succeed. */
const TRANSPORT =
	/could not resolve host|couldn't connect|failed to connect|connection (was )?(refused|reset|timed out|closed)|timed? ?out|early eof|hung up|unexpected disconnect|rpc failed|returned error: (429|5\d\d)|operation too slow|gnutls|ssl_|tls |empty reply|no route to host|network is unreachable|broken pipe/i;
/** The messages of a server that rejects the request: another try fails, too. */
const REJECTED =
	/not found|authentication failed|permission denied|could not read (username|password)|returned error: (401|403|404)|does not appear to be a git repository|not our ref/i;

/** Runs git in one folder. What `run` prints goes to the job's log. */
export class Git {
	readonly folder: string;
	readonly #context: GitContext;

	constructor(context: GitContext, folder: string) {
		this.#context = context;
		this.folder = folder;
	}

	get signal(): AbortSignal {
		return this.#context.signal;
	}

	/** The same git with other credentials. */
	with(credentials: GitCredentials | null): Git {
		return new Git({ ...this.#context, credentials }, this.folder);
	}

	/** The same git in another folder. */
	in(folder: string): Git {
		return new Git(this.#context, folder);
	}

	/**
	 * The same git without any identity of the agent's user: over HTTP only, and without credentials.
	 * Proxies and certificates stay.
	 * @param home an empty folder
	 */
	async anonymous(home: string): Promise<Git> {
		const isKept = (name: string) => !/^(GIT|SSH)_|^XDG_CONFIG_HOME$/.test(name) || /^GIT_SSL_(CAINFO|CAPATH|NO_VERIFY)$/.test(name);
		const env = {
			...Object.fromEntries(Object.entries(this.#context.env).filter(([name]) => isKept(name))),
			HOME: home,
			GIT_CONFIG_GLOBAL: "/dev/null",
			GIT_CONFIG_NOSYSTEM: "1",
			GIT_ATTR_NOSYSTEM: "1",
			GIT_ALLOW_PROTOCOL: "http:https",
			GIT_ASKPASS: "",
			// git-lfs uses SSH if an address says so.
			GIT_SSH_COMMAND: "false",
			...settingsEnvironment([...(await this.#connectionSettings()), ["http.emptyAuth", "false"]], 0),
		};
		return new Git({ ...this.#context, env, credentials: null }, this.folder);
	}

	/** The settings of the agent's user for proxies and certificates. */
	async #connectionSettings(): Promise<[string, string][]> {
		const listing = await this.text("config", "--null", "--get-regexp", CONNECTION_SETTINGS).catch((error) => {
			// Without such a setting git fails and prints nothing.
			if (error instanceof GitFailed && error.output.trim() === "") return "";
			throw error;
		});
		const entries = listing.split("\0").filter((entry) => entry !== "");
		return entries.map((entry) => {
			// A setting without a value is true.
			const [name = "", value = "true"] = entry.split(/\n(.*)/s, 2);
			return [name, FILE_SETTINGS.test(name) ? value.replace(/^~(?=\/)/, this.#context.env.HOME ?? "~") : value];
		});
	}

	/** @throws GitFailed; CheckoutFailed without git */
	async run(...args: string[]): Promise<void> {
		const { signal, spool } = this.#context;
		signal.throwIfAborted();
		let printed = "";
		const output = {
			write: (bytes: Uint8Array) => {
				printed = (printed + Buffer.from(bytes).toString("utf8")).slice(-KEPT_CHARACTERS);
				return spool.write(bytes);
			},
		};
		let running: RunningProcess;
		try {
			running = await startProcess([...GIT, ...args], { cwd: this.folder, env: this.#environment, cgroup: this.#context.cgroup }, output);
		} catch (error) {
			throw new CheckoutFailed((error as Error).message);
		}
		this.#context.onStart(running);
		const code = await running.exited;
		signal.throwIfAborted();
		if (code === COMMAND_NOT_FOUND) throw new CheckoutFailed("git is not installed on this agent. Install git there.");
		const command = args.find((arg, index) => arg !== "-c" && args[index - 1] !== "-c") ?? "";
		if (code !== 0) throw new GitFailed(command, printed || `exit code ${code}`);
	}

	/** The trimmed output of a git command. It does not go to the log. @throws as `run` does */
	async output(...args: string[]): Promise<string> {
		return (await this.text(...args)).trim();
	}

	/** The exact output of a git command. @throws as `run` does */
	text(...args: string[]): Promise<string> {
		return this.#ask(args, null);
	}

	/**
	 * The output of a git command that reads `questions`. Each character is a byte.
	 * @throws as `run` does
	 */
	answers(args: readonly string[], questions: string): Promise<string> {
		return this.#ask(args, questions);
	}

	async #ask(args: readonly string[], input: string | null): Promise<string> {
		const { signal } = this.#context;
		const [command = "git", ...options] = GIT;
		try {
			const asked = promisify(execFile)(command, [...options, ...args], {
				cwd: this.folder,
				env: this.#environment,
				signal,
				maxBuffer: MAX_ANSWER_BYTES,
				encoding: input === null ? "utf8" : "latin1",
			});
			// A git that ends before it has read all input reports why.
			if (input !== null) asked.child.stdin?.on("error", () => undefined).end(input);
			return (await asked).stdout;
		} catch (error) {
			signal.throwIfAborted();
			const { stderr, code } = error as { stderr?: string; code?: string | number };
			if (code === "ENOENT") throw new CheckoutFailed("git is not installed on this agent. Install git there.");
			if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER")
				throw new CheckoutFailed(`git ${args[0]} printed more than the ${MAX_ANSWER_BYTES} bytes that the agent reads.`);
			throw new GitFailed(args[0] ?? "", (stderr ?? String(error)).trim());
		}
	}

	/** Whether a git command succeeds. */
	async succeeds(...args: string[]): Promise<boolean> {
		return this.output(...args).then(
			() => true,
			(error) => {
				this.#context.signal.throwIfAborted();
				if (!(error instanceof GitFailed)) throw error;
				return false;
			},
		);
	}

	/**
	 * Repeats work that needs the network, up to three times, if the connection fails.
	 * @throws CheckoutFailed after the last try
	 */
	async overNetwork<Value>(work: () => Promise<Value>): Promise<Value> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await work();
			} catch (error) {
				const isTransport = error instanceof GitFailed && TRANSPORT.test(error.output) && !REJECTED.test(error.output);
				if (!isTransport) throw error;
				if (attempt >= TRIES) throw new CheckoutFailed(`${error.message} (tried ${TRIES} times)`);
				const wait = FIRST_PAUSE_MS * 4 ** (attempt - 1) * (0.5 + Math.random());
				await this.#context.spool.writeLine(`:: ${error.message}; trying again in ${formatDuration(wait)}`);
				await sleep(wait, this.#context.signal);
			}
		}
	}

	get #environment(): Record<string, string> {
		return {
			...this.#context.env,
			...credentialEnvironment(this.#context.credentials, Number(this.#context.env.GIT_CONFIG_COUNT ?? 0)),
			GIT_TERMINAL_PROMPT: "0",
			// Git must not look for a repository in the folders above.
			GIT_CEILING_DIRECTORIES: path.dirname(this.folder),
			GIT_SSH_COMMAND: this.#context.env.GIT_SSH_COMMAND ?? "ssh -o BatchMode=yes",
			LC_ALL: "C.UTF-8",
		};
	}
}
