import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createTarPacker } from "modern-tar";
import { ConfinedFileError, isGone } from "../../files/confined_file_error.ts";
import type { ConfinedFolder } from "../../files/confined_folder.ts";
import { sha256 } from "../../files/hashing.ts";
import { joinPath } from "../../files/relative_path.ts";
import { walkFolder } from "../../files/walk_folder.ts";
import { DockerIgnore } from "./docker_ignore.ts";

/**
 * The build context is a tar archive of a folder of the workspace. Docker does not get the folder's
 * path, because the job could replace the folder by a link before docker opens it. Links are packed
 * as links, and the builder resolves them in the archive.
 */

/** A Dockerfile has some kilobytes. */
const MAX_DOCKERFILE_BYTES = 4 * 1024 * 1024;
const MAX_IGNORE_BYTES = 64 * 1024;
const IGNORE_FILE = ".dockerignore";
/** The room for a name in the header of an archive (POSIX ustar). */
const MAX_NAME_BYTES = 100;
const EPOCH = new Date(0);

export interface BuildContextFiles {
	/** The name of the Dockerfile in the archive. */
	dockerfile: string;
	archive: Readable;
	/** Resolves when nothing of the folders is read any more. */
	done: Promise<void>;
	/** Why packing failed; null while it did not. */
	readonly error: Error | null;
	/** Entries that are neither files, folders nor links. They are not sent. */
	leftOut: readonly string[];
}

/**
 * Starts to pack a folder of the workspace. The caller reads `archive` to its end, or destroys it,
 * before closing the folders.
 * @param context opened from the workspace
 * @param dockerfile its path in the workspace, which may be outside of the context; null:
 * `Dockerfile` in the context
 * @throws ConfinedFileError for a Dockerfile or ignore file that cannot be read; Error for an
 * invalid pattern
 */
export async function packBuildContext(
	workspace: ConfinedFolder,
	context: ConfinedFolder,
	dockerfile: string | null,
): Promise<BuildContextFiles> {
	const inContext = (name: string) => joinPath(context.inside, name);
	const asked = dockerfile ?? (await usualDockerfile(workspace, inContext));
	const found = await workspace.resolveFile(asked);
	const text = await workspace.read(found, MAX_DOCKERFILE_BYTES, "none");
	const ignoreText = await readIfThere(workspace, inContext(IGNORE_FILE));
	const own = `${asked}${IGNORE_FILE}`;
	const ownText = await readIfThere(workspace, own);
	const ignore = ownText === null ? new DockerIgnore(ignoreText ?? "", IGNORE_FILE) : new DockerIgnore(ownText, own);
	const isInside = context.inside === "" || found.startsWith(`${context.inside}/`);
	const inside = found.slice(inContext("").length);
	// BuildKit does not recognize an archive that begins with the extended header of a long name.
	const sentAs = isInside && Buffer.byteLength(inside) <= MAX_NAME_BYTES ? inside : substituteName(text);
	const packing = new Packing();
	const leftOut: string[] = [];
	const done = packing.run(async () => {
		await packing.bytes(sentAs, text);
		// Like docker's own command: the classic builder removes what this file names, BuildKit does not.
		const sentIgnore = isInside ? ignoreText : `${ignoreText ?? ""}\n${IGNORE_FILE}\n${sentAs}\n`;
		if (sentIgnore !== null) await packing.bytes(IGNORE_FILE, Buffer.from(sentIgnore));
		for await (const { path, kind, parent, name } of walkFolder(context, {
			isEntered: (folder, { raw }) => raw === null && ignore.isEntered(folder),
		})) {
			if (path === sentAs || path === IGNORE_FILE || ignore.isIgnored(path)) continue;
			if (kind === "other") leftOut.push(path);
			else await packing.entry(path, kind, parent, name);
		}
	});
	return {
		dockerfile: sentAs,
		archive: packing.archive,
		done,
		get error() {
			return packing.error;
		},
		leftOut,
	};
}

/** Docker looks for `Dockerfile` first, then for `dockerfile`. */
async function usualDockerfile(workspace: ConfinedFolder, inContext: (name: string) => string): Promise<string> {
	const [usual, other] = [inContext("Dockerfile"), inContext("dockerfile")];
	return (await workspace.kindOf(usual)) === null && (await workspace.kindOf(other)) !== null ? other : usual;
}

/**
 * The name in the archive of a Dockerfile outside the context. Equal texts have equal names, so
 * layers stay valid.
 */
function substituteName(text: Buffer): string {
	return `.dockerfile.${sha256(text).slice(0, 20)}`;
}

/** @throws ConfinedFileError for an entry that is not a regular file, or too large */
async function readIfThere(folder: ConfinedFolder, name: string): Promise<string | null> {
	try {
		return (await folder.read(name, MAX_IGNORE_BYTES)).toString("utf8");
	} catch (error) {
		if (error instanceof ConfinedFileError && error.problem === "absent") return null;
		throw error;
	}
}

/** An archive cannot store a time before 1970. */
function inArchive(time: Date): Date {
	return time < EPOCH ? EPOCH : time;
}

/** An archive that is written entry after entry while it is read. */
class Packing {
	readonly archive: Readable;
	error: Error | null = null;
	readonly #controller: ReturnType<typeof createTarPacker>["controller"];

	constructor() {
		const { readable, controller } = createTarPacker();
		this.#controller = controller;
		this.archive = Readable.fromWeb(readable as Parameters<typeof Readable.fromWeb>[0]);
		this.archive.on("error", () => undefined);
	}

	/** Never throws: the error is in `error`, and the reader of the archive gets it. */
	async run(body: () => Promise<void>): Promise<void> {
		try {
			await body();
			this.#controller.finalize();
		} catch (error) {
			// A destroyed archive fails for that reason alone.
			if (!this.archive.destroyed) this.error = error as Error;
			this.#controller.error(error);
		}
	}

	async bytes(name: string, bytes: Uint8Array): Promise<void> {
		const writer = this.#controller.add({ name, type: "file", size: bytes.byteLength, mode: 0o644, uid: 0, gid: 0 }).getWriter();
		if (bytes.byteLength > 0) await writer.write(bytes);
		await writer.close();
	}

	/**
	 * Adds an entry as it is at this moment. An entry that was removed or replaced since it was listed
	 * is left out.
	 */
	async entry(path: string, kind: "file" | "folder" | "link", parent: ConfinedFolder, name: string): Promise<void> {
		try {
			if (kind === "file") await this.#file(path, await parent.file(name, "none"));
			else if (kind === "folder") await this.#folder(path, await parent.folder(name, "none"));
			else await this.#add({ name: path, type: "symlink", linkname: await parent.linkTarget(name), size: 0, mode: 0o777 });
		} catch (error) {
			if (!isGone(error)) throw error;
		}
	}

	async #file(path: string, file: FileHandle): Promise<void> {
		try {
			const { size, mode, mtime } = await file.stat();
			const header = { name: path, type: "file", size, mode: mode & 0o7777, mtime: inArchive(mtime), uid: 0, gid: 0 } as const;
			const writer = this.#controller.add(header).getWriter();
			let left = size;
			// Only the announced bytes: a file may grow while it is read.
			if (size > 0)
				for await (const chunk of file.createReadStream({ start: 0, end: size - 1, autoClose: false })) {
					left -= (chunk as Buffer).length;
					await writer.write(new Uint8Array(chunk as Buffer));
				}
			if (left > 0) throw new Error(`${path} changed while it was read.`);
			await writer.close();
		} finally {
			await file.close();
		}
	}

	async #folder(path: string, folder: ConfinedFolder): Promise<void> {
		const { mode, mtime } = await folder.info().finally(() => folder.close());
		await this.#add({ name: joinPath(path, ""), type: "directory", size: 0, mode: mode & 0o7777, mtime: inArchive(mtime) });
	}

	async #add(header: Parameters<ReturnType<typeof createTarPacker>["controller"]["add"]>[0]): Promise<void> {
		await this.#controller.add({ ...header, uid: 0, gid: 0 }).close();
	}
}
