import { randomBytes } from "node:crypto";
import {
	accessSync,
	chmodSync,
	closeSync,
	constants,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	realpathSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import path from "node:path";
import * as z from "zod";
import { type FolderLock, FolderLocked, lockFolder } from "../../agent/machine/folder_lock.ts";
import { LEASE_TOKEN_MS } from "../../schema/wire/limits.ts";
import { UsageError } from "../usage_error.ts";
import { keepFilesPrivate } from "./private_files.ts";

/**
 * The coordinator's data folder: the storage of the Worker, its keys, and the lock that keeps a
 * second coordinator out.
 */

/**
 * The signing key, and the former one with the time (milliseconds since 1970) until which its
 * leases are valid.
 */
const keys = z.object({ signing: z.string(), before: z.object({ signing: z.string(), until: z.number() }).optional() });
type Keys = z.infer<typeof keys>;

/** The files that `lockFolder` makes. */
const LOCK_FILES = ["lock", "pid"];
/** The permissions of everybody but the folder's owner. */
const OTHERS = 0o077;

function newMasterKey(): string {
	return `${randomBytes(32).toString("base64")}\n`;
}

/** Whether a folder belongs to this user and holds nothing but the lock of this process. */
function isOwnAndEmpty(folder: string): boolean {
	const isOwn = process.getuid === undefined || statSync(folder).uid === process.getuid();
	return isOwn && readdirSync(folder).every((name) => LOCK_FILES.includes(name));
}

function newSigningKey(): string {
	return randomBytes(32).toString("hex");
}

function keyFileIn(folder: string): string {
	return path.join(folder, KEY_FILE);
}

function writeKeys(folder: string, content: Keys): void {
	writeKeyFile(keyFileIn(folder), `${JSON.stringify(content)}\n`);
}

/** Writes a whole file or none, also through a power cut. */
function writeKeyFile(file: string, text: string): void {
	writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
	renameSync(`${file}.new`, file);
	const folder = openSync(path.dirname(file), "r");
	fsyncSync(folder);
	closeSync(folder);
}

/**
 * A master key in the form that the Worker takes: base64.
 * @param text 32 bytes, in base64 or in hex
 * @throws UsageError without the text
 */
export function parseMasterKey(text: string, where: string): string {
	const trimmed = text.trim();
	const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, "hex") : Buffer.from(trimmed, "base64");
	if (bytes.byteLength === 32 && /^[A-Za-z0-9+/=_-]+$/.test(trimmed)) return bytes.toString("base64");
	throw new UsageError(`${where} must hold 32 bytes, in base64 or hex. Make them with: openssl rand -base64 32`);
}

/** The files of keys in a data folder: that of signing keys, the master key, and the former one. */
export const KEY_FILE = "keys.json";
export const MASTER_KEY_FILE = "master.key";
export const FORMER_MASTER_KEY_FILE = "master.key.before";
/** The master key of a data folder in base64; null without one. @throws UsageError for another text */
export function readMasterKey(folder: string, name = MASTER_KEY_FILE): string | null {
	const file = path.join(folder, name);
	return existsSync(file) ? parseMasterKey(readFileSync(file, "utf8"), file) : null;
}

/** Says that a data folder was restored, until the first start after that. */
const RESTORED_FILE = "restored.json";
const restored = z.object({ made_at: z.string() });

/** Gives a folder a signing key of its own. */
export function writeNewKeys(folder: string): void {
	writeKeys(folder, { signing: newSigningKey() });
}

/** Notes that a folder holds a restored backup. @param madeAt when the backup was made */
export function markRestored(folder: string, madeAt: string): void {
	writeKeyFile(path.join(folder, RESTORED_FILE), JSON.stringify({ made_at: madeAt } satisfies z.infer<typeof restored>));
}

export class DataFolder {
	readonly path: string;
	/** Whether this start made the folder's keys. */
	readonly isNew: boolean;
	readonly #keys: Keys;
	readonly #lock: FolderLock;

	private constructor(folder: string, isNew: boolean, keys: Keys, lock: FolderLock) {
		this.path = folder;
		this.isNew = isNew;
		this.#keys = keys;
		this.#lock = lock;
	}

	/** Whether a coordinator has its data in this folder. */
	static isThere(folder: string): boolean {
		return existsSync(keyFileIn(path.resolve(folder)));
	}

	/** The path of a data folder as coordinators use it. */
	static pathOf(folder: string): string {
		return realpathSync(path.resolve(folder));
	}

	/** @throws UsageError if the folder is not writable or another coordinator uses it */
	static open(folder: string): DataFolder {
		const absolute = path.resolve(folder);
		let lock: FolderLock;
		try {
			mkdirSync(absolute, { recursive: true, mode: 0o700 });
			accessSync(absolute, constants.W_OK | constants.X_OK);
			lock = lockFolder(absolute);
		} catch (error) {
			if (error instanceof FolderLocked)
				throw new UsageError(
					`Another coordinator${error.pid ? ` (pid ${error.pid})` : ""} uses the data folder ${absolute}. Stop it, or choose another folder with --data.`,
				);
			throw new UsageError(`The data folder ${absolute} is not writable: ${(error as Error).message}`);
		}
		keepFilesPrivate();
		const keyFile = keyFileIn(absolute);
		const isNew = !existsSync(keyFile);
		// An empty folder of this user: nobody can depend on its mode yet.
		if (isNew && isOwnAndEmpty(absolute)) chmodSync(absolute, 0o700);
		if (isNew) writeKeys(absolute, { signing: newSigningKey() });
		return new DataFolder(realpathSync(absolute), isNew, keys.parse(JSON.parse(readFileSync(keyFile, "utf8"))), lock);
	}

	/** A warning if other users of this machine can read the folder; null otherwise. */
	get exposure(): string | null {
		const mode = statSync(this.path).mode & 0o777;
		if ((mode & OTHERS) === 0) return null;
		return `the data folder ${this.path} has mode ${mode.toString(8)}: other users of this machine can read keys, secrets and logs; run chmod 700 ${this.path}`;
	}

	get signingKey(): string {
		return this.#keys.signing;
	}

	/** The former signing key, while leases that it signed may still run; null otherwise. */
	get formerSigningKey(): { signing: string; until: number } | null {
		const { before } = this.#keys;
		return before && before.until > Date.now() ? before : null;
	}

	/**
	 * Makes another signing key for the next start. Leases of the present key stay valid for as
	 * long as a lease may last.
	 * @throws UsageError while leases of a former key are valid
	 */
	replaceSigningKey(): void {
		const { formerSigningKey } = this;
		if (formerSigningKey !== null) {
			const until = new Date(formerSigningKey.until).toISOString();
			throw new UsageError(
				`Leases of the former signing key are valid until ${until}. To end them at once, remove "before" from ${keyFileIn(this.path)} and rotate again.`,
			);
		}
		writeKeys(this.path, { signing: newSigningKey(), before: { signing: this.signingKey, until: Date.now() + LEASE_TOKEN_MS } });
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

	/**
	 * The key that encrypts all secrets; the first start makes it. It has a file of its own, so
	 * that backups can leave it out.
	 */
	get masterKey(): string {
		if (!existsSync(this.#masterKeyFile)) writeKeyFile(this.#masterKeyFile, newMasterKey());
		return parseMasterKey(readFileSync(this.#masterKeyFile, "utf8"), this.#masterKeyFile);
	}

	/** The former master key; null once all secrets are encrypted with the present one. */
	get formerMasterKey(): string | null {
		return readMasterKey(this.path, FORMER_MASTER_KEY_FILE);
	}

	/**
	 * Makes another master key. The next start encrypts all secrets with it, then deletes the
	 * former one.
	 */
	replaceMasterKey(): void {
		const { masterKey: _made } = this;
		// Only the former key decrypts the secrets so far: a second replacement would lose it.
		if (existsSync(this.#formerMasterKeyFile))
			throw new UsageError("The coordinator has not been started since the last new master key. Start it first.");
		writeKeyFile(this.#formerMasterKeyFile, readFileSync(this.#masterKeyFile, "utf8"));
		writeKeyFile(this.#masterKeyFile, newMasterKey());
	}

	/** When the backup was made from which this folder was restored; null after the first start. */
	get restoredFrom(): string | null {
		const file = path.join(this.path, RESTORED_FILE);
		return existsSync(file) ? restored.parse(JSON.parse(readFileSync(file, "utf8"))).made_at : null;
	}

	/** The coordinator has taken note of the restoration. */
	forgetRestored(): void {
		rmSync(path.join(this.path, RESTORED_FILE), { force: true });
	}

	deleteFormerMasterKey(): void {
		rmSync(this.#formerMasterKeyFile, { force: true });
	}

	get #masterKeyFile(): string {
		return path.join(this.path, MASTER_KEY_FILE);
	}

	get #formerMasterKeyFile(): string {
		return path.join(this.path, FORMER_MASTER_KEY_FILE);
	}

	close(): void {
		this.#lock.release();
	}
}
