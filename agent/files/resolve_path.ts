import { constants } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import { absent, ConfinedFileError, codeOf, deniedOr, outside } from "./confined_file_error.ts";
import { namesIn } from "./relative_path.ts";

/**
 * Opens a path inside a folder, component by component. A job may replace any file or folder by a
 * link at any moment, so the agent never checks a path first and opens it afterwards. It opens each
 * component from the handle of the folder before it, and resolves links itself.
 *
 * Node has no openat(2). On Linux `/proc/self/fd/N/name` does the same: the kernel looks the name
 * up in the folder of handle N, wherever that folder is by now. On other systems the agent opens
 * the folders by their paths.
 */

export const isLinux = process.platform === "linux";
/**
 * Linux: a handle that names a file without opening it. Opening a FIFO blocks, and opening a device
 * has effects.
 */
const O_PATH = 0o10000000;
export const LOOK = constants.O_NOFOLLOW | (isLinux ? O_PATH : constants.O_RDONLY | constants.O_NONBLOCK);
/** Linux follows as many. */
const MAX_LINKS = 40;
/** Every folder on the way holds a handle. */
export const MAX_DEPTH = 256;

/** The links that are followed on the way to a file: those that stay inside, or none. */
export type LinkRule = "inside" | "none";

/** An open folder. */
export interface OpenFolder {
	handle: FileHandle;
	name: string;
	/** A path that leads the kernel to this very folder. */
	place: string;
}

/** The folder in which a path is resolved. */
export interface Root extends OpenFolder {
	/** Absolute paths by which a link may name this folder. */
	names: readonly string[];
}

interface Resolved {
	found: ({ kind: "folder" } & OpenFolder) | { kind: "file"; handle: FileHandle } | { kind: "link" } | { kind: "other" };
	place: string;
	/** The path in the root, with every link resolved. */
	path: string;
}

type Entry =
	| { kind: "folder"; handle: FileHandle }
	| { kind: "file"; handle: FileHandle }
	| { kind: "link"; target: string }
	| { kind: "other" };

/**
 * @param last whether a link in the last component is followed
 * @throws ConfinedFileError
 */
export async function resolvePath(root: Root, relative: string, links: LinkRule, last: "followed" | "kept"): Promise<Resolved> {
	const folders: OpenFolder[] = [];
	const pending = namesIn(relative).reverse();
	let followed = 0;
	try {
		for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
			if (name === "..") {
				const left = folders.pop();
				if (!left) throw outside(relative);
				await left.handle.close();
				continue;
			}
			const place = `${(folders.at(-1) ?? root).place}/${name}`;
			const found = await look(place, relative);
			if (found.kind === "folder") {
				folders.push(openFolderOf(found.handle, place, name));
				if (folders.length > MAX_DEPTH) throw new ConfinedFileError("too_deep", relative, `is nested more than ${MAX_DEPTH} folders deep`);
				continue;
			}
			const isLast = pending.length === 0;
			if (found.kind === "link" && !(isLast && last === "kept")) {
				if (links === "none") throw new ConfinedFileError("irregular", relative, "is a symbolic link, or lies behind one");
				followed += 1;
				if (followed > MAX_LINKS) throw new ConfinedFileError("absent", relative, `lies behind more than ${MAX_LINKS} links`);
				const isAbsolute = found.target.startsWith("/");
				const inner = isAbsolute ? insideOf(root, found.target) : found.target;
				if (inner === null) throw outside(relative);
				if (isAbsolute) for (const left of folders.splice(0)) await left.handle.close();
				pending.push(...namesIn(inner).reverse());
				continue;
			}
			if (isLast) return { found, place, path: pathOf([...folders, { name }]) };
			if (found.kind === "file") await found.handle.close();
			throw absent(relative);
		}
		const path = pathOf(folders);
		const folder = folders.pop() ?? (await openAgain(root));
		return { found: { kind: "folder", ...folder }, place: folder.place, path };
	} finally {
		for (const { handle } of folders) await handle.close();
	}
}

/** A further handle of an open folder. */
export async function openAgain({ place }: OpenFolder): Promise<OpenFolder> {
	return openFolderOf(await open(`${place}/.`, LOOK | constants.O_DIRECTORY), place, "");
}

export function openFolderOf(handle: FileHandle, path: string, name: string): OpenFolder {
	return { handle, name, place: isLinux ? `/proc/self/fd/${handle.fd}` : path };
}

/** The target of a link. @throws ConfinedFileError if the file is no link any more */
export async function readTarget(place: string, relative: string): Promise<string> {
	try {
		return await readlink(place);
	} catch (error) {
		// A moment ago it was a link. The agent does not read a file that changes meanwhile.
		if (codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT") throw absent(relative);
		throw error;
	}
}

async function look(place: string, relative: string): Promise<Entry> {
	let handle: FileHandle;
	try {
		handle = await open(place, LOOK);
	} catch (error) {
		const code = codeOf(error);
		// Only Linux can open a link without following it.
		if (code === "ELOOP" || code === "EMLINK") return { kind: "link", target: await readTarget(place, relative) };
		if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG" || code === "ERR_INVALID_ARG_VALUE") throw absent(relative);
		if (code === "ENXIO" || code === "EOPNOTSUPP") return { kind: "other" };
		throw deniedOr(error, relative);
	}
	let isKept = false;
	try {
		const info = await handle.stat();
		isKept = info.isDirectory() || info.isFile();
		if (info.isDirectory()) return { kind: "folder", handle };
		if (info.isFile()) return { kind: "file", handle };
		return info.isSymbolicLink() ? { kind: "link", target: await readTarget(place, relative) } : { kind: "other" };
	} finally {
		if (!isKept) await handle.close();
	}
}

/** The path of an absolute link inside the root; null if it leads elsewhere. */
function insideOf({ names }: Root, target: string): string | null {
	const root = names.find((name) => target === name || target.startsWith(`${name}/`));
	return root === undefined ? null : target.slice(root.length);
}

function pathOf(folders: readonly { name: string }[]): string {
	return folders.map(({ name }) => name).join("/");
}
