import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { type FolderLock, FolderLocked, lockFolder } from "../agent/folder_lock.ts";
import { UsageError } from "./failures.ts";

/**
 * The coordinator's data folder: the storage of the Worker, the keys that it signs with, and the lock that keeps a second
 * coordinator out.
 */

const keys = z.object({ signing: z.string() });

export class DataFolder {
	readonly path: string;
	/** Whether nothing was here before. */
	readonly isNew: boolean;
	readonly signingKey: string;
	readonly #lock: FolderLock;

	private constructor(folder: string, isNew: boolean, signingKey: string, lock: FolderLock) {
		this.path = folder;
		this.isNew = isNew;
		this.signingKey = signingKey;
		this.#lock = lock;
	}

	/** @throws UsageError if the folder cannot be written to or is in use by another coordinator */
	static open(folder: string): DataFolder {
		const absolute = path.resolve(folder);
		let lock: FolderLock;
		try {
			mkdirSync(absolute, { recursive: true, mode: 0o700 });
			accessSync(absolute, constants.W_OK | constants.X_OK);
			lock = lockFolder(absolute);
		} catch (error) {
			if (error instanceof FolderLocked)
				throw new UsageError(`the data folder ${absolute} is in use by another coordinator${error.pid ? ` (pid ${error.pid})` : ""}`);
			throw new UsageError(`the data folder ${absolute} cannot be written to: ${(error as Error).message}`);
		}
		const keyFile = path.join(absolute, "keys.json");
		const isNew = !existsSync(keyFile);
		if (isNew) {
			writeFileSync(`${keyFile}.new`, `${JSON.stringify({ signing: randomBytes(32).toString("hex") })}\n`, { mode: 0o600, flush: true });
			renameSync(`${keyFile}.new`, keyFile);
		}
		const { signing } = keys.parse(JSON.parse(readFileSync(keyFile, "utf8")));
		return new DataFolder(realpathSync(absolute), isNew, signing, lock);
	}

	get storage(): string {
		return path.join(this.path, "storage");
	}

	/** The state of the agent that runs beside the coordinator. */
	get agentFolder(): string {
		return path.join(this.path, "agent");
	}

	get exampleRepository(): string {
		return path.join(this.path, "example-repository");
	}

	close(): void {
		this.#lock.release();
	}
}
