import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import type { AgentMemory, Identity } from "../protocol/identity.ts";
import { type FolderLock, lockFolder } from "./folder_lock.ts";

/**
 * The folder in which an agent stores its identity, its session number, and the folders of its
 * jobs. One process uses it at a time.
 */

const stored = z.object({
	/** A registration that is repeated with the same key returns the same agent. */
	registration_key: z.string(),
	identity: z.object({ id: z.string(), name: z.string(), token: z.string(), server: z.string() }).nullable(),
	/** Grows with each start. */
	session: z.number(),
	/** Created when the agent rotates its token, and stored until it has the next one. */
	rotation_key: z.string().nullable().default(null),
});
type Stored = z.infer<typeof stored>;

export class StateFolder implements AgentMemory {
	readonly path: string;
	readonly mirrorsFolder: string;
	readonly jobsFolder: string;
	/** For the empty folders of ended jobs. */
	readonly spareFolder: string;
	/** For the caches of this machine. */
	readonly cachesFolder: string;
	readonly #lock: FolderLock;
	#stored: Stored;

	private constructor(folder: string, lock: FolderLock, content: Stored) {
		this.path = folder;
		this.mirrorsFolder = path.join(folder, "mirrors");
		this.jobsFolder = path.join(folder, "jobs");
		this.spareFolder = path.join(folder, "spare");
		this.cachesFolder = path.join(folder, "caches");
		this.#lock = lock;
		this.#stored = content;
	}

	/** @throws FolderLocked, or the system's error if the folder cannot be used */
	static async open(folder: string): Promise<StateFolder> {
		const lock = lockFolder(folder);
		const text = await readFile(path.join(folder, "agent.json"), "utf8").catch(() => null);
		const content =
			text === null ? { registration_key: randomUUID(), identity: null, session: 0, rotation_key: null } : stored.parse(JSON.parse(text));
		const state = new StateFolder(folder, lock, content);
		await state.#save();
		return state;
	}

	get registrationKey(): string {
		return this.#stored.registration_key;
	}

	get identity(): Identity | null {
		return this.#stored.identity;
	}

	async storeIdentity(identity: Identity): Promise<void> {
		this.#stored = { ...this.#stored, identity };
		await this.#save();
	}

	async rotationKey(): Promise<string> {
		const key = this.#stored.rotation_key ?? randomUUID();
		if (key !== this.#stored.rotation_key) {
			this.#stored = { ...this.#stored, rotation_key: key };
			await this.#save();
		}
		return key;
	}

	async storeRotated(identity: Identity): Promise<void> {
		this.#stored = { ...this.#stored, identity, rotation_key: null };
		await this.#save();
	}

	async deleteIdentity(): Promise<void> {
		this.#stored = { registration_key: randomUUID(), identity: null, session: this.#stored.session, rotation_key: null };
		await this.#save();
	}

	async nextSession(): Promise<number> {
		this.#stored = { ...this.#stored, session: this.#stored.session + 1 };
		await this.#save();
		return this.#stored.session;
	}

	/** The folder of an attempt, by its name. */
	jobFolder(name: string): string {
		return `${this.jobsFolder}/${name}`;
	}

	close(): void {
		this.#lock.release();
	}

	/** Writes another file and renames it, so that a crash leaves the old file or the new one. */
	async #save(): Promise<void> {
		const file = path.join(this.path, "agent.json");
		await writeFile(`${file}.new`, `${JSON.stringify(this.#stored, null, "\t")}\n`, { mode: 0o600, flush: true });
		await rename(`${file}.new`, file);
		await mkdir(this.jobsFolder, { recursive: true });
	}
}
