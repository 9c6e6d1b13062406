import { lstatSync } from "node:fs";

/** Whether a file is certainly empty: a reader knows what to do about one that is gone, or no file. */
export function isEmptyFile(file: string): boolean {
	try {
		const info = lstatSync(file);
		return info.isFile() && info.size === 0;
	} catch {
		return false;
	}
}
