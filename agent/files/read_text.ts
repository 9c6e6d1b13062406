import { isGone } from "./confined_file_error.ts";
import type { ConfinedFolder } from "./confined_folder.ts";

/**
 * The first bytes of a file of a job as text. It is empty for a missing file.
 * @param folder null if the job has removed it
 */
export async function readTextUpTo(
	folder: ConfinedFolder | null,
	name: string,
	limit: number,
): Promise<{ text: string; isWhole: boolean }> {
	try {
		if (!folder) return { text: "", isWhole: true };
		const { bytes, isWhole } = await folder.readUpTo(name, limit, "none");
		return { text: bytes.toString("utf8"), isWhole };
	} catch (error) {
		if (isGone(error)) return { text: "", isWhole: true };
		throw error;
	}
}
