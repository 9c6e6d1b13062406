import { execFile } from "node:child_process";
import { lstatSync, opendirSync, unlinkSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import path from "node:path";

const RETRIES = 3;
/**
 * The files of a folder with at most so many entries, and no larger file, are removed without a
 * detour over other threads.
 */
const FEW_ENTRIES = 64;
const SMALL_FILE_BYTES = 1024 * 1024;

/** Removes a folder and its content, also where a job has removed the permission to. */
export async function removeFolder(folder: string): Promise<void> {
	if (await removeSmall(folder)) return;
	const remove = () => rm(folder, { recursive: true, force: true, maxRetries: RETRIES });
	try {
		await remove();
	} catch {
		await new Promise<void>((resolve) => execFile("chmod", ["-R", "u+rwX", "--", folder], () => resolve()));
		await remove();
	}
}

/** Removes a folder of few entries. @returns false if it is larger, or cannot be removed like this */
async function removeSmall(folder: string): Promise<boolean> {
	try {
		const folders = emptied(folder);
		// A disk may take milliseconds for each: they do not wait for one another, and nothing for them.
		for (const level of folders) await Promise.all(level.map((one) => rmdir(one)));
		return true;
	} catch {
		return false;
	}
}

/**
 * Removes the files of a small folder.
 * @returns its folders, the innermost first, in groups of which none contains another
 * @throws Error for a folder with more entries, or larger files
 */
function emptied(folder: string): string[][] {
	const levels: string[][] = [];
	let left = FEW_ENTRIES;
	const empty = (inner: string, depth: number) => {
		levels[depth] = [...(levels[depth] ?? []), inner];
		const open = opendirSync(inner);
		try {
			for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
				left -= 1;
				const name = path.join(inner, entry.name);
				if (left < 0 || (entry.isFile() && lstatSync(name).size > SMALL_FILE_BYTES)) throw new Error("The folder is not small.");
				if (entry.isDirectory()) empty(name, depth + 1);
				else unlinkSync(name);
			}
		} finally {
			open.closeSync();
		}
	};
	empty(folder, 0);
	return levels.reverse();
}
