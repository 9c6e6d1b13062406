import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { ConfinedFileError, codeOf, deniedOr } from "./confined_file_error.ts";
import { type EntryKind, entryOf, entryOfBytes, type FolderEntry } from "./folder_entry.ts";
import { joinPath, namesIn } from "./relative_path.ts";
import {
	isLinux,
	type LinkRule,
	LOOK,
	type OpenFolder,
	openAgain,
	openFolderOf,
	type Root,
	readTarget,
	resolvePath,
} from "./resolve_path.ts";

const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const REPLACE = constants.O_WRONLY | constants.O_TRUNC | constants.O_NONBLOCK | constants.O_NOCTTY;
/** The reads of a stream: each costs the same time, and a buffer. */
const STREAM_BYTES = 512 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * An open folder. The agent opens everything that a repository or a job has made through it, so
 * that no link leads outside. It opens only regular files and folders.
 */
export class ConfinedFolder {
	readonly #opened: OpenFolder;
	readonly #root: Root;
	#isClosed = false;
	/** Absolute paths by which a link or a report may name this folder. */
	readonly names: readonly string[];

	private constructor(opened: OpenFolder, names: readonly string[]) {
		const assertOpen = () => this.#assertOpen();
		this.#opened = opened;
		this.names = names;
		this.#root = {
			...opened,
			names,
			get place() {
				assertOpen();
				return opened.place;
			},
		};
	}

	/** The number of a closed handle soon belongs to another folder. */
	#assertOpen(): void {
		if (this.#isClosed) throw new Error(`the folder ${this.#opened.name || "of the job"} is used after it was closed`);
	}

	/**
	 * Opens a folder that the agent has made. The caller closes it.
	 * @param knownAs the folder's path in a container: links that were made there use it
	 */
	static async open(folder: string, knownAs: string | null = null): Promise<ConfinedFolder> {
		const handle = await open(folder, LOOK | constants.O_DIRECTORY);
		return new ConfinedFolder(openFolderOf(handle, folder, ""), [folder, ...(knownAs === null ? [] : [knownAs])]);
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await this.#opened.handle.close();
	}

	/**
	 * A path that leads the system to this very folder while it is open, wherever its own path leads
	 * by now. Other processes of the agent's user can use it, too.
	 */
	get place(): string {
		return isLinux ? this.#root.place.replace("/self/", `/${process.pid}/`) : this.#root.place;
	}

	/**
	 * The system's path of an entry. Only for calls that do not follow the entry itself if it is a
	 * link.
	 */
	placeOf(name: string): string {
		return `${this.#root.place}/${name}`;
	}

	/** The path of this folder in the folder that it was opened from, with every link resolved. */
	get inside(): string {
		return this.#opened.name;
	}

	/** The system's information about this folder. */
	info() {
		this.#assertOpen();
		return this.#opened.handle.stat();
	}

	/**
	 * Opens a regular file for reading.
	 * @throws ConfinedFileError for everything else
	 */
	async file(relative: string, links: LinkRule = "inside"): Promise<FileHandle> {
		return this.#openFile(relative, links, READ);
	}

	/** Opens an existing regular file to write it anew. @throws ConfinedFileError as `file` does */
	async replace(relative: string): Promise<FileHandle> {
		return this.#openFile(relative, "none", REPLACE);
	}

	/**
	 * Opens a named pipe in this folder for writing; null if there is none, or nobody reads from it.
	 */
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

	/**
	 * The content of a regular file.
	 * @throws ConfinedFileError, also for a file that has more than `limit` bytes
	 */
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
			// The size of the file does not help: the file may grow, and files of the kernel have none.
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
		return (await this.file(relative)).createReadStream({ start, end, highWaterMark: STREAM_BYTES });
	}

	/** Opens a folder inside. The caller closes it. @throws ConfinedFileError */
	async folder(relative: string, links: LinkRule = "inside"): Promise<ConfinedFolder> {
		const { found, path: inside } = await resolvePath(this.#root, relative, links, "followed");
		if (found.kind === "folder") return new ConfinedFolder({ ...found, name: inside }, []);
		if (found.kind === "file") await found.handle.close();
		throw new ConfinedFileError("absent", relative, "is not a folder");
	}

	/**
	 * Opens a folder inside, and makes it if it does not exist. No link is followed.
	 * @throws ConfinedFileError
	 */
	async makeFolder(relative: string): Promise<ConfinedFolder> {
		let current = new ConfinedFolder(await openAgain(this.#root), []);
		let path = "";
		for (const name of namesIn(relative)) {
			const parent = current;
			path = joinPath(path, name);
			try {
				// Another file may have had it made in between.
				await mkdir(parent.placeOf(name)).catch((error) => {
					if (codeOf(error) !== "EEXIST") throw error;
				});
				current = await parent.folder(name, "none").catch((error) => {
					if (!(error instanceof ConfinedFileError)) throw error;
					throw new ConfinedFileError("irregular", path, "exists and is not a folder");
				});
			} finally {
				await parent.close();
			}
		}
		return current;
	}

	/** The path of a regular file inside, with every link resolved. @throws ConfinedFileError */
	async resolveFile(relative: string): Promise<string> {
		const { found, path: resolved } = await resolvePath(this.#root, relative, "inside", "followed");
		if ("handle" in found) await found.handle.close();
		if (found.kind !== "file") throw new ConfinedFileError("irregular", relative, "is not a regular file");
		return resolved;
	}

	/**
	 * The kind of an entry, whose last component is not followed; null if it does not exist.
	 * @throws ConfinedFileError
	 */
	async kindOf(relative: string): Promise<EntryKind | null> {
		try {
			const { found } = await resolvePath(this.#root, relative, "inside", "kept");
			if ("handle" in found) await found.handle.close();
			return found.kind;
		} catch (error) {
			if (error instanceof ConfinedFileError && error.problem === "absent") return null;
			throw error;
		}
	}

	/**
	 * The entries of this folder, sorted by name.
	 * @param shown the folder's path for an error message
	 * @throws ConfinedFileError for a folder that the agent may not read
	 */
	async entries(shown = this.inside): Promise<FolderEntry[]> {
		const { place } = this.#root;
		try {
			const entries = await readdir(place, { withFileTypes: true });
			// Only the bytes show whether a name has this character or is not UTF-8.
			const named = entries.some(({ name }) => name.includes("\uFFFD"))
				? (await readdir(place, { withFileTypes: true, encoding: "buffer" })).map(entryOfBytes)
				: entries.map(entryOf);
			return named.sort((a, b) => (a.name < b.name ? -1 : 1));
		} catch (error) {
			throw deniedOr(error, shown);
		}
	}

	/**
	 * Opens a folder in this one whose name is not UTF-8; null if it does not exist. The caller closes
	 * it.
	 */
	async folderOfBytes({ name, raw }: FolderEntry): Promise<ConfinedFolder | null> {
		// Other systems than Linux know a folder by its path, and no text is the path of this one.
		if (!isLinux || raw === null) return null;
		const place = Buffer.concat([Buffer.from(`${this.#root.place}/`), raw.bytes]);
		const handle = await open(place, LOOK | constants.O_DIRECTORY).catch(() => null);
		return handle && new ConfinedFolder(openFolderOf(handle, "", joinPath(this.inside, name)), []);
	}

	/**
	 * The target of a link, as it is written.
	 * @throws ConfinedFileError if the entry is no link any more
	 */
	linkTarget(name: string): Promise<string> {
		return readTarget(this.placeOf(name), name);
	}

	async #openFile(relative: string, links: LinkRule, flags: number): Promise<FileHandle> {
		const { found, place } = await resolvePath(this.#root, relative, links, "followed");
		if (found.kind === "folder") {
			await found.handle.close();
			throw new ConfinedFileError("irregular", relative, "is a folder, not a file");
		}
		if (found.kind !== "file") throw new ConfinedFileError("irregular", relative, "is not a regular file");
		try {
			// The handle leads to the very file that was looked at; its name may not.
			return await open(isLinux ? `/proc/self/fd/${found.handle.fd}` : place, isLinux ? flags : flags | constants.O_NOFOLLOW);
		} catch (error) {
			throw deniedOr(error, relative);
		} finally {
			await found.handle.close();
		}
	}
}
