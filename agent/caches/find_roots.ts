import { folderMatcher, pathMatcher } from "../../schema/pipeline/syntax/patterns.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import { walkFolder } from "../files/walk_folder.ts";

/**
 * The files, folders and links that the paths of a cache name, as sorted relative paths. Of two,
 * one inside of the other, the outer one. Links are not followed.
 */
export async function findRoots(workspace: ConfinedFolder, paths: readonly string[]): Promise<string[]> {
	const [isRoot, mayHoldRoots] = [pathMatcher(paths), folderMatcher(paths)];
	const roots: string[] = [];
	const isEntered = (path: string) => !isRoot(path) && mayHoldRoots(path);
	for await (const { path, raw } of walkFolder(workspace, { isEntered, onUnreadable: () => undefined })) {
		if (raw === null && isRoot(path)) roots.push(path);
	}
	return roots.sort();
}
