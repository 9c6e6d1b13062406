import { isUtf8 } from "node:buffer";
import { constants, type Dirent } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readlink } from "node:fs/promises";
import type { Readable } from "node:stream";
import { formatBytes } from "../../schema/wire/bytes.ts";

/**
 * The one way by which the agent opens what a repository or a job has made. A job may replace any
 * file or folder by a link at any moment, so no path is checked first and opened afterwards: each
 * component is opened from the handle of the folder before it, and links are resolved here.
 *
 * Node has no openat(2). On Linux `/proc/self/fd/N/name` does the same: the kernel looks the name
 * up in the folder that handle N holds, wherever that folder is by now. Other systems have nothing
 * like it; there the folders are opened by their paths, one component after the other.
 */

const isLinux = process.platform === "linux";
/** Linux: a handle that names a file without opening it. Opening a FIFO blocks, a device acts. */
const O_PATH = 0o10000000;
const LOOK = constants.O_NOFOLLOW | (isLinux ? O_PATH : constants.O_RDONLY | constants.O_NONBLOCK);
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const REPLACE = constants.O_WRONLY | constants.O_TRUNC | constants.O_NONBLOCK | constants.O_NOCTTY;
/** As many as Linux follows itself. */
const MAX_LINKS = 40;
/** Every folder on the way holds a handle. */
export const MAX_DEPTH = 256;
const CHUNK_BYTES = 64 * 1024;

/** Why a file cannot be opened. */
export type FileProblem = "absent" | "outside" | "irregular" | "denied" | "too_large" | "too_deep";

/** A file that the agent does not open. The message names it and says why. */
export class ConfinedFileError extends Error {
	override name = "ConfinedFileError";
	readonly problem: FileProblem;
	/** What is said of the file. */
	readonly why: string;

	constructor(problem: FileProblem, file: string, why: string) {
		super(`${file} ${why}.`);
		this.problem = problem;
		this.why = why;
	}
}

/** Whether a file was removed, or replaced by something else, since it was listed. */
export function isGone(error: unknown): boolean {
	return error instanceof ConfinedFileError && (error.problem === "absent" || error.problem === "irregular");
}

/** What stands in a folder. `other`: a FIFO, a socket, a device, or a name that is not UTF-8. */
export type EntryKind = "file" | "folder" | "link" | "other";

/** An entry of a folder. */
export interface FolderEntry {
	/** Where it is not UTF-8: with U+FFFD in place of what is none. */
	name: string;
	kind: EntryKind;
	/** The bytes of a name that is not UTF-8, and what really has that name. */
	raw: { bytes: Buffer; kind: EntryKind } | null;
}

/** Which links are followed on the way to a file: those that stay inside, or none. */
export type LinkRule = "inside" | "none";

interface Level {
	handle: FileHandle;
	name: string;
	/** How the kernel is told of this folder. */
	place: string;
}

interface Resolved {
	found: ({ kind: "folder" } & Level) | { kind: "file"; handle: FileHandle } | { kind: "link" } | { kind: "other" };
	place: string;
	/** The path in the root, with every link resolved. */
	path: string;
}

type Look =
	| { kind: "folder"; handle: FileHandle }
	| { kind: "file"; handle: FileHandle }
	| { kind: "link"; target: string }
	| { kind: "other" };

/** An open folder. Whatever is opened through it is inside, and is a regular file or a folder. */
export class ConfinedFolder {
	readonly #opened: Level;
	#isClosed = false;
	/** Absolute paths by which a link or a report may name this folder. */
	readonly names: readonly string[];

	private constructor(root: Level, names: readonly string[]) {
		this.#opened = root;
		this.names = names;
	}

	/** The number of a closed handle is soon that of another folder: nothing goes by it any more. */
	get #root(): Level {
		if (this.#isClosed) throw new Error(`the folder ${this.#opened.name || "of the job"} is used after it was closed`);
		return this.#opened;
	}

	/**
	 * Opens a folder that the agent has made. It must be closed.
	 * @param knownAs the path under which a container has it: links made there name it so
	 */
	static async open(folder: string, knownAs: string | null = null): Promise<ConfinedFolder> {
		const handle = await open(folder, LOOK | constants.O_DIRECTORY);
		return new ConfinedFolder(levelOf(handle, folder, ""), [folder, ...(knownAs === null ? [] : [knownAs])]);
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await this.#opened.handle.close();
	}

	/**
	 * Names this very folder to the system, for as long as it is open, whatever its path leads to
	 * meanwhile. For another process of the agent's user as well: it is told by process id.
	 */
	get place(): string {
		return isLinux ? this.#root.place.replace("/self/", `/${process.pid}/`) : this.#root.place;
	}

	/** Names an entry to the system. Only for calls that do not follow the entry itself if it is a link. */
	placeOf(name: string): string {
		return `${this.#root.place}/${name}`;
	}

	/**
	 * Opens a regular file for reading.
	 * @throws ConfinedFileError for everything else
	 */
	async file(relative: string, links: LinkRule = "inside"): Promise<FileHandle> {
		return this.#openFile(relative, links, READ);
	}

	/** Opens a regular file that is there, to write it anew. @throws ConfinedFileError as `file` does */
	async replace(relative: string): Promise<FileHandle> {
		return this.#openFile(relative, "none", REPLACE);
	}

	/** Opens a named pipe in this folder for writing; null if there is none of this name, or nobody reads from it. */
	async pipe(name: string): Promise<FileHandle | null> {
		const look = await open(this.placeOf(name), LOOK).catch(() => null);
		if (look === null) return null;
		try {
			if (!(await look.stat()).isFIFO()) return null;
			return await open(isLinux ? `/proc/self/fd/${look.fd}` : this.placeOf(name), constants.O_WRONLY | constants.O_NONBLOCK);
		} catch (error) {
			if (codeOf(error) === "ENXIO") return null;
			throw error;
		} finally {
			await look.close();
		}
	}

	/** The whole of a regular file. @throws ConfinedFileError, also for a file that has more than `limit` bytes */
	async read(relative: string, limit: number, links: LinkRule = "inside"): Promise<Buffer> {
		const { bytes, isWhole } = await this.readUpTo(relative, limit, links);
		if (!isWhole) throw new ConfinedFileError("too_large", relative, `has more than ${formatBytes(limit)}`);
		return bytes;
	}

	/** The first `limit` bytes of a regular file. @throws ConfinedFileError */
	async readUpTo(relative: string, limit: number, links: LinkRule = "inside"): Promise<{ bytes: Buffer; isWhole: boolean }> {
		const handle = await this.file(relative, links);
		try {
			const parts: Buffer[] = [];
			let length = 0;
			// Never by what the file says of its size: it may grow, and files of the kernel say nothing.
			while (length <= limit) {
				const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, limit + 1 - length));
				const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
				if (bytesRead === 0) break;
				parts.push(chunk.subarray(0, bytesRead));
				length += bytesRead;
			}
			return { bytes: Buffer.concat(parts).subarray(0, limit), isWhole: length <= limit };
		} finally {
			await handle.close();
		}
	}

	/** A part of a regular file as a stream, `end` included. @throws ConfinedFileError */
	async stream(relative: string, { start, end }: { start: number; end: number }): Promise<Readable> {
		return (await this.file(relative)).createReadStream({ start, end });
	}

	/** Opens a folder inside. It must be closed. @throws ConfinedFileError */
	async folder(relative: string, links: LinkRule = "inside"): Promise<ConfinedFolder> {
		const { found, path: inside } = await this.#resolve(relative, links, "followed");
		if (found.kind === "folder") return new ConfinedFolder({ ...found, name: inside }, []);
		if (found.kind === "file") await found.handle.close();
		throw new ConfinedFileError("absent", relative, "is not a folder");
	}

	/** Where this folder is in the one that it was opened from, with every link on the way resolved. */
	get inside(): string {
		return this.#opened.name;
	}

	/** Opens a folder inside and makes it where it is not there; no link is followed. @throws ConfinedFileError */
	async makeFolder(relative: string): Promise<ConfinedFolder> {
		let present = new ConfinedFolder(await this.#again(), []);
		let above = "";
		for (const name of partsOf(relative)) {
			const here = present;
			above = joined(above, name);
			try {
				// Another file may have had it made in between.
				await mkdir(here.placeOf(name)).catch((error) => {
					if (codeOf(error) !== "EEXIST") throw error;
				});
				present = await here.folder(name, "none").catch((error) => {
					if (!(error instanceof ConfinedFileError)) throw error;
					throw new ConfinedFileError("irregular", above, "is there, and is no folder");
				});
			} finally {
				await here.close();
			}
		}
		return present;
	}

	/** The path of a regular file inside, with every link resolved. @throws ConfinedFileError */
	async resolveFile(relative: string): Promise<string> {
		const { found, path: resolved } = await this.#resolve(relative, "inside", "followed");
		if ("handle" in found) await found.handle.close();
		if (found.kind !== "file") throw new ConfinedFileError("irregular", relative, "is not a regular file");
		return resolved;
	}

	/** What stands at a path, the last component not followed; null for nothing. @throws ConfinedFileError */
	async kindOf(relative: string): Promise<EntryKind | null> {
		try {
			const { found } = await this.#resolve(relative, "inside", "kept");
			if ("handle" in found) await found.handle.close();
			return found.kind;
		} catch (error) {
			if (error instanceof ConfinedFileError && error.problem === "absent") return null;
			throw error;
		}
	}

	/**
	 * What is in this folder, in the order of the names.
	 * @param calledHere what an error calls the folder
	 * @throws ConfinedFileError for a folder that the agent may not read
	 */
	async entries(calledHere = this.inside): Promise<FolderEntry[]> {
		const { place } = this.#root;
		try {
			const entries = await readdir(place, { withFileTypes: true });
			// Only the bytes tell a name that is not UTF-8 from one that has this very character in it.
			const named = entries.some(({ name }) => name.includes("\uFFFD"))
				? (await readdir(place, { withFileTypes: true, encoding: "buffer" })).map(entryOfBytes)
				: entries.map((entry) => ({ name: entry.name, kind: kindOfEntry(entry), raw: null }));
			return named.sort((a, b) => (a.name < b.name ? -1 : 1));
		} catch (error) {
			throw deniedOr(error, calledHere);
		}
	}

	/** Opens a folder in this one whose name is not UTF-8, to look into it; null where there is none. It must be closed. */
	async folderOfBytes({ name, raw }: FolderEntry): Promise<ConfinedFolder | null> {
		// Elsewhere than on Linux a folder is known by its path, and no text is the path of this one.
		if (!isLinux || raw === null) return null;
		const place = Buffer.concat([Buffer.from(`${this.#root.place}/`), raw.bytes]);
		const handle = await open(place, LOOK | constants.O_DIRECTORY).catch(() => null);
		return handle && new ConfinedFolder(levelOf(handle, "", joined(this.inside, name)), []);
	}

	/** Where a link leads, as it is written. @throws ConfinedFileError for what is no link any more */
	linkTarget(name: string): Promise<string> {
		return readTarget(this.placeOf(name), name);
	}

	/** What the system knows of this folder. */
	info() {
		return this.#root.handle.stat();
	}

	async #openFile(relative: string, links: LinkRule, flags: number): Promise<FileHandle> {
		const { found, place } = await this.#resolve(relative, links, "followed");
		if (found.kind === "folder") {
			await found.handle.close();
			throw new ConfinedFileError("irregular", relative, "is a folder, not a file");
		}
		if (found.kind !== "file") throw new ConfinedFileError("irregular", relative, "is not a regular file");
		try {
			// The very file that was looked at: the handle leads to it, not its name.
			return await open(isLinux ? `/proc/self/fd/${found.handle.fd}` : place, isLinux ? flags : flags | constants.O_NOFOLLOW);
		} catch (error) {
			throw deniedOr(error, relative);
		} finally {
			await found.handle.close();
		}
	}

	/** @param last whether a link that the whole path names is followed, too */
	async #resolve(relative: string, links: LinkRule, last: "followed" | "kept"): Promise<Resolved> {
		const levels: Level[] = [];
		const pending = partsOf(relative).reverse();
		let followed = 0;
		try {
			for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
				if (part === "..") {
					const left = levels.pop();
					if (!left) throw outside(relative);
					await left.handle.close();
					continue;
				}
				const place = `${(levels.at(-1) ?? this.#root).place}/${part}`;
				const found = await look(place, relative);
				if (found.kind === "folder") {
					levels.push(levelOf(found.handle, place, part));
					if (levels.length > MAX_DEPTH) throw tooDeep(relative);
					continue;
				}
				const isLast = pending.length === 0;
				if (found.kind === "link" && !(isLast && last === "kept")) {
					if (links === "none") throw new ConfinedFileError("irregular", relative, "is a symbolic link, or lies behind one");
					followed += 1;
					if (followed > MAX_LINKS) throw new ConfinedFileError("absent", relative, `lies behind more than ${MAX_LINKS} links`);
					const isAbsolute = found.target.startsWith("/");
					const inner = isAbsolute ? this.#inside(found.target) : found.target;
					if (inner === null) throw outside(relative);
					if (isAbsolute) for (const left of levels.splice(0)) await left.handle.close();
					pending.push(...partsOf(inner).reverse());
					continue;
				}
				if (isLast) return { found, place, path: pathOf([...levels, { name: part }]) };
				if (found.kind === "file") await found.handle.close();
				throw absent(relative);
			}
			const inside = pathOf(levels);
			const level = levels.pop() ?? (await this.#again());
			return { found: { kind: "folder", ...level }, place: level.place, path: inside };
		} finally {
			for (const { handle } of levels) await handle.close();
		}
	}

	/** What an absolute link says of this folder; null if it leads elsewhere. */
	#inside(target: string): string | null {
		const root = this.names.find((name) => target === name || target.startsWith(`${name}/`));
		return root === undefined ? null : target.slice(root.length);
	}

	/** A further handle of this folder. */
	async #again(): Promise<Level> {
		const { place } = this.#root;
		return levelOf(await open(`${place}/.`, LOOK | constants.O_DIRECTORY), place, "");
	}
}

async function look(place: string, relative: string): Promise<Look> {
	let handle: FileHandle;
	try {
		handle = await open(place, LOOK);
	} catch (error) {
		const code = codeOf(error);
		// Elsewhere than on Linux a link cannot be opened without being followed.
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

async function readTarget(place: string, relative: string): Promise<string> {
	try {
		return await readlink(place);
	} catch (error) {
		// It was a link a moment ago: a file that changes while it is looked up is not read.
		if (codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT") throw absent(relative);
		throw error;
	}
}

function levelOf(handle: FileHandle, ownPath: string, name: string): Level {
	return { handle, name, place: isLinux ? `/proc/self/fd/${handle.fd}` : ownPath };
}

function entryOfBytes(entry: Dirent<Buffer>): FolderEntry {
	const kind = kindOfEntry(entry);
	const name = entry.name.toString();
	return isUtf8(entry.name) ? { name, kind, raw: null } : { name, kind: "other", raw: { bytes: entry.name, kind } };
}

function kindOfEntry(entry: Dirent | Dirent<Buffer>): EntryKind {
	if (entry.isDirectory()) return "folder";
	if (entry.isFile()) return "file";
	return entry.isSymbolicLink() ? "link" : "other";
}

function partsOf(relative: string): string[] {
	return relative.split("/").filter((part) => part !== "" && part !== ".");
}

function pathOf(levels: readonly { name: string }[]): string {
	return levels.map(({ name }) => name).join("/");
}

/** A path of two parts, of which the first may be empty. */
export function joined(folder: string, name: string): string {
	return folder === "" ? name : `${folder}/${name}`;
}

/** The system names files by their handles; a person knows them by their paths. */
function deniedOr(error: unknown, relative: string): unknown {
	const isDenied = codeOf(error) === "EACCES" || codeOf(error) === "EPERM";
	return isDenied ? new ConfinedFileError("denied", relative, "cannot be read: the agent's user lacks the permission") : error;
}

function tooDeep(relative: string): ConfinedFileError {
	return new ConfinedFileError("too_deep", relative, `is nested more than ${MAX_DEPTH} folders deep`);
}

function absent(relative: string): ConfinedFileError {
	return new ConfinedFileError("absent", relative, "does not exist");
}

function outside(relative: string): ConfinedFileError {
	return new ConfinedFileError("outside", relative, "leads out of the folder that it is in");
}

function codeOf(error: unknown): string | undefined {
	return (error as NodeJS.ErrnoException).code;
}
