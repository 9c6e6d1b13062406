import { setTimeout as delay } from "node:timers/promises";
import { Command, Option } from "commander";
import { type FolderLock, FolderLocked, lockFolder } from "../agent/machine/folder_lock.ts";
import { formatBytes } from "../schema/wire/bytes.ts";
import { makeBackup } from "./backup/make_backup.ts";
import { type BackupPart, LEAST_PASSPHRASE, PARTS } from "./backup/manifest.ts";
import { readSecretFile, restoreBackup } from "./backup/restore_backup.ts";
import type { Keys } from "./backup/sealed_keys.ts";
import { defaultDataFolder } from "./callers_folder.ts";
import { outputOption } from "./commands/command.ts";
import { DataFolder, FORMER_MASTER_KEY_FILE, parseMasterKey, readMasterKey } from "./coordinator/data_folder.ts";
import { workersOf } from "./coordinator/host.ts";
import { ownSecret } from "./own_secrets.ts";
import { print, printJson, progressCells } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** `windlass backup` and `windlass restore`, on the host of the coordinator. */

interface Flags {
	data: string;
	passphraseFile?: string;
	output: string;
}

const dataOption = () =>
	new Option("--data <folder>", "the coordinator's data folder").default(process.env.WINDLASS_DATA ?? defaultDataFolder());

export function backupCommand(): Command {
	return new Command("backup")
		.description("Back up a coordinator while it runs, or stands still: its queue, database, logs and artifacts as they are at one moment.")
		.argument("<file>", "the file to write, such as /backup/windlass.tar.zst")
		.addOption(dataOption())
		.option("--without <parts>", `leave out ${PARTS.join(" or ")}, separated by commas: they count as expired then`)
		.option(
			"--passphrase-file <file>",
			"a file with a passphrase: the master key goes into the backup, sealed with it (WINDLASS_BACKUP_PASSPHRASE)",
		)
		.addOption(outputOption())
		.addHelpText(
			"after",
			"\nExample:\n  windlass backup /backup/windlass-monday.tar.zst --data /var/lib/windlass --passphrase-file /etc/windlass/passphrase",
		)
		.action(async (file: string, flags: Flags & { without?: string }) => {
			const folder = requireData(flags.data);
			const passphrase = await passphraseOf(flags);
			if (passphrase !== null && passphrase.length < LEAST_PASSPHRASE)
				throw new UsageError(`The passphrase has fewer than ${LEAST_PASSPHRASE} characters.`);
			const leftOut = partsOf(flags.without);
			const keys = passphrase === null ? null : { ...masterKeysIn(folder), passphrase };
			const isShown = process.stderr.isTTY && flags.output !== "json";
			const onProgress = (share: number) => isShown && process.stderr.write(`\r${progressCells(share)} ${Math.round(share * 100)} %`);
			const lock = await lockIfStopped(folder);
			try {
				const made = await makeBackup({ folder, file, leftOut, keys, workers: () => workersOf(folder), onProgress });
				if (isShown) process.stderr.write("\n");
				if (flags.output === "json") return printJson(made);
				const size = made.files.reduce((sum, one) => sum + one.size, 0);
				print(`${made.files.length} files, ${formatBytes(size)} before compression. The coordinator was held for ${made.held_ms} ms.`);
				if (made.objects_deleted > 0) print(`${made.objects_deleted} stored objects are not in it: they were deleted while it was made.`);
				if (keys === null)
					print("The master key is not in it, so keep a copy of master.key apart. With --passphrase-file it goes in, sealed.");
			} catch (error) {
				throw told(error, file);
			} finally {
				lock?.release();
			}
		});
}

export function restoreCommand(): Command {
	return new Command("restore")
		.description("Restore a backup into an empty folder, check it, and say what was found. Leases of before are not valid any more.")
		.argument("<file>", "the backup")
		.requiredOption("--data <folder>", "the new data folder: absent or empty")
		.option("--passphrase-file <file>", "the file with the passphrase of the keys (WINDLASS_BACKUP_PASSPHRASE)")
		.option("--master-key-file <file>", "the master key, in place of the one of the backup")
		.addOption(outputOption())
		.addHelpText(
			"after",
			"\nExample:\n  windlass restore /backup/windlass-monday.tar.zst --data /var/lib/windlass --passphrase-file /etc/windlass/passphrase",
		)
		.action(async (file: string, flags: Flags & { masterKeyFile?: string }) => {
			const masterKey =
				flags.masterKeyFile === undefined
					? null
					: parseMasterKey(await readSecretFile("--master-key-file", flags.masterKeyFile), flags.masterKeyFile);
			const { manifest, hasMasterKey } = await restoreBackup({
				file,
				folder: flags.data,
				passphrase: await passphraseOf(flags),
				masterKey,
			});
			if (flags.output === "json") return printJson({ ...manifest, has_master_key: hasMasterKey });
			print(
				`Restored the backup of ${manifest.made_at}: ${manifest.files.length} files, each as it was backed up. All databases are whole.`,
			);
			if (manifest.left_out.length > 0) print(`It was made without ${manifest.left_out.join(" and ")}: they count as expired.`);
			if (!hasMasterKey)
				print(
					`Secrets cannot be read without the master key. Put it into ${flags.data}/master.key before the first start, or set them again.`,
				);
			print(`Start it: windlass serve --data ${flags.data}`);
		});
}

function requireData(folder: string): string {
	if (DataFolder.isThere(folder)) return DataFolder.pathOf(folder);
	throw new UsageError(`${folder} is not the data folder of a coordinator. Name it with --data.`);
}

/** How long a coordinator may take from its lock to its first worker. */
const START_MS = 5_000;
const LOOK_MS = 100;

/**
 * Keeps a coordinator from starting while its files are copied; null: one runs.
 * @throws UsageError for a coordinator that runs where it cannot be held
 */
async function lockIfStopped(folder: string): Promise<FolderLock | null> {
	for (const end = Date.now() + START_MS; ; await delay(LOOK_MS)) {
		if (workersOf(folder).length > 0) return null;
		try {
			return lockFolder(folder);
		} catch (error) {
			if (!(error instanceof FolderLocked)) throw new UsageError(`${folder} cannot be locked: ${(error as Error).message}`);
			if (Date.now() < end) continue;
			throw new UsageError(
				"A coordinator uses the folder, but its processes are not seen from here. Run the backup on its host, or in its container, as its user or root.",
			);
		}
	}
}

const UNWRITABLE: readonly unknown[] = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS", "EISDIR"];

/** What failed, in words for who can correct it. */
function told(error: unknown, file: string): unknown {
	const { code, message } = error as NodeJS.ErrnoException;
	if (error instanceof FolderLocked) return new UsageError("Another backup of this folder is being made. Wait until it has ended.");
	// SQLite has a text of its own.
	if (code === "ENOSPC" || /disk is full/.test(message)) return new UsageError(`There is no room left on the disk of ${file}.`);
	return UNWRITABLE.includes(code) ? new UsageError(`${file} cannot be written: ${message}`) : error;
}

/** The master keys of the environment or of the folder. @throws UsageError without one */
function masterKeysIn(folder: string): Keys {
	const given = ownSecret("WINDLASS_MASTER_KEY");
	const present = given === undefined ? readMasterKey(folder) : parseMasterKey(given, "WINDLASS_MASTER_KEY");
	if (present === null)
		throw new UsageError(
			"There is no master key in the folder. Set WINDLASS_MASTER_KEY as the coordinator has it, or leave out the passphrase.",
		);
	return { master_key: present, master_key_before: readMasterKey(folder, FORMER_MASTER_KEY_FILE) };
}

async function passphraseOf({ passphraseFile }: Flags): Promise<string | null> {
	if (passphraseFile !== undefined) return readSecretFile("--passphrase-file", passphraseFile);
	return ownSecret("WINDLASS_BACKUP_PASSPHRASE") ?? null;
}

export function partsOf(text: string | undefined): BackupPart[] {
	const names = (text ?? "")
		.split(",")
		.map((name) => name.trim())
		.filter(Boolean);
	const wrong = names.find((name) => !(PARTS as readonly string[]).includes(name));
	if (wrong !== undefined) throw new UsageError(`--without ${wrong}: what can be left out is ${PARTS.join(" and ")}.`);
	return names as BackupPart[];
}
