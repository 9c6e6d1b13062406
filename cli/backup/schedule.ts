import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { JsonLog } from "../coordinator/json_log.ts";
import { type BackupOptions, makeBackup } from "./make_backup.ts";

/** Backups at intervals, of which the newest are kept. */

export interface BackupSchedule {
	/** The folder of the backups. */
	folder: string;
	everyMs: number;
	/** How many are kept. */
	keep: number;
	/** Seals the keys; null: they are not in the backups. */
	passphrase: string | null;
}

/** How soon the first backup follows a start, and how soon another try follows a failure. */
const FIRST_MS = 10_000;
const RETRY_MS = 10 * 60_000;
const NAME = /^windlass-(\d{4}-\d{2}-\d{2}T\d{6}Z)\.tar\.zst$/;
/** What a killed backup leaves. */
const LEFT = /^windlass-\d{4}-\d{2}-\d{2}T\d{6}Z\.tar\.zst\.(?:part|copies)$/;
/** A backup that is further in the future was made with a wrong clock. */
const CLOCK_ERROR_MS = 60_000;

export class ScheduledBackups {
	readonly #schedule: BackupSchedule;
	readonly #options: Omit<BackupOptions, "file">;
	readonly #log: JsonLog;
	#timer: NodeJS.Timeout | undefined;
	#lastAt: number | null = null;

	constructor(schedule: BackupSchedule, options: Omit<BackupOptions, "file">, log: JsonLog) {
		this.#schedule = schedule;
		this.#options = options;
		this.#log = log;
	}

	get everyMs(): number {
		return this.#schedule.everyMs;
	}

	/** When the newest backup was made, in milliseconds since 1970; null: none is there. */
	get lastAt(): number | null {
		return this.#lastAt;
	}

	/** Begins: the next backup is due one interval after the newest that is there. */
	async start(): Promise<void> {
		await this.#removeLeft();
		const [newest] = await this.#present();
		this.#lastAt = newest?.at ?? null;
		const { everyMs } = this.#schedule;
		const due = newest === undefined ? 0 : Math.min(everyMs, newest.at + everyMs - Date.now());
		this.#later(Math.max(FIRST_MS, due));
	}

	stop(): void {
		clearTimeout(this.#timer);
	}

	#later(ms: number): void {
		// A timer takes no longer time.
		this.#timer = setTimeout(() => void this.#make(), Math.min(ms, 2 ** 31 - 1));
		this.#timer.unref();
	}

	async #make(): Promise<void> {
		const { folder, everyMs, keep } = this.#schedule;
		const name = `windlass-${new Date().toISOString().replace(/:|\.\d+/g, "")}.tar.zst`;
		try {
			const { held_ms, files } = await makeBackup({ ...this.#options, file: path.join(folder, name) });
			this.#lastAt = Date.now();
			// The clock may have been set back: the new one stays, whatever the names of others say.
			const old = (await this.#present()).filter((one) => one.name !== name).slice(keep - 1);
			for (const one of old) await rm(path.join(folder, one.name), { force: true });
			this.#log.write("info", "backup made", { file: name, held_ms, files: files.length, removed: old.length });
			this.#later(everyMs);
		} catch (error) {
			this.#log.write("error", "the backup failed, it is tried again", { file: name, error: String(error) });
			this.#later(Math.min(RETRY_MS, everyMs));
		}
		await this.#removeLeft().catch(() => undefined);
	}

	/** Removes what killed backups have left. */
	async #removeLeft(): Promise<void> {
		const { folder } = this.#schedule;
		for (const name of (await readdir(folder)).filter((one) => LEFT.test(one)))
			await rm(path.join(folder, name), { recursive: true, force: true });
	}

	/** The backups of this folder, newest first. */
	async #present(): Promise<{ name: string; at: number }[]> {
		const names = await readdir(this.#schedule.folder);
		return names
			.flatMap((name) => {
				const [, stamp] = NAME.exec(name) ?? [];
				return stamp === undefined ? [] : { name, at: Date.parse(stamp.replace(/T(\d\d)(\d\d)(\d\d)Z/, "T$1:$2:$3Z")) };
			})
			.filter(({ at }) => at < Date.now() + CLOCK_ERROR_MS)
			.sort((one, other) => other.at - one.at);
	}
}
