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
 * The coordinator's data folder: the storage of the Worker, the keys that it signs with, and the lock that keeps a second
 * coordinator out.
 */

/** The signing key, and the one before it with the time (milliseconds since 1970) until which its leases are honored. */
const keys = z.object({ signing: z.string(), before: z.object({ signing: z.string(), until: z.number() }).optional() });
type Keys = z.infer<typeof keys>;

/** What `lockFolder` leaves in a folder. */
const LOCK_FILES = ["lock", "pid"];
/** Anybody but the folder's owner. */
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
	return path.join(folder, "keys.json");
}

function writeKeys(folder: string, content: Keys): void {
	writeKeyFile(keyFileIn(folder), `${JSON.stringify(content)}\n`);
}

/** Whole and on the disk, or not there: also after a power cut. */
function writeKeyFile(file: string, text: string): void {
	writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
	renameSync(`${file}.new`, file);
	const folder = openSync(path.dirname(file), "r");
	fsyncSync(folder);
	closeSync(folder);
}

/**
 * A master key as the Worker takes it: base64.
 * @param text 32 bytes, in base64 or in hex
 * @throws UsageError, which does not tell the text
 */
export function parseMasterKey(text: string, where: string): string {
	const trimmed = text.trim();
	const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, "hex") : Buffer.from(trimmed, "base64");
	if (bytes.byteLength === 32 && /^[A-Za-z0-9+/=_-]+$/.test(trimmed)) return bytes.toString("base64");
	throw new UsageError(`${where} must hold 32 bytes, in base64 or hex; make them with: openssl rand -base64 32`);
}

export class DataFolder {
	readonly path: string;
	/** Whether nothing was here before. */
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
		keepFilesPrivate();
		const keyFile = keyFileIn(absolute);
		const isNew = !existsSync(keyFile);
		// Somebody made the folder for this: nothing is in it yet, and nobody else can have come to depend on its mode.
		if (isNew && isOwnAndEmpty(absolute)) chmodSync(absolute, 0o700);
		if (isNew) writeKeys(absolute, { signing: newSigningKey() });
		return new DataFolder(realpathSync(absolute), isNew, keys.parse(JSON.parse(readFileSync(keyFile, "utf8"))), lock);
	}

	/** Why others on this machine may read what is in here; null where they may not. */
	get exposure(): string | null {
		const mode = statSync(this.path).mode & 0o777;
		if ((mode & OTHERS) === 0) return null;
		return `the data folder ${this.path} has mode ${mode.toString(8)}: others on this machine can read keys, secrets and logs; run chmod 700 ${this.path}`;
	}

	get signingKey(): string {
		return this.#keys.signing;
	}

	/** The signing key before it, while leases of that one may still run; null otherwise. */
	get signingKeyBefore(): { signing: string; until: number } | null {
		const { before } = this.#keys;
		return before && before.until > Date.now() ? before : null;
	}

	/**
	 * Makes another signing key for the next start. The present one is honored for as long as a lease may last.
	 * @throws UsageError while leases of an earlier key are honored
	 */
	replaceSigningKey(): void {
		const { signingKeyBefore } = this;
		if (signingKeyBefore !== null) {
			const until = new Date(signingKeyBefore.until).toISOString();
			throw new UsageError(
				`the signing key was replaced before, and leases of the one before it are honored until ${until}; to end them at once, remove "before" from ${keyFileIn(this.path)} and rotate again`,
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
	 * The key that everything secret is wrapped with, as the Worker takes it; made at the first start. It lies in a file of its own, so that it can be kept
	 * apart from backups of the rest.
	 */
	get masterKey(): string {
		if (!existsSync(this.#masterKeyFile)) writeKeyFile(this.#masterKeyFile, newMasterKey());
		return parseMasterKey(readFileSync(this.#masterKeyFile, "utf8"), this.#masterKeyFile);
	}

	/** The master key before that one; null once everything is encrypted with the present one. */
	get masterKeyBefore(): string | null {
		return existsSync(this.#masterKeyBeforeFile)
			? parseMasterKey(readFileSync(this.#masterKeyBeforeFile, "utf8"), this.#masterKeyBeforeFile)
			: null;
	}

	/** Makes another master key. The next start encrypts everything with it and then forgets the one before. */
	replaceMasterKey(): void {
		const { masterKey: _made } = this;
		// Until then the one before opens everything; it must not be replaced by one that opens nothing yet.
		if (existsSync(this.#masterKeyBeforeFile))
			throw new UsageError("the master key was replaced before, and the coordinator has not been started since: start it first");
		writeKeyFile(this.#masterKeyBeforeFile, readFileSync(this.#masterKeyFile, "utf8"));
		writeKeyFile(this.#masterKeyFile, newMasterKey());
	}

	forgetMasterKeyBefore(): void {
		rmSync(this.#masterKeyBeforeFile, { force: true });
	}

	get #masterKeyFile(): string {
		return path.join(this.path, "master.key");
	}

	get #masterKeyBeforeFile(): string {
		return path.join(this.path, "master.key.before");
	}

	close(): void {
		this.#lock.release();
	}
}
