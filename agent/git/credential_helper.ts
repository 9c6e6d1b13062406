import { execFile } from "node:child_process";
import { constants, openSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { quoted } from "../processes/shell_quoting.ts";
import { sleep } from "../sleep.ts";
import type { GitCredentials } from "./credentials.ts";

/**
 * Lets git in the steps of a job read and write the project's own repository while the job runs.
 * Git asks a script, and the script asks the agent through named pipes. So no file, no variable and
 * no command line has the credentials. An image needs only a POSIX shell for it.
 */

const SCRIPT = "git-credential";
const REQUESTS = "requests";

/**
 * The script that git calls. It creates a pipe for the answer, sends its number to the agent, and
 * prints the answer. It times out after a while, because pipes do not reach the agent from a Docker
 * daemon on another machine.
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
wait $asking || echo "The agent of this job does not send the credentials." >&2
kill $waiting 2>/dev/null
rm -f "answer.$$"
`;

/**
 * The script opens its pipe for reading after it has asked. On a busy machine this takes a while.
 */
const ANSWER_TRIES = 1_500;
const ANSWER_PAUSE_MS = 20;
const MAX_REQUEST = 1024;
const MAX_AT_ONCE = 256;

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
	 * Creates the script and the pipe.
	 * @param folder a folder that only the job can reach
	 */
	static async open(folder: string, credentials: GitCredentials): Promise<CredentialHelper> {
		await mkdir(folder, { recursive: true });
		// The container's user creates pipes here. Nobody else reaches it: its parent folder is the
		// agent's.
		await chmod(folder, 0o777);
		await writeFile(path.join(folder, SCRIPT), HELPER, { mode: 0o644 });
		const requests = path.join(folder, REQUESTS);
		await promisify(execFile)("mkfifo", ["-m", "666", requests]);
		// Opened for reading and writing, so that no request waits for a reader, and the pipe never ends.
		// The socket closes the descriptor, so no file handle may own it.
		const opened = openSync(requests, constants.O_RDWR | constants.O_NONBLOCK);
		return new CredentialHelper(await ConfinedFolder.open(folder), credentials, opened);
	}

	/** The git settings for the steps. @param inside the folder's path as the job sees it */
	settings(inside: string): [string, string][] {
		const name = `credential.${this.#credentials.scope}.helper`;
		// No other helper stores these; for other repositories the helpers of the job's user stay.
		return [
			[name, ""],
			[name, `!sh ${quoted(path.posix.join(inside, SCRIPT))}`],
		];
	}

	/** Answers no further request. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#socket.destroy();
		await this.#folder.close();
	}

	#read(text: string): void {
		const lines = (this.#unread + text).split("\n");
		this.#unread = (lines.pop() ?? "").slice(-MAX_REQUEST);
		for (const line of lines) if (/^\d{1,10}$/.test(line)) void this.#answer(`answer.${line}`).catch(() => undefined);
	}

	async #answer(name: string): Promise<void> {
		if (this.#answering >= MAX_AT_ONCE) return;
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
