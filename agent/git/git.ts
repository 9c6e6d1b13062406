import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { LogSpool } from "../log/log_spool.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import { COMMAND_NOT_FOUND } from "../processes/exit_codes.ts";
import { type RunningProcess, startProcess } from "../processes/start_process.ts";
import { sleep } from "../sleep.ts";

/** A checkout that did not come about: the repository's or the network's fault, not the job's. */
export class CheckoutFailed extends Error {
	override name = "CheckoutFailed";
}

/** A git that failed; what it said last tells why. */
export class GitFailed extends CheckoutFailed {
	override name = "GitFailed";
	readonly words: string;

	constructor(command: string, words: string) {
		super(`git ${command} failed: ${reasonIn(words)}`);
		this.words = words;
	}
}

export interface GitContext {
	env: Record<string, string>;
	/** What a server is told that wants to know who asks; null: nothing. */
	credentials: GitCredentials | null;
	cgroup: Cgroup | null;
	spool: LogSpool;
	signal: AbortSignal;
	/** Called with each process that is started, so that it can be ended. */
	onStart(process: RunningProcess): void;
}

/**
 * Options for every call: nothing may ask, nothing may run a program that the repository's address names, nothing may go on in the
 * background; and a server that sends less than a kilobyte in a minute is taken for gone.
 */
const GIT = [
	"git",
	...["protocol.ext.allow=never", "advice.detachedHead=false", "init.defaultBranch=main", "gc.auto=0", "maintenance.auto=false"].flatMap(
		(setting) => ["-c", setting],
	),
	...["http.lowSpeedLimit=1000", "http.lowSpeedTime=60"].flatMap((setting) => ["-c", setting]),
	// Hooks of a template of this machine are not the job's. A filter for large files would fetch them
	// from wherever the commit says (large_files.ts).
	...["core.hooksPath=/dev/null", "filter.lfs.process=", "filter.lfs.smudge=", "filter.lfs.clean=", "filter.lfs.required=false"].flatMap(
		(setting) => ["-c", setting],
	),
];

/** Settings that say how servers are reached and known; in every spelling they come in lower case. */
const WAYS_TO_SERVERS = "^http\\.(.*\\.)?(proxy|sslcainfo|sslcapath|sslverify)$";
/** Those of them that name files. */
const FILES = /\.ssl(cainfo|capath)$/;

const TRIES = 3;
const FIRST_PAUSE_MS = 1_000;
const KEPT_CHARACTERS = 4_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** What git says when the way to the server failed, and another try may not. */
const TRANSPORT =
	/could not resolve host|couldn't connect|failed to connect|connection (was )?(refused|reset|timed out|closed)|timed? ?out|early eof|hung up|unexpected disconnect|rpc failed|returned error: (429|5\d\d)|operation too slow|gnutls|ssl_|tls |empty reply|no route to host|network is unreachable|broken pipe/i;
const REFUSED =
	/not found|authentication failed|permission denied|could not read (username|password)|returned error: (401|403|404)|does not appear to be a git repository|not our ref/i;

/** git in one folder, its words in the job's log. */
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

	/** The same with other credentials. */
	with(credentials: GitCredentials | null): Git {
		return new Git({ ...this.#context, credentials }, this.folder);
	}

	/** The same in another folder. */
	in(folder: string): Git {
		return new Git(this.#context, folder);
	}

	/**
	 * The same as anybody: over HTTP only, and no server is told who asks, whatever the agent's user has set up for that. How servers are reached
	 * stays.
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
			// Large files would be asked for over SSH, too, if their address says so.
			GIT_SSH_COMMAND: "false",
			...settingsEnvironment([...(await this.#waysToServers()), ["http.emptyAuth", "false"]], 0),
		};
		return new Git({ ...this.#context, env, credentials: null }, this.folder);
	}

	/** What is set of proxies and certificates. */
	async #waysToServers(): Promise<[string, string][]> {
		const listing = await this.text("config", "--null", "--get-regexp", WAYS_TO_SERVERS).catch((error) => {
			// Nothing of it is set: git ends with 1, and says nothing.
			if (error instanceof GitFailed && error.words.trim() === "") return "";
			throw error;
		});
		const entries = listing.split("\0").filter((entry) => entry !== "");
		return entries.map((entry) => {
			// What stands there without a value is true.
			const [name = "", value = "true"] = entry.split(/\n(.*)/s, 2);
			return [name, FILES.test(name) ? value.replace(/^~(?=\/)/, this.#context.env.HOME ?? "~") : value];
		});
	}

	/** @throws GitFailed; CheckoutFailed without git */
	async run(...args: string[]): Promise<void> {
		const { signal, spool } = this.#context;
		signal.throwIfAborted();
		let words = "";
		const output = {
			write: (bytes: Uint8Array) => {
				words = (words + Buffer.from(bytes).toString("utf8")).slice(-KEPT_CHARACTERS);
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
		if (code === COMMAND_NOT_FOUND) throw new CheckoutFailed("git is not installed on this agent.");
		const command = args.find((arg, index) => arg !== "-c" && args[index - 1] !== "-c") ?? "";
		if (code !== 0) throw new GitFailed(command, words || `exit code ${code}`);
	}

	/** What git prints, for git's answers rather than its work. @throws as `run` does */
	async output(...args: string[]): Promise<string> {
		return (await this.text(...args)).trim();
	}

	/** The same to the letter. @throws as `run` does */
	text(...args: string[]): Promise<string> {
		return this.#ask(args, null);
	}

	/** What git prints when it reads `questions`: a character is a byte. @throws as `run` does */
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
			// Who ends before it has read all of it says why.
			if (input !== null) asked.child.stdin?.on("error", () => undefined).end(input);
			return (await asked).stdout;
		} catch (error) {
			signal.throwIfAborted();
			const { stderr, code } = error as { stderr?: string; code?: string | number };
			if (code === "ENOENT") throw new CheckoutFailed("git is not installed on this agent.");
			if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER")
				throw new CheckoutFailed(`git ${args[0]} printed more than ${MAX_ANSWER_BYTES} bytes, which is more than the agent reads.`);
			throw new GitFailed(args[0] ?? "", (stderr ?? String(error)).trim());
		}
	}

	/** Whether git ends well. */
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
	 * Does what needs the network, up to three times where the way to the server fails.
	 * @throws GitFailed of the last try
	 */
	async overNetwork<Value>(work: () => Promise<Value>): Promise<Value> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await work();
			} catch (error) {
				const isTransport = error instanceof GitFailed && TRANSPORT.test(error.words) && !REFUSED.test(error.words);
				if (!isTransport) throw error;
				if (attempt >= TRIES) throw new CheckoutFailed(`${error.message} (tried ${TRIES} times)`);
				const wait = FIRST_PAUSE_MS * 4 ** (attempt - 1) * (0.5 + Math.random());
				await this.#context.spool.say(`:: ${error.message}; trying again in ${formatDuration(wait)}`);
				await sleep(wait, this.#context.signal);
			}
		}
	}

	get #environment(): Record<string, string> {
		return {
			...this.#context.env,
			...credentialEnvironment(this.#context.credentials, Number(this.#context.env.GIT_CONFIG_COUNT ?? 0)),
			GIT_TERMINAL_PROMPT: "0",
			// A folder that is no repository (yet) is not looked for further up.
			GIT_CEILING_DIRECTORIES: path.dirname(this.folder),
			GIT_SSH_COMMAND: this.#context.env.GIT_SSH_COMMAND ?? "ssh -o BatchMode=yes",
			LC_ALL: "C.UTF-8",
		};
	}
}

/** Who asks a server over HTTP. */
export interface GitCredentials {
	/** What is asked with them, and nothing else: a server, `https://git.lan`, or a repository of it. */
	scope: string;
	username: string;
	password: string;
}

/** Servers that want a token alone take any name beside it. */
const USERNAME_OF_TOKENS = "git";

/** Of `user:password`, or a token alone, for the server of this address. */
export function gitCredentials(address: string, text: string): GitCredentials {
	const [, username = USERNAME_OF_TOKENS, password = text] = /^([^:\s]+):(.*)$/s.exec(text.trim()) ?? [];
	return { scope: new URL(address).origin, username, password: password.trim() };
}

/** The same for one repository alone, not for others of its server. */
export function ownCredentials(credentials: GitCredentials, address: string): GitCredentials {
	const { origin, pathname } = new URL(address);
	return { ...credentials, scope: `${origin}${pathname.replace(/\/+$/, "")}` };
}

/**
 * Says to git how it is told, by a helper that reads it from the environment: on no command line, and in no file. Needs git 2.31.
 * @param before how many settings the environment has already
 */
function credentialEnvironment(credentials: GitCredentials | null, before: number): Record<string, string> {
	if (!credentials) return {};
	const helper = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$WINDLASS_GIT_USERNAME" "$WINDLASS_GIT_PASSWORD"; }; f';
	return {
		...settingsEnvironment(credentialSettings(credentials.scope, helper), before),
		WINDLASS_GIT_USERNAME: credentials.username,
		WINDLASS_GIT_PASSWORD: credentials.password,
	};
}

/**
 * Settings by which git asks a helper for the credentials of a server, or a repository.
 * @param helper as git takes it, such as `!sh helper`
 */
function credentialSettings(scope: string, helper: string): [string, string][] {
	return [
		// Nobody else's helper keeps what it is told.
		["credential.helper", ""],
		[`credential.${scope}.helper`, helper],
		// What is asked for is told with its path; otherwise only servers could be told apart.
		[`credential.${new URL(scope).origin}.useHttpPath`, "true"],
	];
}

/**
 * Variables that set something for git.
 * @param before how many settings the environment has already
 */
export function settingsEnvironment(settings: readonly (readonly [string, string])[], before: number): Record<string, string> {
	const variables = settings.flatMap(([key, value], index) => [
		[`GIT_CONFIG_KEY_${before + index}`, key],
		[`GIT_CONFIG_VALUE_${before + index}`, value],
	]);
	return { ...Object.fromEntries(variables), GIT_CONFIG_COUNT: String(before + settings.length) };
}

/** The line that says why: the last one that git calls fatal or an error, otherwise the last. */
function reasonIn(words: string): string {
	const lines = words
		.split(/[\r\n]+/)
		.map((line) => line.trim())
		.filter((line) => line !== "");
	const telling = lines.findLastIndex((line) => /^(fatal|error|remote: error|ERROR):/.test(line));
	if (telling === -1) return (lines.at(-1) ?? "it said nothing").slice(0, 500);
	const [line = "", next = ""] = lines.slice(telling);
	return (line.endsWith(":") ? `${line} ${next}` : line).slice(0, 500);
}
