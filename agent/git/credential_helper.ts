import { execFile } from "node:child_process";
import { constants, openSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { quoted } from "../processes/shell_quoting.ts";
import { sleep } from "../sleep.ts";
import type { GitCredentials } from "./git.ts";

/**
 * Lets git in the steps of a job read and write the project's own repository, for as long as the job runs. git asks a script, the
 * script asks the agent by way of named pipes, and the agent answers: the credentials are in no file, no variable and no command line.
 * All that an image needs for it is a POSIX shell.
 */

const SCRIPT = "git-credential";
const REQUESTS = "requests";

/**
 * What git calls. It makes a pipe for the answer, tells the agent its number, and passes on what comes. Where pipes do not reach the agent,
 * as with a Docker daemon on another machine, it gives up after a while.
 */
const HELPER = `[ "$1" = get ] || exit 0
cat > /dev/null
cd "\${0%/*}" || exit 1
umask 0
rm -f "answer.$$"
mkfifo "answer.$$" || exit 1
(echo "$$" > ${REQUESTS}; exec cat "answer.$$") &
asking=$!
(sleep 30; kill $asking) >/dev/null 2>&1 &
waiting=$!
wait $asking || echo "The agent of this job does not tell the credentials." >&2
kill $waiting 2>/dev/null
rm -f "answer.$$"
`;

/** The helper opens its pipe for reading a moment after it has asked; on a machine that is busy it takes a while. */
const ANSWER_TRIES = 1_500;
const ANSWER_PAUSE_MS = 20;
const LONGEST_REQUEST = 1024;
const MOST_AT_ONCE = 256;

export class CredentialHelper {
	readonly #folder: ConfinedFolder;
	readonly #credentials: GitCredentials;
	readonly #socket: Socket;
	#unread = "";
	#answering = 0;
	#isClosed = false;

	private constructor(folder: ConfinedFolder, credentials: GitCredentials, requests: number) {
		this.#folder = folder;
		this.#credentials = credentials;
		this.#socket = new Socket({ fd: requests, readable: true, writable: false });
		this.#socket.on("error", () => undefined);
		this.#socket.on("data", (bytes) => this.#read(bytes.toString("latin1")));
	}

	/**
	 * Makes the script and the pipe.
	 * @param folder where they go; nobody but the job can reach it
	 */
	static async open(folder: string, credentials: GitCredentials): Promise<CredentialHelper> {
		await mkdir(folder, { recursive: true });
		// The user of a container makes pipes here. The folder above is the agent's alone.
		await chmod(folder, 0o777);
		await writeFile(path.join(folder, SCRIPT), HELPER, { mode: 0o644 });
		const requests = path.join(folder, REQUESTS);
		await promisify(execFile)("mkfifo", ["-m", "666", requests]);
		// Open for both: there is an end for writing, so that nobody who asks waits, and the pipe never ends.
		// The socket closes the number, so that no handle of Node's may own it, too.
		const opened = openSync(requests, constants.O_RDWR | constants.O_NONBLOCK);
		return new CredentialHelper(await ConfinedFolder.open(folder), credentials, opened);
	}

	/** What git is set to. @param inside where the job sees the folder */
	settings(inside: string): [string, string][] {
		const name = `credential.${this.#credentials.scope}.helper`;
		// Nobody else's helper keeps these; for other repositories the helpers of the job's user stay.
		return [
			[name, ""],
			[name, `!sh ${quoted(path.posix.join(inside, SCRIPT))}`],
		];
	}

	/** From now on nobody is answered. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#socket.destroy();
		await this.#folder.close();
	}

	#read(text: string): void {
		const lines = (this.#unread + text).split("\n");
		this.#unread = (lines.pop() ?? "").slice(-LONGEST_REQUEST);
		for (const line of lines) if (/^\d{1,10}$/.test(line)) void this.#answer(`answer.${line}`).catch(() => undefined);
	}

	async #answer(name: string): Promise<void> {
		if (this.#answering >= MOST_AT_ONCE) return;
		this.#answering += 1;
		try {
			for (let tried = 0; tried < ANSWER_TRIES && !this.#isClosed; tried += 1) {
				if (await this.#write(name)) return;
				await sleep(ANSWER_PAUSE_MS);
			}
		} finally {
			this.#answering -= 1;
		}
	}

	/** @returns false if nobody reads from the pipe yet */
	async #write(name: string): Promise<boolean> {
		const pipe = await this.#folder.pipe(name);
		if (pipe === null) return false;
		const { username, password } = this.#credentials;
		try {
			await pipe.write(`username=${username}\npassword=${password}\n`);
		} finally {
			await pipe.close();
		}
		return true;
	}
}
