import { Command, Option } from "commander";
import { FolderLocked } from "../agent/machine/folder_lock.ts";
import { formatBytes } from "../schema/wire/bytes.ts";
import { makeBackup } from "./backup/make_backup.ts";
import { type BackupPart, PARTS } from "./backup/manifest.ts";
import { readPassphrase, restoreBackup } from "./backup/restore_backup.ts";
import { LEAST_PASSPHRASE } from "./backup/sealed_keys.ts";
import { defaultDataFolder } from "./callers_folder.ts";
import { outputOption } from "./commands/command.ts";
import { DataFolder, parseMasterKey, readMasterKey } from "./coordinator/data_folder.ts";
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
			const leftOut = partsOf(flags.without);
			const keys = passphrase === null ? null : { masterKey: masterKeyOf(folder), passphrase };
			const isShown = process.stderr.isTTY && flags.output !== "json";
			const onProgress = (share: number) => isShown && process.stderr.write(`\r${progressCells(share)} ${Math.round(share * 100)} %`);
			const lock = lockIfStopped(folder);
			try {
				const made = await makeBackup({ folder, file, leftOut, keys, workers: () => workersOf(folder), onProgress });
				if (isShown) process.stderr.write("\n");
				if (flags.output === "json") return printJson(made);
				const size = made.files.reduce((sum, one) => sum + one.size, 0);
				print(`${made.files.length} files, ${formatBytes(size)} before compression. The coordinator was held for ${made.held_ms} ms.`);
				if (keys === null)
					print("The master key is not in it, so keep a copy of master.key apart. With --passphrase-file it goes in, sealed.");
			} finally {
				lock?.close();
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
				flags.masterKeyFile === undefined ? null : parseMasterKey(await readPassphrase(flags.masterKeyFile), flags.masterKeyFile);
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

/** Keeps a coordinator from starting while its files are copied; null: one runs. */
function lockIfStopped(folder: string): DataFolder | null {
	if (workersOf(folder).length > 0) return null;
	try {
		return DataFolder.open(folder);
	} catch (error) {
		if (error instanceof FolderLocked || error instanceof UsageError) return null;
		throw error;
	}
}

/** The master key of the environment or of the folder. */
function masterKeyOf(folder: string): string {
	const given = ownSecret("WINDLASS_MASTER_KEY");
	const key = given === undefined ? readMasterKey(folder) : parseMasterKey(given, "WINDLASS_MASTER_KEY");
	if (key === null) throw new UsageError("There is no master key to back up. Start the coordinator once, or leave out the passphrase.");
	return key;
}

async function passphraseOf({ passphraseFile }: Flags): Promise<string | null> {
	const text = passphraseFile === undefined ? ownSecret("WINDLASS_BACKUP_PASSPHRASE") : await readPassphrase(passphraseFile);
	if (text !== undefined && text.length < LEAST_PASSPHRASE)
		throw new UsageError(`The passphrase has fewer than ${LEAST_PASSPHRASE} characters.`);
	return text ?? null;
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
