import { execFile } from "node:child_process";
import { opendirSync, rmdirSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";

const RETRIES = 3;
/** A folder with at most so many entries is removed without a detour over other threads. */
const FEW_ENTRIES = 64;

/** Removes a folder and its content, also where a job has removed the permission to. */
export async function removeFolder(folder: string): Promise<void> {
	if (removeSmall(folder)) return;
	const remove = () => rm(folder, { recursive: true, force: true, maxRetries: RETRIES });
	try {
		await remove();
	} catch {
		await new Promise<void>((resolve) => execFile("chmod", ["-R", "u+rwX", "--", folder], () => resolve()));
		await remove();
	}
}

/** Removes a folder of few entries. @returns false if it is larger, or cannot be removed like this */
function removeSmall(folder: string): boolean {
	let left = FEW_ENTRIES;
	const remove = (inner: string): boolean => {
		const open = opendirSync(inner);
		try {
			for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
				left -= 1;
				if (left < 0) return false;
				const name = path.join(inner, entry.name);
				if (!entry.isDirectory()) unlinkSync(name);
				else if (!remove(name)) return false;
			}
		} finally {
			open.closeSync();
		}
		rmdirSync(inner);
		return true;
	};
	try {
		return remove(folder);
	} catch {
		return false;
	}
}
