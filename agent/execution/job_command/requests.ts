import { type FSWatcher, watch } from "node:fs";
import { unlink } from "node:fs/promises";
import { ConfinedFolder } from "../../files/confined_folder.ts";
import { log } from "../../logger.ts";
import { sleep } from "../../sleep.ts";

/**
 * Waits for the requests of the `windlass` command of a job (script.ts). Most jobs are over before
 * they could make one, so the agent begins to watch a moment after the first step has begun.
 */

const BEGIN_MS = 25;
const REQUEST = /^(ask\.[0-9.]{1,40})\.request$/;
/** A request has at most a pipeline. */
const MAX_REQUEST_BYTES = 11 * 1024 * 1024;
const MAX_AT_ONCE = 16;
/** The script opens its pipe after it has asked. On a busy machine this takes a while. */
const ANSWER_TRIES = 1_500;
const ANSWER_PAUSE_MS = 20;

/** A request: its name, its fields and its text. */
export interface JobRequest {
	name: string;
	fields: ReadonlyMap<string, string>;
	text: string;
}

/** The exit code of the command, and what it prints. */
export interface JobAnswer {
	code: number;
	text: string;
}

export class JobRequests {
	readonly #path: string;
	readonly #handle: (request: JobRequest) => Promise<JobAnswer>;
	readonly #begin: NodeJS.Timeout;
	readonly #taken = new Set<string>();
	readonly #running = new Set<Promise<void>>();
	#folder: ConfinedFolder | null = null;
	#watcher: FSWatcher | null = null;
	#isClosed = false;

	/** @param path the folder of the job's files */
	constructor(path: string, handle: (request: JobRequest) => Promise<JobAnswer>) {
		this.#path = path;
		this.#handle = handle;
		this.#begin = setTimeout(() => void this.#open(), BEGIN_MS);
	}

	/** Takes no further request, and waits for the answers to the others. */
	async close(): Promise<void> {
		clearTimeout(this.#begin);
		this.#isClosed = true;
		this.#watcher?.close();
		await Promise.all(this.#running);
		await this.#folder?.close();
	}

	async #open(): Promise<void> {
		try {
			this.#folder = await ConfinedFolder.open(this.#path);
			if (this.#isClosed) return;
			this.#watcher = watch(this.#path, () => void this.#look());
			this.#watcher.on("error", () => undefined);
			await this.#look();
		} catch (error) {
			log("warn", `The agent cannot watch for the requests of a job: ${(error as Error).message}`);
		}
	}

	/** Takes the requests that are there. */
	async #look(): Promise<void> {
		const folder = this.#folder;
		if (folder === null || this.#isClosed) return;
		for (const { name } of await folder.entries().catch(() => [])) {
			const [, id] = REQUEST.exec(name) ?? [];
			if (id === undefined || this.#taken.has(id) || this.#running.size >= MAX_AT_ONCE) continue;
			this.#taken.add(id);
			const running = this.#answer(folder, id).catch((error) => log("warn", `The agent cannot answer a job: ${(error as Error).message}`));
			this.#running.add(running);
			void running.finally(() => {
				this.#running.delete(running);
				void this.#look();
			});
		}
	}

	async #answer(folder: ConfinedFolder, id: string): Promise<void> {
		const { code, text } = await this.#read(folder, id).then(this.#handle, (error: Error) => ({ code: 1, text: error.message }));
		const bytes = Buffer.from(`${code}\n${text}${text === "" || text.endsWith("\n") ? "" : "\n"}`);
		for (let tried = 0; tried < ANSWER_TRIES && !this.#isClosed; tried += 1) {
			const pipe = await folder.pipe(`${id}.answer`);
			if (pipe !== null) {
				await pipe.writeFile(bytes).finally(() => pipe.close());
				return;
			}
			await sleep(ANSWER_PAUSE_MS);
		}
	}

	async #read(folder: ConfinedFolder, id: string): Promise<JobRequest> {
		const name = `${id}.request`;
		const bytes = await folder.read(name, MAX_REQUEST_BYTES, "none");
		await unlink(folder.placeOf(name));
		const whole = bytes.toString("utf8");
		const at = whole.indexOf("\n\n");
		const [command = "", ...lines] = whole.slice(0, at === -1 ? undefined : at).split("\n");
		const fields = lines.map((line): [string, string] => {
			const equals = line.indexOf("=");
			return [line.slice(0, equals), line.slice(equals + 1)];
		});
		return { name: command, fields: new Map(fields), text: at === -1 ? "" : whole.slice(at + 2) };
	}
}
