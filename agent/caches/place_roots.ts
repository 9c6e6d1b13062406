import { lstat, mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { ConfinedFileError } from "../files/confined_file_error.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";

/** Moves what a cache holds between a workspace and a folder of the agent, both on one disk. */

/**
 * Moves files and folders into a workspace. What is there already stays: the source knows better
 * than an old cache.
 * @param from the folder with the roots
 * @returns the roots that the workspace has no place for, because a link or a file is in the way
 */
export async function placeInto(workspace: string, from: string, roots: readonly string[]): Promise<string[]> {
	const unplaced: string[] = [];
	const inside = await ConfinedFolder.open(workspace);
	try {
		for (const root of roots) {
			const parent = await inside.makeFolder(parentOf(root)).catch((error) => {
				if (!(error instanceof ConfinedFileError)) throw error;
				return null;
			});
			if (parent === null) unplaced.push(root);
			else await merge(`${from}/${root}`, parent.placeOf(path.basename(root))).finally(() => parent.close());
		}
	} finally {
		await inside.close();
	}
	return unplaced;
}

/** Nothing of the job runs yet, so nobody exchanges a folder for a link meanwhile. */
async function merge(from: string, to: string): Promise<void> {
	const there = await lstat(to).catch(() => null);
	if (there === null) return rename(from, to);
	if (!there.isDirectory() || !(await lstat(from)).isDirectory()) return;
	for (const name of await readdir(from)) await merge(`${from}/${name}`, `${to}/${name}`);
}

/**
 * Moves files and folders out of a workspace, in which nothing runs any more.
 * @returns those that could be moved
 */
export async function takeFrom(workspace: string, to: string, roots: readonly string[]): Promise<string[]> {
	const taken: string[] = [];
	const inside = await ConfinedFolder.open(workspace);
	try {
		for (const root of roots) {
			const parent = await inside.folder(parentOf(root) || ".", "none").catch(() => null);
			if (parent === null) continue;
			try {
				await mkdir(`${to}/${parentOf(root)}`, { recursive: true, mode: 0o700 });
				await rename(parent.placeOf(path.basename(root)), `${to}/${root}`);
				taken.push(root);
			} catch (error) {
				if (!["ENOENT", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
			} finally {
				await parent.close();
			}
		}
	} finally {
		await inside.close();
	}
	return taken;
}

function parentOf(root: string): string {
	return root.slice(0, Math.max(0, root.lastIndexOf("/")));
}
