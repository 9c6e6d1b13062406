import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";

const RETRIES = 3;

/** Removes a folder and its content, also where a job has removed the permission to. */
export async function removeFolder(folder: string): Promise<void> {
	const remove = () => rm(folder, { recursive: true, force: true, maxRetries: RETRIES });
	try {
		await remove();
	} catch {
		await new Promise<void>((resolve) => execFile("chmod", ["-R", "u+rwX", "--", folder], () => resolve()));
		await remove();
	}
}
